/** The spans of time that the overview shows, and in which steps. Pure. */

export interface Range {
  /** In the query string. */
  readonly name: string;
  readonly label: string;
  /** Behind "messages per". */
  readonly per: string;
  /** Milliseconds of a step. */
  readonly step: number;
  readonly steps: number;
}

const MINUTE = 60_000, HOUR = 60 * MINUTE;
export const RANGES: readonly Range[] = [
  { name: "1h", label: "1 h", per: "minute", step: MINUTE, steps: 60 },
  { name: "24h", label: "24 h", per: "15 minutes", step: 15 * MINUTE, steps: 96 },
  { name: "7d", label: "7 days", per: "2 hours", step: 2 * HOUR, steps: 84 },
  { name: "30d", label: "30 days", per: "6 hours", step: 6 * HOUR, steps: 120 },
];

/** The one that is asked for, else the day. */
export function rangeOf(name: string | undefined): Range {
  return RANGES.find((each) => each.name === name) ?? RANGES[1]!;
}

/** Whole steps of UTC, the last one under way. */
export function spanOf({ step, steps }: Range, now: number): { since: number; until: number; step: number } {
  const until = (Math.floor(now / step) + 1) * step;
  return { since: until - steps * step, until, step };
}
