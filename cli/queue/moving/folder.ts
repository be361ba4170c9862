/**
 * Who has the folder of an export or import: a lock of the kernel on the folder itself, which ends with the process and
 * leaves no file behind. Non-job: what is in it (export.ts, import.ts).
 */
import { CommandError } from "../../terminal.ts";

/**
 * Takes a folder for one that writes to it, or with `look` for any number that only look.
 *
 * @throws {CommandError} when another export or import is at it. Where a file system knows no locks nobody is kept out.
 */
export async function takeFolder(
  folder: string,
  { look = false }: { readonly look?: boolean } = {},
): Promise<Disposable> {
  const handle = await Deno.open(folder, { read: true });
  const free = await handle.tryLock(!look).catch(() => true);
  if (!free) {
    handle.close();
    throw new CommandError(`another queue export or import is at ${folder}: wait for its end, or name another folder`);
  }
  return { [Symbol.dispose]: () => handle.close() };
}
