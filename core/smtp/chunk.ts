/** A chunk of BDAT on its way (RFC 3030 2): how much of it is to come, and what it will be answered. */
import type { Reply } from "../model/reply.ts";

export class Chunk {
  /** Octets that are still to come. */
  left: number;
  readonly empty: boolean;
  /** The answer once it is swallowed, when it was refused before it came. */
  refusal: Reply | null = null;
  /** How often it is said: LMTP owes one to each recipient of what would have been the end (RFC 2033 4.2). */
  times = 1;

  constructor(size: number, readonly last: boolean) {
    this.left = size;
    this.empty = size === 0;
  }
}
