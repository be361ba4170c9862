/**
 * A content as signers and verifiers read it, and the hashes of its body: one pass over the octets for all that are
 * wanted, in pieces, whatever its size. Non-job: which hashes are wanted (sign.ts, verify.ts).
 */
import { headerEnd } from "../model/headers.ts";
import { concat } from "../model/octets.ts";
import { CanonicalBody, type Canonicalization } from "./canonical.ts";
import { Sha256, sha256 } from "./sha256.ts";

/** Octets of a message, in memory or not. */
export interface Content {
  /** The first octets, at least the whole header section. */
  readonly head: Uint8Array;
  /** All octets when they are in memory, else null. */
  readonly memory: Uint8Array | null;
  /** A fresh stream of all octets each time. */
  stream(): ReadableStream<Uint8Array>;
}

/** A body hash that is wanted. */
export interface WantedHash {
  readonly form: Canonicalization;
  /** Octets of the canonical body that are hashed (l=, RFC 6376 3.5); null: all. */
  readonly limit: number | null;
}
/** A body hash. */
export interface BodyHashed {
  readonly hash: Uint8Array<ArrayBuffer>;
  /** Octets of the canonical body. */
  readonly size: number;
}

/** Octets from which a copy of the canonical body costs more than hashing it in pieces. */
const IN_MEMORY = 4 * 1024 * 1024;

/**
 * The hash for each that is wanted, in their order (RFC 6376 3.7). `start`: first octet of the body.
 *
 * @throws what the stream throws; an Error when it ends inside the header.
 */
export async function hashBodies(
  content: Content,
  start: number,
  wanted: readonly WantedHash[],
): Promise<BodyHashed[]> {
  const forms = [...new Set(wanted.map(({ form }) => form))], { memory } = content;
  if (memory !== null && memory.length <= IN_MEMORY) return await hashInMemory(memory.subarray(start), wanted, forms);
  const hashed = new Map(forms.map((form) => [form, new BodyHash(wanted.filter((each) => each.form === form))]));
  const bodies = forms.map((form) => new CanonicalBody(form, (octets) => hashed.get(form)!.update(octets)));
  let left = start; // of the header section
  for await (const piece of memory === null ? content.stream() : [memory]) {
    if (piece.length <= left) left -= piece.length;
    else {
      const octets = left === 0 ? piece : piece.subarray(left);
      for (const body of bodies) body.update(octets);
      left = 0;
    }
  }
  if (left > 0) throw new Error(`the content ends ${left} octets before its header does`);
  for (const body of bodies) body.end();
  return wanted.map(({ form, limit }) => hashed.get(form)!.of(limit));
}

/** Hashes of the beginnings of one canonical body, from one pass: however many signatures end elsewhere (l=), it is one sum. */
class BodyHash {
  readonly #hasher = new Sha256();
  /** Where a beginning ends, ascending; from `#next` on not reached yet. */
  readonly #limits: readonly number[];
  readonly #digests = new Map<number, Uint8Array<ArrayBuffer>>();
  #next = 0;
  #size = 0;
  #whole: Uint8Array<ArrayBuffer> | null = null;

  constructor(wanted: readonly WantedHash[]) {
    this.#limits = [...new Set(wanted.flatMap(({ limit }) => limit ?? []))].sort((a, b) => a - b);
  }

  update(octets: Uint8Array): void {
    let from = 0;
    for (; this.#next < this.#limits.length; this.#next++) {
      const limit = this.#limits[this.#next]!, at = limit - this.#size;
      if (at > octets.length) break;
      this.#hasher.update(octets.subarray(from, at));
      this.#digests.set(limit, this.#hasher.clone().digest());
      from = at;
    }
    this.#hasher.update(octets.subarray(from));
    this.#size += octets.length;
  }

  /** Of the first octets, or of all there are. */
  of(limit: number | null): BodyHashed {
    const hash = limit === null ? undefined : this.#digests.get(limit);
    return { hash: hash ?? (this.#whole ??= this.#hasher.digest()), size: this.#size };
  }
}

/** WebCrypto hashes what is at hand, at less than half the cost. */
async function hashInMemory(
  body: Uint8Array,
  wanted: readonly WantedHash[],
  forms: readonly Canonicalization[],
): Promise<BodyHashed[]> {
  const canonical = new Map(forms.map((form) => [form, canonicalOctets(body, form)]));
  return await Promise.all(wanted.map(async ({ form, limit }) => {
    const octets = canonical.get(form)!, { length: size } = octets;
    return { hash: await sha256(limit === null ? octets : octets.subarray(0, limit)), size };
  }));
}

function canonicalOctets(body: Uint8Array, form: Canonicalization): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(body.length + 2); // a line end at most is added
  let size = 0;
  const canonical = new CanonicalBody(form, (octets) => {
    out.set(octets, size);
    size += octets.length;
  });
  canonical.update(body);
  canonical.end();
  return out.subarray(0, size);
}

/** A message as plugins see it: what came, in memory or in a file. */
export interface Received {
  /** Octets. */
  readonly size: number;
  /** All of them. */
  bytes(): Promise<Uint8Array>;
  /** A fresh stream each time. */
  stream(): ReadableStream<Uint8Array>;
}

/** Octets up to which a message is read at once. */
const AT_ONCE = 1024 * 1024;

/** The message as a content: read at once when it is small, else its header section alone. @throws what reading throws. */
export async function contentOf(message: Received): Promise<Content> {
  const stream = () => message.stream();
  if (message.size <= AT_ONCE) {
    const memory = await message.bytes();
    return { head: memory, memory, stream };
  }
  let head = new Uint8Array(0);
  for await (const piece of message.stream()) {
    const seen = Math.max(0, head.length - 3);
    head = concat([head, piece]);
    if (headerEnd(head, seen) >= 0) break;
  }
  return { head, memory: null, stream };
}
