/** Text of others on a terminal: harmless, as wide as it looks, cut where it must end. Values only. */

const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** Characters of one text that are looked at: what is wider than any terminal is cut before it is measured. */
const LONGEST = 2000;

/** In one line, without controls and without what turns the order of letters: peers wrote some of what commands print. */
export function plain(text: string): string {
  return text.replace(UNSAFE, "?");
}

/** C1 controls, of which U+009B begins a sequence as ESC [ does, and what turns the order of letters. */
const LEFT_BY_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Without what `JSON.stringify` leaves as it is and a terminal takes for more than text, written as JSON may have it: JSON
 * means the same as before. Line ends and colours stay.
 */
export function harmless(text: string): string {
  return text.replace(LEFT_BY_JSON, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });
/** Two columns wide: East Asian scripts (UAX 11, the large ranges) and pictures. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|^\p{Emoji_Presentation}/u;
/** What needs no segmenter. */
const SIMPLE = /^[\x20-\x7e]*$/;

/** Columns of a terminal that a text takes. */
export function widthOf(text: string): number {
  if (SIMPLE.test(text)) return text.length;
  let width = 0;
  for (const { segment } of GRAPHEMES.segment(text.slice(0, LONGEST))) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/**
 * The text, cut to so many columns.
 *
 * @example
 * ```ts
 * import { cutTo } from "./text.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals([cutTo("short", 8), cutTo("much too long", 8)], ["short", "much to…"]);
 * ```
 */
export function cutTo(text: string, columns: number): string {
  if (SIMPLE.test(text)) return text.length <= columns ? text : columns < 1 ? "" : `${text.slice(0, columns - 1)}…`;
  if (columns < 1) return "";
  let width = 0, kept = "";
  for (const { segment } of GRAPHEMES.segment(text.slice(0, LONGEST))) {
    const wide = WIDE.test(segment) ? 2 : 1;
    if (width + wide > columns) return `${cutBack(kept, columns - 1)}…`;
    width += wide;
    kept += segment;
  }
  return kept;
}
function cutBack(text: string, columns: number): string {
  const parts = [...GRAPHEMES.segment(text)].map(({ segment }) => segment);
  while (parts.length > 0 && widthOf(parts.join("")) > columns) parts.pop();
  return parts.join("");
}

/** `1 message`, `2 messages`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const AGES = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "m"]] as const;
/** A time that passed, in its largest unit: `3d`, `12m`, `40s`. */
export function ageOf(milliseconds: number): string {
  for (const [unit, letter] of AGES) if (milliseconds >= unit) return `${Math.floor(milliseconds / unit)}${letter}`;
  return `${Math.max(0, Math.floor(milliseconds / 1000))}s`;
}
