/** When to try again, and when to give up. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { expired, longestWait, nextAttempt } from "../../../core/queue/backoff.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR, YEAR = 365 * DAY;
const T0 = 1_700_000_000_000;

Deno.test("each attempt waits its step, the last one repeats", () => {
  const schedule = [MINUTE, 5 * MINUTE, HOUR];
  const rows: [attempts: number, wait: number][] = [[0, MINUTE], [1, MINUTE], [2, 5 * MINUTE], [3, HOUR], [400, HOUR]];
  for (const [attempts, wait] of rows) assertEquals(nextAttempt(T0, attempts, schedule, 0.5), T0 + wait, `${attempts}`);
});

Deno.test("jitter is a tenth to either side, and nothing waits longer than `longestWait`", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 1000, max: 2 * DAY }), { minLength: 1, maxLength: 12 }),
    fc.nat(1000),
    fc.double({ min: 0, max: 1, noNaN: true }),
    (schedule, attempts, random) => {
      const wait = nextAttempt(T0, attempts, schedule, random) - T0;
      const step = schedule[Math.min(Math.max(attempts, 1), schedule.length) - 1]!;
      assert(Math.abs(wait - step) <= step / 10 + 1, `${wait} for a step of ${step}`);
      assert(wait > 0 && wait <= longestWait(schedule) + 1);
    },
  ));
});

Deno.test("case 74: a message is given up when the clock and its attempts both say so", () => {
  const options = {
    expire: 5 * DAY,
    schedule: [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR],
  };
  const enough = 35; // 7 steps make 7 h 51 min, 28 more of four hours fill five days
  const rows: [name: string, age: number, attempts: number, over: boolean][] = [
    ["new", 0, 1, false],
    ["old enough, tried enough", 5 * DAY, enough, true],
    ["a moment too young", 5 * DAY - 1, 1000, false],
    ["one attempt short", 6 * DAY, enough - 1, false],
    ["the clock was set forward ten years", 10 * YEAR, 3, false],
    ["the clock was set back, tried enough", -10 * YEAR, enough, true],
    ["the clock was set back, hardly tried", -10 * YEAR, enough - 1, false],
  ];
  for (const [name, age, attempts, over] of rows) {
    assertEquals(expired({ receivedAt: T0, attempts }, T0 + age, options), over, name);
  }
});

Deno.test("a schedule whose first step is longer than `expire` still tries once", () => {
  const options = { expire: MINUTE, schedule: [HOUR] };
  assertEquals(expired({ receivedAt: T0, attempts: 1 }, T0 + HOUR, options), true);
  assertEquals(expired({ receivedAt: T0, attempts: 0 }, T0 + HOUR, options), false);
});

Deno.test("with a steady clock every message ends, within a step of `expire`", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: MINUTE, max: DAY }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: MINUTE, max: 10 * DAY }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (schedule, expire, random) => {
        let now = T0, attempts = 0;
        while (!expired({ receivedAt: T0, attempts }, now, { expire, schedule })) {
          attempts++;
          assert(attempts < 20_000);
          now = nextAttempt(now, attempts, schedule, random);
        }
        const last = Math.max(...schedule);
        // Jitter may stretch or shorten each of its steps by a tenth.
        assert(now - T0 <= (expire + 2 * last) * 1.11, `${(now - T0) / expire} of ${expire}`);
      },
    ),
    { numRuns: 200 },
  );
});
