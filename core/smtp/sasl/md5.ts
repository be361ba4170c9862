/**
 * MD5 (RFC 1321) and its HMAC (RFC 2104), for CRAM-MD5 alone: the web's crypto has no MD5. Non-job: anything that has to
 * hold against somebody who can choose the text.
 */
import { concat } from "../../model/octets.ts";

// RFC 1321 3.4: the shifts of each round, and T[i] = floor(2^32 * abs(sin(i)))
const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
const SINES = Uint32Array.from({ length: 64 }, (_, i) => Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))));
const BLOCK = 64;

/** The digest of `message`, 16 octets. */
export function md5(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / BLOCK) * BLOCK);
  const view = new DataView(padded.buffer);
  padded.set(message);
  padded[message.length] = 0x80; // RFC 1321 3.1
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n, true); // RFC 1321 3.2
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476); // RFC 1321 3.3
  for (let at = 0; at < padded.length; at += BLOCK) addBlock(state, view, at);
  const digest = new DataView(new ArrayBuffer(16));
  state.forEach((word, i) => digest.setUint32(i * 4, word, true));
  return new Uint8Array(digest.buffer);
}

function addBlock(state: Uint32Array, view: DataView, at: number): void {
  let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
  for (let i = 0; i < 64; i++) {
    const round = i >> 4;
    let mixed: number, word: number;
    if (round === 0) [mixed, word] = [b & c | ~b & d, i];
    else if (round === 1) [mixed, word] = [b & d | c & ~d, (5 * i + 1) % 16];
    else if (round === 2) [mixed, word] = [b ^ c ^ d, (3 * i + 5) % 16];
    else [mixed, word] = [c ^ (b | ~d), 7 * i % 16];
    const sum = (a + mixed + SINES[i]! + view.getUint32(at + word * 4, true)) | 0, shift = SHIFTS[round]![i % 4]!;
    [a, d, c, b] = [d, c, b, (b + (sum << shift | sum >>> (32 - shift))) | 0];
  }
  state[0]! += a, state[1]! += b, state[2]! += c, state[3]! += d;
}

/** HMAC-MD5 of `text` under `key` (RFC 2104 2). */
export function hmacMd5(key: Uint8Array, text: Uint8Array): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  block.set(key.length > BLOCK ? md5(key) : key);
  const inner = md5(concat([block.map((octet) => octet ^ 0x36), text]));
  return md5(concat([block.map((octet) => octet ^ 0x5c), inner]));
}
