/**
 * Replies as the wire has them: the same code on every line, the enhanced status repeated, no line above 512 octets,
 * nothing in it but printable ASCII (RFC 5321 4.2, 4.5.3.1.5, RFC 2034 4). Non-job: what to answer.
 */
import type { Reply } from "../model/reply.ts";

const MAX_TEXT = 480; // leaves room for code, status and CRLF in 512 octets
const OTHER = /[^\x20-\x7e]/g;

/** One reply, enhanced status on each line, ended by CRLF; of a silent one nothing. */
export function writeReply(reply: Reply): string {
  if (reply.options.silent === true) return "";
  return writeText(reply.code, reply.status, reply.text);
}

/** A reply in parts; an empty status leaves it out (greeting, EHLO, 3xx: RFC 2034 4). */
export function writeText(code: number, status: string, text: string): string {
  const clean = OTHER.test(text) ? text.replace(OTHER, "?") : text;
  const head = status === "" ? "" : `${status} `;
  if (clean.length <= MAX_TEXT) return `${code} ${head}${clean}\r\n`;
  let out = "";
  for (let at = 0; at < clean.length; at += MAX_TEXT) {
    const last = at + MAX_TEXT >= clean.length;
    out += `${code}${last ? " " : "-"}${head}${clean.slice(at, at + MAX_TEXT)}\r\n`;
  }
  return out;
}

/** Several lines under one code, without a status: the answer to EHLO. */
export function writeLines(code: number, lines: readonly string[]): string {
  let out = "";
  for (let i = 0; i < lines.length; i++) out += `${code}${i === lines.length - 1 ? " " : "-"}${lines[i]}\r\n`;
  return out;
}
