/**
 * A database file that may come, change and go while the server runs. It is looked at once in ten seconds, when somebody
 * connects, and read aside when it has changed; until then, and when the new one is broken, the one before stays.
 */
import { resolve } from "node:path";
import { Mmdb } from "./mmdb.ts";

/** A look, and how old a change has to be: a file written in place is read when its writer has finished. */
const LOOK = 10_000, SETTLED = 1000;
/** More octets than any such file has; all of them lie in memory. */
const MOST = 1024 * 1024 * 1024;

export interface GeoFileOptions {
  /** Folder that the path starts from. */
  readonly base: string;
  readonly trouble: (message: string) => void;
}

export class GeoFile {
  readonly #name: string;
  readonly #path: string;
  readonly #trouble: (message: string) => void;
  #database: Mmdb | null = null;
  /** State of the file that was read, and of the last look. */
  #read = "";
  #seen = "";
  #looked = -Infinity;
  #reading = false;
  #told = "";

  constructor(name: string, { base, trouble }: GeoFileOptions) {
    this.#name = name;
    this.#path = resolve(base, name);
    this.#trouble = trouble;
  }

  /** Reads it now, for the start. What is wrong with it, or null. */
  open(): string | null {
    try {
      const { state } = stateOf(this.#path);
      this.#seen = state;
      this.#database = new Mmdb(Deno.readFileSync(this.#path));
      this.#read = state;
      return null;
    } catch (error) {
      return this.#told = words(error);
    }
  }

  /** As it is at the moment `now` (milliseconds since 1970), or null. */
  current(now: number): Mmdb | null {
    if (!this.#reading && (now - this.#looked >= LOOK || now < this.#looked)) {
      this.#looked = now;
      this.#look(now);
    }
    return this.#database;
  }

  #look(now: number): void {
    try {
      const { state, changed } = stateOf(this.#path), last = this.#seen;
      this.#seen = state;
      if (state === this.#read || now - changed < SETTLED && state !== last) return;
      this.#reading = true;
      Deno.readFile(this.#path).then((octets) => {
        this.#database = new Mmdb(octets);
        this.#told = "";
      }).catch((error) => this.#tell(error)).finally(() => {
        this.#read = state; // a broken one is not read again before it changes
        this.#reading = false;
      });
    } catch (error) {
      this.#tell(error);
    }
  }

  #tell(error: unknown): void {
    const why = words(error);
    if (why === this.#told) return;
    this.#told = why;
    const kept = this.#database === null ? "no facts come from it" : "the one read before stays in use";
    this.#trouble(`${this.#name}: ${why}; ${kept}`);
  }
}

/** Another text for another file, content or time; `changed` in milliseconds. */
function stateOf(path: string): { state: string; changed: number } {
  const { ino, size, mtime, isFile } = Deno.statSync(path);
  if (!isFile) throw new Error("it is no file"); // reading a pipe would wait for its writer
  if (size > MOST) throw new Error(`it is too big: ${size} octets`);
  const changed = mtime?.getTime() ?? 0;
  return { state: `${ino} ${size} ${changed}`, changed };
}

function words(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  return error instanceof Error ? error.message : String(error);
}
