/**
 * How many file descriptors this process may have. The kernel tells in /proc, which a process with narrow permissions
 * may not read; then it is found out by opening a file of its own over and over, up to what the server could use.
 */
import { closeSync, openSync } from "node:fs";
import { ownFile } from "../net/own_file.ts";

/** More than a server can use. */
const MOST = 20_300;
let known: number | null = null;

/** Descriptors that may be open beside those that were when it was first asked; at most 20,300 when nobody tells the limit. */
export function openFileLimit(): number {
  return known ??= told() ?? countOpenable(MOST);
}

function told(): number | null {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    if (match) return Number(match[1]);
  } catch { /* not Linux, or not allowed */ }
  return null;
}

function countOpenable(most: number): number {
  const files: number[] = [], own = ownFile();
  try {
    while (files.length < most) files.push(openSync(own, "r"));
  } catch {
    /* that was the limit */
  } finally {
    for (const file of files) closeSync(file);
  }
  return files.length;
}
