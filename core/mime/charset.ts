/**
 * Octets to text by the name of a charset, never failing: a reader shows something, and so do we. Non-job: which charset a
 * part has (part_fields.ts), encoded words (core/model/encoded_word.ts).
 */

/** What the web's list of labels lacks and mail has. */
const ALSO: Readonly<Record<string, string>> = {
  "utf8mb4": "utf-8",
  "unicode-1-1-utf-8": "utf-8",
  "cp932": "shift_jis",
  "cp936": "gbk",
  "cp949": "euc-kr",
  "cp950": "big5",
  "gb2312-80": "gbk",
  "iso-8859-8-i": "iso-8859-8",
};
const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * The text of some octets. Null, `us-ascii` and `utf-8`: UTF-8 where they are UTF-8, else windows-1252. A name nobody
 * knows: windows-1252, which has a character for each octet.
 *
 * @example
 * ```ts
 * import { decodeText } from "./charset.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(decodeText(Uint8Array.of(0xe4), "iso-8859-1"), "ä");
 * assertEquals(decodeText(Uint8Array.of(0xc3, 0xa4), null), "ä");
 * assertEquals(decodeText(Uint8Array.of(0xe4), "nobody-knows"), "ä");
 * ```
 */
export function decodeText(octets: Uint8Array, charset: string | null): string {
  const label = charset?.trim().toLowerCase() ?? "";
  if (/^(?:|us-ascii|ascii|utf-?8)$/.test(label)) {
    try {
      return strict.decode(octets);
    } catch {
      return new TextDecoder(label.startsWith("utf") ? "utf-8" : "windows-1252").decode(octets);
    }
  }
  try {
    return new TextDecoder(ALSO[label] ?? label).decode(octets);
  } catch {
    return new TextDecoder("windows-1252").decode(octets);
  }
}
