/** How far long work has come, on a terminal: one line that is written over, and gone at the end. Elsewhere nothing. */

const WIDTH = 30, OFTEN = 100;

export class Progress implements Disposable {
  readonly #total: number;
  readonly #shown: boolean;
  #last = -Infinity;
  #written = false;

  constructor(total: number, shown: boolean = total > 20 && Deno.stderr.isTerminal()) {
    this.#total = total;
    this.#shown = shown;
  }

  /** So many are done. */
  at(done: number): void {
    const now = performance.now();
    if (!this.#shown || now - this.#last < OFTEN) return;
    this.#last = now;
    const full = Math.round(WIDTH * done / this.#total);
    this.#write(`\r[${"#".repeat(full)}${" ".repeat(WIDTH - full)}] ${done} of ${this.#total}`);
    this.#written = true;
  }
  clear(): void {
    if (this.#written) this.#write("\r\x1b[K");
    this.#written = false;
    this.#last = -Infinity;
  }
  [Symbol.dispose](): void {
    this.clear();
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
