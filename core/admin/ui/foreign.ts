/**
 * What strangers wrote, made fit to stand in a page: one sane length, nothing that hides itself, turns the direction of
 * what stands around it or breaks the line. Non-job: escaping for HTML (html.ts does it for every text).
 */
import { cut } from "../../observe/escape.ts";
import { type Html, markup } from "./html.ts";

// controls, formats (bidi, zero width), lone surrogates, private use, unassigned, separators of lines
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * The text with what cannot be seen written out, cut after `max` characters with a word on how many are missing.
 *
 * @example
 * ```ts
 * import { foreign } from "./foreign.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(foreign("a\u202eb\r\n"), "a\\u{202e}b\\r\\n");
 * assertEquals(foreign("abcdef", 4), "abcd[+2]");
 * ```
 */
export function foreign(text: string, max = 256): string {
  return cut(text, max).replace(UNSAFE, (char) => SHORT[char] ?? `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** An address that may break behind its @, and where it must. */
export function address(text: string, max = 256): Html {
  const at = text.lastIndexOf("@");
  return at < 0
    ? markup`<bdi>${foreign(text, max)}</bdi>`
    : markup`<bdi>${foreign(text.slice(0, at + 1), max)}<wbr>${foreign(text.slice(at + 1), max)}</bdi>`;
}
