/**
 * How often attempts at one destination may start. A leaky bucket kept as one moment (GCRA): constant memory, whatever
 * the rate. Pure; `now` is a monotonic clock. Non-job: how many at once (concurrency.ts), rates of clients (plugins).
 */
import type { Rate } from "../model/units.ts";

export type { Rate };

/**
 * The strict reading of a rate: no period of its length, wherever it begins, holds more than `count` starts. A tenth of
 * them may start together after a pause; to pay for that the rest are spaced as if the rate were a tenth lower. Peers
 * punish who exceeds their limit, not who stays below.
 */
export class StartRate {
  readonly #interval: number;
  /** How far the bucket's moment may lie ahead of a start. */
  readonly #slack: number;
  /** When the bucket is empty: each start adds an interval. */
  #empty = -Infinity;

  constructor({ count, milliseconds }: Rate) {
    if (!(count >= 1 && milliseconds > 0)) throw new RangeError(`no rate: ${count} in ${milliseconds} ms`);
    const together = Math.max(1, Math.floor(count / 10));
    this.#interval = milliseconds / (count - together + 1);
    this.#slack = (together - 1) * this.#interval + 1e-3; // sums of fractions are not exact
  }

  /** The first moment, not before `now`, at which a start is permitted. */
  next(now: number): number {
    return Math.max(now, this.#empty - this.#slack);
  }

  /** Counts a start at `now`, which must be permitted. */
  take(now: number): void {
    this.#empty = Math.max(now, this.#empty) + this.#interval;
  }

  /** Nothing left to remember. */
  fresh(now: number): boolean {
    return this.#empty <= now;
  }
}
