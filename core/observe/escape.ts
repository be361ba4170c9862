/**
 * Peers' text made safe to print: one line, no control of the terminal, no reordering, a sane length. What a peer sends
 * can fill a value and never end it (case 61). Non-job: which values a line has (wording.ts).
 */

/** The longest value in a line for people. */
export const MAX_VALUE = 256;

// Cc controls, Cf format characters (bidi, zero width), lone surrogates, private use, unassigned, line separators
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;
const EACH_UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** A value that needs no quotes: nothing that could be taken for the end of it. */
const PLAIN = /^[\w.@+=:/,~!#$%&'*?^{|}\-<>[\]]+$/;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escape(char: string): string {
  return SHORT[char] ?? `\\u{${char.codePointAt(0)!.toString(16)}}`;
}

/** Cut after `max` characters, never inside a surrogate pair; says how much is missing. */
export function cut(text: string, max = MAX_VALUE): string {
  if (text.length <= max) return text;
  const end = isHigh(text.charCodeAt(max - 1)) ? max - 1 : max;
  return `${text.slice(0, end)}[+${text.length - end}]`;
}
function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

/** A value for `key=value`: bare when it can be, else in quotes with everything unsafe escaped. */
export function printable(text: string, max = MAX_VALUE): string {
  if (text.length <= max && PLAIN.test(text)) return text;
  const short = cut(text, max).replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return `"${UNSAFE.test(short) ? short.replace(EACH_UNSAFE, escape) : short}"`;
}

/** JSON that is printable too: JSON itself leaves C1 controls, line separators and bidi marks as they are. */
export function printableJson(value: unknown): string {
  const json = JSON.stringify(value);
  return UNSAFE.test(json) ? json.replace(EACH_UNSAFE, units) : json;
}
function units(char: string): string {
  let text = "";
  for (let i = 0; i < char.length; i++) text += `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`;
  return text;
}
