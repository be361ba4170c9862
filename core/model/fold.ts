/**
 * Folding of a header field (RFC 5322 2.2.3): a line is as long as its writer likes, and never longer than the law allows.
 * Linear. Non-job: what may stand in a field.
 */

/** Octets of a line where there is no space to break at; the law is 998 (RFC 5322 2.1.1). */
const HARD_LINE = 900;

/**
 * The field with its CRLF, broken before spaces (RFC 5322 2.2.3), so that unfolding gives the text back; what has no space for
 * 900 octets gets one. `from`: no break before this index. `line`: characters that a line should have at most.
 *
 * @example
 * ```ts
 * import { fold } from "postern";
 * import { assertEquals } from "@std/assert";
 * const field = fold("Subject: one two three", { from: 9, line: 14 });
 * assertEquals(field, "Subject: one\r\n two three\r\n");
 * ```
 */
export function fold(text: string, { from, line: soft }: { readonly from: number; readonly line: number }): string {
  let out = "", line = 0;
  while (text.length - line > soft) {
    const start = Math.max(line + 1, from); // the space that a continuation line begins with is no place to break
    let cut = -1;
    for (let at = line + soft; at >= start && cut < 0; at--) if (text[at] === " ") cut = at;
    while (cut > start && text[cut - 1] === " ") cut--; // before the run, which is no place to break inside of
    if (cut > line && text.slice(line, cut).trim() === "") cut = -1; // and no line of spaces alone
    if (cut < 0) {
      const end = reach(text, line);
      for (let at = line + soft; at <= end && at < text.length && cut < 0; at++) if (text[at] === " ") cut = at;
      if (cut < 0 && end >= text.length) break;
      if (cut < 0) { // no space to break at: the line limit is worth one
        out += `${text.slice(line, end)}\r\n `;
        line = end;
        continue;
      }
    }
    out += `${text.slice(line, cut)}\r\n`;
    line = cut;
  }
  return `${out}${text.slice(line)}\r\n`;
}

/** The end of the characters that fit into a line by law, from `at` on: between characters, never inside one. */
function reach(text: string, at: number): number {
  for (let octets = 0; at < text.length;) {
    const code = text.codePointAt(at)!;
    octets += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (octets > HARD_LINE) return at;
    at += code > 0xffff ? 2 : 1;
  }
  return text.length;
}
