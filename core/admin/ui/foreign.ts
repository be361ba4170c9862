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

// controls, lone surrogates, separators of lines, and what turns the direction of letters behind it
const TURNING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * What a mail calls itself or its sender: as it is written, joiners and marks of scripts included, but for what moves
 * other words about.
 *
 * @example
 * ```ts
 * import { saying } from "./foreign.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(saying("a\u202eb \u200d"), "a\\u{202e}b \u200d");
 * ```
 */
export function saying(text: string): string {
  return text.replace(TURNING, (char) => SHORT[char] ?? `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** An address that may break behind its @, and where it must. */
export function address(text: string, max = 256): Html {
  const at = text.lastIndexOf("@");
  return at < 0
    ? markup`<bdi>${foreign(text, max)}</bdi>`
    : markup`<bdi>${foreign(text.slice(0, at + 1), max)}<wbr>${foreign(text.slice(at + 1), max)}</bdi>`;
}
