/**
 * Files of a data folder: listed, copied and linked, each with its sum and durable. Non-job: databases (database.ts), which
 * files (make.ts, restore.ts).
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { writeAll } from "../../core/store/durable_write.ts";

const CHUNK = 256 * 1024;
/** Folders in folders: more is a link that leads back. */
const DEEPEST = 40;

export interface FoundFile {
  /** Below the folder that was listed, with slashes. */
  readonly path: string;
  readonly info: Deno.FileInfo;
}

/**
 * Everything below a folder, a folder before what is in it, and names from the last to the first: in a Maildir `new` comes
 * before `cur`, so what moves on meanwhile is met twice and not missed. What goes is left out; sockets and the like too. A
 * link counts as what it leads to where it belongs to root or to the folder's owner; another's might lead anywhere.
 */
export function* filesBelow(
  folder: string,
  { skip = () => false, below = "" }: { readonly skip?: (path: string) => boolean; readonly below?: string } = {},
): Generator<FoundFile> {
  const owner = there(() => Deno.statSync(folder))?.uid ?? 0;
  const names = there(() => [...Deno.readDirSync(below === "" ? folder : `${folder}/${below}`)]) ?? [];
  for (const { name } of names.sort((a, b) => a.name < b.name ? 1 : -1)) {
    const path = below === "" ? name : `${below}/${name}`;
    if (skip(path)) continue;
    const info = infoOf(`${folder}/${path}`, owner);
    if (info === null || !info.isFile && !info.isDirectory) continue;
    yield { path, info };
    if (!info.isDirectory) continue;
    if (path.split("/").length > DEEPEST) {
      throw new Error(`${folder}/${path} lies too deep: is a link in it one to itself?`);
    }
    yield* filesBelow(folder, { skip, below: path });
  }
}

function infoOf(path: string, owner: number): Deno.FileInfo | null {
  const info = there(() => Deno.lstatSync(path));
  if (!info?.isSymlink) return info;
  return info.uid === 0 || info.uid === owner ? there(() => Deno.statSync(path)) : null;
}

/** Null when the file is gone. */
export function there<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

export interface Summed {
  readonly size: number;
  readonly sha256: string;
}

/** Copies a file that is not there yet; durable but for its name. */
export async function copied(from: string, to: string, mode: number): Promise<Summed> {
  using source = await Deno.open(from, { read: true });
  using target = await Deno.open(to, { write: true, createNew: true, mode: 0o600 });
  const summed = await through(source, (octets) => writeAll(target, octets));
  await Deno.chmod(to, mode);
  await target.sync();
  return summed;
}

/**
 * Copies a file out of a folder that everybody may write to: neither through a link nor out of a pipe, and no file that has
 * another name elsewhere, nor more than `most` octets: a hole of a terabyte costs who makes it nothing. False where it is
 * none of that, or must not be read; then nothing is at `to`.
 */
export async function copiedWithDistrust(
  from: string,
  to: string,
  { mode, most }: { readonly mode: number; readonly most: number },
): Promise<Summed | false> {
  let source;
  try {
    source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") throw new Deno.errors.NotFound(from);
    if (["EACCES", "EPERM", "ELOOP", "ENXIO"].includes((error as { code?: string }).code ?? "")) return false;
    throw error;
  }
  try {
    const info = await source.stat();
    if (!info.isFile() || info.nlink !== 1 || info.size > most) return false;
    using target = await Deno.open(to, { write: true, createNew: true, mode: 0o600 });
    const hash = createHash("sha256"), buffer = Buffer.alloc(CHUNK);
    let size = 0;
    while (size < info.size) { // what grows meanwhile does not hold us up
      const { bytesRead } = await source.read(buffer, 0, Math.min(CHUNK, info.size - size), size);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      await writeAll(target, buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    await Deno.chmod(to, mode);
    await target.sync();
    return { size, sha256: hash.digest("hex") };
  } finally {
    await source.close();
  }
}

/** What a file has. */
export async function summed(path: string): Promise<Summed> {
  using file = await Deno.open(path, { read: true });
  return await through(file, () => {});
}

/** Makes what was written by others durable. */
export function synced(path: string): void {
  using file = Deno.openSync(path, { read: true });
  file.syncSync();
}

/** False where there can be no link: another file system, or one that knows none. */
export function linked(from: string, to: string): boolean {
  try {
    Deno.linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists) throw error;
    return false;
  }
}

async function through(file: Deno.FsFile, each: (octets: Uint8Array) => void | Promise<void>): Promise<Summed> {
  const hash = createHash("sha256"), buffer = new Uint8Array(CHUNK);
  let size = 0;
  for (let count; (count = await file.read(buffer)) !== null;) {
    const octets = buffer.subarray(0, count);
    hash.update(octets);
    await each(octets);
    size += count;
  }
  return { size, sha256: hash.digest("hex") };
}
