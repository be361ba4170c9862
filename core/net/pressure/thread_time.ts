/** CPU time of the calling thread, where the kernel tells it. Non-job: that of the process, which other threads share. */
import { readFileSync } from "node:fs";

const FILE = "/proc/thread-self/schedstat";
let there = true;

/** Milliseconds since the thread began; null: nobody tells. Costs some microseconds. */
export function threadTime(): number | null {
  if (!there) return null;
  try {
    const nanoseconds = Number(readFileSync(FILE, "latin1").split(" ", 1)[0]);
    if (Number.isFinite(nanoseconds)) return nanoseconds / 1e6;
  } catch { /* not Linux, or not allowed */ }
  there = false;
  return null;
}
