/** Schemas for quantities: strings with their unit in, numbers out. Non-job: reading them (model/units.ts). */
import { z } from "zod";
import { formatDuration, formatSize, parseDuration, parseSize } from "../model/units.ts";

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

function quantity(
  hint: string,
  parse: (text: string) => number | null,
  format: (value: number) => string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds,
) {
  return z.string({ error: hint }).transform((text, context) => {
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

/** Milliseconds. */
export const duration = (bounds: Bounds = {}) => quantity(DURATION, parseDuration, formatDuration, bounds);
/** Octets. */
export const size = (bounds: Bounds = {}) => quantity(SIZE, parseSize, formatSize, bounds);
