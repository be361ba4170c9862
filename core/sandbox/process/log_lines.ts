/**
 * What a child prints, as lines for the server's log: without control characters, cut, and not more of them than a
 * person would read. Non-job: where they go.
 */

/** Characters of a line. */
const LENGTH = 1_000;
/** So many lines in so many milliseconds; the rest are counted. */
const LINES = 20, WINDOW = 10_000;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export interface LogLinesOptions {
  /** Is told a line. */
  told(line: string): void;
  /** Monotonic milliseconds. */
  now?(): number;
}

/** Cuts octets into lines. */
export class LogLines {
  readonly #told: (line: string) => void;
  readonly #now: () => number;
  readonly #decoder = new TextDecoder();
  #line = "";
  /** The rest of a line that was too long. */
  #skips = false;
  #began = -Infinity;
  #count = 0;
  #dropped = 0;

  constructor({ told, now = () => performance.now() }: LogLinesOptions) {
    this.#told = told;
    this.#now = now;
  }

  /** What was printed. */
  write(octets: Uint8Array): void {
    const [first = "", ...others] = this.#decoder.decode(octets, { stream: true }).split("\n");
    this.#add(first);
    for (const each of others) {
      this.#flush();
      this.#add(each);
    }
  }

  /** Nothing follows. */
  end(): void {
    this.#flush();
    this.#say();
  }

  #add(text: string): void {
    if (this.#skips) return;
    this.#line += text.slice(0, LENGTH + 1 - this.#line.length);
    this.#skips = this.#line.length > LENGTH;
  }

  #flush(): void {
    const line = this.#line.trimEnd();
    this.#line = "";
    this.#skips = false;
    if (line === "") return;
    if (this.#now() - this.#began >= WINDOW) {
      this.#say();
      this.#began = this.#now();
      this.#count = 0;
    }
    if (++this.#count > LINES) this.#dropped++;
    else this.#told(printable(line.length > LENGTH ? `${line.slice(0, LENGTH)}...` : line));
  }

  /** How many were left out. */
  #say(): void {
    if (this.#dropped > 0) this.#told(`(${this.#dropped} more lines are left out)`);
    this.#dropped = 0;
  }
}

/** Without what would move a terminal, or begin a line. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
