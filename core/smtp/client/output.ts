/** Octets that are to be written, gathered in one buffer, so that a batch is one write. Non-job: what they say. */

const EMPTY = new Uint8Array(0);
const SMALLEST = 256;
const utf8 = new TextEncoder();

export class Output {
  #buffer: Uint8Array = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  text(text: string): void {
    this.#room(text.length * 3); // the most that UTF-8 makes of it
    this.#length += utf8.encodeInto(text, this.#buffer.subarray(this.#length)).written;
  }

  octet(octet: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = octet;
  }

  /** `octets` from `from` to `to`, copied. */
  octets(octets: Uint8Array, from = 0, to: number = octets.length): void {
    if (to <= from) return;
    this.#room(to - from);
    this.#buffer.set(from === 0 && to === octets.length ? octets : octets.subarray(from, to), this.#length);
    this.#length += to - from;
  }

  /** Makes room for what is known to come, so that the buffer grows once. */
  expect(octets: number): void {
    this.#room(octets);
  }

  /** All of it. It is the caller's: the next octets go into another buffer. */
  take(): Uint8Array {
    const octets = this.#length === 0 ? EMPTY : this.#buffer.subarray(0, this.#length);
    this.#buffer = EMPTY;
    this.#length = 0;
    return octets;
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(SMALLEST, needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
