/** The bound on messages under way, against a loop that is played: open, closing early, found by trial, open again. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Gate, Passage } from "../../../../core/net/pressure/gate.ts";

let peers = 0;
/** Of a peer that nobody else is. */
const anybody = () => `198.51.100.${peers++}`;

Deno.test("a gate is open, and no burst and no single pause of a loop that keeps its time closes it", () => {
  const gate = new Gate(100);
  gate.cost(1);
  for (let now = 0; now < 10_000; now += 50) {
    gate.look({ now, late: now % 1000 === 0 ? 5000 : 3, steadily: false });
    assert(gate.admits(anybody(), now));
    gate.enter(new Passage(anybody()), now);
  }
  assertEquals(gate.bound, Infinity);
});

Deno.test("a gate closes at once when more messages begin than the loop has time for, by what they have cost before", () => {
  const gate = new Gate(100);
  gate.cost(20);
  for (let i = 0; i < 60; i++) gate.enter(new Passage(anybody()), 1000);
  gate.look({ now: 1050, late: 60, steadily: false });
  assertEquals(gate.bound, 25); // 500 ms of work
  assertEquals(gate.admits(anybody(), 1051), false);
});

Deno.test("a gate's bound follows the loop, never to nothing, and holds for a slow peer no longer than three seconds", () => {
  const gate = new Gate(100);
  gate.cost(1);
  gate.look({ now: 0, late: 300, steadily: true });
  assertEquals(gate.bound, 500);
  let now = 0;
  for (; now < 10_000; now += 50) gate.look({ now, late: 300, steadily: true });
  assertEquals(gate.bound, 32, "the least there is");
  while (gate.admits(anybody(), now)) gate.enter(new Passage(anybody()), now); // none of them ends
  assertEquals(gate.count, 32);
  for (const end = now + 3100; now < end; now += 50) gate.look({ now, late: 300, steadily: true });
  assertEquals([gate.count, gate.admits(anybody(), now)], [0, true]);
  for (const end = now + 5000; now < end; now += 50) { // the loop has time now, and there is demand
    while (gate.admits(anybody(), now)) gate.enter(new Passage(anybody()), now);
    gate.look({ now, late: 0, steadily: false });
  }
  assert(gate.bound > 100, `${gate.bound}`);
});

Deno.test("a gate opens again three seconds after the last refusal, and counts right whoever leaves twice or not at all", () => {
  const gate = new Gate(100), other = new Gate(100), passage = new Passage(anybody());
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
  const gate = new Gate(100), silent = new Passage(anybody()), speaks = new Passage(anybody());
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

Deno.test("case 36: a peer alone leaves room for others, and of what is bounded each that is there has the same part", () => {
  const gate = new Gate(100);
  gate.cost(1);
  for (let now = 0; now <= 10_000; now += 50) gate.look({ now, late: 300, steadily: true });
  const enter = (peer: string) => {
    for (let count = 0;; count++) {
      if (!gate.admits(peer, 10_000)) return count;
      gate.enter(new Passage(peer), 10_000);
    }
  };
  assertEquals([gate.bound, enter("greedy"), enter("another"), enter("greedy")], [32, 24, 8, 0]);
  for (const now of [13_001, 13_051]) gate.look({ now, late: 300, steadily: true });
  assertEquals(gate.count, 0);
  const inside = Array.from({ length: 40 }, (_, i) => new Passage(`crowd ${i % 16}`)).filter((passage) => {
    const admitted = gate.admits(passage.peer, 13_100);
    if (admitted) gate.enter(passage, 13_100);
    return admitted;
  });
  assertEquals(inside.length, 32);
  gate.leave(inside[31]!); // of crowd 15
  assertEquals(["crowd 0", "crowd 15", "another"].map((peer) => gate.admits(peer, 13_100)), [false, true, true]);
});

Deno.test("a peer that asks without end takes no more of a gate than its part, however seldom others ask", () => {
  const gate = new Gate(100), inside: Passage[] = [];
  gate.cost(1);
  gate.look({ now: 0, late: 300, steadily: true });
  let refused = 0;
  for (let now = 0; now < 20_000; now += 10) {
    const done = inside.shift(); // one message is served in 10 ms
    if (done !== undefined) gate.leave(done);
    const ask = (peer: string) => {
      if (!gate.admits(peer, now)) return false;
      const passage = new Passage(peer);
      gate.enter(passage, now);
      inside.push(passage);
      return true;
    };
    for (let i = 0; i < 50; i++) ask("greedy");
    if (now % 500 === 0 && !ask(anybody())) refused++;
    if (now % 50 === 0) gate.look({ now, late: 300, steadily: true });
  }
  assert(gate.closing && gate.of("greedy") >= 24, `${gate.of("greedy")}`);
  assertEquals(refused, 0);
});

Deno.test("a gate keeps nothing of a million messages", () => {
  const gate = new Gate(100), passage = new Passage(anybody());
  const before = Deno.memoryUsage().heapUsed;
  for (let now = 0; now < 1_000_000; now++) {
    gate.enter(passage, now);
    gate.leave(passage);
    if (now % 50 === 0) gate.look({ now, late: 0, steadily: false });
  }
  assertEquals(gate.count, 0);
  assertLess(Deno.memoryUsage().heapUsed - before, 50 * 2 ** 20);
});
