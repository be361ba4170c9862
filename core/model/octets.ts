/** Octets as values. Non-job: text (TextEncoder has it), streams. */

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
