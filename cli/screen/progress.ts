/**
 * How far long work has come, on a terminal: one line on standard error that is written over, and gone at the end. Elsewhere
 * nothing. Non-job: the work.
 */

const WIDTH = 30, OFTEN = 100;
/** Milliseconds after which work is long. */
const SOON = 700;

export interface ProgressOptions {
  /** How many there are; null: nobody knows (default). */
  readonly total?: number | null;
  /** What is counted: "messages". */
  readonly what?: string;
  /** Default: standard error is a terminal. */
  readonly shown?: boolean;
  write?(text: string): void;
}

export class Progress implements Disposable {
  readonly #options: ProgressOptions;
  readonly #shown: boolean;
  readonly #began = performance.now();
  #done = 0;
  #last = -Infinity;
  #written = false;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: ProgressOptions = {}) {
    this.#options = options;
    this.#shown = options.shown ?? Deno.stderr.isTerminal();
  }

  /** So many are done. */
  at(done: number): void {
    this.#done = done;
    const now = performance.now();
    if (!this.#shown || now - this.#last < OFTEN || now - this.#began < SOON) return;
    this.#last = now;
    this.#draw();
  }

  /** For work that says nothing while it lasts: the seconds are told. */
  async during<T>(work: Promise<T>): Promise<T> {
    if (!this.#shown) return await work;
    this.#timer = setInterval(() => performance.now() - this.#began >= SOON && this.#draw(), 1000);
    try {
      return await work;
    } finally {
      this.#stop();
      this.clear();
    }
  }

  clear(): void {
    if (this.#written) this.#write("\r\x1b[K");
    this.#written = false;
    this.#last = -Infinity;
  }
  [Symbol.dispose](): void {
    this.#stop();
    this.clear();
  }

  #draw(): void {
    const { total = null, what = "" } = this.#options, seconds = Math.floor((performance.now() - this.#began) / 1000);
    if (total === null || total <= 0) {
      this.#write(`\r\x1b[K${this.#done > 0 ? `${this.#done} ` : ""}${what}, ${seconds} s`);
    } else {
      const full = Math.min(WIDTH, Math.round(WIDTH * this.#done / total));
      this.#write(
        `\r\x1b[K[${"#".repeat(full)}${" ".repeat(WIDTH - full)}] ${this.#done} of ${total} ${what}`.trimEnd(),
      );
    }
    this.#written = true;
  }
  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
  #write(text: string): void {
    if (this.#options.write !== undefined) this.#options.write(text);
    else Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
