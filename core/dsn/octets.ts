/**
 * Octets of a body part: what transport they can take, and quoted-printable for those that it would break (RFC 2045 2.7
 * to 2.9, 6.7). Linear. Non-job: which part is written how (returned.ts, report.ts).
 */
const CR = 13, LF = 10, SPACE = 32, TAB = 9, EQUALS = 61;
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

const HEX = "0123456789ABCDEF";

/** Lines of at most 76 octets; CRLF stays a line's end, every other CR and LF is escaped. */
export function quotedPrintable(octets: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(octets.length * 3 + 3 * Math.ceil(octets.length * 3 / 73) + 3);
  let to = 0, line = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet === CR && octets[at + 1] === LF) {
      out[to++] = CR;
      out[to++] = LF;
      at++;
      line = 0;
      continue;
    }
    const ends = at + 1 === octets.length || octets[at + 1] === CR && octets[at + 2] === LF;
    const plain = octet > SPACE && octet < 127 && octet !== EQUALS ||
      (octet === SPACE || octet === TAB) && !ends; // nobody may eat it                               RFC 2045 6.7 (3)
    const size = plain ? 1 : 3;
    if (line + size > 75) { // one is kept for the "=" of a soft line break                          RFC 2045 6.7 (5)
      out[to++] = EQUALS;
      out[to++] = CR;
      out[to++] = LF;
      line = 0;
    }
    if (plain) out[to++] = octet;
    else {
      out[to++] = EQUALS;
      out[to++] = HEX.charCodeAt(octet >> 4);
      out[to++] = HEX.charCodeAt(octet & 15);
    }
    line += size;
  }
  return out.slice(0, to);
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
