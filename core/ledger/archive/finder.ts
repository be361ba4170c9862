/**
 * Finds entries in one file after the other, the newest first. What the index has as it is, it finds at once. Beginnings of
 * words are another thing: of a common one the index would have to merge all that begins so. But what is common is found by
 * looking at the newest entries, and what is not found there is rare, and the index is fast at it.
 * Non-job: which words (tokens.ts).
 */
import type { Head } from "../codec.ts";
import type { Slice } from "./slice.ts";
import { type Question, tokensOf } from "./tokens.ts";

export interface Range {
  /** Keys: from, inclusive. */
  readonly from: number;
  /** Up to, exclusive. */
  readonly above: number;
  readonly limit: number;
}

/** Entries that are looked at in one go. */
const LOOK = 500;
/** One in so many has to fit for looking on. */
const COMMON = 10;

export class Finder {
  readonly #question: Question;
  readonly #exact: string;
  readonly #whole: string;
  /** The index is asked for beginnings: they are rare. */
  #rare = false;

  constructor(question: Question) {
    this.#question = question;
    this.#exact = question.exact.join(" AND ");
    this.#whole = [...question.exact, ...question.beginnings.map(({ match }) => match)].join(" AND ");
  }

  /** The rows of one file, the newest first. */
  find(slice: Slice, { from, above, limit }: Range): Head[] {
    const { beginnings } = this.#question, found: Head[] = [];
    if (beginnings.length > 0 && !this.#rare) {
      for (;;) {
        const keys = slice.keys(this.#exact, { from, above, limit: LOOK });
        const before = found.length;
        for (const key of keys) {
          const head = slice.head(key), tokens = tokensOf(head).split(" ");
          if (beginnings.every((each) => each.holds(tokens))) found.push(head);
          if (found.length === limit) return found;
        }
        if (keys.length < LOOK) return found; // that was all of it
        above = keys.at(-1)!;
        if ((found.length - before) * COMMON < LOOK) break;
      }
      this.#rare = true;
    }
    const keys = slice.keys(this.#whole, { from, above, limit: limit - found.length });
    found.push(...keys.map((key) => slice.head(key)));
    return found;
  }
}
