/**
 * Counters under up to three labels, without building a string per event. However many values peers and plugins think
 * of, only so many series come of it: the rest count as "other". Non-job: which labels there are (metrics.ts).
 */
import type { Labels, Sample } from "./exposition.ts";

/** What stands for every value that has no place of its own. */
export const OTHER = "other";

export class Counters {
  readonly #names: readonly string[];
  readonly #most: number;
  readonly #values = new Map<string, Map<string, Map<string, number>>>();
  #size = 0;

  /** `names`: of the labels, at most three. `most`: series beside the one for the rest. */
  constructor(names: readonly string[], most = 200) {
    this.#names = names;
    this.#most = most;
  }

  add(a: string, b = "", c = "", amount = 1): void {
    const third = this.#values.get(a)?.get(b);
    const known = third?.get(c);
    if (known !== undefined) third!.set(c, known + amount);
    else if (this.#size < this.#most) this.#begin(a, b, c, amount);
    else this.#begin(OTHER, OTHER, OTHER, amount);
  }

  #begin(a: string, b: string, c: string, amount: number): void {
    let second = this.#values.get(a);
    if (second === undefined) this.#values.set(a, second = new Map());
    let third = second.get(b);
    if (third === undefined) second.set(b, third = new Map());
    const known = third.get(c);
    if (known === undefined) this.#size++;
    third.set(c, (known ?? 0) + amount);
  }

  samples(): Sample[] {
    const samples: Sample[] = [];
    for (const [a, second] of this.#values) {
      for (const [b, third] of second) {
        for (const [c, value] of third) {
          const values = [a, b, c];
          samples.push([Object.fromEntries(this.#names.map((name, at) => [name, values[at]!])) as Labels, value]);
        }
      }
    }
    return samples;
  }
}
