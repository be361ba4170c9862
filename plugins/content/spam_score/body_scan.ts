/**
 * Looks for short patterns in the body of a message, chunk by chunk in constant memory: a pattern may be cut anywhere.
 * Stops at a limit. Works on the octets as they came; nothing is decoded. Non-job: what a hit is worth (rules.ts).
 */

/** No pattern may match more octets than this: so much of a chunk is looked at again with the next. */
const OVERLAP = 128;
const EMPTY_LINE = /\n\r?\n/;

export class BodyScan<Name extends string> {
  /** The names of the patterns found so far. */
  readonly hits: Set<Name> = new Set();
  readonly #open: Map<Name, string | RegExp>;
  // One character per octet; "latin1" means windows-1252 here, which differs in no octet below 128.
  readonly #decoder = new TextDecoder("latin1");
  #left: number;
  #inBody = false;
  /** The end of what was looked at. A line feed in front makes an empty line of a leading line end: no header at all. */
  #tail = "\n";

  /** Looks at the first `limit` octets of the body. The patterns match ASCII and at most 128 octets. */
  constructor(patterns: ReadonlyMap<Name, string | RegExp>, limit: number) {
    this.#open = new Map(patterns);
    this.#left = limit;
  }

  /** The next octets of the message, header included. False: more would change nothing. */
  push(chunk: Uint8Array): boolean {
    let text = this.#tail + this.#decoder.decode(chunk);
    if (!this.#inBody) {
      const found = EMPTY_LINE.exec(text);
      if (found === null) {
        this.#tail = text.slice(-2);
        return true;
      }
      this.#inBody = true;
      this.#tail = "";
      text = text.slice(found.index + found[0].length);
    }
    const fresh = text.length - this.#tail.length;
    if (fresh > this.#left) text = text.slice(0, this.#left - fresh);
    this.#left -= Math.min(fresh, this.#left);
    this.#look(text);
    this.#tail = text.slice(-OVERLAP);
    return this.#left > 0 && this.#open.size > 0;
  }

  /** The message is over: what needs a character behind it now sees a line end. */
  end(): void {
    if (this.#inBody && this.#left > 0) this.#look(this.#tail + "\n");
  }

  #look(text: string): void {
    for (const [name, pattern] of this.#open) {
      if (typeof pattern === "string" ? !text.includes(pattern) : !pattern.test(text)) continue;
      this.hits.add(name);
      this.#open.delete(name);
    }
  }
}
