/**
 * What is typed at a terminal and not shown: octets of keys to a line of text. Non-job: switching the echo off
 * (terminal.ts), what a good password is.
 */

const ENTER = [0x0a, 0x0d], ERASE = [0x08, 0x7f], KILL = 0x15, INTERRUPT = 0x03, END = 0x04;
/** Octets that are kept of a line: more than any answer has. */
const LONGEST = 4096;

/** Lines from keys, one at a time; what was typed ahead is the next one's. */
export class SecretReader {
  readonly #read: () => Promise<Uint8Array | null>;
  #ahead: number[] = [];

  /** `read`: the next keys, null when there are none any more. */
  constructor(read: () => Promise<Uint8Array | null>) {
    this.#read = read;
  }

  /** Null when whoever types gives up. What is no UTF-8 becomes U+FFFD. */
  async line(): Promise<string | null> {
    const typed: number[] = [];
    while (true) {
      while (this.#ahead.length > 0) {
        const key = this.#ahead.shift()!;
        if (ENTER.includes(key)) return new TextDecoder().decode(Uint8Array.from(typed));
        if (key === INTERRUPT || key === END && typed.length === 0) return null;
        if (key === KILL) typed.length = 0;
        else if (ERASE.includes(key)) erase(typed);
        else if (typed.length < LONGEST) typed.push(key);
      }
      const keys = await this.#read();
      if (keys === null) return null;
      this.#ahead = [...keys];
    }
  }
}

/** A character is one octet that begins it and those that go on with it. */
function erase(typed: number[]): void {
  let octet: number | undefined;
  do octet = typed.pop(); while (octet !== undefined && (octet & 0xc0) === 0x80);
}
