/**
 * Identifiers: 26 characters of Crockford base32, the first ten a time in milliseconds, so that they sort by it.
 * They name things and grant nothing. Read case-insensitively; I, L and O are read as 1, 1 and 0.
 */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM = 16;
const SHORT = 8;
let pool = new Uint8Array(0);
let used = 0;

/**
 * A new identifier for the moment `now` (milliseconds since 1970).
 *
 * @example
 * ```ts
 * import { newId } from "./id.ts";
 * import { assert } from "@std/assert";
 * assert(newId(1) < newId(2));
 * ```
 */
export function newId(now: number): string {
  const head = idHead(now);
  if (used + RANDOM > pool.length) { // one system call for many identifiers
    pool = crypto.getRandomValues(new Uint8Array(4096));
    used = 0;
  }
  let tail = "";
  for (const end = used + RANDOM; used < end; used++) tail += ALPHABET[pool[used]! & 31];
  return head + tail;
}

/** How identifiers of that moment begin: all earlier ones sort before it. */
export function idHead(now: number): string {
  let time = Math.max(0, Math.floor(now)), head = "";
  for (let i = 0; i < 10; i++) {
    head = ALPHABET[time % 32]! + head;
    time = Math.floor(time / 32);
  }
  return head;
}

/** The moment of an identifier, milliseconds since 1970. */
export function idTime(id: string): number {
  let time = 0;
  for (const char of id.slice(0, 10)) time = time * 32 + Math.max(0, ALPHABET.indexOf(char));
  return time;
}

/** The canonical form of an identifier that a person typed, or null when it cannot be one. */
export function readId(text: string): string | null {
  return read(text, 26);
}

/** The same for what `shortId` gave. */
export function readShortId(text: string): string | null {
  return read(text, SHORT);
}

function read(text: string, length: number): string | null {
  const id = text.trim().toUpperCase().replaceAll(/[IL]/g, "1").replaceAll("O", "0");
  return id.length === length && /^[0-9A-HJKMNP-TV-Z]*$/.test(id) ? id : null;
}

/** The last eight characters: what a refusal's text quotes as `(ref XXXXXXXX)`. */
export function shortId(id: string): string {
  return id.slice(-SHORT);
}
