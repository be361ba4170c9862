/**
 * Octets in any cut, coded for lesser transport: quoted-printable and base64 (RFC 2045 6.7, 6.8), base64 that was written
 * badly, and lines that nobody reads. No line is longer than 76 octets (998 of those that are kept), and none begins with
 * a "-" that did not: nothing becomes a boundary. Non-job: which octets (convert.ts).
 */
const CR = 13, LF = 10, SPACE = 32, TAB = 9, EQUALS = 61, DASH = 45, QUESTION = 63;
const MAX_LINE = 998;
const EMPTY = new Uint8Array(0);

export type Octets = Uint8Array<ArrayBuffer>;

/** Codes octets that come in any cut. */
export interface Coder {
  /** The coded octets that these bring; they may be written over by the next call. */
  write(octets: Uint8Array): Uint8Array<ArrayBuffer>;
  /** What was kept back. `last`: nothing follows, not even a boundary's line end, so the line has to end. */
  end(last: boolean): Uint8Array<ArrayBuffer>;
}

/**
 * A coder of quoted-printable or base64 (RFC 2045 6.7, 6.8). Octets come in any cut; no line that it writes is longer than 76
 * octets, and none begins with a "-" that did not.
 *
 * @example
 * ```ts
 * import { coderFor } from "postern";
 * import { assertEquals } from "@std/assert";
 * const coder = coderFor("quoted-printable"), text = new TextDecoder();
 * const first = text.decode(coder.write(new TextEncoder().encode("Grüße")));
 * assertEquals(first + text.decode(coder.end(true)), "Gr=C3=BC=C3=9Fe=\r\n");
 * ```
 */
export function coderFor(coding: "quoted-printable" | "base64"): Coder {
  return coding === "base64" ? new Base64() : new QuotedPrintable();
}

const code = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const HEX = code("0123456789ABCDEF");
const ALPHABET = code("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/** CRLF stays a line's end, every other CR and LF is escaped. */
export class QuotedPrintable implements Coder {
  #out = EMPTY;
  #to = 0;
  #line = 0;
  /** The line began with a soft break. */
  #soft = false;
  /** A space or tab that a line end may follow, or 0. */
  #held = 0;
  #cr = false;

  write(octets: Uint8Array): Octets {
    this.#out = new Uint8Array(octets.length * 4 + 16);
    this.#to = 0;
    for (let at = 0; at < octets.length; at++) {
      const octet = octets[at]!;
      if (this.#cr) {
        this.#cr = false;
        if (octet === LF) {
          this.#release(true);
          this.#break();
          continue;
        }
        this.#release(false);
        this.#escape(CR);
      }
      if (octet === CR) this.#cr = true;
      else {
        this.#release(false);
        if (octet === SPACE || octet === TAB) this.#held = octet;
        else if (octet > SPACE && octet < 127 && octet !== EQUALS) this.#plain(octet);
        else this.#escape(octet);
      }
    }
    return this.#out.subarray(0, this.#to);
  }

  end(last: boolean): Octets {
    this.#out = new Uint8Array(24);
    this.#to = 0;
    this.#release(!this.#cr);
    if (this.#cr) this.#escape(CR);
    this.#cr = false;
    if (last && this.#line > 0) { // a line end that is no octet of the text
      this.#out[this.#to++] = EQUALS;
      this.#break();
    }
    return this.#out.subarray(0, this.#to);
  }

  /** Writes the space that was held; `ends`: the line ends with it, and some eat such spaces (RFC 2045 6.7 (3)). */
  #release(ends: boolean): void {
    const held = this.#held;
    if (held === 0) return;
    this.#held = 0;
    if (ends) this.#escape(held);
    else this.#plain(held);
  }

  #break(): void {
    this.#out[this.#to++] = CR;
    this.#out[this.#to++] = LF;
    this.#line = 0;
    this.#soft = false;
  }

  /** Room on the line, one octet kept for the "=" of a soft break (RFC 2045 6.7 (5)). */
  #room(size: number): void {
    if (this.#line + size > 75) {
      this.#out[this.#to++] = EQUALS;
      this.#break();
      this.#soft = true;
    }
    this.#line += size;
  }

  #plain(octet: number): void {
    this.#room(1);
    if (this.#soft && this.#line === 1 && octet === DASH) {
      this.#line = 0;
      this.#escape(octet);
    } else this.#out[this.#to++] = octet;
  }

  #escape(octet: number): void {
    this.#room(3);
    this.#out[this.#to++] = EQUALS;
    this.#out[this.#to++] = HEX[octet >> 4]!;
    this.#out[this.#to++] = HEX[octet & 15]!;
  }
}

export class Base64 implements Coder {
  #line = 0;
  /** Up to two octets that wait for a third, and how many. */
  #bits = 0;
  #count = 0;

  write(octets: Uint8Array): Octets {
    const out = new Uint8Array(Math.ceil((octets.length + 2) / 3) * 4 + Math.ceil(octets.length / 57) * 2 + 8);
    let to = 0, bits = this.#bits, count = this.#count, line = this.#line;
    for (let at = 0; at < octets.length; at++) {
      bits = bits << 8 | octets[at]!;
      if (++count < 3) continue;
      if (line === 76) {
        out[to++] = CR;
        out[to++] = LF;
        line = 0;
      }
      out[to++] = ALPHABET[bits >> 18]!;
      out[to++] = ALPHABET[bits >> 12 & 63]!;
      out[to++] = ALPHABET[bits >> 6 & 63]!;
      out[to++] = ALPHABET[bits & 63]!;
      line += 4;
      bits = count = 0;
    }
    this.#bits = bits;
    this.#count = count;
    this.#line = line;
    return out.subarray(0, to);
  }

  end(last: boolean): Octets {
    const out: number[] = [];
    if (this.#count > 0) {
      if (this.#line === 76) out.push(CR, LF);
      const bits = this.#bits << (this.#count === 1 ? 16 : 8);
      out.push(ALPHABET[bits >> 18]!, ALPHABET[bits >> 12 & 63]!);
      out.push(this.#count === 2 ? ALPHABET[bits >> 6 & 63]! : EQUALS, EQUALS);
      this.#line = 4;
    }
    if (last && this.#line > 0) out.push(CR, LF);
    return Uint8Array.from(out);
  }
}

/** Base64 in lines of its own; what is no base64 goes, as readers must ignore it (RFC 2045 6.8). */
export class Base64Lines implements Coder {
  #line = 0;

  write(octets: Uint8Array): Octets {
    const out = new Uint8Array(octets.length + Math.ceil(octets.length / 76) * 2 + 2);
    let to = 0;
    for (const octet of octets) {
      const letter = octet | 32;
      const known = letter > 96 && letter < 123 && octet < 128 || octet > 46 && octet < 58 || octet === 43 ||
        octet === EQUALS;
      if (!known) continue;
      if (this.#line === 76) {
        out[to++] = CR;
        out[to++] = LF;
        this.#line = 0;
      }
      out[to++] = octet;
      this.#line++;
    }
    return out.subarray(0, to);
  }

  end(last: boolean): Octets {
    return last && this.#line > 0 ? Uint8Array.of(CR, LF) : EMPTY;
  }
}

/**
 * Lines with CRLF: LF alone is a line's end as well, a bare CR and NUL are spaces. `filler`: nobody's content, so octets
 * above 127 become "?", and lines that are too long become several.
 */
export class Lines implements Coder {
  readonly #filler: boolean;
  #line = 0;
  #cr = false;

  constructor(filler: boolean) {
    this.#filler = filler;
  }

  write(octets: Uint8Array): Octets {
    const out = new Uint8Array(octets.length * 2 + Math.ceil(octets.length / MAX_LINE) * 3 + 8);
    let to = 0;
    const put = (octet: number) => {
      if (this.#filler && this.#line === MAX_LINE) { // the space: nothing becomes a boundary
        out[to++] = CR;
        out[to++] = LF;
        out[to++] = SPACE;
        this.#line = 1;
      }
      out[to++] = octet;
      this.#line++;
    };
    for (const octet of octets) {
      if (octet === LF) {
        out[to++] = CR;
        out[to++] = LF;
        this.#line = 0;
        this.#cr = false;
        continue;
      }
      if (this.#cr) put(SPACE);
      this.#cr = octet === CR;
      if (!this.#cr) put(octet === 0 ? SPACE : this.#filler && octet > 127 ? QUESTION : octet);
    }
    return out.subarray(0, to);
  }

  end(_last: boolean): Octets {
    const cr = this.#cr;
    this.#cr = false;
    return cr ? Uint8Array.of(SPACE) : EMPTY;
  }
}
