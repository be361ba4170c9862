/**
 * Finds phrases of up to five words in a text, any number of them in one walk over its words: case, punctuation and line
 * ends between the words do not matter. Work is bounded by the words of the text, whatever the phrases are.
 * Non-job: what a phrase is worth (rules.ts).
 */
import { eachWord, type Visit } from "./words.ts";

export const LONGEST_PHRASE = 5;

interface Step<Name> {
  /** What is found when a phrase ends here. */
  readonly names: Name[];
  readonly next: Map<number, Step<Name>>;
}

/** Phrases under names; a name may have many. */
export class Phrases<Name> {
  readonly #root: Step<Name> = { names: [], next: new Map() };

  /** @throws {TypeError} for a phrase without a word, or with more than five. */
  add(phrase: string, name: Name): void {
    const words: number[] = [];
    eachWord(phrase, (hash) => words.push(hash));
    if (words.length === 0 || words.length > LONGEST_PHRASE) {
      throw new TypeError(`"${phrase}" has ${words.length} words; a phrase has 1 to ${LONGEST_PHRASE}`);
    }
    let step = this.#root;
    for (const word of words) {
      let next = step.next.get(word);
      if (next === undefined) step.next.set(word, next = { names: [], next: new Map() });
      step = next;
    }
    step.names.push(name);
  }

  /** A walk over one text: give its visitor every word. `found` is told of each phrase, as often as it comes. */
  walk(found: (name: Name) => void): Visit {
    let open: Step<Name>[] = [];
    const root = this.#root;
    return (hash) => {
      const first = root.next.get(hash);
      if (first === undefined && open.length === 0) return; // nearly always
      const still: Step<Name>[] = [];
      for (const step of open) {
        const next = step.next.get(hash);
        if (next !== undefined) still.push(next);
      }
      if (first !== undefined) still.push(first);
      for (const step of still) for (const name of step.names) found(name);
      open = still;
    };
  }
}
