/** Octets as values. Non-job: text itself (TextEncoder and TextDecoder have it), streams. */

/**
 * The parts, one behind the other.
 *
 * @example
 * ```ts
 * import { concat } from "./octets.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(concat([Uint8Array.of(1), Uint8Array.of(2, 3)]), Uint8Array.of(1, 2, 3));
 * ```
 */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * Whether the octets are UTF-8 (RFC 3629) from the first to the last: ASCII is, none at all are too. Linear.
 *
 * @example
 * ```ts
 * import { isUtf8 } from "./octets.ts";
 * import { assert } from "@std/assert";
 * assert(isUtf8(Uint8Array.of(0xc3, 0xa9)));
 * assert(!isUtf8(Uint8Array.of(0xe9))); // the same letter in ISO-8859-1
 * ```
 */
export function isUtf8(octets: Uint8Array): boolean {
  try {
    strict.decode(octets);
    return true;
  } catch {
    return false;
  }
}
