/**
 * The accounts of the configuration and of the file beside it. The file is looked at when somebody logs in, at most once
 * a second, and read anew when it has changed; a new file that is broken, or none, changes nothing but the operator's log.
 */
import { resolve } from "node:path";
import { OptionsError } from "../../../core/pipeline/mod.ts";
import { AccountsError, AccountTable, type Lines, type TableOptions } from "./table.ts";

/** A look, and how old a change has to be: a file written in place is read when its writer has finished. */
const SECOND = 1000;

export interface SourceOptions extends TableOptions {
  /** Lines that stand in the configuration. */
  readonly inline: readonly string[];
  readonly file: string | null;
  /** Folder that `file` starts from. */
  readonly base: string;
  readonly trouble: (message: string) => void;
  /** Called with each table after the first. */
  readonly changed: (table: AccountTable) => void;
}

export class Source {
  #table: AccountTable;
  readonly #path: string | null;
  /** State of the file that was read, and of the last look. */
  #read = "";
  #seen = "";
  #looked = -Infinity;

  /** @throws {OptionsError} with each fault: its place in the configuration, or its line and column in the file. */
  constructor(readonly options: SourceOptions) {
    const { file, base } = options;
    this.#path = file === null ? null : resolve(base, file);
    try {
      if (this.#path !== null) {
        const { state, open } = stateOf(this.#path);
        this.#read = this.#seen = state;
        if (open) options.trouble(`${file} can be read by everybody on this machine: chmod 600 ${this.#path}`);
      }
      this.#table = this.#load();
    } catch (error) {
      const none = error instanceof Deno.errors.NotFound ? "there is no such file; postern user add makes it" : null;
      throw new OptionsError(
        error instanceof AccountsError
          ? error.faults.map(({ file, index, message }) => ({
            path: file === null ? ["accounts", index] : ["file"],
            message,
          }))
          : [{ path: ["file"], message: `${file}: ${none ?? words(error)}` }],
      );
    }
  }

  /** The accounts as they were read last. */
  get table(): AccountTable {
    return this.#table;
  }

  /** The accounts as they are at the moment `now` (milliseconds). */
  current(now: number): AccountTable {
    if (this.#path !== null && (now - this.#looked >= SECOND || now < this.#looked)) {
      this.#looked = now;
      this.#look(this.#path, now);
    }
    return this.#table;
  }

  #look(path: string, now: number): void {
    const last = this.#seen;
    try {
      const { state, changed } = stateOf(path);
      this.#seen = state;
      if (state === this.#read || now - changed < SECOND && state !== last) return;
      this.#read = state;
      this.#table = this.#load();
      this.options.changed(this.#table);
    } catch (error) {
      if (!(error instanceof AccountsError)) this.#seen = this.#read = `failed: ${words(error)}`;
      if (error instanceof AccountsError || this.#seen !== last) {
        this.options.trouble(`${words(error)}; the accounts read before stay in force`);
      }
    }
  }

  #load(): AccountTable {
    const { file, inline } = this.options;
    const sources: Lines[] = [{ file: null, lines: inline }];
    if (this.#path !== null) {
      const text = new TextDecoder().decode(Deno.readFileSync(this.#path));
      if (text.includes("\ufffd")) { // what a decoder puts in place of octets that are no UTF-8
        throw new AccountsError([{ file, index: 0, message: `${file}: this is no UTF-8 text` }]);
      }
      if (this.#looked !== -Infinity && text.trim() === "") { // what `postern user` leaves behind has a head line at least
        throw new AccountsError([{ file, index: 0, message: `${file}: the file is empty` }]);
      }
      sources.push({ file, lines: text.split(/\r?\n/) });
    }
    return new AccountTable(sources, this.options);
  }
}

/** Another text for another file, content or time; `changed` in milliseconds. */
function stateOf(path: string): { state: string; changed: number; open: boolean } {
  const { ino, size, mtime, isFile, mode } = Deno.statSync(path);
  if (!isFile) throw new Error("is no file"); // reading a pipe would wait for its writer
  const changed = mtime?.getTime() ?? 0;
  return { state: `${ino} ${size} ${changed}`, changed, open: ((mode ?? 0) & 0o007) !== 0 };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
