/**
 * A text at the end of a message's own text: where it goes in each part, and how it is written in the part's charset and
 * coding. Pure. Non-job: which messages (mod.ts), changing octets (body_edits.ts).
 */
import {
  type Coder,
  coderFor,
  type Decoder,
  decoderFor,
  type PartConsumer,
  type PartHead,
} from "../../../core/pipeline/mod.ts";
import type { BodyEdit, BodyPart } from "../body_edits.ts";

type Octets = Uint8Array<ArrayBuffer>;

/** What is added. */
export interface Footer {
  readonly text: string;
  readonly html: string;
}

const LF = 10, LONGEST = 7; // </body, with an octet to spare

/** Finds where the footer goes: at the end of a text, before the end of a page's body. */
export class FooterPlace implements PartConsumer {
  /** Decoded octets before it. */
  at = 0;
  /** A line is open there. */
  open = false;
  readonly #html: boolean;
  #tail = "";
  #size = 0;
  #found = -1;
  #rank = 0;

  constructor(html: boolean) {
    this.#html = html;
  }

  write(octets: Uint8Array): void {
    if (this.#html) {
      const text = this.#tail + new TextDecoder("latin1").decode(octets), from = this.#size - this.#tail.length;
      for (const { index, 0: tag } of text.matchAll(/<\/(?:body|html)/gi)) {
        const rank = tag.toLowerCase() === "</body" ? 2 : 1;
        if (rank >= this.#rank) this.#found = from + index;
        this.#rank = Math.max(this.#rank, rank);
      }
      this.#tail = text.slice(-LONGEST + 1);
    }
    this.#size += octets.length;
    this.open = octets[octets.length - 1] !== LF;
  }
  end(): void {
    this.at = this.#found < 0 ? this.#size : this.#found;
  }
}

/** The part may have it: text for people, in nothing that is signed, encrypted or passed on. */
export function takesFooter(part: PartHead & { readonly locked?: unknown }): boolean {
  return (part.type === "text/plain" || part.type === "text/html") && part.disposition !== "attachment" &&
    (part.filename === null || part.disposition === "inline") && charsetOf(part) !== null;
}

/** The first text and the first page of the message itself. */
export function partsForFooter(parts: readonly BodyPart[]): BodyPart[] {
  const within = parts.filter(({ type }) => type.startsWith("message/")).map(({ path }) => `${path}.`);
  const own = parts.filter((part) => takesFooter(part) && !within.some((path) => part.path.startsWith(path)));
  const first = (type: string) => own.find((part) => part.type === type);
  return [first("text/plain"), first("text/html")].filter((part) => part !== undefined);
}

/** The change that puts it there. */
export function footerEdit(part: BodyPart, place: FooterPlace, { text, html }: Footer): BodyEdit {
  const inHtml = part.type === "text/html", { encoding } = part;
  const narrow = encoding === "7bit"; // what is not ASCII would make a lie of it                       RFC 2045 6.2
  const said = inHtml ? `${html}\r\n` : `${place.open ? "\r\n" : ""}${withLines(text)}`;
  const octets = encodeText(said, narrow ? "us-ascii" : charsetOf(part)!, inHtml);
  if (encoding === "base64" || encoding === "quoted-printable") {
    return {
      start: part.bodyStart,
      end: part.bodyEnd,
      by: () =>
        new Inserting(decoderFor(encoding)!, coderFor(encoding), { at: place.at, octets, last: part.path === "1" }),
    };
  }
  const at = part.bodyStart + place.at;
  return { start: at, end: at, by: octets };
}

const withLines = (text: string): string => `${text.replace(/\r?\n/g, "\r\n").replace(/(?:\r\n)+$/, "")}\r\n`;

interface Insertion {
  /** Decoded octets before it. */
  readonly at: number;
  readonly octets: Octets;
  /** Nothing follows the part. */
  readonly last: boolean;
}

/** Takes a coding off, puts octets in, and codes again. */
class Inserting implements Coder {
  readonly #decoder: Decoder;
  readonly #coder: Coder;
  readonly #what: Insertion;
  #size = 0;
  #done = false;

  constructor(decoder: Decoder, coder: Coder, what: Insertion) {
    this.#decoder = decoder;
    this.#coder = coder;
    this.#what = what;
  }

  write(octets: Uint8Array): Octets {
    return this.#pass(this.#decoder.write(octets));
  }
  end(last: boolean): Octets {
    const rest = this.#pass(this.#decoder.end());
    const added = this.#done ? new Uint8Array(0) : this.#coder.write(this.#what.octets).slice();
    return join(rest, added, this.#coder.end(last || this.#what.last));
  }

  #pass(octets: Uint8Array): Octets {
    const { at, octets: what } = this.#what, cut = at - this.#size;
    this.#size += octets.length;
    if (this.#done || cut >= octets.length) return this.#coder.write(octets).slice();
    this.#done = true;
    return join(
      this.#coder.write(octets.subarray(0, cut)).slice(),
      this.#coder.write(what).slice(),
      this.#coder.write(octets.subarray(cut)).slice(),
    );
  }
}

function join(...parts: readonly Octets[]): Octets {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A charset in which ASCII is ASCII, or null. */
function charsetOf({ charset }: Pick<PartHead, "charset">): string | null {
  const label = charset ?? "us-ascii";
  return /^(?:utf-?(?:16|32|7)|iso-10646|ucs|unicode|ebcdic|hz|iso-2022|x-user)/.test(label) ? null : label;
}

/** What the charset has no character for becomes a reference in HTML, else the nearest letter, or a question mark. */
function encodeText(text: string, charset: string, html: boolean): Octets {
  if (/^utf-?8$/.test(charset)) return new TextEncoder().encode(text);
  const known = characters(charset), out: number[] = [];
  for (const char of text) {
    const octet = known.get(char);
    if (octet !== undefined) out.push(octet);
    else {
      const near = html ? `&#${char.codePointAt(0)};` : char.normalize("NFKD").replace(/[^\x20-\x7e]/g, "") || "?";
      for (const letter of near) out.push(letter.charCodeAt(0));
    }
  }
  return Uint8Array.from(out);
}

/** The characters of a charset that are one octet each. */
function characters(charset: string): ReadonlyMap<string, number> {
  const known = new Map<string, number>();
  for (let octet = 0; octet < 128; octet++) known.set(String.fromCharCode(octet), octet);
  if (!/^(?:iso-8859-|windows-|cp125|koi8|macintosh|latin)/.test(charset)) return known;
  try {
    const decoder = new TextDecoder(charset, { fatal: true });
    for (let octet = 160; octet < 256; octet++) {
      try {
        known.set(decoder.decode(Uint8Array.of(octet)), octet);
      } catch { /* no character */ }
    }
  } catch { /* a charset nobody knows: ASCII alone */ }
  return known;
}
