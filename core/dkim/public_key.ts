/**
 * Key records (RFC 6376 3.6.1, RFC 8463 4.2) and what their keys say of a signature. RSA is checked by the sums of RFC 8017
 * 8.2.2: nothing in them is secret, and WebCrypto takes five times as long. Ed25519 is WebCrypto's.
 * Non-job: asking for records (verify.ts), private keys.
 */
import { DerReader, NULL, OBJECT, SEQUENCE } from "./der.ts";
import type { Algorithm } from "./private_key.ts";
import { base64Of, parseTagList, withoutSpace } from "./tag_list.ts";

/** Why a record gives no key that counts: our words. */
export class KeyRecordError extends Error {
  override readonly name = "KeyRecordError";
}

/** A key that can check signatures. */
export interface PublicKey {
  readonly algorithm: Algorithm;
  /** Of the modulus; 256 for Ed25519. */
  readonly bits: number;
  /** Whether the signature is this key's, of what hashes to `digest` (SHA-256). */
  verify(signature: Uint8Array<ArrayBuffer>, digest: Uint8Array<ArrayBuffer>): boolean | Promise<boolean>;
}
/** A record. */
export interface KeyRecord {
  readonly key: PublicKey;
  /** t=y: the domain is trying. */
  readonly testing: boolean;
  /** t=s: i= has to be of the domain itself, not of one below. */
  readonly strict: boolean;
}

/** RFC 8301 3.2: less counts as no signature, and nobody has to take more than 4096. */
const LEAST = 1024, MOST = 4096;
/** The exponent of a key: more costs time and secures nothing. One of 65537 is all that large keys have. */
const MOST_EXPONENT = 1n << 33n, LARGE = 2048, MOST_OF_LARGE = 1n << 17n;
const BIT_STRING = 0x03, RSA_OID = "2a864886f70d010101";

/**
 * The key in a TXT record.
 *
 * @throws {KeyRecordError} when it has none that counts for mail and for SHA-256.
 */
export function parseKeyRecord(text: string): KeyRecord {
  const tags = tagsOf(text);
  const version = tags.get("v");
  if (version !== undefined && (version !== "DKIM1" || tags.keys().next().value !== "v")) {
    throw new KeyRecordError("the record is none of DKIM");
  }
  const p = tags.get("p");
  if (p === undefined) throw new KeyRecordError("the record has no key");
  if (withoutSpace(p) === "") throw new KeyRecordError("the key was revoked");
  const listed = (tag: string) => withoutSpace(tags.get(tag)!).split(":");
  if (tags.has("h") && !listed("h").includes("sha256")) throw new KeyRecordError("the key is not for SHA-256 (h=)");
  if (tags.has("s") && !listed("s").some((each) => each === "*" || each === "email")) {
    throw new KeyRecordError("the key is not for mail (s=)");
  }
  const octets = base64Of(p);
  if (octets === null) throw new KeyRecordError("the key is no base64");
  const flags = tags.has("t") ? listed("t") : [];
  return { key: keyOf(tags.get("k") ?? "rsa", octets), testing: flags.includes("y"), strict: flags.includes("s") };
}

function tagsOf(text: string): Map<string, string> {
  try {
    return parseTagList(text.replaceAll(/[\r\n]+/g, " "));
  } catch {
    throw new KeyRecordError("the record is no tag list");
  }
}

function keyOf(type: string, octets: Uint8Array<ArrayBuffer>): PublicKey {
  if (type === "ed25519") {
    if (octets.length !== 32) throw new KeyRecordError("the key is no Ed25519 key");
    return ed25519Key(octets);
  }
  if (type !== "rsa") throw new KeyRecordError("the key is of an unknown kind (k=)");
  let n: bigint, e: bigint;
  try {
    [n, e] = readRsa(octets);
  } catch {
    throw new KeyRecordError("the key is no RSA key");
  }
  const bits = n.toString(16).length * 4 - Math.clz32(Number.parseInt(n.toString(16)[0]!, 16)) + 28;
  if (bits < LEAST) throw new KeyRecordError(`the key has ${bits} bits, and ${LEAST} are needed (RFC 8301 3.2)`);
  if (bits > MOST) throw new KeyRecordError(`the key has ${bits} bits, and we take ${MOST} at most (RFC 8301 3.2)`);
  const most = bits > LARGE ? MOST_OF_LARGE : MOST_EXPONENT;
  if (n % 2n === 0n || e % 2n === 0n || e < 3n || e >= most) throw new KeyRecordError("the key is no RSA key");
  return rsaKey(n, e, bits);
}

/** SubjectPublicKeyInfo (RFC 5280 4.1), as all write it, or RSAPublicKey (RFC 8017 A.1.1), as RFC 6376 3.6.1 says. */
function readRsa(octets: Uint8Array): [n: bigint, e: bigint] {
  const outer = new DerReader(new DerReader(octets).next(SEQUENCE));
  if (outer.octets[0] !== SEQUENCE) return [outer.number(), outer.number()];
  const algorithm = new DerReader(outer.next(SEQUENCE));
  if (algorithm.next(OBJECT).toHex() !== RSA_OID || !algorithm.done && algorithm.next(NULL).length > 0) {
    throw new Error();
  }
  const inner = new DerReader(new DerReader(outer.next(BIT_STRING).subarray(1)).next(SEQUENCE)); // no unused bits
  return [inner.number(), inner.number()];
}

/** DigestInfo of SHA-256 in front of the hash, and what ends the padding (RFC 8017 9.2). */
const DIGEST_INFO = "003031300d060960864801650304020105000420";

/** RSASSA-PKCS1-v1_5 with SHA-256: the signature is made into a message again, which has to be the one and only. */
function rsaKey(n: bigint, e: bigint, bits: number): PublicKey {
  const length = Math.ceil(bits / 8);
  const exponent = e.toString(2).slice(1);
  const front = `1${"f".repeat(length * 2 - 4 - DIGEST_INFO.length - 64)}${DIGEST_INFO}`;
  return {
    algorithm: "rsa-sha256",
    bits,
    verify(signature, digest) {
      if (signature.length !== length) return false;
      const s = BigInt(`0x${signature.toHex()}`);
      if (s >= n) return false;
      let message = s;
      for (const bit of exponent) {
        message = message * message % n;
        if (bit === "1") message = message * s % n;
      }
      return message.toString(16) === front + digest.toHex();
    },
  };
}

function ed25519Key(octets: Uint8Array<ArrayBuffer>): PublicKey {
  let imported: Promise<CryptoKey> | null = null;
  return {
    algorithm: "ed25519-sha256",
    bits: 256,
    async verify(signature, digest) { // of the hash: RFC 8463 3
      try {
        const key = await (imported ??= crypto.subtle.importKey("raw", octets, "Ed25519", false, ["verify"]));
        return await crypto.subtle.verify("Ed25519", key, signature, digest);
      } catch {
        return false; // 32 octets that are no point, a signature of another length
      }
    },
  };
}

/** Records that were read lately: the same few domains send most of the mail. Bounded. */
export class KeyRecords {
  readonly #known = new Map<string, KeyRecord>();

  constructor(private readonly most = 1000) {}

  /** As `parseKeyRecord`. @throws {KeyRecordError} */
  parse(text: string): KeyRecord {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const record = parseKeyRecord(text);
    if (text.length <= 4096) {
      if (this.#known.size >= this.most) this.#known.delete(this.#known.keys().next().value!);
      this.#known.set(text, record);
    }
    return record;
  }
}
