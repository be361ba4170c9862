/**
 * A file of tables beside the configuration. It is looked at when somebody asks, at most once a second, and read anew when
 * it has changed; a new file that is broken, or none, changes nothing but the operator's log.
 * Non-job: what the tables mean (`build`).
 */
import { resolve } from "node:path";
import { OptionsError } from "../../core/pipeline/mod.ts";
import { type Fault, FaultError, type Node, TablesError } from "./node.ts";
import { position, readTables } from "./reader.ts";

/** A look, and how old a change has to be: a file written in place is read when its writer has finished. */
const SECOND = 1000;

export interface TablesFileOptions<T> {
  readonly file: string;
  /** Folder that `file` starts from. */
  readonly base: string;
  /** Where the option that names it stands. */
  readonly at: readonly PropertyKey[];
  /** What is in it, for the operator: "recipients". */
  readonly what: string;
  trouble(message: string): void;
  /** May throw TablesError. */
  build(tables: Node): T;
}

export class TablesFile<T> {
  readonly #options: TablesFileOptions<T>;
  readonly #path: string;
  #value: T;
  /** State of the file that was read, and of the last look. */
  #read = "";
  #seen = "";
  #looked = -Infinity;

  /** @throws {OptionsError} with each fault: its path, or its line and column in the file. */
  constructor(options: TablesFileOptions<T>) {
    const { file, base, at } = options;
    this.#options = options;
    this.#path = resolve(base, file);
    try {
      this.#read = this.#seen = stateOf(this.#path).state;
      this.#value = this.#load();
    } catch (error) {
      throw optionsError(error instanceof TablesError ? error : new Error(`${file}: ${words(error)}`), at);
    }
  }

  /** As it was read last. */
  get value(): T {
    return this.#value;
  }

  /** As it is at the moment `now` (milliseconds). */
  current(now: number): T {
    if (now - this.#looked >= SECOND || now < this.#looked) {
      this.#looked = now;
      this.#look(now);
    }
    return this.#value;
  }

  #look(now: number): void {
    const last = this.#seen;
    try {
      const { state, changed } = stateOf(this.#path);
      this.#seen = state;
      if (state === this.#read || now - changed < SECOND && state !== last) return;
      this.#read = state;
      this.#value = this.#load();
    } catch (error) {
      if (!(error instanceof TablesError)) this.#seen = this.#read = `failed: ${words(error)}`;
      if (error instanceof TablesError || this.#seen !== last) {
        this.#options.trouble(`${words(error)}; the ${this.#options.what} read before stay in force`);
      }
    }
  }

  #load(): T {
    const { file, build } = this.#options;
    const text = new TextDecoder().decode(Deno.readFileSync(this.#path));
    const place = (fault: Fault): Fault =>
      typeof fault.at === "number"
        ? { at: fault.at, message: `${file}:${position(text, fault.at)}: ${fault.message}` }
        : fault;
    try {
      return build(readTables(text));
    } catch (error) {
      if (error instanceof FaultError) throw new TablesError([place(error.fault)]);
      throw error instanceof TablesError ? new TablesError(error.faults.map(place)) : error;
    }
  }
}

/** What is wrong, where the operator wrote it: `at` for what stands in a file. */
export function optionsError(error: unknown, at: readonly PropertyKey[]): OptionsError {
  const faults: readonly Fault[] = error instanceof TablesError ? error.faults : [{ at: 0, message: words(error) }];
  return new OptionsError(faults.map((fault) => ({
    path: typeof fault.at === "number" ? at : fault.at,
    message: fault.message,
  })));
}

/** Another text for another file, content or time; `changed` in milliseconds. */
function stateOf(path: string): { state: string; changed: number } {
  const { ino, size, mtime, isFile } = Deno.statSync(path);
  if (!isFile) throw new Error("is no file"); // reading a pipe would wait for its writer
  const changed = mtime?.getTime() ?? 0;
  return { state: `${ino} ${size} ${changed}`, changed };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
