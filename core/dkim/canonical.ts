/**
 * Canonical forms of DKIM (RFC 6376 3.4): of one header field, and of a body that comes in pieces, in memory that no body
 * can grow. Lines end with CRLF alone; a CR or LF by itself is an octet like others. Non-job: which fields, which hash.
 */
/** RFC 6376 3.4.1 to 3.4.4. */
export type Canonicalization = "simple" | "relaxed";

const CR = 13, LF = 10, SPACE = 32, TAB = 9, COLON = 58;

/**
 * A field as it is hashed: `simple` as it is, `relaxed` with its name in lower case, unfolded, each run of space one space,
 * none around the colon or at the end. With its CRLF.
 *
 * @example
 * ```ts
 * import { canonicalField } from "./canonical.ts";
 * import { assertEquals } from "@std/assert";
 * const field = new TextEncoder().encode("SUBJect : one\r\n\ttwo  \r\n");
 * assertEquals(new TextDecoder().decode(canonicalField(field, "relaxed")), "subject:one two\r\n");
 * ```
 */
export function canonicalField(field: Uint8Array, form: Canonicalization): Uint8Array {
  if (form === "simple") return field; // RFC 6376 3.4.1
  const out = new Uint8Array(field.length + 2); // RFC 6376 3.4.2
  let at = 0, to = 0;
  for (; at < field.length && field[at] !== COLON; at++) {
    const octet = field[at]!;
    if (octet === SPACE || octet === TAB) continue;
    out[to++] = octet >= 65 && octet <= 90 ? octet + 32 : octet;
  }
  out[to++] = COLON;
  const value = to;
  let space = false;
  for (at++; at < field.length; at++) {
    const octet = field[at]!;
    if (octet === CR && field[at + 1] === LF) at++; // unfolded
    else if (octet === SPACE || octet === TAB) space = true;
    else {
      if (space && to > value) out[to++] = SPACE;
      space = false;
      out[to++] = octet;
    }
  }
  out[to++] = CR;
  out[to++] = LF;
  return out.subarray(0, to);
}

/** Empty lines held back, written out in blocks. */
const EMPTY_LINES = new Uint8Array(4096).map((_, i) => i % 2 === 0 ? CR : LF);

/** A body in pieces, its canonical form in other pieces: `write` has to take each before it returns. */
export class CanonicalBody {
  /** Empty lines, or the end of the last line, that are the body's only if more comes. */
  #ends = 0;
  /** A CR was last, perhaps half a line end. */
  #cr = false;
  /** Space stands before what comes next (relaxed). */
  #space = false;
  /** Anything was written. */
  #content = false;
  #out = new Uint8Array(0);

  constructor(private readonly form: Canonicalization, private readonly write: (octets: Uint8Array) => void) {}

  update(octets: Uint8Array): void {
    if (octets.length === 0) return;
    if (this.form === "simple") this.#simple(octets);
    else this.#relaxed(octets);
  }

  /** The end of the body. */
  end(): void {
    if (this.#cr) this.#flush();
    // simple: an empty body is one CRLF (RFC 6376 3.4.3); relaxed: it is nothing (3.4.4)
    if (this.form === "simple" || this.#content) this.write(EMPTY_LINES.subarray(0, 2));
  }

  /** Writes what was held back, because more came. */
  #flush(): void {
    this.#lines();
    if (this.#space) this.write(Uint8Array.of(SPACE));
    if (this.#cr) this.write(Uint8Array.of(CR));
    this.#content = true;
    this.#space = this.#cr = false;
  }

  #lines(): void {
    for (let left = this.#ends * 2; left > 0; left -= EMPTY_LINES.length) {
      this.write(left < EMPTY_LINES.length ? EMPTY_LINES.subarray(0, left) : EMPTY_LINES);
    }
    this.#ends = 0;
  }

  /** All but the line ends at its end is written as it is, without a copy. */
  #simple(octets: Uint8Array): void {
    let cut = octets.length, ends = 0;
    const cr = octets[cut - 1] === CR;
    if (cr) cut--;
    for (; cut >= 2 && octets[cut - 1] === LF && octets[cut - 2] === CR; cut -= 2) ends++;
    const joined = this.#cr && cut === 1 && octets[0] === LF; // the other half of a line end
    if (joined) {
      this.#cr = false;
      ends++;
    } else if (cut > 0 || this.#cr) {
      this.#flush();
      if (cut > 0) this.write(octets.subarray(0, cut));
    }
    this.#ends += ends;
    this.#cr = cr;
  }

  #relaxed(octets: Uint8Array): void {
    if (this.#out.length < octets.length + 4) this.#out = new Uint8Array(octets.length + 4);
    const out = this.#out;
    let to = 0, ends = this.#ends, cr = this.#cr, space = this.#space, content = this.#content;
    for (let at = 0; at < octets.length; at++) {
      const octet = octets[at]!;
      if (octet > SPACE && !cr && !space && ends === 0) { // within a word
        out[to++] = octet;
        content = true;
      } else if (cr && octet === LF) {
        ends++;
        cr = space = false; // no space at the end of a line
      } else if (!cr && octet === CR) cr = true;
      else if (!cr && (octet === SPACE || octet === TAB)) space = true;
      else {
        if (ends > 0) {
          if (to + 2 * ends + 3 + (octets.length - at) > out.length) { // many were held back from pieces before
            if (to > 0) this.write(out.subarray(0, to));
            to = 0;
            this.#ends = ends;
            this.#lines();
          } else for (let each = 0; each < ends; each++) out[to++] = CR, out[to++] = LF;
          ends = 0;
        }
        if (space) out[to++] = SPACE;
        if (cr) out[to++] = CR;
        cr = octet === CR;
        space = octet === SPACE || octet === TAB;
        if (!cr && !space) out[to++] = octet;
        content = true;
      }
    }
    if (to > 0) this.write(out.subarray(0, to));
    this.#ends = ends, this.#cr = cr, this.#space = space, this.#content = content;
  }
}
