/**
 * DER (X.690 8, 10.1) as far as files of private keys go: elements one after the other, lengths up to four octets.
 * Non-job: what a key is (private_key.ts).
 */

/** Tags of what is read here. */
export const INTEGER = 0x02, OCTETS = 0x04, NULL = 0x05, OBJECT = 0x06, SEQUENCE = 0x30;

/** Octets that are no such DER. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/**
 * Elements, read in their order.
 *
 * @example
 * ```ts
 * import { DerReader, INTEGER, SEQUENCE } from "./der.ts";
 * import { assertEquals } from "@std/assert";
 * const inner = new DerReader(new DerReader(Uint8Array.of(0x30, 3, 2, 1, 7)).next(SEQUENCE));
 * assertEquals([inner.next(INTEGER), inner.done], [Uint8Array.of(7), true]);
 * ```
 */
export class DerReader {
  #at = 0;
  constructor(readonly octets: Uint8Array) {}

  get done(): boolean {
    return this.#at >= this.octets.length;
  }

  /** The content of the next element, which has to be of this kind. @throws {DerError} */
  next(tag: number): Uint8Array {
    const { octets } = this;
    if (octets[this.#at] !== tag) throw new DerError(`no element of kind ${tag} where one has to be`);
    let at = this.#at + 1, length = octets[at++] ?? 0;
    if (length >= 0x80) { // the number of octets that the length takes
      let size = length & 0x7f;
      if (size === 0 || size > 4) throw new DerError("an element has a length that no key has");
      for (length = 0; size > 0; size--) length = length * 256 + (octets[at++] ?? 0);
    }
    if (at + length > octets.length) throw new DerError("it ends before its time");
    this.#at = at + length;
    return octets.subarray(at, this.#at);
  }

  /** A number that is not negative. @throws {DerError} */
  number(): bigint {
    const octets = this.next(INTEGER);
    if (octets.length === 0 || octets[0]! >= 0x80) throw new DerError("a number is negative or has no octets");
    return BigInt(`0x${octets.toHex()}`);
  }
}

/** An element of these contents. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, each) => sum + each.length, 0);
  const size: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest % 256);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 + size.length, ...size];
  const out = new Uint8Array(head.length + length);
  out.set(head);
  let at = head.length;
  for (const each of contents) {
    out.set(each, at);
    at += each.length;
  }
  return out;
}
