/** When a summary is sent: at its hour, or only when something wants a person; and what it heard in between. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Event, type Letter, SimulatedCounters } from "postern";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { Errands } from "../../../core/pipeline/errands.ts";
import { observersOf } from "../../../core/pipeline/observers.ts";
import type { DayHouse } from "../../../core/summary/day.ts";
import { summaryPlugin } from "../../../core/summary/summary.ts";

const HOUR = 3_600_000, MIDNIGHT = Date.UTC(2026, 2, 5);
const HOUSE: DayHouse = {
  store: {
    totals: () => Promise.resolve({}),
    oldest: () => Promise.resolve(null),
    quarantine: { total: () => Promise.resolve({ messages: 0, octets: 0 }), expire: () => Promise.resolve([]) },
    health: () => ({ writerWait: 0, freeBytes: 1e12, bodyBytes: 0 }),
  },
  ledger: null,
  destinations: () => [],
  certificates: () => [],
  warnings: [],
  limits: { diskReserve: 1, quarantine: 1 },
};

function site(when: "always" | "unusual") {
  const clock = { now: MIDNIGHT + 5.9 * HOUR }, letters: Letter[] = [];
  const services = {
    host: { name: "mx.example.org", domains: [], postmaster: null },
    dns: new MemoryResolver({}),
    counters: new SimulatedCounters(() => clock.now),
    now: () => clock.now,
    emit: (event: Event) => observer!(event),
    send: (letter: Letter) => Promise.resolve(void letters.push(letter)),
  };
  const to = { local: "postmaster", domain: "example.org" };
  const plugin = summaryPlugin({ to, at: 6 * HOUR, when }, () => HOUSE);
  const [observer] = observersOf([plugin], services);
  return { clock, letters, errands: new Errands([plugin], services), tell: services.emit, to };
}
const text = ({ content }: Letter) => new TextDecoder().decode(content);

Deno.test("once between six and six; nobody is told when it cannot be delivered", async () => {
  const { clock, letters, errands, to } = site("always");
  await errands.look(); // of the day before
  clock.now = MIDNIGHT + 6.1 * HOUR;
  await errands.look();
  clock.now = MIDNIGHT + 29.9 * HOUR;
  await errands.look();
  assertEquals(letters.map((each) => [each.from, each.to]), [[null, [to]], [null, [to]]]);
  clock.now = MIDNIGHT + 30.1 * HOUR;
  await errands.look();
  assertEquals(letters.length, 3);
});

Deno.test("unusual: only when something wants a person, and what was heard is told once", async () => {
  const { clock, letters, errands, tell } = site("unusual");
  await errands.look();
  assertEquals(letters, []);
  for (let i = 0; i < 3; i++) tell({ type: "alert", where: "auth", subject: "bob", message: "is under attack" });
  for (let i = 0; i < 10_000; i++) tell({ type: "trouble", where: "x", message: `thing ${i} ${"y".repeat(10_000)}` });
  clock.now += 24 * HOUR;
  await errands.look();
  assertStringIncludes(text(letters[0]!), "\r\n- 3 times auth, bob: is under attack\r\n");
  assertEquals(text(letters[0]!).length < 20_000, true);
  clock.now += 24 * HOUR;
  await errands.look();
  assertEquals(letters.length, 1);
});
