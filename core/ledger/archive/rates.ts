/** Minutes of all files as steps of time, empty ones included. Non-job: counting (tally.ts). */
import { COMMIT_BOUNDS, type RatePoint } from "../ledger.ts";
import { MINUTE, type MinuteRow, NUMBERS } from "./numbers.ts";
import { COUNTS } from "../recording/tally.ts";

/** Steps of one answer. */
const MOST = 10_000;

export interface RateRange {
  readonly since: number;
  readonly until: number;
  /** Milliseconds, a multiple of a minute; another one is taken up to the next. */
  readonly step: number;
}

/** What a range comes to: whole minutes, a bounded number of steps. */
export interface Steps {
  readonly since: number;
  readonly until: number;
  readonly step: number;
}
export function stepsOf(range: RateRange): Steps {
  const step = Math.max(MINUTE, Math.ceil(range.step / MINUTE) * MINUTE);
  const since = Math.floor(range.since / MINUTE) * MINUTE;
  const count = Math.max(0, Math.min(MOST, Math.ceil((range.until - since) / step)));
  return { since, until: since + count * step, step };
}

/** Something that has minutes: their sums by step, as `stepsOf` has them. */
export interface HasMinutes {
  minutes(since: number, until: number, step: number): readonly MinuteRow[];
}

/** `slices`: the newest first. */
export function ratesOf(slices: readonly HasMinutes[], range: RateRange): readonly RatePoint[] {
  const { since, until, step } = stepsOf(range), count = (until - since) / step, width = NUMBERS.length;
  const sums = Array.from({ length: count }, () => new Float64Array(width));
  const queue = new Array<number | null>(count).fill(null);
  for (const slice of slices.toReversed()) { // so that the last sample of a step stays
    for (const row of slice.minutes(since, until, step)) {
      const at = (row.at - since) / step, sum = sums[at];
      if (sum === undefined) continue;
      for (const [i, number] of row.numbers.entries()) sum[i]! += number;
      queue[at] = row.queue ?? queue[at]!;
    }
  }
  const delays = COUNTS.length + COMMIT_BOUNDS.length + 1;
  return sums.map((sum, at): RatePoint => ({
    at: since + at * step,
    ...Object.fromEntries(COUNTS.map((name, i) => [name, sum[i]!])) as Record<typeof COUNTS[number], number>,
    commit: [...sum.subarray(COUNTS.length, delays)],
    delay: [...sum.subarray(delays)],
    queue: queue[at]!,
  }));
}
