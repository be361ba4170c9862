/**
 * Random numbers from a seed, so that a failure can be run again. Job: numbers and the seed of a run. Non-job: secrets.
 */

/** SplitMix32: a sequence for each seed. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** A whole number from 0 up to and without `end`. */
  below(end: number): number {
    return this.word() % end;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** The seed that the environment names (to run a failure again), or a new one. */
export function seedOf(variable: string): number {
  const given = Deno.env.get(variable);
  return given ? Number(given) >>> 0 : crypto.getRandomValues(new Uint32Array(1))[0]!;
}
