/**
 * The header of a message as its signatures see it (RFC 6376 3.7, 5.4.2): which field a name of h= means, and each field in
 * its canonical form, made once for all signatures, so that many of them cost little more than one.
 * Non-job: what a signature says (signature.ts), its key.
 */
import { type FieldRange, HeaderSection } from "../model/headers.ts";
import { concat } from "../model/octets.ts";
import { canonicalField, type Canonicalization } from "./canonical.ts";

const SEMICOLON = 59, EQUALS = 61, LF = 10, b = 98;

export class SignedHeader {
  readonly section: HeaderSection;
  readonly #byName = new Map<string, FieldRange[]>();
  readonly #canonical = { simple: new Map<FieldRange, Uint8Array>(), relaxed: new Map<FieldRange, Uint8Array>() };

  /** `head`: octets with at least the whole header section. */
  constructor(head: Uint8Array) {
    this.section = new HeaderSection(head);
    for (const field of this.section.fields) {
      const name = field.name.toLowerCase(), list = this.#byName.get(name);
      if (list === undefined) this.#byName.set(name, [field]);
      else list.push(field);
    }
  }

  /** Every field of that name, in lower case, in their order. */
  named(name: string): readonly FieldRange[] {
    return this.#byName.get(name) ?? [];
  }

  /**
   * What is hashed: the fields that `names` mean, the last of a name first, then the signature itself as it was before it
   * had a value. A name that nothing is left of counts as nothing.
   */
  hashed(names: readonly string[], own: FieldRange, form: Canonicalization): Uint8Array<ArrayBuffer> {
    const pieces: Uint8Array[] = [], left = new Map<string, number>();
    for (const name of names) {
      const fields = this.named(name);
      let at = (left.get(name) ?? fields.length) - 1;
      if (at >= 0 && fields[at] === own) at--; // a signature is no field that it covers
      left.set(name, Math.max(at, 0));
      if (at >= 0) pieces.push(...this.canonical(fields[at]!, form));
    }
    pieces.push(this.unsigned(own, form));
    return concat(pieces);
  }

  /** A field in its form, with its line end. */
  canonical(field: FieldRange, form: Canonicalization): readonly Uint8Array[] {
    const known = this.#canonical[form];
    let octets = known.get(field);
    if (octets === undefined) known.set(field, octets = canonicalField(this.#octetsOf(field), form));
    return octets.at(-1) === LF ? [octets] : [octets, LINE_END]; // the last line of a content without a body
  }

  /** A signature's field in its form, without what b= says, and without its line end (RFC 6376 3.7). */
  unsigned(field: FieldRange, form: Canonicalization): Uint8Array {
    const octets = canonicalField(withoutSignature(this.#octetsOf(field), field.value - field.start), form);
    if (octets.at(-1) !== LF) return octets;
    return octets.subarray(0, octets.at(-2) === 13 ? -2 : -1);
  }

  #octetsOf({ start, end }: FieldRange): Uint8Array {
    return this.section.octets.subarray(start, end);
  }
}

const LINE_END = Uint8Array.of(13, LF);

/** Without the octets between `b=` and the semicolon or the line end behind it. `from`: where the tags begin. */
function withoutSignature(field: Uint8Array, from: number): Uint8Array {
  const end = field.length - (field.at(-1) !== LF ? 0 : field.at(-2) === 13 ? 2 : 1);
  for (let at = from; at < end;) {
    const semicolon = field.indexOf(SEMICOLON, at), next = semicolon < 0 || semicolon > end ? end : semicolon;
    while (at < next && field[at]! <= 32) at++;
    const equals = field.indexOf(EQUALS, at);
    if (
      field[at] === b && equals > at && equals < next && field.subarray(at + 1, equals).every((octet) => octet <= 32)
    ) {
      return concat([field.subarray(0, equals + 1), field.subarray(next)]);
    }
    at = next + 1;
  }
  return field;
}
