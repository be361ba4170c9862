/**
 * Base64 as SASL has it (RFC 4648 4): one text for each value, so no space, no missing padding, no bits left over.
 * Non-job: base64 of MIME, which is wrapped and read with patience.
 */

const ALPHABET = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The octets, or null where the text is not what `toBase64` would write of them.
 *
 * @example
 * ```ts
 * import { decodeBase64 } from "./base64.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(decodeBase64("AQI="), Uint8Array.of(1, 2));
 * assertEquals(decodeBase64("AQI"), null);
 * ```
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!ALPHABET.test(text)) return null;
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" }); // RFC 4648 3.2, 3.5: padded, with zeros
  } catch {
    return null;
  }
}
