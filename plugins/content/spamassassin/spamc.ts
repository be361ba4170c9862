/**
 * The spamd protocol 1.5, the client's side: SYMBOLS, which gives the points and the rules that hit and sends no message
 * back. Non-job: sockets, what the points mean here.
 */
import { EngineError } from "../engine_error.ts";

/** What spamd thinks of a message. */
export interface SpamdAnswer {
  /** Its points. */
  readonly score: number;
  /** From how many points on it calls a message spam. */
  readonly required: number;
  /** Names of the rules that hit, in its order; the first 200. */
  readonly rules: readonly string[];
}

/** Octets of the longest answer. */
export const LONGEST_ANSWER = 64 * 1024;
const MOST_RULES = 200, MOST_HEADER = 4096;

const encoder = new TextEncoder(), decoder = new TextDecoder("latin1");

/** An answer as text, a character an octet. */
export function textOf(octets: Uint8Array): string {
  return decoder.decode(octets);
}

/** What is asked about. */
export interface SymbolsRequest {
  /** Fields of ours in front of the message, each with its CRLF. */
  readonly fields: string;
  /** Octets of the message. */
  readonly size: number;
  /** The message. */
  readonly message: AsyncIterable<Uint8Array>;
  /** Whose rules; null: nobody's. */
  readonly user: string | null;
}

/** Whether spamd can be told this name: it stands in a line of the request. */
export function isSpamdUser(name: string): boolean {
  return /^[A-Za-z0-9_.@+=/-]{1,255}$/.test(name);
}

/** The whole request. */
export async function* symbols({ fields, size, message, user }: SymbolsRequest): AsyncGenerator<Uint8Array> {
  const front = encoder.encode(fields);
  const head = ["SYMBOLS SPAMC/1.5", `Content-length: ${front.length + size}`];
  if (user !== null) head.push(`User: ${user}`);
  yield encoder.encode(`${head.join("\r\n")}\r\n\r\n`);
  if (front.length > 0) yield front;
  yield* message;
}

/** Where the answer's header ends, or -1. */
function bodyOf(text: string): number {
  const end = text.indexOf("\r\n\r\n");
  return end < 0 ? -1 : end + 4;
}

function lengthOf(header: string): number | null {
  const [, digits] = /^Content-length: {0,8}(\d{1,7})\r$/im.exec(header) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** Whether an answer has come to its end: spamd says how long it is. */
export function isWhole(answer: Uint8Array): boolean {
  const text = textOf(answer), body = bodyOf(text);
  if (body < 0) return !text.startsWith("SPAMD/".slice(0, text.length)) || text.length > MOST_HEADER;
  const length = lengthOf(text.slice(0, body));
  return length === null || text.length >= body + length;
}

/** @throws {EngineError} for its own errors, and for everything that is no answer. */
export function parseAnswer(text: string): SpamdAnswer {
  const body = bodyOf(text), header = text.slice(0, Math.max(body, 0));
  const [, digits, word] = /^SPAMD\/\d{1,3}\.\d{1,3} (\d{1,3}) ([\x20-\x7e]{1,200})\r?\n/.exec(text) ?? [];
  if (digits === undefined) throw new EngineError("its answer is none of spamd's");
  if (digits !== "0") throw new EngineError(`it failed: ${digits} ${word}`);
  const verdict =
    /^Spam: {0,8}(?:True|False|Yes|No) {0,8}; {0,8}(-?\d{1,7}(?:\.\d{1,6})?) {0,8}\/ {0,8}(-?\d{1,7}(?:\.\d{1,6})?)\r$/im
      .exec(header);
  if (verdict === null || lengthOf(header) !== text.length - body) throw new EngineError("its answer is not whole");
  const rules = text.slice(body).split(/[,\s]+/, MOST_RULES).filter((each) => /^\w{1,100}$/.test(each));
  return { score: Number(verdict[1]), required: Number(verdict[2]), rules };
}
