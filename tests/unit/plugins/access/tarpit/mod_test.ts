/** tarpit: who guesses names waits, longer each time, up to an end; two instances count together. */
import { assertEquals } from "@std/assert";
import { on, reject, simulate, type Simulated, SimulatedCounters } from "postern";
import { LISTED } from "../../../../../plugins/access/dnsbl/key.ts";
import { EARLY_TALKER } from "../../../../../plugins/access/early_talker/key.ts";
import { tarpit } from "../../../../../plugins/access/tarpit/mod.ts";

type Options = Parameters<typeof tarpit>[0];
const START = Date.UTC(2026, 0, 1), MINUTE = 60_000;

const directory = on("rcpt", (ctx, next) => {
  if (ctx.recipient.address.local.startsWith("no")) return reject("5.1.1", "No such user");
  ctx.route({ to: "local", plugin: "inbox" });
  return next();
});
const nobodies = (count: number) => Array.from({ length: count }, (_, i) => `no${i}@example.org`);

class World {
  now = START;
  readonly counters = new SimulatedCounters(() => this.now);
  readonly threads;
  #turn = 0;
  constructor(options: Options = {}) {
    this.threads = [tarpit(options), tarpit(options)];
  }
  /** Seconds of each wait of one session. */
  async session(to: string | string[], facts: Simulated = {}): Promise<number[]> {
    const { counters } = this;
    const { pauses } = await simulate([this.threads[this.#turn++ % 2]!, directory], {
      to,
      counters,
      now: () => this.now,
      ...facts,
    });
    return pauses.map((milliseconds) => milliseconds / 1000);
  }
}

Deno.test("tarpit: the third name that nobody has costs a second, each more twice as much, up to the longest and the total", async () => {
  const world = new World({ refused: 3, first: "1s", longest: "8s", total: "30s" });
  assertEquals(await world.session(nobodies(10)), [1, 2, 4, 8, 8, 7]);
});

Deno.test("tarpit: a new session, the other thread or the next address of an IPv6 network are no new client", async () => {
  const world = new World({ refused: 3 });
  assertEquals(await world.session(nobodies(2), { ip: "2001:db8::1" }), []);
  assertEquals(await world.session(nobodies(1), { ip: "2001:db8::2" }), [1]);
  assertEquals(await world.session("bob@example.org", { ip: "2001:db8::3" }), [1]); // at MAIL, and not for the good name
  assertEquals(await world.session(nobodies(2), { ip: "2001:db8:0:1::1" }), []);
  world.now += 10 * MINUTE;
  assertEquals(await world.session("bob@example.org", { ip: "2001:db8::1" }), []);
});

Deno.test("tarpit: clients on a list and early talkers wait at MAIL and at each RCPT", async () => {
  const listed = [[LISTED, [{ zone: "bad.example", subject: "192.0.2.1", codes: ["127.0.0.2"], weight: 3 }]]] as never;
  const talker = [[EARLY_TALKER, true]] as never;
  const world = new World();
  for (const keys of [listed, talker]) {
    assertEquals(await world.session(["a@example.org", "b@example.org"], { keys }), [1, 2, 4]);
  }
  assertEquals(await world.session("a@example.org", { keys: [[LISTED, []], [EARLY_TALKER, false]] as never }), []);
  const off = new World({ listed: false, earlyTalkers: false });
  for (const keys of [listed, talker]) assertEquals(await off.session("a@example.org", { keys }), []);
});

Deno.test("tarpit: who never waits", async () => {
  const world = new World({ refused: 1, networks: ["203.0.113.0/24"] });
  for (
    const facts of [{ identity: "amy" }, { ip: "127.0.0.1" }, { ip: "203.0.113.1" }, { role: "submission" as const }]
  ) {
    assertEquals(await world.session(nobodies(5), facts), []);
  }
  assertEquals(await new World({ refused: false }).session(nobodies(50)), []);
});

Deno.test("tarpit: an alias is one recipient, whatever is behind it", async () => {
  const alias = on("rcpt", (ctx, next) => {
    if (ctx.recipient.origin !== null) return next();
    ctx.expand(["no1", "no2", "no3"].map((local) => ({ local, domain: "example.org" })));
    return next();
  });
  const { pauses } = await simulate([tarpit({ refused: 1 }), alias, directory], { to: "team@example.org" });
  assertEquals(pauses, []);
});
