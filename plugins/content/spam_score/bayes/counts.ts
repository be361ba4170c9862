/**
 * How many messages of each class had a token, for all tokens that were learned: an open hash table, 8 octets a place and
 * bounded. Non-job: what follows from the counts (classify.ts), where they come from (lessons.ts).
 */

/** Tokens in memory at most, 32 MiB of table; a new one beyond that is not counted. */
export const MAX_KNOWN = 2_000_000;
const LEAST = 1 << 12, MOST = 0xffff;

export type Class = "spam" | "ham";

/** 0 stands for a free place, so the token 0 is taken for 1. */
const placed = (token: number): number => token === 0 ? 1 : token;

export class Counts {
  /** Messages of each class. */
  spam = 0;
  ham = 0;
  readonly #most: number;
  /** Nobody outside knows which tokens share a place: no message makes a crowd of them. */
  readonly #odd = crypto.getRandomValues(new Uint32Array(1))[0]! | 1;
  /** For each place the token and, 16 bits each, its ham and its spam: what is asked for together lies together. */
  #table = new Uint32Array(2 * LEAST);
  #used = 0;
  /** Of those, without a message left. */
  #empty = 0;

  /** `most`: tokens that are counted at a time. */
  constructor(most: number = MAX_KNOWN) {
    this.#most = most;
  }

  /** Different tokens. */
  get size(): number {
    return this.#used - this.#empty;
  }

  /** A message more (or, with -1, one less) of a class. */
  count(tokens: Uint32Array, as: Class, by: 1 | -1): void {
    this[as] += by;
    const shift = as === "spam" ? 0 : 16;
    for (const token of tokens) {
      let at = this.#find(placed(token));
      if (this.#table[at] === 0) {
        if (by < 0) continue;
        if (4 * (this.#used + 1) > this.#table.length || this.#used === this.#most) {
          if (!this.#makeRoom()) continue;
          at = this.#find(placed(token));
        }
        this.#table[at] = placed(token);
        this.#used++;
        this.#empty++;
      }
      const counts = this.#table[at + 1]!, next = (counts >>> shift & MOST) + by;
      if (next < 0 || next > MOST) continue;
      const after = this.#table[at + 1] = (counts & ~(MOST << shift) | next << shift) >>> 0;
      if (counts === 0) this.#empty--;
      else if (after === 0) this.#empty++;
    }
  }

  /** The place of a token for `spamAt` and `hamAt`, or -1. */
  place(token: number): number {
    const at = this.#find(placed(token));
    return this.#table[at] === 0 ? -1 : at;
  }
  spamAt(place: number): number {
    return this.#table[place + 1]! & MOST;
  }
  hamAt(place: number): number {
    return this.#table[place + 1]! >>> 16;
  }

  #find(token: number): number {
    const table = this.#table, mask = table.length - 1;
    // Its upper bits, for all of the token's are in them; two numbers a place
    let at = 2 * (Math.imul(token, this.#odd) >>> Math.clz32(mask) + 1);
    while (table[at] !== 0 && table[at] !== token) at = (at + 2) & mask;
    return at;
  }

  /** For one token more: without those that were unlearned, where they are many, else in a larger table. */
  #makeRoom(): boolean {
    const { length } = this.#table;
    if (4 * this.#empty > this.#used) this.#build(length);
    else if (this.#used === this.#most) return false;
    else this.#build(2 * length);
    return true;
  }

  #build(length: number): void {
    const before = this.#table;
    this.#table = new Uint32Array(length);
    this.#used = this.#empty = 0;
    for (let from = 0; from < before.length; from += 2) {
      if (before[from] === 0 || before[from + 1] === 0) continue; // what was unlearned goes
      const at = this.#find(before[from]!);
      this.#table[at] = before[from]!;
      this.#table[at + 1] = before[from + 1]!;
      this.#used++;
    }
  }
}
