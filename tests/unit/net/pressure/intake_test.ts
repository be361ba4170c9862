/** Strangers let in by rate while more stand outside than can be served, against a queue that is played. */
import { assert, assertEquals } from "@std/assert";
import { Intake } from "../../../../core/net/pressure/intake.ts";

/** A server that takes `cost` ms for a message, `refusal` ms to refuse one, and `offered` a second for so many seconds. */
function play(intake: Intake, { cost, refusal, offered, seconds, from = 0 }: {
  readonly cost: number;
  readonly refusal: number;
  readonly offered: number;
  readonly seconds: number;
  readonly from?: number;
}): { accepted: number; refused: number; longest: number } {
  const queue: number[] = [], taken: number[] = [], waits: number[] = [];
  let time = from, refused = 0, due = 0;
  for (let now = from; now < from + seconds * 1000; now += 50) {
    due += offered / 20;
    for (; due >= 1; due--) if (queue.length < 511) queue.push(now); // the kernel sends the others away
    let count = 0;
    for (; queue.length > 0 && time < now + 50; count++) {
      time = Math.max(now, time);
      const admitted = intake.admits(`${due}${queue.length}`, time), came = queue.shift()!;
      if (admitted) waits.push(time - came);
      else refused++;
      time += admitted ? cost : refusal;
    }
    taken.push(count);
    const last = taken.slice(-10), rate = last.reduce((sum, each) => sum + each, 0) / (last.length * 50);
    intake.look({ now, wait: queue.length / Math.max(rate, 0.01), full: queue.length >= 460 });
  }
  waits.sort((a, b) => a - b);
  return { accepted: waits.length, refused, longest: waits[Math.floor(waits.length * 0.99)]! };
}

Deno.test("an intake is open to what can be served, and to a burst that is over within a second", () => {
  const intake = new Intake(100);
  intake.cost(20);
  const { accepted } = play(intake, { cost: 20, refusal: 0.1, offered: 40, seconds: 30 });
  assertEquals(accepted, 1200);
  assertEquals(intake.rate, Infinity);
  intake.look({ now: 40_000, wait: 5000, full: true });
  intake.look({ now: 40_900, wait: 5000, full: true });
  intake.look({ now: 40_950, wait: 0, full: false });
  intake.look({ now: 41_900, wait: 5000, full: true });
  assertEquals(intake.closing, false);
});

Deno.test("case 79: ten times what can be served: what is let in is served, the queue is short, and it opens again", () => {
  for (const [cost, refusal] of [[20, 0.1], [2, 0.1]] as const) {
    const intake = new Intake(100);
    intake.cost(cost);
    const { accepted, refused, longest } = play(intake, { cost, refusal, offered: 10_000 / cost, seconds: 60 });
    assert(accepted > 0.3 * 60_000 / cost, `${accepted} of ${60_000 / cost} at ${cost} ms`);
    assert(refused > 2 * accepted, `${refused} refused, ${accepted} accepted`);
    assert(longest < 1500, `99 of 100 that are let in waited ${longest} ms at most`);
    assert(intake.closing);
    play(intake, { cost, refusal, offered: 100 / cost, seconds: 6, from: 60_000 });
    assert(!intake.closing, "six seconds later it is open");
  }
});

Deno.test("an intake learns what messages cost: while it refuses only that they cost less", () => {
  const intake = new Intake(100);
  intake.cost(10);
  for (let now = 0; now <= 1000; now += 50) intake.look({ now, wait: 5000, full: true });
  assertEquals(Math.round(intake.rate), 70);
  intake.cost(50); // with the cost of a thousand refusals in it
  assertEquals(Math.round(intake.rate), 70);
  for (let i = 0; i < 20; i++) intake.cost(5);
  assertEquals(Math.round(intake.rate), 140);
});

Deno.test("case 36: who floods an intake that is closing takes three quarters of a second's rate, and others find the rest", () => {
  const intake = new Intake(100);
  intake.cost(10);
  for (let now = 0; now <= 1000; now += 50) intake.look({ now, wait: 5000, full: true });
  const let_in = { greedy: 0, others: 0, asked: 0 };
  for (let now = 1000; now < 11_000; now++) {
    for (let i = 0; i < 20; i++) if (intake.admits("greedy", now)) let_in.greedy++;
    if (now % 100 < 95) continue; // 50 a second, five at a time
    let_in.asked++;
    if (intake.admits(`other ${now}`, now)) let_in.others++;
  }
  const rate = Math.round(intake.rate);
  assertEquals(rate, 70);
  assert(let_in.greedy <= 0.76 * 700, `${let_in.greedy}`);
  assert(let_in.others >= 0.2 * 700, `${let_in.others} of ${let_in.asked}`);
});
