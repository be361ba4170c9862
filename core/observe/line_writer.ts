/**
 * Lines to a file or pipe, gathered for some milliseconds and written as one: nobody who logs ever waits. A reader that
 * stands still costs a bounded buffer, then lines, and the log says how many. Non-job: what a line says (wording.ts).
 */

export interface Output {
  /** How many of the octets were taken; Deno.stdout is one. */
  write(bytes: Uint8Array): Promise<number>;
}
export interface LineWriterOptions {
  /** How long a line may wait for company, milliseconds. */
  readonly delay?: number;
  /** Characters that may wait; past them lines are dropped and counted. */
  readonly capacity?: number;
  /** The line that stands for so many dropped ones. */
  readonly note?: (dropped: number) => string;
}

/** A flush that is worth a system call of its own. */
const CHUNK = 64 * 1024;
const utf8 = new TextEncoder();

export class LineWriter {
  readonly #delay: number;
  readonly #capacity: number;
  readonly #note: (dropped: number) => string;
  #waiting = "";
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | null = null;
  #broken = false;

  constructor(readonly output: Output, options: LineWriterOptions = {}) {
    this.#delay = options.delay ?? 50;
    this.#capacity = options.capacity ?? 4 * 1024 * 1024;
    this.#note = options.note ?? ((dropped) => `${dropped} lines are missing here`);
  }

  /** Lines that were dropped since the last note of it. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `text` has no line end; it gets one. */
  line(text: string): void {
    if (this.#broken) return;
    if (this.#waiting.length + text.length >= this.#capacity) {
      this.#dropped++;
      return;
    }
    this.#waiting += text + "\n";
    if (this.#writing !== null) return; // the write under way takes it along
    if (this.#waiting.length >= CHUNK) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), this.#delay);
  }

  /** Resolves when everything has been written, or after `milliseconds` when the reader stands still. */
  async close(milliseconds = 2000): Promise<void> {
    this.#flush();
    if (this.#writing === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([this.#writing, new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds))]);
    clearTimeout(timer);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting !== "") this.#writing ??= this.#write().finally(() => this.#writing = null);
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting !== "") {
        let bytes = utf8.encode(this.#waiting);
        this.#waiting = "";
        while (bytes.length > 0) bytes = bytes.subarray(await this.output.write(bytes));
        if (this.#dropped > 0) {
          this.#waiting = `${this.#note(this.#dropped)}\n${this.#waiting}`;
          this.#dropped = 0;
        }
      }
    } catch { // the reader has gone: a server goes on without its log
      this.#broken = true;
      this.#waiting = "";
    }
  }
}
