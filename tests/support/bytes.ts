/**
 * Octets in tests: text in which each character is one octet, comparison that says where, pieces.
 */
import { concat } from "../../core/model/octets.ts";

/** Each character (U+0000 to U+00FF) becomes one octet. */
export function octets(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The inverse of `octets`. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}

/** Of text as UTF-8. */
export function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(parts);
}

/** The place of the first difference, or -1 when both are the same. */
export function difference(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i;
  return a.length === b.length ? -1 : shorter;
}

/**
 * Whether `stored` is `sent` with nothing but whole header fields in front, as a server adds Received and the like:
 * null when it is, else what is wrong. `only` names the fields that may be there, in lower case.
 */
export function addedOnly(
  stored: Uint8Array,
  sent: Uint8Array,
  only: readonly string[] = [
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "received-spf",
    "authentication-results",
  ],
): string | null {
  const front = stored.length - sent.length;
  if (front < 0) return `${stored.length} octets of ${sent.length}`;
  const at = difference(stored.subarray(front), sent);
  if (at >= 0) return `differs at octet ${at} of ${sent.length}`;
  if (front === 0) return null;
  const added = latin1(stored.subarray(0, front));
  if (/\n\r?\n/.test(added)) return "added an empty line";
  if (!added.endsWith("\n")) return `added octets end inside a line: ${JSON.stringify(added.slice(-60))}`;
  for (const line of added.trimEnd().split(/\r?\n/)) {
    if (line.startsWith(" ") || line.startsWith("\t")) continue;
    const name = /^([!-9;-~]+):/.exec(line)?.[1]?.toLowerCase();
    if (!name || !only.includes(name)) return `added: ${JSON.stringify(line.slice(0, 80))}`;
  }
  return null;
}

/** As `octets` with every line end CRLF, for messages written in a test's source. */
export function mail(text: string): Uint8Array<ArrayBuffer> {
  return octets(text.replaceAll(/\r?\n/g, "\r\n"));
}

/** Every CRLF becomes LF, as files of a Maildir have it. */
export function withLf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return octets(latin1(bytes).replaceAll("\r\n", "\n"));
}

/** A message as it goes over the wire in DATA, without the final dot (RFC 5321 4.5.2). */
export function dotStuffed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  return octets(latin1(message).replaceAll(/(^|\r\n)\./g, "$1.."));
}
