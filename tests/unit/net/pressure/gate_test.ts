/** The bound on messages under way, against a loop that is played: open, closing early, found by trial, open again. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Gate, Passage } from "../../../../core/net/pressure/gate.ts";

Deno.test("a gate is open, and no burst and no single pause of a loop that keeps its time closes it", () => {
  const gate = new Gate(100);
  gate.cost(1);
  for (let now = 0; now < 10_000; now += 50) {
    gate.look({ now, late: now % 1000 === 0 ? 5000 : 3, steadily: false });
    assert(gate.admits(now));
    gate.enter(new Passage(), now);
  }
  assertEquals(gate.bound, Infinity);
});

Deno.test("a gate closes at once when more messages begin than the loop has time for, by what they have cost before", () => {
  const gate = new Gate(100);
  gate.cost(20);
  for (let i = 0; i < 60; i++) gate.enter(new Passage(), 1000);
  gate.look({ now: 1050, late: 60, steadily: false });
  assertEquals(gate.bound, 25); // 500 ms of work
  assertEquals(gate.admits(1051), false);
});

Deno.test("a gate's bound follows the loop, never to nothing, and holds for a slow peer no longer than three seconds", () => {
  const gate = new Gate(100);
  gate.cost(1);
  gate.look({ now: 0, late: 300, steadily: true });
  assertEquals(gate.bound, 500);
  let now = 0;
  for (; now < 10_000; now += 50) gate.look({ now, late: 300, steadily: true });
  assertEquals(gate.bound, 32, "the least there is");
  while (gate.admits(now)) gate.enter(new Passage(), now); // none of them ends
  assertEquals(gate.count, 32);
  for (const end = now + 3100; now < end; now += 50) gate.look({ now, late: 300, steadily: true });
  assertEquals([gate.count, gate.admits(now)], [0, true]);
  for (const end = now + 5000; now < end; now += 50) { // the loop has time now, and there is demand
    while (gate.admits(now)) gate.enter(new Passage(), now);
    gate.look({ now, late: 0, steadily: false });
  }
  assert(gate.bound > 100, `${gate.bound}`);
});

Deno.test("a gate opens again three seconds after the last refusal, and counts right whoever leaves twice or not at all", () => {
  const gate = new Gate(100), other = new Gate(100), passage = new Passage();
  gate.look({ now: 0, late: 300, steadily: true });
  gate.enter(passage, 0);
  gate.enter(passage, 10); // another message of the same session
  assertEquals(gate.count, 1);
  other.enter(passage, 20); // it has logged in
  assertEquals([gate.count, other.count], [0, 1]);
  gate.leave(passage);
  other.leave(passage);
  other.leave(passage);
  assertEquals([gate.count, other.count], [0, 0]);
  for (let now = 0; now < 2900; now += 50) gate.look({ now, late: 0, steadily: false });
  assert(gate.closing);
  for (let now = 2900; now < 3600; now += 50) gate.look({ now, late: 0, steadily: false });
  assert(!gate.closing);
});

Deno.test("a connection that says nothing counts for a second, one that begins a message for as long as that takes", () => {
  const gate = new Gate(100), silent = new Passage(), speaks = new Passage();
  gate.look({ now: 0, late: 300, steadily: true });
  gate.expect(silent, 10);
  gate.expect(speaks, 20);
  gate.enter(speaks, 500);
  gate.look({ now: 900, late: 300, steadily: true });
  assertEquals(gate.count, 2);
  gate.look({ now: 1100, late: 300, steadily: true });
  assertEquals([gate.count, silent.gate, speaks.gate], [1, null, gate]);
  gate.look({ now: 3500, late: 300, steadily: true });
  assertEquals(gate.count, 0);
});

Deno.test("a gate keeps nothing of a million messages", () => {
  const gate = new Gate(100), passage = new Passage();
  const before = Deno.memoryUsage().heapUsed;
  for (let now = 0; now < 1_000_000; now++) {
    gate.enter(passage, now);
    gate.leave(passage);
    if (now % 50 === 0) gate.look({ now, late: 0, steadily: false });
  }
  assertEquals(gate.count, 0);
  assertLess(Deno.memoryUsage().heapUsed - before, 50 * 2 ** 20);
});
