/**
 * Private keys of DKIM: RSA and Ed25519 (RFC 6376 3.3, RFC 8301, RFC 8463) out of PEM, PKCS#8 (RFC 5958) or PKCS#1 (RFC
 * 8017 A.1.2). What could not sign is found when the key is read, not when the first mail waits for it.
 * Non-job: where the text comes from (source.ts), what is signed (sign.ts).
 */
import { DerError, DerReader, NULL, OBJECT, OCTETS, SEQUENCE, writeDer } from "./der.ts";

/** The value of a=. */
export type Algorithm = "rsa-sha256" | "ed25519-sha256";

/** Why a text is no key that can sign: words for the operator, nothing of the key in them. */
export class KeyError extends Error {
  override readonly name = "KeyError";
}

const RSA_OID = "2a864886f70d010101", ED25519_OID = "2b6570"; //            RFC 8017 A.1, RFC 8410 3
/** RFC 8301 3.2: signers MUST use 1024 at least and SHOULD use 2048; verifiers need not take more than 4096. */
const LEAST = 1024, GOOD = 2048, MOST = 4096;
const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const, ED25519 = { name: "Ed25519" } as const;

/** A key that can sign. Its octets never show in a text. */
export class PrivateKey {
  readonly #pkcs8: Uint8Array<ArrayBuffer>;
  #imported: Promise<CryptoKey> | null = null;

  private constructor(
    readonly algorithm: Algorithm,
    /** Of the modulus; 256 for Ed25519. */
    readonly bits: number,
    pkcs8: Uint8Array<ArrayBuffer>,
  ) {
    this.#pkcs8 = pkcs8;
  }

  /**
   * The first private key in the text.
   *
   * @throws {KeyError}
   * @example
   * ```ts
   * import { PrivateKey } from "./private_key.ts";
   * import { assertEquals } from "@std/assert";
   * const text = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"; // RFC 8463 A.2
   * const key = PrivateKey.parse(`-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`);
   * assertEquals([key.algorithm, (await key.publicKey()).toBase64().slice(0, 8)], ["ed25519-sha256", "11qYAYKx"]);
   * ```
   */
  static parse(pem: string): PrivateKey {
    const { label, octets } = readPem(pem);
    try {
      return label === "RSA PRIVATE KEY" ? readRsa(octets, PrivateKey.#make) : readPkcs8(octets, PrivateKey.#make);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      throw new KeyError(`the key is damaged: ${error.message}`);
    }
  }

  static readonly #make: Make = (algorithm, bits, pkcs8) => new PrivateKey(algorithm, bits, pkcs8);

  /** What the operator should know of a key that works; null when all is well. */
  get warning(): string | null {
    if (this.algorithm !== "rsa-sha256") return null;
    const { bits } = this;
    if (bits < GOOD) return `has ${bits} bits, and keys should have ${GOOD} at least (RFC 8301 3.2)`;
    return bits > MOST ? `has ${bits} bits, and verifiers need not take more than ${MOST} (RFC 8301 3.2)` : null;
  }

  /** The signature of what h= and the signature itself come to. Ed25519 signs its SHA-256 (RFC 8463 3). */
  async sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const rsa = this.algorithm === "rsa-sha256";
    this.#imported ??= crypto.subtle.importKey("pkcs8", this.#pkcs8, rsa ? RSA : ED25519, false, ["sign"]);
    const signed = rsa ? data : await crypto.subtle.digest("SHA-256", data);
    return new Uint8Array(await crypto.subtle.sign(rsa ? RSA : ED25519, await this.#imported, signed));
  }

  /** As p= has it: SubjectPublicKeyInfo for RSA (RFC 6376 3.6.1), 32 octets for Ed25519 (RFC 8463 4.2). */
  async publicKey(): Promise<Uint8Array> {
    const rsa = this.algorithm === "rsa-sha256";
    const own = await crypto.subtle.importKey("pkcs8", this.#pkcs8, rsa ? RSA : ED25519, true, ["sign"]);
    const { kty, n, e, crv, x } = await crypto.subtle.exportKey("jwk", own);
    const jwk = (rsa ? { kty, n, e } : { kty, crv, x }) as JsonWebKey;
    const open = await crypto.subtle.importKey("jwk", jwk, rsa ? RSA : ED25519, true, ["verify"]);
    return new Uint8Array(await crypto.subtle.exportKey(rsa ? "spki" : "raw", open));
  }
}

type Make = (algorithm: Algorithm, bits: number, pkcs8: Uint8Array<ArrayBuffer>) => PrivateKey;

const KINDS = new Set(["PRIVATE KEY", "RSA PRIVATE KEY"]);

/** RFC 7468 2, with any white space in it: variables of an environment have no lines. */
function readPem(text: string): { label: string; octets: Uint8Array } {
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----/g)].map((match) => match[1]!);
  const label = labels.find((each) => KINDS.has(each));
  if (label === undefined) {
    const other = labels.find((each) => each.endsWith("PRIVATE KEY"));
    if (other?.startsWith("ENCRYPTED")) throw new KeyError("the key has a passphrase: openssl pkey takes it off");
    if (other !== undefined) throw new KeyError(`${other} is neither RSA nor Ed25519, and DKIM has no other keys`);
    throw new KeyError(
      labels.length > 0 ? `it has ${labels[0]} and no PRIVATE KEY` : "it has no PEM with a PRIVATE KEY",
    );
  }
  const from = text.indexOf(`-----BEGIN ${label}-----`) + label.length + 16;
  const to = text.indexOf(`-----END ${label}-----`, from);
  if (to < 0) throw new KeyError(`the line "-----END ${label}-----" is missing`);
  const body = text.slice(from, to);
  if (body.includes(":")) throw new KeyError("the key has a passphrase: openssl pkey takes it off"); // Proc-Type: 4,ENCRYPTED
  try {
    return { label, octets: Uint8Array.fromBase64(body.replaceAll("\\n", "")) };
  } catch {
    throw new KeyError("the key is damaged: what stands between its lines BEGIN and END is no base64");
  }
}

/** PrivateKeyInfo (RFC 5958 2). */
function readPkcs8(octets: Uint8Array, make: Make): PrivateKey {
  const info = new DerReader(new DerReader(octets).next(SEQUENCE));
  info.number();
  const algorithm = new DerReader(info.next(SEQUENCE)).next(OBJECT).toHex();
  const key = info.next(OCTETS);
  if (algorithm === RSA_OID) return readRsa(key, make);
  if (algorithm !== ED25519_OID) throw new KeyError("the key is neither RSA nor Ed25519, and DKIM has no other keys");
  const seed = new DerReader(key).next(OCTETS); //                          RFC 8410 7
  if (seed.length !== 32) throw new KeyError(`the key is damaged: Ed25519 with ${seed.length} octets`);
  return make("ed25519-sha256", 256, wrap(ED25519_OID, writeDer(OCTETS, seed)));
}

/** RSAPrivateKey (RFC 8017 A.1.2), with the sums that make it one. */
function readRsa(octets: Uint8Array, make: Make): PrivateKey {
  const key = new DerReader(new DerReader(octets).next(SEQUENCE));
  if (key.number() !== 0n) throw new KeyError("the key has more than two primes");
  const n = key.number(), e = key.number(), d = key.number(), p = key.number(), q = key.number();
  const dp = key.number(), dq = key.number(), qInv = key.number();
  const bits = n.toString(2).length;
  if (bits < LEAST) throw new KeyError(`the key has ${bits} bits, and DKIM takes ${LEAST} at least (RFC 8301 3.2)`);
  const whole = p > 1n && q > 1n && n === p * q && e * d % (p - 1n) === 1n && e * d % (q - 1n) === 1n &&
    dp === d % (p - 1n) && dq === d % (q - 1n) && qInv * q % p === 1n;
  if (!whole) throw new KeyError("the key is damaged: its numbers do not belong together");
  return make("rsa-sha256", bits, wrap(RSA_OID, octets));
}

/** PKCS#8 again, without attributes and what else some writers add, which not every reader takes. */
function wrap(oid: string, key: Uint8Array): Uint8Array<ArrayBuffer> {
  const parameters = oid === RSA_OID ? [writeDer(NULL)] : [];
  return writeDer(
    SEQUENCE,
    Uint8Array.of(2, 1, 0), // version 0
    writeDer(SEQUENCE, writeDer(OBJECT, Uint8Array.fromHex(oid)), ...parameters),
    writeDer(OCTETS, key),
  );
}
