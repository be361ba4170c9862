/** Schemas for quantities: strings with their unit in, numbers out. Non-job: reading them (model/units.ts). */
import { z } from "zod";
import { formatDuration, formatSize, parseDuration, parseSize } from "../model/units.ts";

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
/** Octets. */
export const size = (bounds: Bounds = {}) => quantity(SIZE, SIZE_PATTERN, parseSize, formatSize, bounds);
