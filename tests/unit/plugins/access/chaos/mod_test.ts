/** chaos: rules and addresses through the phases, at run time, and how often. */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { on, simulate, type Simulated, SimulatedCounters } from "postern";
import { chaos } from "../../../../../plugins/access/chaos/mod.ts";
import { ChaosRules, RulesError } from "../../../../../plugins/access/chaos/rules.ts";

type Options = Parameters<typeof chaos>[0];
const taker = on("rcpt", (ctx, next) => {
  ctx.route({ to: "local", plugin: "inbox" });
  return next();
});
const storer = { name: "inbox", handlers: { queue: (_: unknown, next: () => unknown) => next() as never } };
const anybody = on("auth", (ctx, next) => {
  ctx.identify(ctx.credentials.user);
  return next();
});

/** Two threads that share a store, asked in turn. */
class World {
  now = Date.UTC(2026, 10, 30);
  readonly counters = new SimulatedCounters(() => this.now);
  /** As the API sees the store: what the plugin has is its own part of it. */
  readonly rules = new ChaosRules(
    {
      get: (name) => this.counters.get(`plugin:chaos:${name}`),
      put: (name, value, options) => this.counters.put(`plugin:chaos:${name}`, value, options),
    },
    () => this.now,
  );
  readonly #threads;
  #turn = 0;
  constructor(options: Options = {}) {
    this.#threads = [chaos(options), chaos(options)];
  }
  run(facts: Simulated) {
    const plugins = [this.#threads[this.#turn++ % 2]!, anybody, taker, storer];
    return simulate(plugins, { to: "bob@example.org", counters: this.counters, now: () => this.now, ...facts });
  }
  /** Phase and reply of what ended it. */
  async end(facts: Simulated = {}): Promise<string> {
    const { replies, reply } = await this.run(facts);
    return `${replies.at(-1)!.phase} ${reply.verdict === "accept" ? "accept" : reply}`;
  }
}

Deno.test("chaos: a rule of each phase answers in that phase, for whom it is meant", async () => {
  const world = new World({
    rules: [
      { phase: "connect", ip: "192.0.2.0/28", answer: "421 4.3.2 Down" },
      { phase: "helo", ip: "192.0.2.16", answer: "550 5.7.1" },
      { phase: "auth", user: "Mallory", answer: "535 5.7.8 Wrong" },
      { phase: "mail", from: "*@slow.example", answer: "451 4.7.1 Later" },
      { phase: "mail", from: "<>", answer: "550" },
      { to: "full@*", answer: "452 4.2.2 Mailbox full" },
      { phase: "data", to: "spam@*", answer: "554 5.7.1 Spam" },
      { to: "rests@*", answer: "550", on: false },
    ],
  });
  const table: readonly [facts: Simulated, end: string][] = [
    [{ ip: "192.0.2.3" }, "connect 421 4.3.2 Down"],
    [{ login: { user: "mallory", password: "x" } }, "auth 535 5.7.8 Wrong"],
    [{ login: { user: "ada", password: "x" } }, "queue accept"],
    [{ to: ["full@example.com"] }, "rcpt 452 4.2.2 Mailbox full"],
    [{ to: ["spam@example.org", "bob@example.org"] }, "data 554 5.7.1 Spam"],
    [{ to: ["rests@example.org"] }, "queue accept"],
    [{}, "queue accept"],
  ];
  for (const [facts, end] of table) {
    assertEquals(await world.end({ ip: "203.0.113.1", ...facts }), end);
  }
  for (const facts of [{ ip: "192.0.2.16" }, { from: "a@slow.example" }, { from: null }]) {
    const { replies } = await world.run({ ip: "203.0.113.1", ...facts });
    assert(replies.some(({ reply }) => reply.verdict !== "accept"), JSON.stringify(facts));
  }
});

Deno.test("chaos: what an address asks for happens, and the ledger learns that it was on purpose", async () => {
  const world = new World();
  assertEquals(await world.end({ to: "you+reject-550-5.7.1@example.org" }), "rcpt 550 5.7.1 No such mailbox");
  assertEquals(await world.end({ to: "data-552@example.org" }), "data 552 5.2.2 Mailbox is full");
  assertEquals(await world.end({ from: "mail-451@example.net" }), "rcpt 451 4.3.0 Local error, try again later");
  assertEquals(await world.end({ from: "data-554@example.net" }), "data 554 5.7.1 Transaction failed");
  const { pauses, reply } = await world.run({ to: "slow-data-5s@example.org" });
  assertEquals([pauses, reply.verdict], [[5000], "accept"]);
  const { decisions } = await world.run({ to: "defer-450@example.org" });
  assertEquals(decisions.map(({ plugin, reason }) => [plugin, reason]).at(-1), [
    "chaos",
    "on purpose: the address asks for it",
  ]);
  assertEquals(await new World({ addresses: false }).end({ to: "reject-550@example.org" }), "queue accept");
});

Deno.test("chaos: the first times only, for each pair of sender and recipient, whatever the thread", async () => {
  const world = new World({ rules: [{ to: "later@*", answer: "451 4.7.1 Greylisted", times: 2 }] });
  const tries = async (facts: Simulated) => {
    const ends: string[] = [];
    for (let i = 0; i < 4; i++) ends.push((await world.end(facts)).split(" ", 2).join(" "));
    return ends;
  };
  const twice = ["rcpt 451", "rcpt 451", "queue accept", "queue accept"];
  assertEquals(await tries({ to: "later@example.org" }), twice);
  assertEquals(await tries({ to: "later@example.org", from: "other@example.net" }), twice);
  assertEquals(await tries({ to: "you+defer-451-once@example.org" }), ["rcpt 451", ...Array(3).fill("queue accept")]);
  assertEquals(await tries({ from: "you+defer-451-once@example.org", to: "c@example.org" }), [
    "rcpt 451", // refusals of MAIL are spoken here
    ...Array(3).fill("queue accept"),
  ]);
});

Deno.test("chaos: a rate hits some and spares some", async () => {
  const world = new World({ rules: [{ phase: "connect", rate: 0.5, answer: "hang up" }] });
  const ends = new Set<string>();
  for (let i = 0; i < 400 && ends.size < 2; i++) ends.add((await world.end()).split(" ")[0]!); // one in 10^120 fails
  assertEquals([...ends].sort(), ["connect", "queue"]);
});

Deno.test("chaos: a hang-up says nothing, and a delay may stand before any answer", async () => {
  const world = new World({ rules: [{ phase: "data", delay: "2s", answer: "hang up" }] });
  const { reply, pauses } = await world.run({});
  assertEquals([reply.options.silent, reply.closes, reply.verdict, pauses], [true, true, "defer", [2000]]);
});

Deno.test("chaos: rules set at run time hold at once, go before those of the configuration, and say how often", async () => {
  const world = new World({ rules: [{ to: "a@*", answer: "550 5.1.1 Configured" }] });
  assertEquals(await world.end({ to: "a@example.org" }), "rcpt 550 5.1.1 Configured");
  await world.rules.set([{ to: "a@*", answer: "451 4.7.1 Set" }, { phase: "data", answer: "554", rate: 1 }]);
  assertEquals(await world.end({ to: "a@example.org" }), "rcpt 451 4.7.1 Set");
  assertEquals(await world.end({ to: "a@example.org" }), "rcpt 451 4.7.1 Set");
  assertEquals(await world.end({ to: "b@example.org" }), "data 554 5.7.1 Transaction failed");
  assertEquals((await world.rules.list()).map(({ rule, used }) => [rule.answer, used]), [
    ["451 4.7.1 Set", 2],
    ["554", 1],
  ]);
  await world.rules.set([{ to: "a@*", answer: "451 4.7.1 Set" }]);
  assertEquals((await world.rules.list()).map(({ used }) => used), [0]); // another list has its own counts
  await world.rules.set([]);
  assertEquals(await world.end({ to: "a@example.org" }), "rcpt 550 5.1.1 Configured");
  assertEquals(await world.rules.list(), []);
});

Deno.test("chaos: rules that cannot be are turned down whole, with a sentence for each fault", async () => {
  const world = new World();
  await world.rules.set([{ to: "a@*", answer: "550" }]);
  const bad: readonly [rules: unknown, words: string][] = [
    ["550", "expected array"],
    [[{ to: "a@*" }], "rule 1.answer"],
    [[{ answer: "550" }, { answer: "250 2.0.0 ok" }], "rule 2.answer: must be a refusal"],
    [[{ answer: "550 4.1.1 Wrong class" }], "must be a refusal"],
    [[{ answer: "550 5.1.1 a\r\n250 ok" }], "must be a refusal"],
    [[{ answer: "pass" }], "without a delay"],
    [[{ answer: "550", delay: "3h" }], "at most 2m"],
    [[{ answer: "550", rate: 0 }], "rule 1.rate"],
    [[{ answer: "550", to: "nonsense" }], "must be an address"],
    [[{ phase: "mail", to: "a@*", answer: "550" }], "is not known in mail"],
    [[{ answer: "550", ip: "example.org" }], "no IP address"],
    [[{ answer: "550", constructor: 1 }], "rule 1"],
    [Array(51).fill({ answer: "550" }), "50"],
  ];
  for (const [rules, words] of bad) {
    const error = await assertRejects(() => world.rules.set(rules), RulesError);
    assertStringIncludes(error.message, words);
  }
  assertEquals((await world.rules.list()).length, 1);
  assertThrows(() => chaos({ rules: [{ answer: "999" }] }));
});

Deno.test("chaos: what another hand left in the store is no rule", async () => {
  const world = new World();
  for (const text of ["", "{", "null", '{"set":"x","rules":[{"answer":"250 ok"}]}', "[".repeat(10_000)]) {
    await world.counters.put("plugin:chaos:rules", text, { seconds: 60 });
    assertEquals(await world.end({ to: "a@example.org" }), "queue accept", text.slice(0, 50));
    assertEquals(await world.rules.list(), []);
  }
});
