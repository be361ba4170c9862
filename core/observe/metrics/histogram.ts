/** How often a value was how large: counts by upper bound. Plain numbers, no memory per value. Non-job: writing them. */

/** Upper bounds of times, seconds. A plugin takes microseconds or waits for the network. */
export const TIMES: readonly number[] = [0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];

export class Histogram {
  /** How many values fell to each bound and not to the one below; the last is for what is above all of them. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  /** `bounds`: upper bounds, rising. A value that equals one belongs to it. */
  constructor(readonly bounds: readonly number[] = TIMES) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
    this.count++;
  }

  /** What that part of all (0 to 1) stayed below: an upper bound, Infinity above the last. */
  quantile(part: number): number {
    let seen = 0;
    for (const [at, bound] of this.bounds.entries()) {
      seen += this.counts[at]!;
      if (seen >= part * this.count) return bound;
    }
    return Infinity;
  }
}
