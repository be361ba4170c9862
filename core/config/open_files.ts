/**
 * How many file descriptors this process may have. The kernel tells in /proc, which a process with narrow permissions
 * may not read; then it is found out by opening a file of its own over and over, up to what the server could use.
 */
import { ownFile } from "../net/own_file.ts";

/** Descriptors that may be open beside those that are; at most `most` when nobody tells the limit. */
export function openFileLimit(most = 20_300): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    if (match) return Number(match[1]);
  } catch { /* not Linux, or not allowed */ }
  return countOpenable(most);
}

function countOpenable(most: number): number {
  const files: Deno.FsFile[] = [], own = ownFile();
  try {
    while (files.length < most) files.push(Deno.openSync(own, { read: true }));
  } catch {
    /* that was the limit */
  } finally {
    for (const file of files) file.close();
  }
  return files.length;
}
