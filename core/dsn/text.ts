/**
 * Text for reports: what strangers said made harmless, lines wrapped and folded, octets made fit for transport
 * (RFC 5322 2.1.1, 2.2.3; RFC 2045 6.7). Everything is linear. Non-job: what is said (wording.ts), fields (status.ts).
 */
import { fold } from "../model/fold.ts";

const LINE = 76;
/** Controls, line ends of any kind, and marks that turn the direction of what is read. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu;
const SPACES = / {2,}/g, MANY_SPACES = / {65,}/g; // no address has more than 64 in a row

/** One line of what somebody said, cut after `max` characters. */
export function quotable(words: string, max: number): string {
  const clean = words.slice(0, 4 * max).replace(UNSAFE, " ").replace(SPACES, " ").trim().toWellFormed();
  if (clean.length <= max) return clean;
  const end = max - 4, low = clean.charCodeAt(end);
  return `${clean.slice(0, low >= 0xdc00 && low < 0xe000 ? end - 1 : end)} ...`;
}

/** An address or a name where it has to be exact: nothing but what cannot stand in a line becomes a space. */
export function inLine(text: string): string {
  return text.replace(UNSAFE, " ").replace(MANY_SPACES, " ").toWellFormed();
}

/**
 * A header field with its CRLF. No value can begin a line of its own; long ones are folded before a space, so that
 * unfolding gives the value back. What has no space for 900 octets gets one.
 */
export function field(name: string, value: string): string {
  const from = name.length + 2; // no break before this: some readers take the first line for all of it
  return fold(`${name}: ${inLine(value).trim()}`, { from, line: LINE });
}

/** Lines of at most 72 characters where there is a space to break at, each with `indent` in front and LF behind. */
export function wrap(text: string, indent = ""): string {
  let out = "", line = indent;
  for (const word of text.split(" ")) {
    if (line.length > indent.length && line.length + 1 + word.length > 72) {
      out += `${line}\n`;
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return `${out}${line}\n`;
}
