/**
 * The tables of the configuration and of the file beside it. The file is looked at when somebody asks, at most once a
 * second, and read anew when it has changed; a new file that is broken, or none, changes nothing but the operator's log.
 */
import { resolve } from "node:path";
import { OptionsError } from "../../../core/pipeline/mod.ts";
import { buildDirectory, type BuildOptions, TablesError } from "./build.ts";
import type { Directory } from "./directory.ts";
import { type Fault, FaultError, type Node } from "./node.ts";
import { position, readTables } from "./reader.ts";

/** A look, and how old a change has to be: a file written in place is read when its writer has finished. */
const SECOND = 1000;

export interface SourceOptions extends BuildOptions {
  /** What stands in the configuration. */
  readonly inline: Node;
  readonly file: string | null;
  /** Folder that `file` starts from. */
  readonly base: string;
  readonly trouble: (message: string) => void;
}

export class Source {
  #directory: Directory;
  readonly #path: string | null;
  /** State of the file that was read, and of the last look. */
  #read = "";
  #seen = "";
  #looked = -Infinity;

  /** @throws {OptionsError} with each fault: its path, or its line and column in the file. */
  constructor(readonly options: SourceOptions) {
    this.#path = options.file === null ? null : resolve(options.base, options.file);
    try {
      if (this.#path !== null) this.#read = this.#seen = stateOf(this.#path).state;
      this.#directory = this.#load();
    } catch (error) {
      throw new OptionsError(
        error instanceof TablesError
          ? error.faults.map(({ at, message }) => ({ path: typeof at === "number" ? ["file"] : at, message }))
          : [{ path: ["file"], message: `${options.file}: ${words(error)}` }],
      );
    }
  }

  /** The storage plugins that the tables name, as they were read last. */
  get stores(): string[] {
    return this.#directory.stores;
  }

  /** The next hops that the tables name, as they were read last. */
  get nextHops(): string[] {
    return this.#directory.nextHops;
  }

  /** The tables as they are at the moment `now` (milliseconds). */
  current(now: number): Directory {
    if (this.#path !== null && (now - this.#looked >= SECOND || now < this.#looked)) {
      this.#looked = now;
      this.#look(this.#path, now);
    }
    return this.#directory;
  }

  #look(path: string, now: number): void {
    const last = this.#seen;
    try {
      const { state, changed } = stateOf(path);
      this.#seen = state;
      if (state === this.#read || now - changed < SECOND && state !== last) return;
      this.#read = state;
      this.#directory = this.#load();
    } catch (error) {
      if (!(error instanceof TablesError)) this.#seen = this.#read = `failed: ${words(error)}`;
      if (error instanceof TablesError || this.#seen !== last) {
        this.options.trouble(`${words(error)}; the recipients read before stay in force`);
      }
    }
  }

  #load(): Directory {
    const { file, inline } = this.options;
    if (this.#path === null) return buildDirectory([inline], this.options);
    const text = new TextDecoder().decode(Deno.readFileSync(this.#path));
    const place = (fault: Fault): Fault =>
      typeof fault.at === "number"
        ? { at: fault.at, message: `${file}:${position(text, fault.at)}: ${fault.message}` }
        : fault;
    try {
      return buildDirectory([inline, readTables(text)], this.options);
    } catch (error) {
      if (error instanceof FaultError) throw new TablesError([place(error.fault)]);
      throw error instanceof TablesError ? new TablesError(error.faults.map(place)) : error;
    }
  }
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
