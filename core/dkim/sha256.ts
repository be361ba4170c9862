/**
 * SHA-256 over pieces (FIPS 180-4 6.2): the web's crypto digests whole buffers alone, and a body of 100 MB must not be one.
 * A server that has a faster incremental hash gives it instead, as a `Hasher`. Non-job: secrets; digests of what is at hand
 * (WebCrypto).
 */

/** An incremental SHA-256, this one or the runtime's own. */
export interface Hasher {
  /** Takes the octets before it returns: the caller uses the buffer again. */
  update(octets: Uint8Array): void;
  /** Once, at the end. */
  digest(): Uint8Array<ArrayBuffer>;
}

const BLOCK = 64;

/** FIPS 180-4 4.2.2, 5.3.3: the first 32 bits of the fractions of cube and square roots of the first primes. */
const primes: number[] = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
const ROUND = Int32Array.from(primes, (prime) => fraction(prime, 3));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(prime, 2));

/** The root is found in integers: floating point has not the bits. */
function fraction(prime: number, degree: number): number {
  const wanted = BigInt(prime) << BigInt(32 * degree);
  let low = 0n, high = BigInt(prime) << 32n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(degree) <= wanted) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn) | 0;
}

/**
 * SHA-256 in pieces.
 *
 * @example
 * ```ts
 * import { Sha256 } from "./sha256.ts";
 * import { assertEquals } from "@std/assert";
 * const hash = new Sha256();
 * for (const piece of ["a", "bc"]) hash.update(new TextEncoder().encode(piece));
 * assertEquals(hash.digest().toHex().slice(0, 8), "ba7816bf");
 * ```
 */
export class Sha256 implements Hasher {
  readonly #state = START.slice();
  readonly #words = new Int32Array(64);
  readonly #partial = new Uint8Array(BLOCK);
  #length = 0;

  /** Another one that goes on from here. */
  clone(): Sha256 {
    const other = new Sha256();
    other.#state.set(this.#state);
    other.#partial.set(this.#partial);
    other.#length = this.#length;
    return other;
  }

  update(octets: Uint8Array): void {
    const filled = this.#length % BLOCK;
    this.#length += octets.length;
    let at = 0;
    if (filled > 0) {
      at = Math.min(BLOCK - filled, octets.length);
      this.#partial.set(octets.subarray(0, at), filled);
      if (filled + at < BLOCK) return;
      this.#block(this.#partial, 0);
    }
    for (; at + BLOCK <= octets.length; at += BLOCK) this.#block(octets, at);
    if (at < octets.length) this.#partial.set(octets.subarray(at));
  }

  digest(): Uint8Array<ArrayBuffer> {
    const length = this.#length, filled = length % BLOCK;
    const tail = new Uint8Array(filled < BLOCK - 8 ? BLOCK - filled : 2 * BLOCK - filled); // FIPS 180-4 5.1.1
    tail[0] = 0x80;
    new DataView(tail.buffer).setBigUint64(tail.length - 8, BigInt(length) * 8n);
    this.update(tail);
    const digest = new DataView(new ArrayBuffer(32));
    this.#state.forEach((word, i) => digest.setInt32(i * 4, word));
    return new Uint8Array(digest.buffer);
  }

  #block(octets: Uint8Array, at: number): void {
    const words = this.#words, state = this.#state;
    for (let i = 0; i < 16; i++, at += 4) {
      words[i] = octets[at]! << 24 | octets[at + 1]! << 16 | octets[at + 2]! << 8 | octets[at + 3]!;
    }
    for (let i = 16; i < 64; i++) {
      const w2 = words[i - 2]!, w15 = words[i - 15]!;
      const s1 = (w2 >>> 17 | w2 << 15) ^ (w2 >>> 19 | w2 << 13) ^ w2 >>> 10;
      const s0 = (w15 >>> 7 | w15 << 25) ^ (w15 >>> 18 | w15 << 14) ^ w15 >>> 3;
      words[i] = s1 + words[i - 7]! + s0 + words[i - 16]! | 0;
    }
    let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
    let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = h + s1 + (g ^ e & (f ^ g)) + ROUND[i]! + words[i]! | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b ^ c & (a ^ b)) | 0;
      h = g, g = f, f = e, e = d + t1 | 0;
      d = c, c = b, b = a, a = t1 + t2 | 0;
    }
    state[0]! += a, state[1]! += b, state[2]! += c, state[3]! += d;
    state[4]! += e, state[5]! += f, state[6]! += g, state[7]! += h;
  }
}

/** Octets up to which a call of WebCrypto costs more than it saves. */
const SMALL = 2048;

/** SHA-256 of some octets, at once. */
export type Sha256Function = (octets: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

let own: Sha256Function | null = null;

/**
 * From now on what is at hand is hashed by this: a server's runtime does it at a quarter of WebCrypto's cost, which hands
 * each call to another thread.
 */
export function useSha256(hash: Sha256Function): void {
  own = hash;
}

/** SHA-256 of what is at hand. */
export async function sha256(octets: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (own !== null) return own(octets);
  if (octets.length > SMALL) return new Uint8Array(await crypto.subtle.digest("SHA-256", octets));
  const hash = new Sha256();
  hash.update(octets);
  return hash.digest();
}
