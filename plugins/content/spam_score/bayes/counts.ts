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
  /** For each place the token and, 16 bits each, its ham and its spam: what is asked for together lies together. */
  #table = new Uint32Array(2 * LEAST);
  #used = 0;

  /** Different tokens. */
  get size(): number {
    return this.#used;
  }

  /** A message more (or, with -1, one less) of a class. */
  count(tokens: Uint32Array, as: Class, by: 1 | -1): void {
    this[as] += by;
    const shift = as === "spam" ? 0 : 16;
    for (const token of tokens) {
      let at = this.#find(placed(token));
      if (this.#table[at] === 0) {
        if (by < 0 || this.#used >= MAX_KNOWN) continue;
        if (4 * (this.#used + 1) > this.#table.length) {
          this.#grow();
          at = this.#find(placed(token));
        }
        this.#table[at] = placed(token);
        this.#used++;
      }
      const counts = this.#table[at + 1]!, next = (counts >>> shift & MOST) + by;
      if (next >= 0 && next <= MOST) this.#table[at + 1] = counts & ~(MOST << shift) | next << shift;
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
    let at = 2 * token & mask;
    while (table[at] !== 0 && table[at] !== token) at = (at + 2) & mask;
    return at;
  }

  #grow(): void {
    const before = this.#table;
    this.#table = new Uint32Array(2 * before.length);
    this.#used = 0;
    for (let from = 0; from < before.length; from += 2) {
      if (before[from] === 0 || before[from + 1] === 0) continue; // what was unlearned goes
      const at = this.#find(before[from]!);
      this.#table[at] = before[from]!;
      this.#table[at + 1] = before[from + 1]!;
      this.#used++;
    }
  }
}
