/**
 * clamd's INSTREAM command (clamd(8)): the message in chunks with their length in front, and one answer that ends with
 * NUL. Non-job: sockets, what is done about a finding.
 */
import { EngineError } from "../engine_error.ts";

/** What clamd said of a message. */
export type ClamdAnswer =
  | { readonly said: "clean" }
  /** `name`: the signature, printable ASCII. */
  | { readonly said: "infected"; readonly name: string }
  /** It has more octets than StreamMaxLength allows. */
  | { readonly said: "too large" };

/** Octets of the longest answer that is one. */
export const LONGEST_ANSWER = 4096;
/** Octets of a chunk: clamd takes any up to StreamMaxLength, memory here does not. */
const CHUNK = 64 * 1024;

const encoder = new TextEncoder();

/** The whole command. Reads `message` no faster than the socket takes it. */
export async function* instream(message: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield encoder.encode("zINSTREAM\0");
  for await (const piece of message) {
    for (let at = 0; at < piece.length; at += CHUNK) {
      const part = piece.subarray(at, at + CHUNK), chunk = new Uint8Array(4 + part.length);
      new DataView(chunk.buffer).setUint32(0, part.length);
      chunk.set(part, 4);
      yield chunk; // an empty one would be the end: there is none
    }
  }
  yield new Uint8Array(4);
}

/** Whether an answer has come to its end. */
export function isWhole(answer: Uint8Array): boolean {
  return answer.includes(0);
}

/** An answer as text, a character an octet. */
export function textOf(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

/**
 * Reads an answer. Only the exact words mean that nothing was found.
 *
 * @throws {EngineError} for its own errors, and for everything that is no answer.
 */
export function parseAnswer(answer: string): ClamdAnswer {
  const end = answer.indexOf("\0");
  const text = answer.slice(0, end < 0 ? 0 : end);
  if (text === "stream: OK" && end === answer.length - 1) return { said: "clean" };
  const found = /^stream: ([\x21-\x7e][\x20-\x7e]{0,255}) FOUND$/.exec(text);
  if (found !== null) return { said: "infected", name: found[1]! };
  if (text === "INSTREAM size limit exceeded. ERROR") return { said: "too large" };
  const [, fault] = /^([\x20-\x7e]{1,200}) ERROR$/.exec(text) ?? [];
  throw new EngineError(fault === undefined ? "its answer is none of clamd's" : `it failed: ${fault}`);
}
