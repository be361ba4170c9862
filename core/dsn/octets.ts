/**
 * Octets of a body part: what transport they can take, and quoted-printable for those that it would break (RFC 2045 2.7
 * to 2.9, 6.7). Linear. Non-job: which part is written how (returned.ts, report.ts).
 */
import { QuotedPrintable } from "../mime/coder.ts";
import { concat } from "../model/octets.ts";

const CR = 13, LF = 10;
const MAX_LINE = 998; // RFC 5322 2.1.1

/** `binary`: NUL, a bare CR or LF, or a line that is too long. */
export type Form = "7bit" | "8bit" | "binary";

export function formOf(octets: Uint8Array): Form {
  let wide = false, line = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet === CR) {
      if (octets[at + 1] !== LF) return "binary";
      at++;
      line = 0;
      continue;
    }
    if (octet === LF || octet === 0 || ++line > MAX_LINE) return "binary";
    if (octet > 127) wide = true;
  }
  return wide ? "8bit" : "7bit";
}

/** Lines of at most 76 octets; CRLF stays a line's end, every other CR and LF is escaped. */
export function quotedPrintable(octets: Uint8Array): Uint8Array<ArrayBuffer> {
  const coder = new QuotedPrintable();
  return concat([coder.write(octets), coder.end(false)]);
}

/** True when `octets` hold that ASCII text. */
export function holds(octets: Uint8Array, text: string): boolean {
  const first = text.charCodeAt(0), last = octets.length - text.length;
  for (let at = octets.indexOf(first); at >= 0 && at <= last; at = octets.indexOf(first, at + 1)) {
    let same = 1;
    while (same < text.length && octets[at + same] === text.charCodeAt(same)) same++;
    if (same === text.length) return true;
  }
  return false;
}
