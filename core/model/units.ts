/**
 * Quantities as an operator writes them: durations `30s`, sizes `50MiB`, rates `100/1m`. Always a string with its unit, so that nobody has
 * to know whether a bare 300 means seconds or milliseconds. Values only; the schemas are config/units.ts.
 */
const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const OCTETS = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;

/**
 * Milliseconds of a duration such as `500ms`, `30s`, `5m`, `4h`, `5d`; null when the text is none.
 *
 * @example
 * ```ts
 * import { parseDuration } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals([parseDuration("5m"), parseDuration("5")], [300_000, null]);
 * ```
 */
export function parseDuration(text: string): number | null {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  return digits === undefined ? null : Number(digits) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
}

/**
 * Octets of a size such as `500B`, `64KiB`, `50MiB`, `1GB`; null when the text is none. KiB, MiB, GiB, TiB by 1,024, kB, MB,
 * GB, TB by 1,000.
 *
 * @example
 * ```ts
 * import { parseSize } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals([parseSize("64KiB"), parseSize("64kB"), parseSize("64")], [65_536, 64_000, null]);
 * ```
 */
export function parseSize(text: string): number | null {
  const [, digits, unit] = /^(\d{1,9})([kKMGT]?i?B)$/.exec(text) ?? [];
  const octets = unit === undefined ? undefined : (OCTETS as Record<string, number>)[unit];
  return octets === undefined ? null : Number(digits) * octets;
}

/** How many in how long. */
export interface Rate {
  /** At least 1. */
  readonly count: number;
  /** The time that they are counted in. */
  readonly milliseconds: number;
}

/**
 * What `parseRate` reads; editors check it by the JSON Schema.
 *
 * @example
 * ```ts
 * import { RATE } from "postern";
 * import { assertEquals } from "@std/assert";
 * import { z } from "zod";
 * const options = z.strictObject({ most: z.string().regex(RATE) });
 * assertEquals([options.safeParse({ most: "100/1m" }).success, options.safeParse({ most: "100" }).success], [true, false]);
 * ```
 */
export const RATE = /^([1-9]\d{0,8})\/([1-9]\d{0,4}[smhd])$/;

/**
 * A rate such as `100/1m`, counted in whole seconds, minutes, hours or days; null when the text is none.
 *
 * @example
 * ```ts
 * import { parseRate } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals([parseRate("100/1m"), parseRate("100")], [{ count: 100, milliseconds: 60_000 }, null]);
 * ```
 */
export function parseRate(text: string): Rate | null {
  const [, count, time] = RATE.exec(text) ?? [];
  return count === undefined ? null : { count: Number(count), milliseconds: parseDuration(time!)! };
}

/** As it is written: `100/1m`. */
export function formatRate({ count, milliseconds }: Rate): string {
  return `${count}/${formatDuration(milliseconds)}`;
}

/** A duration in the largest unit that says it exactly: 300,000 is `5m`. */
export function formatDuration(milliseconds: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    const size = MILLISECONDS[unit];
    if (milliseconds >= size && milliseconds % size === 0) return `${milliseconds / size}${unit}`;
  }
  return `${milliseconds}ms`;
}

/** A size for people: 5,300 is `5.2 KiB`. */
export function formatSize(octets: number): string {
  let value = octets, unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${unit === "B" ? value : value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}
