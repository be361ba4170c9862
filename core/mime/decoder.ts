/**
 * Octets in any cut, out of the codings of RFC 2045 6.7 and 6.8 and out of uuencode, as leniently as readers do it: what
 * has no place is passed over or kept, and noted. Linear, constant memory. Non-job: which coding (part_fields.ts).
 */
import type { MimeEncoding } from "./entity.ts";

const CR = 13, LF = 10, SPACE = 32, TAB = 9, EQUALS = 61;
const NONE = new Uint8Array(0);

/** Takes a coding off. */
export interface Decoder {
  /** Something had no place in the coding. */
  readonly bad: boolean;
  /** The octets that these bring. */
  write(octets: Uint8Array): Uint8Array;
  /** What was kept back. */
  end(): Uint8Array;
}

/**
 * Takes a transfer encoding off, as leniently as readers do it (RFC 2045 6.7, 6.8, and uuencode); octets come in any cut.
 * Null: the octets are as they came.
 *
 * @example
 * ```ts
 * import { decoderFor } from "postern";
 * import { assertEquals } from "@std/assert";
 * const decoder = decoderFor("base64")!, octets = (text: string) => new TextEncoder().encode(text);
 * const parts = [decoder.write(octets("SGVsbG")), decoder.write(octets("8=")), decoder.end()];
 * assertEquals(parts.map((each) => new TextDecoder().decode(each)).join(""), "Hello");
 * assertEquals([decoder.bad, decoderFor("8bit")], [false, null]);
 * ```
 */
export function decoderFor(encoding: MimeEncoding): Decoder | null {
  if (encoding === "base64") return new Base64Decoder();
  if (encoding === "quoted-printable") return new QuotedPrintableDecoder();
  return encoding === "uuencode" ? new UuDecoder() : null;
}

const OTHER = 64, GAP = 65, PAD = 66;
const BASE64 = new Uint8Array(256).fill(OTHER);
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".split("").forEach((char, value) => {
  BASE64[char.charCodeAt(0)] = value;
});
for (const octet of [CR, LF, SPACE, TAB]) BASE64[octet] = GAP;
BASE64[EQUALS] = PAD;

/** What follows padding is decoded too: some readers stop there, others do not. */
export class Base64Decoder implements Decoder {
  bad = false;
  #bits = 0;
  #count = 0;
  #padded = false;

  write(octets: Uint8Array): Uint8Array {
    const out = new Uint8Array(((octets.length + 3) * 3 >> 2) + 3);
    let to = 0, bits = this.#bits, count = this.#count;
    for (let at = 0; at < octets.length; at++) {
      const value = BASE64[octets[at]!]!;
      if (value < 64) {
        if (this.#padded) {
          this.#padded = false;
          this.bad = true;
        }
        bits = bits << 6 | value;
        if (++count === 4) {
          out[to++] = bits >> 16;
          out[to++] = bits >> 8;
          out[to++] = bits;
          bits = count = 0;
        }
      } else if (value === PAD) {
        if (count === 1 || count === 0 && !this.#padded) this.bad = true;
        if (count >= 2) out[to++] = count === 2 ? bits >> 4 : bits >> 10;
        if (count === 3) out[to++] = bits >> 2;
        bits = count = 0;
        this.#padded = true;
      } else if (value === OTHER) this.bad = true;
    }
    this.#bits = bits;
    this.#count = count;
    return out.subarray(0, to);
  }

  end(): Uint8Array {
    const bits = this.#bits, count = this.#count;
    this.#count = 0;
    if (count === 0) return NONE;
    this.bad = true; // cut, or without its padding
    if (count === 1) return NONE;
    return count === 2 ? Uint8Array.of(bits >> 4) : Uint8Array.of(bits >> 10, bits >> 2);
  }
}

const MAX_HELD = 64; // octets behind a "=" that may yet turn out to be a soft break

/** Space before a line end is kept: no reader of text minds, and nothing must be held back for it. */
export class QuotedPrintableDecoder implements Decoder {
  bad = false;
  /** "=" and what came behind it, until it is known what it says. */
  readonly #held = new Uint8Array(MAX_HELD);
  #size = 0;

  write(octets: Uint8Array): Uint8Array {
    const out = new Uint8Array(octets.length + MAX_HELD);
    let to = 0, at = 0;
    while (at < octets.length) {
      if (this.#size === 0) {
        const found = octets.indexOf(EQUALS, at), end = found < 0 ? octets.length : found;
        out.set(octets.subarray(at, end), to);
        to += end - at;
        at = end;
        if (found >= 0) {
          this.#held[this.#size++] = EQUALS;
          at++;
        }
        continue;
      }
      const octet = octets[at]!, last = this.#size === 1 ? 0 : this.#held[this.#size - 1]!;
      if (octet === LF && (last === 0 || last === CR || last === SPACE || last === TAB)) { // a soft break
        this.#size = 0;
        at++;
      } else if (this.#size === 2 && hex(last) >= 0 && hex(octet) >= 0) {
        out[to++] = hex(last) << 4 | hex(octet);
        this.#size = 0;
        at++;
      } else if (this.#size < MAX_HELD && this.#mayFollow(octet, last)) {
        this.#held[this.#size++] = octet;
        at++;
      } else to = this.#release(out, to); // and look at the octet again
    }
    return out.subarray(0, to);
  }

  end(): Uint8Array {
    const out = new Uint8Array(MAX_HELD);
    // A "=" at the very end, or before the line end that belongs to the delimiter, is a soft break as well
    if (this.#size === 1 || this.#size === 2 && this.#held[1] === CR) this.#size = 0;
    return out.subarray(0, this.#release(out, 0));
  }

  #mayFollow(octet: number, last: number): boolean {
    if (last === CR) return false;
    if (octet === SPACE || octet === TAB || octet === CR) return last === 0 || last === SPACE || last === TAB;
    return last === 0 && hex(octet) >= 0;
  }

  /** The "=" meant itself. */
  #release(out: Uint8Array, to: number): number {
    if (this.#size > 0) this.bad = true;
    out.set(this.#held.subarray(0, this.#size), to);
    const end = to + this.#size;
    this.#size = 0;
    return end;
  }
}

function hex(octet: number): number {
  if (octet >= 48 && octet <= 57) return octet - 48;
  const letter = octet | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

const MAX_LINE = 64; // of uuencode: a length, and 45 octets as 60 characters

/** From the line `begin` to the line `end`; what stands around them is nobody's. */
export class UuDecoder implements Decoder {
  bad = false;
  readonly #line = new Uint8Array(MAX_LINE);
  #length = 0;
  #state: "before" | "inside" | "behind" = "before";

  write(octets: Uint8Array): Uint8Array {
    const out = new Uint8Array(octets.length + MAX_LINE);
    let to = 0;
    for (const octet of octets) {
      if (octet === LF) to = this.#decode(out, to);
      else if (octet !== CR) {
        if (this.#length < MAX_LINE) this.#line[this.#length] = octet;
        this.#length++;
      }
    }
    return out.subarray(0, to);
  }

  end(): Uint8Array {
    const out = new Uint8Array(MAX_LINE);
    const to = this.#decode(out, 0);
    if (this.#state !== "behind") this.bad = true;
    return out.subarray(0, to);
  }

  #decode(out: Uint8Array, to: number): number {
    const line = this.#line, kept = Math.min(this.#length, MAX_LINE), length = this.#length;
    this.#length = 0;
    const starts = (word: string) =>
      kept >= word.length && [...word].every((char, at) => line[at] === char.charCodeAt(0));
    if (this.#state === "before") {
      if (starts("begin ")) this.#state = "inside";
      return to;
    }
    if (this.#state === "behind" || length === 0) return to;
    if (starts("end")) {
      this.#state = "behind";
      return to;
    }
    const wanted = (line[0]! - 32) & 63, groups = Math.min(Math.ceil(wanted / 3), 15);
    if (length > MAX_LINE || wanted > 45) this.bad = true;
    let left = Math.min(wanted, 45);
    for (let group = 0; group < groups; group++) {
      let bits = 0;
      for (let at = 1; at <= 4; at++) {
        const octet = group * 4 + at < kept ? line[group * 4 + at]! : SPACE; // trailing spaces are lost on the way
        if (octet < 32 || octet > 96) this.bad = true;
        bits = bits << 6 | (octet - 32) & 63;
      }
      for (let shift = 16; shift >= 0 && left > 0; shift -= 8, left--) out[to++] = bits >> shift;
    }
    return to;
  }
}
