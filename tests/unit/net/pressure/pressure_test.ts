/** What follows from what is measured, with a store, a clock and a memory that the test plays. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Passage } from "../../../../core/net/pressure/gate.ts";
import { Pressure } from "../../../../core/net/pressure/pressure.ts";
import type { Event } from "../../../../core/observe/events.ts";

const MIB = 1024 * 1024,
  STRANGER = { own: false, size: 0, ip: "203.0.113.1" },
  OWN = { own: true, size: 0, ip: "127.0.0.1" };

let peers = 0;
const anybody = () => `198.51.100.${peers++}`;

function played() {
  const now = { clock: 1_000_000, writerWait: 0, freeBytes: 1024 * MIB, memory: 0.1, outside: 0 };
  const told: string[] = [];
  const pressure = new Pressure({
    health: () => ({ writerWait: now.writerWait, freeBytes: now.freeBytes, bodyBytes: 0 }),
    emit: (event: Event) => void (told.push("message" in event ? `${event.type}: ${event.message}` : event.type)),
    clock: () => now.clock,
    memoryTaken: () => now.memory,
    threadTime: () => null,
    acceptQueue: () => now.outside,
    overflowed: () => false,
  });
  pressure.configure({ lag: 100, memory: null, diskReserve: 100 * MIB });
  /** Looks for so long, each so late. */
  const pass = (milliseconds: number, late = 0) => {
    for (const end = now.clock + milliseconds; now.clock < end;) {
      now.clock += 50 + late;
      pressure.look();
    }
  };
  pressure.begin();
  return { now, told, pressure, pass, [Symbol.dispose]: () => (pressure.end(), pass(20_000)) };
}

Deno.test("pressure: the writer and the disk stop everybody, by what they lack", () => {
  using house = played();
  const { now, pressure, pass } = house;
  assertEquals(pressure.mail(new Passage(anybody()), STRANGER), null);
  now.writerWait = 20_000;
  assertEquals(pressure.connect(STRANGER), null, "of a process that was stopped it is not the writer that is behind");
  now.writerWait = 5001;
  pass(50);
  assertEquals(pressure.connect(OWN)?.why, "writer");
  assertEquals(pressure.mail(new Passage(anybody()), OWN)?.because, "the writer is 5001 ms behind");
  now.writerWait = 0;
  assertEquals(pressure.connect(STRANGER), null);
  assertEquals(pressure.mail(new Passage(anybody()), { own: true, size: 925 * MIB })?.why, "disk");
  assertEquals(pressure.mail(new Passage(anybody()), { own: true, size: 924 * MIB }), null);
});

Deno.test("case 36: a loop that is late for long bounds strangers, one's own only when it is four times as late", () => {
  using house = played();
  const { pressure, pass } = house;
  pass(10_000, 20);
  assert(!pressure.stressed);
  pass(10_000, 150);
  assert(pressure.stressed);
  const let_in = (own: boolean) => {
    let count = 0;
    while (count < 2000 && pressure.mail(new Passage(anybody()), { own, size: 0 }) === null) count++;
    return count;
  };
  const strangers = let_in(false);
  assert(strangers >= 8 && strangers <= 32, `${strangers}`);
  assertEquals(pressure.connect(STRANGER)?.why, "loop");
  assertEquals(pressure.connect(OWN), null);
  assertEquals(let_in(true), 2000);
  pass(10_000, 500);
  assert(let_in(true) < 200);
});

Deno.test("pressure: what has begun is asked nothing again, and a session that goes on has to ask", () => {
  using house = played();
  const { pressure, pass } = house, passage = new Passage(anybody());
  pass(10_000, 150);
  while (pressure.mail(new Passage(anybody()), STRANGER) === null);
  assertEquals(pressure.mail(passage, STRANGER)?.why, "loop");
  pass(3100, 150); // what does not go on is not counted for ever
  assertEquals(pressure.mail(passage, STRANGER), null);
  while (pressure.mail(new Passage(anybody()), STRANGER) === null);
  assertEquals(pressure.mail(passage, STRANGER), null, "the same message, begun anew");
  pressure.over(passage, { answered: true });
  assertEquals(pressure.mail(passage, STRANGER), null, "its own place is free");
});

Deno.test("pressure: a crowd outside that stays is let in by rate; back to normal, the log has one sentence for each end", () => {
  using house = played();
  const { now, told, pressure, pass } = house;
  now.outside = 511;
  for (let i = 0; i < 40; i++) {
    for (let n = 0; n < 20; n++) pressure.connect(STRANGER);
    pass(50);
  }
  assert(pressure.stressed);
  let refused = 0;
  for (let i = 0; i < 10_000; i++) if (pressure.connect(STRANGER)?.why === "loop") refused++;
  assert(refused > 9000, `${refused}`);
  assertEquals(pressure.state.shed.length, 1);
  assertMatch(pressure.words!, /^More comes in than can be taken: \d+ were asked to come again\./);
  now.outside = 0;
  pass(6000);
  assertEquals([pressure.stressed, pressure.words, pressure.connect(STRANGER)], [false, null, null]);
  assertEquals(told.length, 2);
  assertMatch(told[0]!, /^trouble: the event loop is 0 ms late, .* 511 wait outside: mail is asked to come again$/);
  assertMatch(told[1]!, /^notice: over: \d+ were asked to come again in \d s$/);
});

Deno.test("pressure: of a crowd that is refused twenty a second are told one by one, all are counted", () => {
  using house = played();
  const { now, pressure, pass } = house;
  now.writerWait = 6000;
  pass(50);
  let told = 0;
  for (let i = 0; i < 1000; i++) if (pressure.connect(STRANGER)!.told) told++;
  assertEquals(told, 20);
  now.clock += 1000;
  assert(pressure.connect(STRANGER)!.told);
  assertEquals(pressure.state.shed, [{ where: "connect", why: "writer", count: 1001 }]);
  now.writerWait = 0;
});
