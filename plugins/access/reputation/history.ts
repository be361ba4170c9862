/**
 * What is remembered of a subject: good and bad, each of it worth half after a half-life. Sums only, added up by all
 * threads; whatever is written expires. Non-job: what is good and bad, and what follows (mod.ts).
 */
import type { Counters } from "../../../core/pipeline/mod.ts";

/** Decayed sums, as they are now. */
export interface Remembered {
  readonly good: number;
  readonly bad: number;
}
export type Kind = keyof Remembered;

/** Half-lives in a period. A sum is of one period; what is older than the last one is worth a sixteenth at most. */
const PERIOD = 4;

export class History {
  readonly #store: Pick<Counters, "get" | "add">;
  readonly #now: number;
  readonly #halfLife: number;

  /** @param options.halfLife milliseconds */
  constructor(store: Pick<Counters, "get" | "add">, options: { readonly now: number; readonly halfLife: number }) {
    this.#store = store;
    this.#now = options.now;
    this.#halfLife = options.halfLife;
  }

  /**
   * What comes later in a period counts more, up to 16 times, so that one number for all of it decays by itself: no entry
   * has to be read, changed and written back, which two threads could do at a time. Returns what there was of it before:
   * of several that add at once each is told another sum.
   */
  async add(subject: string, kind: Kind, amount: number): Promise<number> {
    const { number, halfLives } = this.#period();
    const seconds = Math.ceil(2 * PERIOD * this.#halfLife / 1000);
    const [sum, before] = await Promise.all([
      this.#store.add(`${kind} ${number} ${subject}`, amount * 2 ** halfLives, { seconds }),
      this.#store.get(`${kind} ${number - 1} ${subject}`),
    ]);
    return sum / 2 ** halfLives - amount + Number(before ?? 0) / 2 ** (halfLives + PERIOD);
  }

  async of(subject: string): Promise<Remembered> {
    const [good, bad] = await Promise.all([this.#sum(subject, "good"), this.#sum(subject, "bad")]);
    return { good, bad };
  }

  async #sum(subject: string, kind: Kind): Promise<number> {
    const { number, halfLives } = this.#period();
    const [now, before] = await Promise.all(
      [number, number - 1].map(async (each) => Number(await this.#store.get(`${kind} ${each} ${subject}`) ?? 0)),
    ) as [number, number];
    return now / 2 ** halfLives + before / 2 ** (halfLives + PERIOD);
  }

  #period(): { number: number; halfLives: number } {
    const halfLives = this.#now / this.#halfLife, number = Math.floor(halfLives / PERIOD);
    return { number, halfLives: halfLives - number * PERIOD };
  }
}
