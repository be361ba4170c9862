/** What one destination bears: grows, shrinks, dies, is probed. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Concurrency, type ConcurrencyOptions, type Feedback } from "../../../core/delivery/concurrency.ts";

const MINUTE = 60_000;
const OPTIONS: ConcurrencyOptions = {
  initial: 5,
  cap: 20,
  cohorts: 1,
  schedule: [MINUTE, 5 * MINUTE, 30 * MINUTE],
  random: () => 0.5, // no jitter
};

/** Fills all places, then ends them with what is given. */
function round(concurrency: Concurrency, feedback: Feedback, now: number): number {
  const lives: number[] = [];
  while (concurrency.free(now) > 0) lives.push(concurrency.begin());
  for (const life of lives) concurrency.end(life, feedback, now);
  return lives.length;
}
function kill(concurrency: Concurrency, now: number): void {
  while (!concurrency.dead) concurrency.end(concurrency.begin(), "failure", now);
}

Deno.test("a round of successes adds at most one, up to the cap", () => {
  const concurrency = new Concurrency(OPTIONS);
  const rounds = Array.from({ length: 200 }, () => round(concurrency, "success", 0));
  assertEquals(rounds[0], 5);
  for (let i = 1; i < rounds.length; i++) assert(rounds[i]! - rounds[i - 1]! <= 1 && rounds[i]! >= rounds[i - 1]!);
  assertEquals(rounds.at(-1), 20);
});

Deno.test("who uses one place at a time is given no more than what he began with and one round of it", () => {
  const concurrency = new Concurrency(OPTIONS);
  for (let i = 0; i < 1000; i++) concurrency.end(concurrency.begin(), "success", 0);
  assert(concurrency.limit <= 7, `${concurrency.limit}`);
});

Deno.test("failures are counted in cohorts: those of a moment are one piece of news", () => {
  const rows: [initial: number, cohorts: number, failures: number][] = [[1, 1, 1], [2, 1, 2], [5, 1, 4], [20, 1, 13], [
    1,
    3,
    3,
  ]];
  for (const [initial, cohorts, failures] of rows) {
    const concurrency = new Concurrency({ ...OPTIONS, initial, cohorts });
    for (let i = 1; i < failures; i++) {
      assertEquals(concurrency.end(concurrency.begin(), "failure", 0), false, `${initial}: ${i}`);
    }
    assertEquals(concurrency.end(concurrency.begin(), "failure", 0), true, `${initial}`);
  }
});

Deno.test("a success between failures begins the count again, and the limit shrinks to one at least", () => {
  const concurrency = new Concurrency({ ...OPTIONS, cohorts: 1.5 });
  for (let i = 0; i < 50; i++) {
    assertEquals(concurrency.end(concurrency.begin(), "failure", 0), false);
    concurrency.end(concurrency.begin(), "success", 0);
  }
  concurrency.end(concurrency.begin(), "failure", 0);
  assertEquals(concurrency.limit, 1);
});

Deno.test("a dead destination rests by the schedule, and each rest ends in one probe", () => {
  const concurrency = new Concurrency(OPTIONS);
  let now = 0;
  kill(concurrency, now);
  for (const wait of [1, 5, 30, 30]) {
    const until = concurrency.restsUntil(now)!;
    assertEquals(until, now + wait * MINUTE);
    assertEquals(concurrency.free(until - 1), 0);
    now = until;
    assertEquals(concurrency.free(now), 1);
    const probe = concurrency.begin();
    assertEquals(concurrency.free(now), 0);
    assertEquals(concurrency.end(probe, "failure", now), true);
  }
  now = concurrency.restsUntil(now)!;
  concurrency.end(concurrency.begin(), "success", now);
  assertEquals([concurrency.dead, concurrency.limit, concurrency.fresh], [false, 5, true]);
  kill(concurrency, now);
  assertEquals(concurrency.restsUntil(now), now + MINUTE); // from the first step again
});

Deno.test("what began before the death lengthens no rest, but a success of it ends the rest", () => {
  const concurrency = new Concurrency(OPTIONS);
  const [a, b] = [concurrency.begin(), concurrency.begin()];
  kill(concurrency, 0);
  assertEquals(concurrency.end(a, "failure", 10), false);
  assertEquals(concurrency.restsUntil(10), MINUTE);
  assertEquals(concurrency.free(MINUTE), 0); // the other one may still tell
  concurrency.end(b, "success", MINUTE);
  assertEquals([concurrency.dead, concurrency.free(MINUTE)], [false, 5]);
});

Deno.test("a probe that asked nobody leaves it to the next one, and lengthens no rest", () => {
  const concurrency = new Concurrency(OPTIONS);
  kill(concurrency, 0);
  assertEquals(concurrency.end(concurrency.begin(), "neutral", MINUTE), false);
  assertEquals([concurrency.dead, concurrency.restsUntil(MINUTE), concurrency.free(MINUTE)], [true, null, 1]);
  assertEquals(concurrency.end(concurrency.begin(), "failure", MINUTE), true);
  assertEquals(concurrency.restsUntil(MINUTE), MINUTE + 5 * MINUTE);
});

Deno.test("who is woken is on probation", () => {
  const concurrency = new Concurrency(OPTIONS);
  kill(concurrency, 0);
  concurrency.wake();
  assertEquals(concurrency.free(1), 1);
  assertEquals(concurrency.end(concurrency.begin(), "failure", 1), true);
  assertEquals(concurrency.restsUntil(1), 1 + 5 * MINUTE);
});

Deno.test("whatever happens in whatever order: never more than the cap, no count below zero, none left over", () => {
  const step = fc.record({
    begin: fc.boolean(),
    feedback: fc.constantFrom<Feedback>("success", "failure", "neutral"),
    pick: fc.nat(99),
    pause: fc.integer({ min: 0, max: 2 * MINUTE }),
  });
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 1, max: 8 }),
    fc.array(step, { maxLength: 300 }),
    (initial, cap, steps) => {
      const concurrency = new Concurrency({ ...OPTIONS, initial, cap });
      const lives: number[] = [];
      let now = 0;
      for (const { begin, feedback, pick, pause } of steps) {
        now += pause;
        if (begin) {
          if (concurrency.free(now) === 0) continue;
          lives.push(concurrency.begin());
          assert(lives.length <= cap && (!concurrency.dead || lives.length === 1));
        } else if (lives.length > 0) concurrency.end(lives.splice(pick % lives.length, 1)[0]!, feedback, now);
        assertEquals(concurrency.running, lives.length);
        assert(concurrency.limit >= 1 && concurrency.limit <= cap && concurrency.free(now) >= 0);
      }
      for (const life of lives) concurrency.end(life, "success", now);
      assertEquals(concurrency.running, 0);
    },
  ));
});
