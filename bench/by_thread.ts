/**
 * CPU seconds of a process by what its threads are for, from /proc/PID/task. Job: reading, naming, adding up. Linux only.
 * Non-job: whole process trees (machine.ts).
 */

/** What a thread of Postern is for. `helpers`: the collector's and the compiler's, V8's own. */
export const PARTS = ["main", "writer", "reader", "ledger", "acceptors", "helpers", "runtime"] as const;
export type Part = typeof PARTS[number];
export type ByPart = Readonly<Record<Part, number>>;

/** Deno numbers Workers in the order of their start: the store's two, the ledger's, and whoever comes behind them. */
const WORKERS: readonly Part[] = ["writer", "reader", "ledger"];

function partOf(pid: number, tid: number, name: string): Part {
  if (tid === pid) return "main";
  const number = /^worker-(\d+)$/.exec(name)?.[1];
  if (number !== undefined) return WORKERS[Number(number) - 1] ?? "acceptors";
  return name.startsWith("V8") ? "helpers" : "runtime";
}

/** Of every thread that lives now; a thread that ended took its share along. */
export function cpuByPart(pid: number): ByPart {
  const used: Record<Part, number> = {
    main: 0,
    writer: 0,
    reader: 0,
    ledger: 0,
    acceptors: 0,
    helpers: 0,
    runtime: 0,
  };
  for (const { name: tid } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      const name = Deno.readTextFileSync(`/proc/${pid}/task/${tid}/comm`).trim();
      // Nanoseconds on a CPU: a thread's ticks in `stat` are too coarse for a short run.
      const spent = Number(Deno.readTextFileSync(`/proc/${pid}/task/${tid}/schedstat`).split(" ")[0]) / 1e9;
      used[partOf(pid, Number(tid), name)] += spent;
    } catch { /* it has just ended */ }
  }
  return used;
}

export function total(used: ByPart): number {
  return PARTS.reduce((sum, part) => sum + used[part], 0);
}
