/**
 * A control group for a server whose processes leave their parents without being waited for, so that /proc loses their CPU
 * time: cgroup v2, or v1's cpuacct. Linux and root only. Non-job: limits; servers whose process tree is whole (machine.ts).
 */
import { waitFor } from "../tests/support/wait.ts";

interface Hierarchy {
  readonly root: string;
  /** Of the group, CPU seconds. */
  read(folder: string): number;
}

const HIERARCHIES: readonly Hierarchy[] = [
  { root: "/sys/fs/cgroup/cpuacct", read: (folder) => Number(Deno.readTextFileSync(`${folder}/cpuacct.usage`)) / 1e9 },
  ...["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map((root) => ({
    root,
    read: (folder: string) => Number(/^usage_usec (\d+)/m.exec(Deno.readTextFileSync(`${folder}/cpu.stat`))?.[1]) / 1e6,
  })),
];

export class ControlGroup {
  private constructor(private readonly folder: string, private readonly hierarchy: Hierarchy) {}

  /** Null where this machine has none for us. */
  static make(name: string): ControlGroup | null {
    for (const hierarchy of HIERARCHIES) {
      const folder = `${hierarchy.root}/postern-bench-${name}-${crypto.randomUUID().slice(0, 8)}`;
      try {
        Deno.mkdirSync(folder);
        const group = new ControlGroup(folder, hierarchy);
        if (Number.isFinite(group.cpuSeconds())) return group;
        Deno.removeSync(folder);
      } catch { /* not this one */ }
    }
    return null;
  }

  /** The command that runs `command` in it, as the same process. */
  around(command: readonly string[]): string[] {
    return ["sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, this.folder, ...command];
  }

  /** User and system time of all that ever ran in it. */
  cpuSeconds(): number {
    return this.hierarchy.read(this.folder);
  }

  /** Waits until it is empty, then removes it; after ten seconds it ends by force who is left. */
  async remove(): Promise<void> {
    const pids = () => Deno.readTextFileSync(`${this.folder}/cgroup.procs`).split("\n").filter(Boolean).map(Number);
    await waitFor("the end of all processes", () => pids().length === 0).catch(() => {
      for (const pid of pids()) Deno.kill(pid, "SIGKILL");
    });
    await waitFor("an empty group", () => pids().length === 0);
    Deno.removeSync(this.folder);
  }
}
