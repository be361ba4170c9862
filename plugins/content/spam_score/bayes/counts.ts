/**
 * How many messages of each class had a token, for all tokens that were learned: an open hash table in typed arrays, 8
 * octets a token and bounded. Non-job: what follows from the counts (classify.ts), where they come from (lessons.ts).
 */

/** Tokens in memory at most, some 25 MB; a new one beyond that is not counted. */
export const MAX_KNOWN = 2_000_000;
const LEAST = 1 << 12;

export type Class = "spam" | "ham";

/** 0 stands for a free place, so the token 0 is taken for 1. */
const placed = (token: number): number => token === 0 ? 1 : token;

export class Counts {
  /** Messages of each class. */
  spam = 0;
  ham = 0;
  #tokens = new Uint32Array(LEAST);
  #spam = new Uint16Array(LEAST);
  #ham = new Uint16Array(LEAST);
  #used = 0;

  /** Different tokens. */
  get size(): number {
    return this.#used;
  }

  /** A message more (or, with -1, one less) of a class. */
  count(tokens: Uint32Array, as: Class, by: 1 | -1): void {
    this[as] += by;
    for (const token of tokens) {
      let at = this.#find(placed(token));
      if (this.#tokens[at] === 0) {
        if (by < 0 || this.#used >= MAX_KNOWN) continue;
        if (2 * (this.#used + 1) > this.#tokens.length) {
          this.#grow();
          at = this.#find(placed(token));
        }
        this.#tokens[at] = placed(token);
        this.#used++;
      }
      const column = as === "spam" ? this.#spam : this.#ham;
      column[at] = Math.min(65_535, Math.max(0, column[at]! + by));
    }
  }

  /** The place of a token for `spamAt` and `hamAt`, or -1. */
  place(token: number): number {
    const at = this.#find(placed(token));
    return this.#tokens[at] === 0 ? -1 : at;
  }
  spamAt(place: number): number {
    return this.#spam[place]!;
  }
  hamAt(place: number): number {
    return this.#ham[place]!;
  }

  #find(token: number): number {
    const mask = this.#tokens.length - 1;
    let at = token & mask;
    while (this.#tokens[at] !== 0 && this.#tokens[at] !== token) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const tokens = this.#tokens, spam = this.#spam, ham = this.#ham;
    this.#tokens = new Uint32Array(2 * tokens.length);
    this.#spam = new Uint16Array(2 * tokens.length);
    this.#ham = new Uint16Array(2 * tokens.length);
    this.#used = 0;
    for (let from = 0; from < tokens.length; from++) {
      if (tokens[from] === 0 || (spam[from] === 0 && ham[from] === 0)) continue; // what was unlearned goes
      const at = this.#find(tokens[from]!);
      this.#tokens[at] = tokens[from]!;
      this.#spam[at] = spam[from]!;
      this.#ham[at] = ham[from]!;
      this.#used++;
    }
  }
}
