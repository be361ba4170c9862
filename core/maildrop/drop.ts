/**
 * A message that waits in the maildrop: two lines of our own and the message. Written so that a power cut leaves it whole
 * or not at all, read with distrust: the folder takes files of everybody on this machine. Non-job: handing it in.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { z } from "zod";
import { newId } from "../model/id.ts";
import { diskError, durableFolder, syncFolder, writeAll } from "../store/durable_write.ts";

/** The end of the year 9999: what is later is no date that a report could tell. */
const LAST_MOMENT = 253_402_300_799_999;

const Envelope = z.strictObject({
  /** Empty: the null sender. */
  from: z.string().max(1000),
  to: z.array(z.string().min(1).max(1000)).min(1).max(100_000),
  notify: z.array(z.enum(["NEVER", "SUCCESS", "FAILURE", "DELAY"])).nullable(),
  ret: z.enum(["FULL", "HDRS"]).nullable(),
  envid: z.string().max(100).nullable(),
  /** When it was handed in, milliseconds since 1970. */
  at: z.int().min(0).max(LAST_MOMENT),
  /** Octets of the message: what is shorter was not written whole. */
  size: z.int().min(0),
});
/** Who sends what to whom. */
export interface Drop extends Omit<z.output<typeof Envelope>, "size" | "to"> {
  readonly to: readonly string[];
  /** The message with CRLF line ends. */
  readonly content: Uint8Array<ArrayBuffer>;
}

/** The folder takes no message, or a file in it is none. */
export class DropError extends Error {
  override readonly name = "DropError";
}

const MAGIC = "postern drop 1\n";
/** Of the two lines together, octets. */
export const MOST_ENVELOPE = 4 * 1024 * 1024;
/** The time it came, and what nobody can guess: who may write to the folder may not list it. */
const NAME = /^[0-9A-HJKMNP-TV-Z]{26}-[0-9a-f]{24}$/;
const LF = 10;

/** True for the name of a message that is whole; others are being written, or are none of ours. */
export function isDropName(name: string): boolean {
  return NAME.test(name);
}

/** Everybody may put a file there; nobody but the server lists them. A file belongs to who wrote it, who may take it back. */
const FOLDER_MODE = 0o1733;

/** For files that are no messages. */
export function asideOf(folder: string): string {
  return `${folder}/bad`;
}

/** The server's part: makes the folder. @throws {StoreError} */
export async function makeMaildrop(folder: string): Promise<void> {
  await durableFolder(folder);
  await durableFolder(asideOf(folder)); // before the folder is open: else it might be somebody else's
  try {
    await Deno.chmod(folder, FOLDER_MODE); // whatever the umask is
  } catch (error) {
    throw diskError(error, `cannot open ${folder} for the programs of this machine`);
  }
}

/**
 * Leaves a message there; durable when it resolves. Returns its name.
 *
 * @throws {DropError} in one line; nothing is left then.
 */
export async function leaveDrop(folder: string, drop: Drop): Promise<string> {
  const { content, ...envelope } = drop;
  const name = `${newId(drop.at)}-${crypto.getRandomValues(new Uint8Array(12)).toHex()}`;
  const temp = `${folder}/tmp-${name}`;
  let left: string | null = null;
  try {
    const own = (await Deno.stat(folder)).uid === uid();
    // For a server that is another user; who cannot list the folder does not find it
    const mode = own ? 0o600 : 0o644;
    const file = await Deno.open(temp, { write: true, createNew: true, mode });
    left = temp;
    try {
      if (!own) await Deno.chmod(temp, mode);
      const head = `${MAGIC}${JSON.stringify({ ...envelope, size: content.length })}\n`;
      await writeAll(file, new TextEncoder().encode(head));
      await writeAll(file, content);
      await file.sync();
      await Deno.rename(temp, `${folder}/${name}`);
      left = `${folder}/${name}`;
      await syncName(folder, file);
    } finally {
      file.close();
    }
    return name;
  } catch (error) {
    if (left !== null) await Deno.remove(left).catch(() => {});
    const why = error instanceof Deno.errors.NotFound
      ? "is not there; the server makes it at its start"
      : `takes no mail: ${error instanceof Error ? error.message : error}`;
    throw new DropError(`${folder} ${why}`);
  }
}

/** Who may not read the folder cannot sync it: then the file brings its new name along, on every journal of Linux. */
async function syncName(folder: string, file: Deno.FsFile): Promise<void> {
  try {
    await syncFolder(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable)) throw error;
    await file.sync();
  }
}

function uid(): number | null {
  try {
    return Deno.uid();
  } catch {
    return null; // not allowed to know
  }
}

/**
 * Reads one.
 *
 * @throws {DropError} when it is none, or too large.
 */
export async function readDrop(path: string, options: { readonly most: number }): Promise<Drop> {
  const octets = await octetsOf(path, options.most + MOST_ENVELOPE);
  const first = octets.indexOf(LF), second = octets.subarray(0, MOST_ENVELOPE).indexOf(LF, first + 1);
  const text = new TextDecoder().decode(octets.subarray(0, Math.max(second, 0)));
  if (!text.startsWith(MAGIC)) throw new DropError("it does not begin as a message of the maildrop does");
  let written: unknown;
  try {
    written = JSON.parse(text.slice(MAGIC.length));
  } catch {
    throw new DropError("its envelope cannot be read");
  }
  const read = Envelope.safeParse(written);
  if (!read.success) throw new DropError(`its envelope is wrong: ${read.error.issues[0]?.path.join(".")}`);
  const content = octets.slice(second + 1), { size, ...envelope } = read.data;
  if (content.length !== size) throw new DropError(`it has ${content.length} octets of a message of ${size}`);
  if (size > options.most) throw new DropError(`it has ${size} octets, and a message may have ${options.most}`);
  return { ...envelope, content };
}

/** Neither through a link nor out of a pipe, nor a file that has another name elsewhere: it might be another's. */
async function octetsOf(path: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") throw new DropError("it is gone");
    throw new DropError(`it cannot be read: ${(error as Error).message}`);
  }
  try {
    const info = await file.stat(), { nlink, size } = info;
    if (!info.isFile()) throw new DropError("it is no file");
    if (nlink !== 1) throw new DropError("it has another name elsewhere");
    if (size > most) throw new DropError(`it has ${size} octets`);
    const octets = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await file.read(octets, at, size - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return octets.subarray(0, at);
  } finally {
    await file.close();
  }
}
