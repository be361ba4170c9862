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
  readonly #most: number;
  /** Nobody outside knows which tokens share a place: no message makes a crowd of them. */
  readonly #odd = crypto.getRandomValues(new Uint32Array(1))[0]! | 1;
  #tokens = new Uint32Array(LEAST);
  #spam = new Uint16Array(LEAST);
  #ham = new Uint16Array(LEAST);
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
    for (const token of tokens) {
      let at = this.#find(placed(token));
      if (this.#tokens[at] === 0) {
        if (by < 0) continue;
        if (2 * (this.#used + 1) > this.#tokens.length || this.#used === this.#most) {
          if (!this.#makeRoom()) continue;
          at = this.#find(placed(token));
        }
        this.#tokens[at] = placed(token);
        this.#used++;
        this.#empty++;
      }
      const column = as === "spam" ? this.#spam : this.#ham, before = this.#spam[at]! + this.#ham[at]!;
      column[at] = Math.min(65_535, Math.max(0, column[at]! + by));
      const after = this.#spam[at]! + this.#ham[at]!;
      if (before === 0 && after > 0) this.#empty--;
      else if (before > 0 && after === 0) this.#empty++;
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
    let at = Math.imul(token, this.#odd) >>> Math.clz32(mask); // its upper bits: all of the token's are in them
    while (this.#tokens[at] !== 0 && this.#tokens[at] !== token) at = (at + 1) & mask;
    return at;
  }

  /** For one token more: without those that were unlearned, where they are many, else in a larger table. */
  #makeRoom(): boolean {
    const { length } = this.#tokens;
    if (4 * this.#empty > this.#used) this.#build(length);
    else if (this.#used === this.#most) return false;
    else this.#build(2 * length);
    return true;
  }

  #build(length: number): void {
    const tokens = this.#tokens, spam = this.#spam, ham = this.#ham;
    this.#tokens = new Uint32Array(length);
    this.#spam = new Uint16Array(length);
    this.#ham = new Uint16Array(length);
    this.#used = this.#empty = 0;
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
