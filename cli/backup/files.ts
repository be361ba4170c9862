/**
 * Files of a data folder: listed, copied and linked, each with its sum and durable. Non-job: databases (database.ts), which
 * files (make.ts, restore.ts).
 */
import { createHash } from "node:crypto";
import { writeAll } from "../../core/store/durable_write.ts";

const CHUNK = 256 * 1024;
/** Folders in folders: more is a link that leads back. */
const DEEPEST = 40;

export interface FoundFile {
  /** Below the folder that was listed, with slashes. */
  readonly path: string;
  readonly info: Deno.FileInfo;
}

/** Everything below a folder, a folder before what is in it. What goes meanwhile is left out; sockets and the like too. */
export function* filesBelow(
  folder: string,
  { skip = () => false, below = "" }: { readonly skip?: (path: string) => boolean; readonly below?: string } = {},
): Generator<FoundFile> {
  const names = there(() => [...Deno.readDirSync(below === "" ? folder : `${folder}/${below}`)]) ?? [];
  for (const { name } of names.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = below === "" ? name : `${below}/${name}`;
    if (skip(path)) continue;
    const info = there(() => Deno.statSync(`${folder}/${path}`));
    if (info === null || !info.isFile && !info.isDirectory) continue;
    yield { path, info };
    if (!info.isDirectory) continue;
    if (path.split("/").length > DEEPEST) {
      throw new Error(`${folder}/${path} lies too deep: is a link in it one to itself?`);
    }
    yield* filesBelow(folder, { skip, below: path });
  }
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
