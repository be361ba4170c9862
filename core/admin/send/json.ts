/**
 * The JSON of a message: long texts are what it is for, millions of values are not. Those would take gigabytes and minutes
 * of the process that takes mail, so they are counted before anything is made of them. Non-job: what the keys mean
 * (compose.ts).
 */
import { Problem } from "../problem.ts";

/** A thousand recipients with their names, a hundred files, a hundred fields, and as much again. */
const MOST = 20_000;
const QUOTE = 0x22, BACKSLASH = 0x5c;
const MARKS = new Set([..."[{,:"].map((each) => each.charCodeAt(0)));

/** @throws {Problem} 400 when it is none, or holds more values than a message has. */
export function messageJson(octets: Uint8Array): unknown {
  if (marksIn(octets, MOST) > MOST) throw new Problem(400, "The JSON has more values than a message can have.");
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(octets));
  } catch {
    throw new Problem(400, "The body is no JSON.");
  }
}

/** What begins or parts values, outside of strings; stops counting above `most`. */
function marksIn(octets: Uint8Array, most: number): number {
  let count = 0;
  for (let at = 0; at < octets.length && count <= most; at++) {
    const octet = octets[at]!;
    if (octet === QUOTE) at = endOf(octets, at);
    else if (MARKS.has(octet)) count++;
  }
  return count;
}

/** Where the string that begins at `from` ends. */
function endOf(octets: Uint8Array, from: number): number {
  for (let at = octets.indexOf(QUOTE, from + 1); at >= 0; at = octets.indexOf(QUOTE, at + 1)) {
    let slashes = 0;
    while (octets[at - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return octets.length;
}
