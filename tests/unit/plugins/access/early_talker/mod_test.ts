/** early_talker: who talks before the greeting is told so at once; who waits is not made to again. */
import { assertEquals } from "@std/assert";
import { runPhase, simulate, type Simulated, SimulatedCounters } from "postern";
import { DNSWL } from "../../../../../plugins/access/dnsbl/key.ts";
import { EARLY_TALKER, early_talker } from "../../../../../plugins/access/early_talker/mod.ts";

const START = Date.UTC(2026, 0, 1), HOUR = 3_600_000;
type Options = Parameters<typeof early_talker>[0];

/** Its clients wait as long as they are made to, or not at all. */
class World {
  now = START;
  readonly counters: SimulatedCounters = new SimulatedCounters(() => this.now);
  readonly threads;
  #turn = 0;
  constructor(options: Options = {}) {
    this.threads = [early_talker(options), early_talker(options)];
  }
  facts(talks = false): Simulated {
    return {
      counters: this.counters,
      now: () => this.now,
      pause: (milliseconds) => (this.now += talks ? 10 : milliseconds, Promise.resolve(talks)),
    };
  }
  async connect(facts: Simulated = {}, talks = false) {
    const { reply, pauses, get } = await runPhase(this.threads[this.#turn++ % 2]!, "connect", {
      ...this.facts(talks),
      ...facts,
    });
    return [reply.verdict, pauses, get(EARLY_TALKER)];
  }
}

Deno.test("early_talker: a stranger waits once, and then is greeted at once as long as it comes", async () => {
  const world = new World({ pause: "4s", remember: "1d" });
  assertEquals(await world.connect(), ["accept", [4000], false]);
  for (let i = 0; i < 5; i++) {
    assertEquals(await world.connect(), ["accept", [], undefined]);
    world.now += 20 * HOUR;
  }
  assertEquals(await world.connect({ ip: "192.0.2.2" }), ["accept", [4000], false]);
  world.now += 24 * HOUR;
  assertEquals(await world.connect(), ["accept", [4000], false]);
});

Deno.test("early_talker: an IPv6 client is known by its /64: it fills no store with its addresses", async () => {
  const world = new World({ pause: "4s" });
  assertEquals(await world.connect({ ip: "2001:db8::1" }), ["accept", [4000], false]);
  assertEquals(await world.connect({ ip: "2001:db8::2" }), ["accept", [], undefined]);
  assertEquals(await world.connect({ ip: "2001:db8:0:1::1" }), ["accept", [4000], false]);
});

Deno.test("early_talker: who talks first is refused and let go, and is a stranger still", async () => {
  const world = new World();
  for (let i = 0; i < 2; i++) assertEquals(await world.connect({}, true), ["reject", [6000], true]);
  const { reply } = await runPhase(early_talker(), "connect", world.facts(true));
  assertEquals([String(reply), reply.closes, reply.options.reason], [
    "554 5.5.0 Talked before the greeting",
    true,
    "early talker",
  ]);
  // At once: this is no policy that waits for a recipient
  const { replies } = await simulate([early_talker()], { ...world.facts(true), to: "b@example.org" });
  assertEquals(replies.map(({ phase }) => phase), ["connect"]);
});

Deno.test("early_talker: points, or a fact for others", async () => {
  for (const [action, scores] of [["score", [{ points: 2, reason: "early_talker" }]], ["mark", []]] as const) {
    const world = new World(), plugin = early_talker({ action, points: 2 });
    const connected = await runPhase(plugin, "connect", world.facts(true));
    assertEquals([connected.reply.verdict, connected.get(EARLY_TALKER)], ["accept", true]);
    const judged = await runPhase(plugin, "data", { keys: [[EARLY_TALKER, true]] as never });
    assertEquals(judged.scores, scores);
    assertEquals(
      (await runPhase(plugin, "data", { keys: [[EARLY_TALKER, true]] as never, identity: "amy" })).scores,
      [],
    );
  }
});

Deno.test("early_talker: in a crowd nobody waits, and nobody becomes known by it", async () => {
  const world = new World(), crowded = { pause: () => Promise.resolve(false) };
  assertEquals(await world.connect(crowded), ["accept", [6000], false]);
  assertEquals(await world.connect(), ["accept", [6000], false]);
});

Deno.test("early_talker: whom it greets at once", async () => {
  const world = new World({ networks: ["203.0.113.0/24"] });
  const good = [[DNSWL, [{ zone: "good.example", subject: "192.0.2.1", codes: ["127.0.0.2"], weight: -1 }]]] as never;
  for (const facts of [{ ip: "127.0.0.1" }, { ip: "::1" }, { ip: "203.0.113.7" }, { keys: good }]) {
    assertEquals(await world.connect(facts, true), ["accept", [], undefined]);
  }
});
