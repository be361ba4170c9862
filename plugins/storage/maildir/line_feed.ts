/**
 * The wire's CRLF to the LF that Maildir readers expect, in constant memory: a chunk in, a chunk out, a CRLF may be cut
 * anywhere. A lone CR and a lone LF stay as they are. Non-job: files.
 */
const CR = 13, LF = 10;
const NOTHING = new Uint8Array(0);

export class LineFeeds {
  /** Octets given out so far. */
  size = 0;
  /** The same with each line feed as CRLF, what an IMAP server serves (the `W=` of a Maildir name). */
  virtualSize = 0;
  #heldCr = false;
  #last = 0;

  /** Never writes to `chunk`; may return it as it is. */
  push(chunk: Uint8Array): Uint8Array {
    if (chunk.length === 0) return NOTHING;
    const first = this.#heldCr ? CR : -1;
    const out = new Uint8Array(chunk.length + 1);
    let used = 0, from = 0;
    if (first === CR && chunk[0] !== LF) out[used++] = CR;
    this.#heldCr = false;
    for (let at = chunk.indexOf(CR); at >= 0; at = chunk.indexOf(CR, at + 1)) {
      if (at + 1 === chunk.length) {
        this.#heldCr = true;
      } else if (chunk[at + 1] !== LF) continue;
      out.set(chunk.subarray(from, at), used);
      used += at - from;
      from = at + 1;
    }
    out.set(chunk.subarray(from), used);
    used += chunk.length - from;
    return this.#count(out.subarray(0, used));
  }

  /** What was held back when the content has ended. */
  end(): Uint8Array {
    if (!this.#heldCr) return NOTHING;
    this.#heldCr = false;
    return this.#count(Uint8Array.of(CR));
  }

  #count(out: Uint8Array): Uint8Array {
    this.size += out.length;
    this.virtualSize += out.length;
    for (let at = out.indexOf(LF); at >= 0; at = out.indexOf(LF, at + 1)) {
      if ((at === 0 ? this.#last : out[at - 1]) !== CR) this.virtualSize++;
    }
    if (out.length > 0) this.#last = out[out.length - 1]!;
    return out;
  }
}
