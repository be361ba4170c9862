/**
 * Replies out of the octets of a peer that may be hostile: bounded, in any cut, and what is no reply (RFC 5321 4.2.1) is
 * said to be none. Lenient in the length of a line and in a code without a text. Non-job: what a reply means.
 */
import type { Input } from "../input.ts";
import { PeerReply } from "./peer_reply.ts";

/** Octets of a line (RFC 5321 4.5.3.1.5 has 512, and not all heed it), lines and octets of a reply. */
const MAX_LINE = 4096, MAX_LINES = 100, MAX_REPLY = 64 * 1024;
const LF = 10, CR = 13, SPACE = 32, HYPHEN = 45, ZERO = 48;

const utf8 = new TextDecoder();
/** Controls, what turns the direction of writing, what is no character. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The peer does not speak SMTP, and nobody knows what it will take for a command: the connection is to be given up. */
export class Malformed {
  constructor(readonly why: string) {}
}

export class ReplyReader {
  #code = 0;
  #lines: string[] = [];
  #size = 0;

  /** The next whole reply of the input; null when it takes more octets. After `Malformed` there is no next one. */
  read(input: Input): PeerReply | Malformed | null {
    for (;;) {
      const { octets, at } = input;
      const end = octets.indexOf(LF, at);
      const length = (end < 0 ? octets.length : end + 1) - at;
      if (length > MAX_LINE) return new Malformed("a reply line without an end");
      if (end < 0) return input.rest();
      const stop = end - 1;
      if (stop < at || octets[stop] !== CR) return new Malformed("a reply line that LF alone ends");
      this.#size += length;
      if (this.#size > MAX_REPLY) return new Malformed("a reply without an end");
      const code = codeAt(octets, at, stop);
      if (code === 0) {
        return new Malformed(`no reply code: ${JSON.stringify(printable(octets, at, Math.min(stop, at + 80)))}`);
      }
      if (this.#lines.length > 0 && code !== this.#code) { //                                           RFC 5321 4.2.1
        return new Malformed(`a reply that begins with ${this.#code} and goes on with ${code}`);
      }
      const more = stop - at > 3 && octets[at + 3] === HYPHEN;
      this.#lines.push(printable(octets, Math.min(at + 4, stop), stop));
      input.at = end + 1;
      if (!more) {
        const lines = this.#lines;
        this.#lines = [];
        this.#size = 0;
        return new PeerReply(code, lines);
      }
      if (this.#lines.length === MAX_LINES) return new Malformed("a reply without an end");
      this.#code = code;
    }
  }
}

// Reply-code = %x32-35 %x30-35 %x30-39, and SP or "-" or the end behind it; we take any second digit   RFC 5321 4.2
function codeAt(octets: Uint8Array, at: number, stop: number): number {
  if (stop - at < 3) return 0;
  const first = octets[at]! - ZERO, second = octets[at + 1]! - ZERO, third = octets[at + 2]! - ZERO;
  if (!(first >= 2 && first <= 5 && second >= 0 && second <= 9 && third >= 0 && third <= 9)) return 0;
  if (stop - at > 3 && octets[at + 3] !== SPACE && octets[at + 3] !== HYPHEN) return 0;
  return first * 100 + second * 10 + third;
}

/** The octets as text of one line that is safe to show. */
function printable(octets: Uint8Array, from: number, to: number): string {
  const part = octets.subarray(from, to);
  let plain = part.length < 512;
  for (let i = 0; plain && i < part.length; i++) plain = part[i]! >= 32 && part[i]! < 127;
  if (plain) return String.fromCharCode.apply(null, part as unknown as number[]);
  return utf8.decode(part).replaceAll("\t", " ").replace(UNPRINTABLE, "?");
}
