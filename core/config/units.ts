/** Schemas for quantities: strings with their unit in, numbers out. Non-job: reading them (model/units.ts). */
import { z } from "zod";
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseRate,
  parseSize,
  RATE as RATE_PATTERN,
  type Rate,
} from "../model/units.ts";

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

function quantity(
  hint: string,
  pattern: RegExp,
  parse: (text: string) => number | null,
  format: (value: number) => string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds,
) {
  // The pattern is for editors, which read the JSON Schema; `parse` is the judge.
  return z.string({ error: hint }).regex(pattern, { error: hint }).transform((text, context) => {
    const value = parse(text);
    if (value === null) context.addIssue(hint);
    else if (value < min) context.addIssue(`must be at least ${format(min)}`);
    else if (value > max) context.addIssue(`must be at most ${format(max)}`);
    else return value;
    return z.NEVER;
  });
}

const DURATION = 'must be a duration with its unit, such as "30s", "5m", "4h" or "5d"';
const SIZE = 'must be a size with its unit, such as "500B", "64KiB" or "50MiB"';

const DURATION_PATTERN = /^\d{1,9}(?:ms|s|m|h|d)$/;
const SIZE_PATTERN = /^\d{1,9}(?:B|[kK]B|[MGT]B|[KMGT]iB)$/;

/** Milliseconds. */
export const duration = (bounds: Bounds = {}) =>
  quantity(DURATION, DURATION_PATTERN, parseDuration, formatDuration, bounds);
/** Milliseconds, or `off`, which is null. */
export const durationOrOff = (bounds: Bounds = {}) => {
  const hint = `${DURATION}, or "off"`, read = duration(bounds);
  return z.string({ error: hint }).regex(/^(?:off|\d{1,9}(?:ms|s|m|h|d))$/, { error: hint })
    .transform((text, context) => {
      if (text === "off") return null;
      const { data, error } = read.safeParse(text);
      for (const { message } of error?.issues ?? []) context.addIssue(message);
      return data ?? z.NEVER;
    });
};
/** Octets. */
export const size = (bounds: Bounds = {}) => quantity(SIZE, SIZE_PATTERN, parseSize, formatSize, bounds);

const RATE = 'must be a rate, such as "100/1m": a count, and a time in s, m, h or d';

/** How many in how long. */
export const rate = () =>
  z.string({ error: RATE }).regex(RATE_PATTERN, { error: RATE }).transform((text): Rate => parseRate(text)!);
