/**
 * The header section of a message as octet ranges: one linear pass, no copy, values decoded on demand (RFC 5322 2.2, 3.6.8;
 * obsolete forms of 4.5 are read, never made). Non-job: what a field means, changing fields (edits.ts).
 *
 * What is no field and no continuation ends the section, as in other servers' readers: a reader that is shown the message
 * later sees the same fields as the checks here did. LF alone ends a line as well, for the octets of BINARYMIME (RFC 3030).
 */
const CR = 13, LF = 10, SPACE = 32, TAB = 9, COLON = 58;

/** One field, as ranges of the octets it was found in: `[start, end)` with its last line end, value from `value`. */
export interface FieldRange {
  /** As it was written, without the space that obsolete forms have before the colon. */
  readonly name: string;
  /** Its first octet. */
  readonly start: number;
  /** First octet after the colon. */
  readonly value: number;
  /** First octet after it. */
  readonly end: number;
}

/**
 * The header section at the start of some octets; what follows it may be there or not.
 *
 * @example
 * ```ts
 * import { HeaderSection } from "postern";
 * import { assertEquals } from "@std/assert";
 * const section = new HeaderSection(new TextEncoder().encode("Subject: one\r\n two\r\n\r\nbody"));
 * assertEquals(section.fields.map((field) => [field.name, section.value(field)]), [["Subject", "one two"]]);
 * ```
 */
export class HeaderSection {
  /** In their order. */
  readonly fields: readonly FieldRange[];
  /** Where the body begins: after the empty line, or at the line that is no field. */
  readonly bodyStart: number;
  /** Start of the line that is neither field nor empty and ended the section without an empty line; null when all is well. */
  readonly malformedAt: number | null;

  /** Reads on to the section's end, and no further. */
  constructor(readonly octets: Uint8Array) {
    const fields: FieldRange[] = [];
    let at = 0, malformed: number | null = null;
    while (at < octets.length) {
      const first = octets[at]!;
      if (first === LF || (first === CR && octets[at + 1] === LF)) { // the empty line
        at += first === LF ? 1 : 2;
        break;
      }
      const colon = colonOf(octets, at);
      if (colon < 0) {
        malformed = at;
        break;
      }
      let end = lineEnd(octets, colon);
      while (end < octets.length && (octets[end] === SPACE || octets[end] === TAB)) end = lineEnd(octets, end);
      let last = colon;
      while (octets[last - 1] === SPACE || octets[last - 1] === TAB) last--;
      fields.push({ name: ascii(octets, at, last), start: at, value: colon + 1, end });
      at = end;
    }
    this.fields = fields;
    this.bodyStart = at;
    this.malformedAt = malformed;
  }

  /** Every field of that name, any case. */
  named(name: string): FieldRange[] {
    const wanted = name.toLowerCase();
    return this.fields.filter((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted);
  }

  /** The first field of that name, any case. */
  first(name: string): FieldRange | undefined {
    const wanted = name.toLowerCase();
    return this.fields.find((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted);
  }

  /** Unfolded, without the space around it. Octets above 127 as UTF-8 (RFC 6532), else Latin-1. */
  value(field: FieldRange): string {
    return fieldText(this.octets.subarray(field.value, field.end));
  }
}

/** field-name = 1*ftext, then obsolete space, then the colon; -1 when the line is no field. ftext = %d33-57 / %d59-126 */
function colonOf(octets: Uint8Array, start: number): number {
  let at = start;
  for (; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet < 33 || octet > 126 || octet === COLON) break;
  }
  if (at === start) return -1;
  while (octets[at] === SPACE || octets[at] === TAB) at++; // obs-optional                            RFC 5322 4.5.8
  return octets[at] === COLON ? at : -1;
}

/** Index after the LF of the line at `from`, or the end of the octets. */
function lineEnd(octets: Uint8Array, from: number): number {
  const feed = octets.indexOf(LF, from);
  return feed < 0 ? octets.length : feed + 1;
}

function ascii(octets: Uint8Array, start: number, end: number): string {
  if (end - start > 1000) return new TextDecoder().decode(octets.subarray(start, end)); // ftext is ASCII: the same text
  return String.fromCharCode.apply(null, octets.subarray(start, end) as unknown as number[]);
}

/** Up to here a decoder costs more than it does. */
const SHORT = 256;

function isAscii(octets: Uint8Array): boolean {
  for (let at = 0; at < octets.length; at++) if (octets[at]! > 127) return false;
  return true;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function fieldText(octets: Uint8Array): string {
  let text: string;
  try {
    text = octets.length < SHORT && isAscii(octets)
      ? String.fromCharCode.apply(null, octets as unknown as number[])
      : strict.decode(octets);
  } catch {
    text = "";
    for (const octet of octets) text += String.fromCharCode(octet); // "latin1" means windows-1252 to TextDecoder
  }
  // Unfolding removes the line end and keeps the space after it                                       RFC 5322 2.2.3
  if (text.includes("\n")) text = text.replace(/\r?\n/g, "");
  return trimSpace(text);
}

/** Space and tab only: a NUL or a no-break space is part of the value. */
function trimSpace(text: string): string {
  let start = 0, end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/**
 * Index after the header section of what has come so far: after CRLF CRLF, or after a CRLF at the very start; -1 when its
 * end is not there yet. `from`: where to look, three octets before what is new.
 */
export function headerEnd(octets: Uint8Array, from = 0): number {
  if (octets[0] === CR && octets[1] === LF) return 2;
  for (let at = octets.indexOf(CR, from); at >= 0 && at + 3 < octets.length; at = octets.indexOf(CR, at + 1)) {
    if (octets[at + 1] === LF && octets[at + 2] === CR && octets[at + 3] === LF) return at + 4;
  }
  return -1;
}
