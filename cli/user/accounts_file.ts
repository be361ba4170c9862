/**
 * The accounts file under change: read, changed in one place and written whole, durable and in one step, by one at a time.
 * Lines that are not asked about stay as they are, octet for octet; so do mode and owner.
 * Non-job: what a line says (plugins/auth/accounts/line.ts), passwords.
 */
import { syncFolder, writeAll } from "../../core/store/durable_write.ts";
import {
  foldName,
  formatSecret,
  type Line,
  LineError,
  readLine,
  readSecret,
} from "../../plugins/auth/accounts/line.ts";
import { CommandError } from "../terminal.ts";

export interface AccountsPlace {
  readonly path: string;
  /** As the operator would name it. */
  readonly name: string;
  readonly caseSensitive: boolean;
}

const HEADER = "# Accounts of Postern: a name, then what it logs in with. `postern user` writes this file.\n";
const utf8 = new TextEncoder();

/** Its lines, each with the end that it has. */
export class AccountsText {
  #lines: string[];

  constructor(readonly place: AccountsPlace, text: string) {
    this.#lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  }

  /** @throws {CommandError} at the first line that cannot be read. */
  get accounts(): Line[] {
    return this.#lines.map((_, index) => this.#read(index)).filter((line) => line !== null);
  }

  /** The account, or null. What is wrong in other lines does not matter. @throws {CommandError} */
  find(name: string): Line | null {
    const index = this.#index(name);
    return index < 0 ? null : this.#read(index);
  }

  /** Puts a line in place of the one of that name, or at the end; null takes it out. */
  set(name: string, line: string | null): void {
    const index = this.#index(name);
    if (line === null) this.#lines.splice(index, 1);
    else if (index >= 0) this.#lines[index] = `${line}\n`;
    else {
      const last = this.#lines.length - 1;
      if (last >= 0 && !this.#lines[last]!.endsWith("\n")) this.#lines[last] += "\n";
      this.#lines.push(`${line}\n`);
    }
  }

  /** Gives the installation its secret if it has none. */
  keepSecret(make: () => string): void {
    const has = this.#lines.some((_, index) => this.#tell(index, readSecret) !== null);
    if (!has) this.#lines.unshift(...this.#lines.length === 0 ? [HEADER] : [], `${formatSecret(make())}\n`);
  }

  toString(): string {
    return this.#lines.join("");
  }

  #index(name: string): number {
    const { caseSensitive } = this.place, folded = foldName(name, caseSensitive);
    return this.#lines.findIndex((line) => {
      const [word = ""] = line.trim().split(/[ \t]+/, 1);
      return word !== "" && foldName(word, caseSensitive) === folded;
    });
  }

  #read(index: number): Line | null {
    return this.#tell(index, readLine);
  }

  #tell<T>(index: number, read: (line: string) => T): T {
    try {
      return read(this.#lines[index]!.replace(/\r?\n$/, ""));
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      throw new CommandError(`${this.place.name}:${index + 1}:${error.column + 1}: ${error.message}`);
    }
  }
}

/** The file as it is. @throws {CommandError} */
export async function readAccounts(place: AccountsPlace): Promise<AccountsText> {
  const there = await Deno.stat(place.path).catch(() => null);
  if (there !== null && !there.isFile) throw new CommandError(`${place.name}: is no file`);
  const octets = await Deno.readFile(place.path).catch((error) => {
    const none = error instanceof Deno.errors.NotFound;
    throw new CommandError(`${place.name}: ${none ? "there is no such file; postern user add makes it" : why(error)}`);
  });
  return new AccountsText(place, decode(place, octets));
}

/**
 * Changes the file, durable when it resolves. With `create` one that is not there is made, for its owner alone.
 *
 * @throws {CommandError} with the file as it was, unless the words say otherwise; also what `change` throws.
 */
export async function changeAccounts<T>(
  place: AccountsPlace,
  { create }: { readonly create: boolean },
  change: (text: AccountsText) => T | Promise<T>,
): Promise<T> {
  try {
    if (!create) await readAccounts(place);
    // A link is followed: the rename would put a file in its place
    const path = await Deno.realPath(place.path).catch(() => place.path);
    using file = await lock(path);
    const text = new AccountsText(place, decode(place, await Deno.readFile(path))); // nobody else replaces it now
    const result = await change(text);
    await replace(path, text.toString(), await file.stat());
    return result;
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError(`${place.name}: ${why(error)}`);
  }
}

/**
 * The file, held by a lock of the kernel that ends with this process however it ends. Whoever waited for it may hold a
 * file that has been replaced since: then it is the new one's turn.
 */
async function lock(path: string): Promise<Deno.FsFile> {
  while (true) {
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      await file.lock(true);
      const [mine, there] = [await file.stat(), await Deno.stat(path).catch(() => null)];
      if (!mine.isFile) throw new Error("is no file");
      if (there?.ino === mine.ino && there.dev === mine.dev) return file;
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
}

/** New file, written and synced, in place of the old one. */
async function replace(path: string, text: string, { mode, uid, gid }: Deno.FileInfo): Promise<void> {
  const temp = `${path}.new`;
  await Deno.remove(temp).catch(() => {}); // whoever left it is dead: the lock is ours
  const file = await Deno.open(temp, { write: true, createNew: true, mode: 0o600 });
  try {
    try {
      const made = await file.stat();
      // Who runs this as root must not take the file from the server
      if (made.uid !== uid || made.gid !== gid) await Deno.chown(temp, uid, gid);
      await Deno.chmod(temp, (mode ?? 0o600) & 0o777);
      await writeAll(file, utf8.encode(text));
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(temp, path);
  } catch (error) {
    await Deno.remove(temp).catch(() => {});
    throw error;
  }
  await syncFolder(path.slice(0, path.lastIndexOf("/")) || "/").catch((error) => {
    throw new CommandError(`${path} is changed, but a power cut may undo it: ${why(error)}`);
  });
}

function decode(place: AccountsPlace, octets: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new CommandError(`${place.name}: this is no UTF-8 text`);
  }
}

function why(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ");
}
