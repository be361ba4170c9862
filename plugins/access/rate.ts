/** A rate, as the configuration writes it: how many in how long, `100/1m`. */

/** COUNT "/" NUMBER UNIT, with s, m, h or d. */
export const RATE = /^([1-9]\d{0,8})\/([1-9]\d{0,4})([smhd])$/;
const UNITS: Readonly<Record<string, readonly [seconds: number, word: string]>> = {
  s: [1, "second"],
  m: [60, "minute"],
  h: [3600, "hour"],
  d: [86_400, "day"],
};

export interface Rate {
  readonly count: number;
  readonly seconds: number;
  /** The time for people: "1 minute". */
  readonly period: string;
}

/**
 * @throws {TypeError} on text that is no rate.
 * @example
 * ```ts
 * import { parseRate } from "./rate.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseRate("100/2m"), { count: 100, seconds: 120, period: "2 minutes" });
 * ```
 */
export function parseRate(text: string): Rate {
  const [, count, number, letter = ""] = RATE.exec(text) ?? [];
  const unit = UNITS[letter];
  if (unit === undefined) throw new TypeError(`"${text}" is no rate like 100/1m`);
  const [seconds, word] = unit;
  return {
    count: Number(count),
    seconds: Number(number) * seconds,
    period: `${number} ${word}${number === "1" ? "" : "s"}`,
  };
}
