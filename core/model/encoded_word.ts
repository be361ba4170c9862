/**
 * Encoded words of header fields, decoded for lists and searches (RFC 2047). Reads what it can and leaves the rest as it
 * stands. Linear in the length of the text. Non-job: addresses, parameters (RFC 2231).
 */

// encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=", at most 75 characters; more is met
const WORD = /=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{1,40})?\?([BbQq])\?([!->@-~]{0,1000})\?=/g;

/**
 * The text with its encoded words decoded; space between two of them is dropped (RFC 2047 6.2).
 *
 * @example
 * ```ts
 * import { decodeWords } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(decodeWords("=?utf-8?Q?Gr=C3=BC?= =?utf-8?B?w59l?="), "Grüße");
 * ```
 */
export function decodeWords(text: string): string {
  if (!text.includes("=?")) return text;
  let out = "", at = 0, pending: { decoder: string; octets: number[] } | null = null;
  const flush = () => {
    if (pending !== null) out += decode(pending.decoder, Uint8Array.from(pending.octets));
    pending = null;
  };
  for (const match of text.matchAll(WORD)) {
    const between = text.slice(at, match.index);
    const octets = match[2]!.toLowerCase() === "b" ? base64(match[3]!) : quoted(match[3]!);
    if (octets === null) continue;
    const charset = match[1]!.toLowerCase();
    if (at > 0 && /^[ \t]*$/.test(between)) { // neighbours: a character may be split between them
      const open = pending as { decoder: string; octets: number[] } | null;
      if (open?.decoder === charset) { for (const octet of octets) open.octets.push(octet); }
      else {
        flush();
        pending = { decoder: charset, octets };
      }
    } else {
      flush();
      out += between;
      pending = { decoder: charset, octets };
    }
    at = match.index + match[0].length;
  }
  flush();
  return out + text.slice(at);
}

function base64(text: string): number[] | null {
  try {
    return Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

function quoted(text: string): number[] {
  const octets: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const hex = char === "=" ? text.slice(i + 1, i + 3) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      octets.push(parseInt(hex, 16));
      i += 2;
    } else octets.push(char === "_" ? 32 : char.charCodeAt(0));
  }
  return octets;
}

function decode(charset: string, octets: Uint8Array): string {
  try {
    return new TextDecoder(charset).decode(octets);
  } catch {
    return new TextDecoder("latin1").decode(octets); // a charset nobody knows
  }
}
