/** A rate, as the configuration writes it (`100/1m`), with the words that a refusal says of it. */
import { parseRate as readRate, RATE } from "../../core/pipeline/mod.ts";

export { RATE };

const WORDS: Readonly<Record<string, string>> = { s: "second", m: "minute", h: "hour", d: "day" };

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
  const rate = readRate(text);
  if (rate === null) throw new TypeError(`"${text}" is no rate like 100/1m`);
  const number = text.slice(text.indexOf("/") + 1, -1), word = WORDS[text.at(-1)!]!;
  return {
    count: rate.count,
    seconds: rate.milliseconds / 1000,
    period: `${number} ${word}${number === "1" ? "" : "s"}`,
  };
}
