/**
 * What a server keeps of a password for SCRAM (RFC 5802 3, RFC 7677): salt, iterations, StoredKey, ServerKey, in one line
 * of text, `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`. Non-job: SASLprep, where the line is kept.
 */
import { decodeBase64 } from "./base64.ts";
import { equalOctets } from "./constant_time.ts";

/** One member of the SCRAM family. The engine is the same for all of them. */
export interface ScramHash {
  /** The mechanism, without -PLUS. */
  readonly name: string;
  /** As the web's crypto calls it. */
  readonly hash: "SHA-1" | "SHA-256";
  /** Octets of its digest. */
  readonly length: number;
}
/** RFC 7677, the one that is announced. */
export const SHA_256: ScramHash = { name: "SCRAM-SHA-256", hash: "SHA-256", length: 32 };

type Octets = Uint8Array<ArrayBuffer>;

/** Keys that can check a password, and cannot be turned into it short of guessing. */
export interface ScramKeys {
  /** How often the password was hashed. */
  readonly iterations: number;
  /** Told to the client, as the iterations are. */
  readonly salt: Uint8Array<ArrayBuffer>;
  /** H(ClientKey): checks what the client proves. */
  readonly storedKey: Uint8Array<ArrayBuffer>;
  /** Proves the server to the client. */
  readonly serverKey: Uint8Array<ArrayBuffer>;
}

/** RFC 7677 4 asks for 4096 at least; more than ten million would take a login some seconds. */
const FEWEST = 4096, MOST = 10_000_000, LONGEST_SALT = 256;
// posit-number ":" base64 "$" base64 ":" base64
const LINE = /^(SCRAM-SHA-[0-9]{1,3})\$([1-9][0-9]{0,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;
const LONGEST_LINE = 1024;

/**
 * The keys, or null where the line has another form, another hash, or a number of iterations that is none: from 4,096 (RFC
 * 7677 4) to 10,000,000. SCRAM-SHA-256 unless said otherwise.
 *
 * @example
 * ```ts
 * import { parseScramKeys } from "postern";
 * import { assertEquals } from "@std/assert";
 * const salt = "W22ZaJ0SNY7soEsUEjb6gQ==", digest = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
 * assertEquals(parseScramKeys(`SCRAM-SHA-256$4096:${salt}$${digest}:${digest}`)?.iterations, 4096);
 * assertEquals(parseScramKeys(`SCRAM-SHA-256$1:${salt}$${digest}:${digest}`), null);
 * ```
 */
export function parseScramKeys(text: string, { name, length }: ScramHash = SHA_256): ScramKeys | null {
  const match = text.length > LONGEST_LINE ? null : LINE.exec(text);
  if (match === null || match[1] !== name) return null;
  const iterations = Number(match[2]);
  const salt = decodeBase64(match[3]!), storedKey = decodeBase64(match[4]!), serverKey = decodeBase64(match[5]!);
  if (iterations < FEWEST || iterations > MOST || salt === null || salt.length > LONGEST_SALT) return null;
  if (storedKey?.length !== length || serverKey?.length !== length) return null;
  return { iterations, salt, storedKey, serverKey };
}

/**
 * The line that `parseScramKeys` reads, as `postern user` writes it into a file of accounts.
 *
 * @example
 * ```ts
 * import { formatScramKeys, parseScramKeys } from "postern";
 * import { assertEquals } from "@std/assert";
 * const salt = crypto.getRandomValues(new Uint8Array(16)), digest = new Uint8Array(32);
 * const keys = { iterations: 4096, salt, storedKey: digest, serverKey: digest };
 * assertEquals(parseScramKeys(formatScramKeys(keys)), keys);
 * ```
 */
export function formatScramKeys(keys: ScramKeys, { name }: ScramHash = SHA_256): string {
  const { iterations, salt, storedKey, serverKey } = keys;
  return `${name}$${iterations}:${salt.toBase64()}$${storedKey.toBase64()}:${serverKey.toBase64()}`;
}

const utf8 = new TextEncoder();

/**
 * Makes the keys of a password that `saslprep` has prepared. Costs as many hashes as there are iterations, off this thread.
 *
 * @example
 * ```ts
 * import { deriveScramKeys, formatScramKeys, verifyScramPassword } from "./scram_keys.ts";
 * import { assert } from "@std/assert";
 * const salt = crypto.getRandomValues(new Uint8Array(16));
 * const keys = await deriveScramKeys("pencil", { iterations: 4096, salt });
 * assert(formatScramKeys(keys).startsWith("SCRAM-SHA-256$4096:"));
 * assert(await verifyScramPassword("pencil", keys));
 * ```
 */
export async function deriveScramKeys(
  password: string,
  { iterations, salt }: { readonly iterations: number; readonly salt: Uint8Array },
  algorithm: ScramHash = SHA_256,
): Promise<ScramKeys> {
  const own = Uint8Array.from(salt);
  const { clientKey, serverKey } = await saltedKeys(password, { iterations, salt: own }, algorithm);
  return { iterations, salt: own, storedKey: await digest(algorithm, clientKey), serverKey };
}

/** Whether it is the password that the keys were made of, in constant time once they are derived. */
export async function verifyScramPassword(
  password: string,
  keys: ScramKeys,
  algorithm: ScramHash = SHA_256,
): Promise<boolean> {
  return equalOctets((await deriveScramKeys(password, keys, algorithm)).storedKey, keys.storedKey);
}

/** RFC 5802 3: ClientKey, which proves the client, and ServerKey, which proves the server. */
export async function saltedKeys(
  password: string,
  { iterations, salt }: { readonly iterations: number; readonly salt: Octets },
  algorithm: ScramHash,
): Promise<{ readonly clientKey: Octets; readonly serverKey: Octets }> {
  const { hash, length } = algorithm;
  const secret = await crypto.subtle.importKey("raw", utf8.encode(password), "PBKDF2", false, ["deriveBits"]);
  // SaltedPassword := Hi(Normalize(password), salt, i)
  const salted = await crypto.subtle.deriveBits({ name: "PBKDF2", hash, salt, iterations }, secret, length * 8);
  const [clientKey, serverKey] = await Promise.all([
    hmac(algorithm, new Uint8Array(salted), utf8.encode("Client Key")),
    hmac(algorithm, new Uint8Array(salted), utf8.encode("Server Key")),
  ]);
  return { clientKey, serverKey };
}

/** HMAC(key, str) of RFC 5802 2.2. */
export async function hmac({ hash }: ScramHash, key: Octets, message: Octets): Promise<Octets> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

/** H(str) of RFC 5802 2.2. */
export async function digest({ hash }: ScramHash, octets: Octets): Promise<Octets> {
  return new Uint8Array(await crypto.subtle.digest(hash, octets));
}

/** XOR of RFC 5802 2.2, of two that are equally long. */
export function exclusiveOr(a: Uint8Array, b: Uint8Array): Octets {
  return Uint8Array.from(a, (octet, i) => octet ^ b[i]!);
}
