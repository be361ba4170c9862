/**
 * Counts for the busiest of arbitrarily many names, the rest together as "other": how mail for a million domains becomes
 * a bounded number of series. Candidates are kept as "space saving" does (Metwally et al., 2005): a stranger takes the
 * place of the least busy one. Once in a while old traffic is worth half, and who is far busier than the least of the
 * shown ones takes over its place.
 * Non-job: what is counted. A name that lost its place takes its counts with it: nothing is counted twice.
 */
import { OTHER } from "./counters.ts";

interface Candidate {
  readonly name: string;
  weight: number;
  /** So much of it may be that of those whose place it took. */
  doubt: number;
  /** What it was counted since it is shown; null: it counts as "other". */
  counts: Float64Array | null;
}

/** Candidates for each place. */
const CANDIDATES = 4;
/** Values between two reviews, for each place. */
const REVIEW = 100;

export class Busiest {
  readonly #places: number;
  readonly #kinds: number;
  readonly #candidates = new Map<string, Candidate>();
  readonly #other: Float64Array;
  #shown = 0;
  #left: number;

  /** `places`: names with counts of their own, 0 for none. `kinds`: how many counts each has. */
  constructor(places: number, kinds: number) {
    this.#places = places;
    this.#kinds = kinds;
    this.#other = new Float64Array(kinds);
    this.#left = places * REVIEW;
  }

  add(name: string, kind: number): void {
    if (this.#places === 0) return void this.#other[kind]!++;
    const candidate = this.#candidates.get(name) ?? this.#begin(name);
    candidate.weight++;
    (candidate.counts ?? this.#other)[kind]!++;
    if (--this.#left <= 0) this.#review();
  }

  /** The shown ones and, last, the rest. */
  *entries(): Generator<readonly [name: string, counts: Float64Array]> {
    for (const { name, counts } of this.#candidates.values()) if (counts !== null) yield [name, counts];
    yield [OTHER, this.#other];
  }

  #begin(name: string): Candidate {
    let weight = 0;
    if (this.#candidates.size >= this.#places * CANDIDATES) {
      let least: Candidate | null = null;
      for (const each of this.#candidates.values()) {
        if (each.counts === null && (least === null || each.weight < least.weight)) least = each;
      }
      weight = least!.weight;
      this.#candidates.delete(least!.name);
    }
    const candidate: Candidate = {
      name,
      weight,
      doubt: weight,
      counts: this.#shown < this.#places ? this.#fresh() : null,
    };
    this.#candidates.set(name, candidate);
    return candidate;
  }

  #fresh(): Float64Array {
    this.#shown++;
    return new Float64Array(this.#kinds);
  }

  #review(): void {
    this.#left = this.#places * REVIEW;
    const shown: Candidate[] = [], waiting: Candidate[] = [];
    for (const each of this.#candidates.values()) {
      each.weight /= 2;
      each.doubt /= 2;
      (each.counts === null ? waiting : shown).push(each);
    }
    shown.sort((a, b) => a.weight - b.weight);
    waiting.sort((a, b) => b.weight - b.doubt - a.weight + a.doubt);
    for (let at = 0; at < shown.length && at < waiting.length; at++) {
      if (waiting[at]!.weight - waiting[at]!.doubt <= 2 * shown[at]!.weight) return; // who is about as busy does not push others out
      shown[at]!.counts = null;
      waiting[at]!.counts = new Float64Array(this.#kinds);
    }
  }
}
