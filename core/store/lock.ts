/**
 * One process per data folder: a lock of the kernel on the file `lock`, which ends with the process however it ends, so
 * that no stale lock exists; the pid in it is for people. Such locks mean nothing on a network file system, and neither
 * does fsync on many: a folder there is refused (SEMANTICS 25). Non-job: sharing data between nodes.
 */
import { diskError } from "./durable_write.ts";
import { StoreError } from "./store.ts";

export interface FolderLock {
  release(): void;
}
export interface LockOptions {
  /** The mount table, as /proc/mounts has it. */
  readonly mounts?: string;
}

const REMOTE = /^(nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|9p|fuse\.(sshfs|glusterfs|s3fs|davfs2?))$/;

/**
 * Takes the folder for this process.
 *
 * @throws {StoreError} when another process has it (the message names the pid) or the folder cannot be locked.
 */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<FolderLock> {
  const type = fileSystem(await Deno.realPath(folder), options.mounts ?? await mountTable());
  if (REMOTE.test(type)) {
    throw new StoreError("io", `the data folder ${folder} is on ${type}; it must be on a local disk`);
  }
  const path = `${folder}/lock`;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw diskError(error, `the data folder ${folder} cannot be locked`);
  }
  try {
    if (!await file.tryLock(true)) {
      const pid = (await Deno.readTextFile(path)).trim();
      const who = /^\d+$/.test(pid) ? `process ${pid}` : "another process";
      throw new StoreError("io", `the data folder ${folder} is in use by ${who}; stop it first`);
    }
    await file.truncate();
    await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    throw diskError(error, `the data folder ${folder} cannot be locked`);
  }
  return { release: () => file.close() }; // the file stays: removing it would let two processes lock two files
}

async function mountTable(): Promise<string> {
  try {
    return await Deno.readTextFile("/proc/mounts");
  } catch {
    return ""; // not Linux, or not readable: nothing is known
  }
}

/** Type of the file system that holds an absolute path: the longest mount point above it, the last one if mounted over. */
export function fileSystem(path: string, mounts: string): string {
  let best = "", type = "";
  for (const line of mounts.split("\n")) {
    const [, point = "", kind = ""] = line.split(" ");
    const at = point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
    const above = at === "/" || path === at || path.startsWith(`${at}/`);
    if (at !== "" && above && at.length >= best.length) [best, type] = [at, kind];
  }
  return type;
}
