/**
 * How near the process is to the end of its memory: what is resident against what the machine or the control group gives,
 * and the objects of this thread against what V8 allows, whichever is nearer. Where nobody tells, there is no end.
 * Non-job: deciding anything from it (pressure.ts).
 */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import process from "node:process";
import { getHeapStatistics } from "node:v8";

/** Octets that all of the process may take: of the control groups above it the least, of the machine otherwise. */
export function memoryGiven(root = "/sys/fs/cgroup"): number {
  const total = told(() => totalmem());
  const groups = told(() => readFileSync("/proc/self/cgroup", "utf8")) ?? "";
  let least = total === null || total <= 0 ? Infinity : total;
  for (const line of groups.split("\n")) {
    const found = /^\d+:(memory)?:(\/.*)$/.exec(line); // version 2: "0::/path"; version 1: "4:memory:/path"
    if (found === null) continue;
    const [, old, path] = found, base = old === undefined ? root : `${root}/memory`;
    const file = old === undefined ? "memory.max" : "memory.limit_in_bytes";
    for (let at = path!; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      const limit = Number(told(() => readFileSync(`${base}${at === "/" ? "" : at}/${file}`, "utf8"))?.trim() ?? NaN);
      if (limit > 0 && limit < least) least = limit; // NaN: "max", or no such file
    }
  }
  return least;
}

function told<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch {
    return null;
  }
}

/** The part of `given` octets, or of nine tenths of V8's limit, that is taken; 1 or more: no more should be. */
export function memoryTaken(given: number): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return Math.max(resident() / given, limit > 0 ? used / (limit * HEAP_PART) : 0);
}
const HEAP_PART = 0.9;

/** Without pages of files (the program itself), which the kernel can take back: in a small container they are half of it. */
function resident(): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB/m.exec(told(() => readFileSync("/proc/self/status", "latin1")) ?? "")?.[1];
  return kilobytes === undefined ? told(() => process.memoryUsage.rss()) ?? 0 : Number(kilobytes) * 1024;
}
