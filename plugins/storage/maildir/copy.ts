/**
 * One recipient's copy as a file: written to tmp, synced, renamed into new, the folder synced. When `storeCopy` has
 * resolved the copy outlives a power failure; when it has rejected nothing of it is left. Non-job: the folders
 * (folder.ts), the octets (content.ts), whom to tell (mod.ts).
 */
import { durableWrite, syncFolder } from "../../../core/store/durable_write.ts";
import { copyOf } from "./content.ts";
import { fileName } from "./file_name.ts";
import { LineFeeds } from "./line_feed.ts";

export interface Copy {
  /** The mailbox, with tmp, new and cur in it. */
  readonly folder: string;
  /** What every attempt at this copy shares (file_name.ts). */
  readonly prefix: string;
  readonly host: string;
  readonly deliveredTo: string;
  readonly mode: number;
}

/**
 * Writes the copy, whatever an earlier attempt has left.
 *
 * @throws the error of the file system, or the reason of `signal`.
 */
export async function storeCopy(
  copy: Copy,
  message: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { folder, prefix, host, mode } = copy;
  // A name of its own for each attempt: two that overlap (a lease ran out) must not write into one file.
  const temp = `${folder}/tmp/${prefix}${crypto.randomUUID()}`;
  const lines = new LineFeeds();
  const path = () => `${folder}/new/${fileName(prefix, { host, size: lines.size, virtualSize: lines.virtualSize })}`;
  await durableWrite(path, copyOf(message, copy.deliveredTo, lines), { temp, mode, signal });
}

/**
 * Whether an earlier attempt has stored this copy: in new, or in cur with the flags of a reader. Makes that durable, as
 * the attempt may have ended between its rename and its sync. New is looked at first, since files move from new to cur.
 */
export async function isStored(folder: string, prefix: string): Promise<boolean> {
  for (const part of ["new", "cur"]) {
    for await (const entry of Deno.readDir(`${folder}/${part}`)) {
      if (!entry.name.startsWith(prefix)) continue;
      await syncFolder(`${folder}/${part}`);
      return true;
    }
  }
  return false;
}
