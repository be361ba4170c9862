/**
 * One process per data folder: a lock of the kernel on the file `lock`, which ends with the process however it ends, so
 * that no stale lock exists; the pid in it is for people. Such locks mean nothing on a network file system, and neither
 * does fsync on many: a folder there is refused (SEMANTICS 25). Non-job: sharing data between nodes.
 */
import { statfsSync } from "node:fs";
import { diskError } from "./durable_write.ts";
import { StoreError } from "./store.ts";

export interface FolderLock {
  release(): void;
}
export interface LockOptions {
  /** The number of the file system's type (statfs); asked of the kernel when it is not given. */
  readonly fileSystem?: number;
}

/** Network file systems by the number that statfs(2) tells. What hides behind FUSE it does not tell. */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x517b, "smb"],
  [0x564c, "ncpfs"],
  [0x5346414f, "afs"],
  [0x01021997, "9p"],
  [0x00c36400, "ceph"],
]);

/**
 * Takes the folder for this process.
 *
 * @throws {StoreError} when another process has it (the message names the pid) or the folder cannot be locked.
 */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<FolderLock> {
  const type = REMOTE.get(options.fileSystem ?? fileSystemOf(folder));
  if (type !== undefined) {
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

/** The numbers are Linux's; elsewhere nothing is known. The mount table would tell more, to who may read /proc. */
function fileSystemOf(folder: string): number {
  return Deno.build.os === "linux" ? Number(statfsSync(folder).type) : 0;
}
