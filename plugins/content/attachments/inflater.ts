/**
 * Inflates octets in small pieces, so that what comes out at once is bounded, and stops as soon as nobody wants more or
 * the budget is spent. Takes octets at any time and works when it is told to. Non-job: what is in them.
 */

/** A piece of this size becomes a megabyte at most. */
const PIECE = 1024;
/** Octets that go in, and after which no more go in, until others have worked: what comes out here may be work for them. */
const STEP_IN = 16 * 1024, STEP_OUT = 1024 * 1024;
/** Octets behind the data that may be no part of it (APPNOTE 4.3.9): then the last ones go in one by one. */
const DESCRIPTOR = 24;

/** Takes what comes out. */
export interface Inflated {
  /** Nothing more is wanted: it is known what this is. */
  readonly done: boolean;
  write(octets: Uint8Array): void;
  end(): void;
}

export class Inflater {
  readonly #to: Inflated;
  /** Takes octets from the budget; false: it is spent. */
  readonly #spend: (octets: number) => boolean;
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  readonly #trailed: boolean;
  #tail: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #ended = false;
  /** Octets that came out. */
  #out = 0;
  #over = false;
  #stream: DecompressionStream | null = null;
  #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | null = null;
  #reading: Promise<void> | null = null;

  /** `trailed`: nobody has said where the data ends, and something may stand behind it. */
  constructor(to: Inflated, spend: (octets: number) => boolean, trailed: boolean) {
    this.#to = to;
    this.#spend = spend;
    this.#trailed = trailed;
  }

  /** There is something to do. */
  get pending(): boolean {
    return !this.#over && (this.#queue.length > 0 || this.#ended);
  }

  /** Nothing more will come out. */
  get over(): boolean {
    return this.#over;
  }

  write(octets: Uint8Array): void {
    if (this.#over || this.#to.done) return;
    if (!this.#trailed) return void this.#queue.push(octets.slice());
    const all = new Uint8Array(this.#tail.length + octets.length);
    all.set(this.#tail);
    all.set(octets, this.#tail.length);
    const keep = Math.max(0, all.length - DESCRIPTOR);
    if (keep > 0) this.#queue.push(all.slice(0, keep));
    this.#tail = all.slice(keep);
  }
  end(): void {
    for (let at = 0; at < this.#tail.length; at++) this.#queue.push(this.#tail.slice(at, at + 1));
    this.#ended = true;
  }

  /** Works through some of what has come. Never rejects: what is no deflate ends there. */
  async work(): Promise<void> {
    try {
      this.#open();
      const most = this.#out + STEP_OUT;
      for (let left = STEP_IN; left > 0 && this.#queue.length > 0 && this.#out < most && !this.#over; left -= PIECE) {
        await this.#writer!.write(this.#next());
      }
      if (this.#queue.length > 0 || !this.#ended || this.#over) return;
      await this.#writer!.close();
      await this.#reading;
    } catch { /* not deflated, or something behind the end: what came out is all there is */ }
    await this.stop();
  }

  /** Takes a piece out of the queue. */
  #next(): Uint8Array<ArrayBuffer> {
    const first = this.#queue[0]!;
    if (first.length <= PIECE) this.#queue.shift();
    else this.#queue[0] = first.subarray(PIECE);
    return first.subarray(0, PIECE);
  }

  /** Nothing more goes in or comes out. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#queue.length = 0;
    await this.#writer?.abort().catch(() => {});
    await this.#reading;
    this.#to.end();
  }

  #open(): void {
    if (this.#stream !== null) return;
    this.#stream = new DecompressionStream("deflate-raw");
    this.#writer = this.#stream.writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#reading = this.#read(this.#stream.readable);
  }

  async #read(readable: ReadableStream<Uint8Array>): Promise<void> {
    const reader = readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const more = this.#spend(value.length);
        this.#out += value.length;
        this.#to.write(value);
        if (more && !this.#to.done) continue;
        this.#over = true;
        this.#queue.length = 0;
        await reader.cancel();
        this.#to.end();
        return;
      }
    } catch { /* as in work() */ }
  }
}
