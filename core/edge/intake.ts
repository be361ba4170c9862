/**
 * The octets of a message from a stream: so many at most, and as many as were promised. Non-job: what they mean.
 */
import { concat } from "../model/octets.ts";

/** Why there is no message: more than may be, less than was promised, or not in time. */
export type IntakeFault = "size" | "short" | "late";

/** Milliseconds for all of it: whoever sends an octet now and then holds a host for no longer. */
const PATIENCE = 120_000;
const BLOCK = 64 * 1024;

/**
 * All of it, or why not. `size`: what was promised; null: nothing was. Rejects with what the stream throws.
 */
export async function takeIn(
  stream: ReadableStream<Uint8Array>,
  limits: { readonly most: number; readonly size?: number | null; readonly patience?: number },
): Promise<Uint8Array<ArrayBuffer> | IntakeFault> {
  const { most, size = null, patience = PATIENCE } = limits;
  if (size !== null && size > most) {
    await stream.cancel("too big").catch(() => {});
    return "size";
  }
  const reader = stream.getReader(), gathered = new Gathered();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((done) => timer = setTimeout(() => done("late"), patience));
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), late]);
      if (read === "late" || gathered.size + (read.value?.length ?? 0) > most) {
        const fault = read === "late" ? "late" : "size";
        void reader.cancel(fault).catch(() => {}); // a peer that does not send may not hear either
        return fault;
      }
      if (read.done) break;
      gathered.add(read.value);
    }
  } finally {
    clearTimeout(timer);
  }
  if (size !== null && gathered.size !== size) return "short"; // half a message is none
  return gathered.whole();
}

/** Octets in blocks: a peer chooses how small its pieces are, and an array of each costs a hundred times the octet in it. */
class Gathered {
  readonly #blocks: Uint8Array<ArrayBufferLike>[] = [];
  #block = new Uint8Array(0);
  #used = 0;
  size = 0;

  add(piece: Uint8Array): void {
    this.size += piece.length;
    if (piece.length >= BLOCK) {
      this.#close();
      this.#blocks.push(piece);
      return;
    }
    if (this.#used + piece.length > this.#block.length) {
      this.#close();
      this.#block = new Uint8Array(BLOCK);
    }
    this.#block.set(piece, this.#used);
    this.#used += piece.length;
  }
  whole(): Uint8Array<ArrayBuffer> {
    this.#close();
    return concat(this.#blocks);
  }
  #close(): void {
    if (this.#used > 0) this.#blocks.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}

/** A message that was written with Unix line ends throughout, with those of the wire; any other as it is. */
export function withWireLineEnds(octets: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let lines = 0;
  for (let at = octets.indexOf(10); at >= 0; at = octets.indexOf(10, at + 1)) {
    if (octets[at - 1] === 13) return octets;
    lines++;
  }
  if (lines === 0) return octets;
  const out = new Uint8Array(octets.length + lines);
  let to = 0;
  for (let at = 0; at < octets.length; at++) { // octet by octet: a message may be nothing but line ends
    const octet = octets[at]!;
    if (octet === 10) out[to++] = 13;
    out[to++] = octet;
  }
  return out;
}
