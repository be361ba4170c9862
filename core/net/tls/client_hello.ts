/**
 * Which server a TLS client asks for, read from its first message before the handshake begins (RFC 8446 4.1.2, RFC 6066
 * 3). The runtime's own SNICallback loses a ClientHello of more than 4096 octets (docs/decisions/tls.md).
 * Non-job: judging the message. Whatever is odd in it gets the default certificate and is the TLS stack's to refuse.
 */

import { concat } from "../../model/octets.ts";

/** A hello is at most 64 KB, in records of at most 16 KB. */
export const LONGEST_HELLO = 0x10000 + 4096;

/** The name in lower case; null when there is none or the octets are no ClientHello; undefined when more have to come. */
export function serverNameOf(octets: Uint8Array): string | null | undefined {
  const hello = handshakeMessage(octets);
  return hello instanceof Uint8Array ? nameIn(hello) : hello;
}

/** The first handshake message without its head, which may be spread over records (RFC 8446 5.1). */
function handshakeMessage(octets: Uint8Array): Uint8Array | null | undefined {
  let wanted = -1, have = 0;
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    if (at < octets.length && octets[at] !== HANDSHAKE) return null;
    if (at + 5 > octets.length) return undefined;
    const length = octets[at + 3]! << 8 | octets[at + 4]!;
    if (length === 0 || length > LONGEST_RECORD) return null;
    const part = octets.subarray(at + 5, at + 5 + length);
    if (parts.push(part) > MOST_RECORDS) return null;
    have += part.length;
    if (wanted < 0 && have > 0 && parts[0]![0] !== CLIENT_HELLO) return null;
    if (wanted < 0 && have >= 4) {
      const head = parts.length === 1 ? parts[0]! : concat(parts);
      wanted = 4 + (head[1]! << 16 | head[2]! << 8 | head[3]!);
      if (wanted > LONGEST_HELLO) return null;
    }
    if (wanted >= 0 && have >= wanted) return (parts.length === 1 ? parts[0]! : concat(parts)).subarray(4, wanted);
    if (part.length < length) return undefined;
    at += 5 + length;
  }
}
/** Of one hello: whoever cuts it smaller wants it read over and over. */
const MOST_RECORDS = 64;
const HANDSHAKE = 22, CLIENT_HELLO = 1, LONGEST_RECORD = 0x4000 + 256;

function nameIn(hello: Uint8Array): string | null {
  let at = 2 + 32; // legacy_version, random
  const u8 = () => hello[at++] ?? NaN;
  const u16 = () => u8() * 256 + u8();
  const skip = (length: number) => void (at += length); // not `at += u8()`, which reads `at` first
  skip(u8()); // session id; NaN makes every comparison below false
  skip(u16()); // cipher suites
  skip(u8()); // compression methods
  const end = u16() + at;
  while (at + 4 <= end && end <= hello.length) {
    const type = u16(), length = u16(), next = at + length;
    if (next > end) return null;
    if (type === SERVER_NAME) {
      const list = u16();
      if (list + 2 !== length || u8() !== HOST_NAME) return null;
      const size = u16();
      if (size === 0 || size > LONGEST_NAME || at + size !== next) return null; // one name of one type
      const name = String.fromCharCode(...hello.subarray(at, at + size));
      return /^[A-Za-z0-9._-]+$/.test(name) ? name.toLowerCase() : null; // A-labels only (RFC 6066 3)
    }
    at = next;
  }
  return null;
}
const SERVER_NAME = 0, HOST_NAME = 0, LONGEST_NAME = 255;
