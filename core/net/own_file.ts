/**
 * A file that this process can open whenever a descriptor is left: to tell whether one is. Its own source must be readable
 * anyway, for the threads; the program that runs it, and /proc, are not for a process with narrow permissions. In a binary
 * the source is no file that one could read, and the binary is one.
 */
const source = Deno.build.standalone ? undefined : import.meta.filename;

export function ownFile(): string {
  return source === undefined || source.startsWith("/proc/") ? Deno.execPath() : source;
}
