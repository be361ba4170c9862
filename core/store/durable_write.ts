/**
 * Files that are there after a power cut: temp file, write, fsync, rename, fsync of the folder. Any step that fails is
 * an error, is never tried again as if it had worked, and leaves neither the temp file nor the new name behind.
 * Used by the store and by storage plugins. Non-job: what stands in the file, what an error means to a sender.
 */
import { StoreError } from "./store.ts";

/** The system calls that a durable write needs; `Deno` has them all. */
export interface Files {
  open(path: string, options: Deno.OpenOptions): Promise<FileHandle>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
}
export interface FileHandle {
  write(octets: Uint8Array): Promise<number>;
  sync(): Promise<void>;
  close(): void;
}
export interface DurableWriteOptions {
  /** The name while it is written, nobody else's; on the same file system. */
  readonly temp: string;
  /** Whatever the umask is. Default 0600. */
  readonly mode?: number;
  /** Aborted: the write ends, and nothing is left of it. */
  readonly signal?: AbortSignal;
  readonly files?: Files;
}

/** `full` when there is no space or no quota left, else `io`. */
export function diskFault(error: unknown): "full" | "io" {
  const { code, message } = error as { code?: string; message?: string };
  return code === "ENOSPC" || code === "EDQUOT" || /os error (28|122)\)/.test(message ?? "") ? "full" : "io";
}

/** The error as a StoreError that says what was being done. */
export function diskError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  return new StoreError(diskFault(error), `${doing}: ${error instanceof Error ? error.message : String(error)}`);
}

/**
 * Writes `content` to `path`, durable when the promise resolves. What was at `path` is replaced. Where the name depends
 * on what was written, `path` is asked for it once everything is.
 *
 * @throws the error of the step, of `content`, or the reason of `signal`; then nothing is at `path` or the temp name.
 */
export async function durableWrite(
  path: string | (() => string),
  content: AsyncIterable<Uint8Array>,
  options: DurableWriteOptions,
): Promise<void> {
  const { temp, mode = 0o600, signal, files = Deno } = options;
  let left: string | null = null; // the name to take back when a step fails
  try {
    const file = await files.open(temp, { write: true, createNew: true, mode });
    left = temp;
    try {
      if (mode & 0o077) await files.chmod(temp, mode); // the umask may have taken bits away
      for await (const octets of content) {
        signal?.throwIfAborted();
        await writeAll(file, octets);
      }
      signal?.throwIfAborted();
      await file.sync();
    } finally {
      file.close();
    }
    const name = typeof path === "string" ? path : path();
    await files.rename(temp, name);
    left = name; // a folder that failed to sync may say yes the next time without having written: the name must not stay
    await syncFolder(parent(name), files);
  } catch (error) {
    if (left !== null) await files.remove(left).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

/** Every octet, however many a call takes. */
export async function writeAll(file: Pick<FileHandle, "write">, octets: Uint8Array): Promise<void> {
  for (let at = 0; at < octets.length;) at += await file.write(octets.subarray(at));
}

/** Makes names in the folder durable: new files, renames, removals. */
export async function syncFolder(folder: string, files: Files = Deno): Promise<void> {
  const handle = await files.open(folder, { read: true });
  try {
    await handle.sync();
  } finally {
    handle.close();
  }
}

/** Makes the folder and the missing ones above it, each durable in the one above; its own name also where it was there. */
export async function durableFolder(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const { mode = 0o700 } = options;
  try {
    await Deno.mkdir(path, { mode });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && parent(path) !== path) {
      await durableFolder(parent(path), options);
      return durableFolder(path, options);
    }
    if (!(error instanceof Deno.errors.AlreadyExists)) throw diskError(error, `cannot make the folder ${path}`);
    if (!(await Deno.stat(path)).isDirectory) throw new StoreError("io", `${path} is not a folder`);
  }
  try {
    await syncName(path); // even if it was there: whoever made it may have synced nothing, or died before he could
  } catch (error) {
    throw diskError(error, `cannot make the folder ${path}`);
  }
}

/** Makes the name of a folder durable. Who may not read the one above syncs it alone: every journal of Linux brings the name along. */
export async function syncName(path: string): Promise<void> {
  try {
    await syncFolder(parent(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable)) throw error;
    await syncFolder(path);
  }
}

/** The folder that a path stands in. */
export function parent(path: string): string {
  const bare = path.replace(/\/+$/, "");
  const slash = bare.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : bare.slice(0, slash);
}
