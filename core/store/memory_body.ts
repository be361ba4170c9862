/**
 * Bodies that lie in memory alone: of an edge host, and of a simulated one. Non-job: a budget for them, and the spool, which
 * a server has (memory.ts, spool.ts).
 */
import { concat } from "../model/octets.ts";
import type { Body, BodyWriter } from "./store.ts";

/** These octets. */
export function memoryBody(octets: Uint8Array<ArrayBuffer>): Body {
  return {
    size: octets.length,
    memory: octets,
    head: octets,
    stream: () => new Blob([octets]).stream(),
    discard: () => {},
  };
}

/** Keeps what it is given. */
export class MemoryWriter implements BodyWriter {
  readonly #chunks: Uint8Array[] = [];
  write(chunk: Uint8Array): void {
    this.#chunks.push(chunk.slice());
  }
  finish(): Body {
    return memoryBody(concat(this.#chunks));
  }
  abort(): void {}
}
