/**
 * The machine and what a process tree uses of it, read from /proc. Job: CPU seconds, resident memory, what to print so
 * that a result can be judged. Linux only. Non-job: starting anything.
 */

/** USER_HZ: the unit of utime and stime in /proc/PID/stat on every Linux in use. */
const TICKS = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Ticks of the process, all its threads and all children that it has waited for. */
  readonly ticks: number;
}

function stat(pid: number): Stat | null {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const f = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number); // f[0] is field 3 of proc(5)
    return { pid, parent: f[1]!, ticks: f[11]! + f[12]! + f[13]! + f[14]! };
  } catch {
    return null; // it has ended
  }
}

/** The process and all its descendants that live now. */
export function tree(root: number): Stat[] {
  const children = new Map<number, Stat[]>();
  for (const entry of Deno.readDirSync("/proc")) {
    const found = /^\d+$/.test(entry.name) ? stat(Number(entry.name)) : null;
    if (found) children.set(found.parent, [...children.get(found.parent) ?? [], found]);
  }
  const top = stat(root);
  const all = top ? [top] : [];
  for (let i = 0; i < all.length; i++) all.push(...children.get(all[i]!.pid) ?? []);
  return all;
}

/** CPU seconds, user and system, of a tree since its start: living processes and the dead ones they waited for. */
export function cpuSeconds(root: number): number {
  return tree(root).reduce((sum, process) => sum + process.ticks, 0) / TICKS;
}

/** Octets resident, summed over the tree. */
export function residentBytes(root: number): number {
  return tree(root).reduce((sum, process) => {
    try {
      const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${process.pid}/status`))?.[1];
      return sum + Number(kilobytes ?? 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);
}

/**
 * Waits until the tree, or what `used` counts, has used at most one tick of CPU in 400 ms. False when `limit` seconds pass
 * first.
 */
export async function untilIdle(root: number, limit = 60, used = () => cpuSeconds(root)): Promise<boolean> {
  const end = performance.now() + limit * 1000;
  for (let quiet = 0, since = used(); performance.now() < end;) {
    await new Promise((wake) => setTimeout(wake, 100));
    const now = used();
    if (now - since > 1.5 / TICKS) {
      since = now;
      quiet = 0;
    } else if (++quiet === 4) return true;
  }
  return false;
}

function run(program: string, ...args: string[]): string {
  try {
    const { stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  } catch {
    return "";
  }
}

/** The version a program prints, or "?". */
export function versionOf(program: string, ...args: string[]): string {
  return run(program, ...args).split("\n")[0] || "?";
}

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memory: string;
  readonly kernel: string;
  readonly deno: string;
  /** Of the folder that holds the servers' data. */
  readonly filesystem: string;
}

export function describeMachine(folder: string): Machine {
  return {
    cores: navigator.hardwareConcurrency,
    cpu: /model name\s*:\s*(.+)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "?",
    memory: `${Math.round(Deno.systemMemoryInfo().total / 2 ** 30)} GiB`,
    kernel: Deno.osRelease(),
    deno: Deno.version.deno,
    filesystem: run("findmnt", "-n", "-o", "FSTYPE", "--target", folder) || "?",
  };
}
