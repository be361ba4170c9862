/** Scales of plots: round numbers up the side, round times along the foot, quantiles of counts by bounds. Pure. */

export interface Tick {
  /** From 0 at the base to 1 at the top; or along the foot. */
  readonly at: number;
  readonly text: string;
}
export interface Scale {
  readonly ticks: readonly Tick[];
  /** From 0 at the base to 1 at the top. */
  place(value: number): number;
}

/** From zero to a round number that is at least `max`, with three to five lines. */
export function linear(max: number): Scale {
  const rough = Math.max(1, max) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough)!);
  const lines = Math.max(1, Math.ceil(Math.max(1, max) / step)), top = lines * step;
  return {
    ticks: Array.from({ length: lines + 1 }, (_, i) => ({ at: i / lines, text: (i * step).toLocaleString("en-US") })),
    place: (value) => Math.min(1, Math.max(0, value / top)),
  };
}

/** Decades that hold all values, with a line between two where there are few; of none, three of them. `words`: how a number is said. */
export function logarithmic(values: readonly number[], words: (value: number) => string): Scale {
  const known = values.filter((value) => value > 0);
  const low = known.length === 0 ? 0 : Math.floor(Math.log10(Math.max(0.1, Math.min(...known))));
  const high = known.length === 0 ? 3 : Math.max(low + 1, Math.ceil(Math.log10(Math.max(...known))));
  const place = (value: number) => Math.min(1, Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low)));
  const decades = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const thin = Math.ceil(decades.length / 5);
  const lines = decades.length <= 3
    ? decades.flatMap((each, i) => i === decades.length - 1 ? [each] : [each, each * 3])
    : decades.filter((_, i) => i % thin === 0);
  return { ticks: lines.map((each) => ({ at: place(each), text: words(each) })), place };
}

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const SPACINGS = [10 * MINUTE, 30 * MINUTE, 3 * HOUR, DAY, 4 * DAY, 7 * DAY];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Round times of UTC between the two, some eight of them. */
export function times(since: number, until: number): readonly Tick[] {
  const spacing = SPACINGS.find((each) => (until - since) / each <= 9) ?? SPACINGS.at(-1)!;
  const ticks: Tick[] = [];
  for (let at = Math.ceil(since / spacing) * spacing; at <= until; at += spacing) {
    const place = (at - since) / (until - since);
    if (place >= 0.03 && place <= 0.97) ticks.push({ at: place, text: timeText(at, spacing) });
  }
  return ticks;
}

function timeText(at: number, spacing: number): string {
  const date = new Date(at);
  return spacing >= DAY || at % DAY === 0
    ? `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`
    : date.toISOString().slice(11, 16);
}

/** The value under which `share` of all counts lie, between bounds in a straight line; null without any. */
export function quantile(counts: readonly number[], bounds: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, each) => sum + each, 0);
  if (total === 0) return null;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= share * total) {
      const low = i === 0 ? 0 : bounds[i - 1]!, high = bounds[i] ?? low; // above the last bound nothing more is known
      return low + (high - low) * (share * total - below) / count;
    }
    below += count;
  }
  return bounds.at(-1)!;
}
