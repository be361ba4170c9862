/**
 * A password's scrypt hash (RFC 7914) as text, in the form that other programs know as PHC's:
 * `$scrypt$ln=15,r=8,p=1$SALT$HASH`, base64 with or without padding. What costs too little to protect anything, or so
 * much that one login could stop the machine, is no hash. Non-job: computing one (core/auth/passwords.ts).
 */

/** What a hash costs: N = 2^ln blocks of 128 r octets, p times one after another. */
export interface ScryptCost {
  /** The binary logarithm of N. */
  readonly ln: number;
  /** The size of a block. */
  readonly r: number;
  /** How often the whole is done. */
  readonly p: number;
}
/** A hash, and all that computing it again needs but the password. */
export interface ScryptHash extends ScryptCost {
  /** Four octets at least. */
  readonly salt: Uint8Array<ArrayBuffer>;
  /** What came out. */
  readonly hash: Uint8Array<ArrayBuffer>;
}

/**
 * What a new hash costs; docs/decisions/passwords.md has the figures.
 *
 * @example
 * ```ts
 * import { SCRYPT_COST } from "postern";
 * import { assertEquals } from "@std/assert";
 * const octets = 2 ** SCRYPT_COST.ln * 128 * SCRYPT_COST.r;
 * assertEquals(octets, 32 * 1024 * 1024); // of memory for each login that is checked
 * ```
 */
export const SCRYPT_COST: ScryptCost = { ln: 15, r: 8, p: 1 };
/**
 * Octets of a new hash and of its salt.
 *
 * @example
 * ```ts
 * import { formatScryptHash, parseScryptHash, SCRYPT_COST, SCRYPT_LENGTH, SCRYPT_SALT } from "postern";
 * import { assertEquals } from "@std/assert";
 * const salt = crypto.getRandomValues(new Uint8Array(SCRYPT_SALT)), hash = new Uint8Array(SCRYPT_LENGTH);
 * assertEquals(parseScryptHash(formatScryptHash({ ...SCRYPT_COST, salt, hash }))?.hash.length, 32);
 * ```
 */
export const SCRYPT_SALT = 16, SCRYPT_LENGTH = 32;
/** Octets that one hash may need. */
export const SCRYPT_MEMORY: number = 256 * 1024 * 1024;

const FORM = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]+)={0,2}\$([A-Za-z0-9+/]+)={0,2}$/;

/** Octets that computing it needs. */
export function scryptMemory({ ln, r, p }: ScryptCost): number {
  return 128 * r * (2 ** ln + p);
}

/**
 * Reads one; null for any other text, and for a cost outside of the bounds.
 *
 * @example
 * ```ts
 * import { parseScryptHash } from "./scrypt_hash.ts";
 * import { assertEquals } from "@std/assert";
 * const found = parseScryptHash("$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$hm9XXUOsvSSJ3jnBZLGoXw");
 * assertEquals([found?.ln, found?.salt.length, found?.hash.length], [15, 8, 16]);
 * ```
 */
export function parseScryptHash(text: string): ScryptHash | null {
  const found = FORM.exec(text);
  if (found === null) return null;
  const ln = Number(found[1]), r = Number(found[2]), p = Number(found[3]);
  if (ln < 10 || ln > 20 || r > 32 || p > 16 || scryptMemory({ ln, r, p }) > SCRYPT_MEMORY + 128 * r * p) return null;
  const salt = octets(found[4]!), hash = octets(found[5]!);
  // Below four octets a salt is none; below sixteen a hash is guessed
  if (salt === null || salt.length < 4 || salt.length > 64) return null;
  if (hash === null || hash.length < 16 || hash.length > 64) return null;
  return { ln, r, p, salt, hash };
}

/**
 * The text of a hash as `parseScryptHash` reads it, without padding.
 *
 * @example
 * ```ts
 * import { formatScryptHash } from "postern";
 * import { assertEquals } from "@std/assert";
 * const salt = new TextEncoder().encode("saltsalt"), hash = new Uint8Array(16);
 * assertEquals(
 *   formatScryptHash({ ln: 15, r: 8, p: 1, salt, hash }),
 *   "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
 * );
 * ```
 */
export function formatScryptHash({ ln, r, p, salt, hash }: ScryptHash): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${salt.toBase64({ omitPadding: true })}$${
    hash.toBase64({ omitPadding: true })
  }`;
}

function octets(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    return null;
  }
}
