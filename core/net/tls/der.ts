/**
 * DER, as much of it as certificates need (X.690 8, 10): a writer that nests, and a reader that never looks past the end
 * of what it was given, never recurses and copies nothing. Non-job: what the values mean (certificate.ts).
 */

/** One value: its tag, its contents, and all of its octets. Views of what was read. */
export interface Value {
  readonly tag: number;
  readonly contents: Uint8Array<ArrayBuffer>;
  readonly whole: Uint8Array<ArrayBuffer>;
}

/** The octets are no DER, or not what stands in a certificate at this place. */
export class DerError extends Error {
  override readonly name = "DerError";
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Walks through the values that stand one behind the other in some octets. */
export class DerReader {
  readonly #octets: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(octets: Uint8Array<ArrayBuffer>) {
    this.#octets = octets;
  }

  get ended(): boolean {
    return this.#at === this.#octets.length;
  }

  /** The next value's tag, or -1 at the end. */
  get tag(): number {
    return this.#octets[this.#at] ?? -1;
  }

  /** The next value, which must have that tag when one is given. @throws {DerError} */
  next(tag?: number): Value {
    const octets = this.#octets, start = this.#at;
    const found = octets[start];
    if (found === undefined || tag !== undefined && found !== tag) throw new DerError(`no ${tag} at ${start}`);
    if ((found & 0x1f) === 0x1f) throw new DerError("a tag of many octets");
    let at = start + 1, length = octets[at++] ?? NaN;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3) throw new DerError("a length that is no DER"); // 16 MB are more than enough
      for (length = 0; at < start + 2 + count; at++) length = length * 256 + (octets[at] ?? NaN);
      if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError("a length longer than it need be");
    }
    const end = at + length;
    if (!(end <= octets.length)) throw new DerError("the end is missing");
    this.#at = end;
    return { tag: found, contents: octets.subarray(at, end), whole: octets.subarray(start, end) };
  }

  /** The next value when it has that tag, else null and nothing is read. */
  optional(tag: number): Value | null {
    return this.tag === tag ? this.next(tag) : null;
  }

  /** A reader of the next value's contents. */
  enter(tag: number = TAG.sequence): DerReader {
    return new DerReader(this.next(tag).contents);
  }
}

/** An object identifier in its usual writing, "2.5.29.17". */
export function oidText(contents: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const octet of contents) {
    arc = arc * 128 + (octet & 0x7f);
    if (octet < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const first = arcs[0] ?? 0, top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...arcs.slice(1)].join(".");
}

type Octets = Uint8Array<ArrayBuffer>;

/** A value with that tag around what is given. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Octets {
  const length = contents.reduce((sum, each) => sum + each.length, 0);
  const head = [tag];
  if (length < 0x80) head.push(length);
  else if (length < 0x100) head.push(0x81, length);
  else if (length < 0x10000) head.push(0x82, length >> 8, length & 0xff);
  else throw new DerError("too long");
  return concat(Uint8Array.from(head), ...contents);
}

/** An object identifier from its usual writing. */
export function oid(text: string): Octets {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const octets: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(left & 0x7f | 0x80);
    octets.push(...groups);
  }
  return der(TAG.oid, Uint8Array.from(octets));
}

/** A positive integer from octets, most significant first. */
export function integer(octets: Uint8Array): Octets {
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const bare = octets.subarray(start);
  return der(TAG.integer, Uint8Array.from(bare[0]! >= 0x80 ? [0] : []), bare);
}

/** Bits that fill whole octets. */
export function bitString(octets: Uint8Array): Octets {
  return der(TAG.bitString, Uint8Array.of(0), octets);
}

function concat(...parts: readonly Uint8Array[]): Octets {
  const all = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
