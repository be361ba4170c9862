import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseRate,
  parseSize,
} from "../../../core/model/units.ts";

Deno.test("durations and sizes with their units", () => {
  const table: readonly [(text: string) => unknown, string, unknown][] = [
    [parseDuration, "500ms", 500],
    [parseDuration, "30s", 30_000],
    [parseDuration, "5m", 300_000],
    [parseDuration, "4h", 14_400_000],
    [parseDuration, "5d", 432_000_000],
    [parseDuration, "0s", 0],
    [parseSize, "500B", 500],
    [parseSize, "64KiB", 65_536],
    [parseSize, "50MiB", 52_428_800],
    [parseSize, "1GB", 1_000_000_000],
    [parseSize, "2TiB", 2_199_023_255_552],
  ];
  for (const [parse, text, value] of table) assertEquals(parse(text), value, text);
});

Deno.test("nothing without a unit, with two, with a sign, a space or a fraction", () => {
  for (const text of ["", "5", "m", "5 m", "-5m", "5.5m", "5M", "5mm", "1h30m", "99999999999s", "5m\n", "٥m"]) {
    assertEquals(parseDuration(text), null, text);
  }
  for (const text of ["", "5", "5K", "5kib", "5 MiB", "-5B", "5iB", "1.5MiB", "5Mi"]) {
    assertEquals(parseSize(text), null, text);
  }
});

Deno.test("a duration reads back as it was written", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 999_999_999 }), (ms) => {
    assertEquals(parseDuration(formatDuration(ms)), ms);
  }));
  assertEquals([300_000, 90_000, 86_400_000, 1].map(formatDuration), ["5m", "90s", "1d", "1ms"]);
});

Deno.test("sizes for people", () => {
  assertEquals([0, 1023, 1024, 5300, 52_428_800].map(formatSize), ["0 B", "1023 B", "1.0 KiB", "5.2 KiB", "50 MiB"]);
});

Deno.test("a rate is a count and a time of its own, and is written as it was read", () => {
  const table: readonly [string, number, number][] = [
    ["1/1s", 1, 1000],
    ["100/1m", 100, 60_000],
    ["100/60s", 100, 60_000],
    ["999999999/99999d", 999_999_999, 99_999 * 86_400_000],
  ];
  for (const [text, count, milliseconds] of table) assertEquals(parseRate(text), { count, milliseconds }, text);
  for (
    const text of ["", "100", "0/1m", "100/0m", "100/1", "100/1ms", "1.5/1m", "-1/1m", "100 / 1m", "100/1m\n", "/1m"]
  ) {
    assertEquals(parseRate(text), null, text);
  }
  assertEquals([{ count: 100, milliseconds: 60_000 }, { count: 1, milliseconds: 90_000 }].map(formatRate), [
    "100/1m",
    "1/90s",
  ]);
});
