/**
 * Keys of rows and words of questions, as the database has them: an identifier without its `s` begins with its moment, so
 * keys are in the order of time; a question to the index of the files is one to that of the database.
 */
import { bare } from "../codec.ts";
import type { Question } from "../archive/tokens.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** The last moment that an identifier can have. */
const LAST = 32 ** 10 - 1;
/** Characters that the words of one row have at most: a `tsvector` has a bound, and a row with one more is none. */
const WORDS = 200_000;

/** The key of an identifier. */
export function keyOf(id: string): string {
  return bare(id);
}

/** What all keys of a moment and later are not below, milliseconds since 1970. */
export function timeKey(at: number): string {
  let left = Math.max(0, Math.min(LAST, Math.ceil(at))), key = "";
  for (let i = 0; i < 10; i++) {
    key = ALPHABET[left % 32] + key;
    left = Math.floor(left / 32);
  }
  return key;
}

/** Above all keys. */
export const ABOVE = "~";

/** The words of a row, with one space between. */
export function wordsOf(tokens: string): string {
  if (tokens.length <= WORDS) return tokens;
  return tokens.slice(0, tokens.lastIndexOf(" ", WORDS));
}

/** A question in the language of `tsquery`; empty: all rows. Words hold no quote and no backslash (tokens.ts). */
export function queryOf({ exact, beginnings }: Question): string {
  return [...exact, ...beginnings.map(({ match }) => match)].map(translated).join(" & ");
}

/** From the language of FTS5: `("a:b" OR "c"*)`. */
export function translated(match: string): string {
  const words = match.replace(/"([^"]*)"(\*?)/g, (_, word: string, star: string) => `'${word}'${star && ":*"}`);
  return words.replaceAll(" OR ", " | ").replaceAll(" AND ", " & ");
}
