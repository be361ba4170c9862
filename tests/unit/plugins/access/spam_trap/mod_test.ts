import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { key, on, OptionsError, runPhase, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { spam_trap, TRAPPED } from "../../../../../plugins/access/spam_trap/mod.ts";

const TRAP = "old-list@example.org", USER = "bob@example.org";
/** Knows bob, and that he is at home. */
const recipients = on("rcpt", (ctx, next) => {
  if (ctx.recipient.address.local === "bob") ctx.route({ to: "local", plugin: "inbox" });
  return next();
});
const inbox = on("queue", (_ctx, next) => next(), { name: "inbox" });
type Options = Parameters<typeof spam_trap>[0];
const run = (options: Partial<Options> = {}, facts: Simulated = {}) =>
  simulate([spam_trap({ addresses: ["old-*@example.org"], ...options }), recipients, inbox], facts);

Deno.test("spam_trap: by default the copy is taken and dropped, and the client is marked", async () => {
  const result = await run({}, { to: TRAP });
  assertEquals(result.replies.map(({ reply }) => reply.code), [250, 250, 250, 250, 250, 250]);
  assertEquals([result.rows, result.recipients[0]!.result, result.get(TRAPPED)], [[], "discarded", 1]);
  assertEquals(result.scores, [{ points: 5, reason: "the client has written to a trap" }]);
  const decision = result.decisions.find(({ plugin, phase }) => plugin === "spam_trap" && phase === "rcpt");
  assertEquals([decision?.verdict, decision?.reason], ["accept", "a trap: old-list@example.org"]);
});

Deno.test("spam_trap: who writes to users too: their copies get the points and are kept", async () => {
  const result = await run({ points: 3 }, { to: [USER, TRAP, "OLD-stock@example.org"] });
  assertEquals(result.rows.map(({ recipient }) => recipient.address.local), ["bob"]);
  assertEquals(result.scores, [{ points: 3, reason: "the client has written to 2 traps" }]);
  const clean = await run({}, { to: USER });
  assertEquals([clean.get(TRAPPED), clean.scores, clean.rows.length], [undefined, [], 1]);
  assertEquals((await run({ points: 0 }, { to: TRAP })).scores, []);
});

Deno.test("spam_trap: refused, a trap looks like any user that is not there", async () => {
  const result = await run({ action: "reject" }, { to: TRAP });
  const unknown = await run({ action: "reject" }, { to: "nobody@example.org" });
  assertEquals(String(result.reply), String(unknown.reply));
  assertEquals([result.get(TRAPPED), unknown.get(TRAPPED)], [1, undefined]);
});

Deno.test("spam_trap: held, the whole message waits for a person, and the trap's copy is dropped after that", async () => {
  const plugin = spam_trap({ addresses: ["old-*@example.org"], action: "hold" });
  const result = await simulate([plugin, recipients, inbox], { to: [USER, TRAP] });
  assertEquals([result.held, result.rows.length], ["spam_trap: sent to a trap", 2]);
  const released = await runPhase(plugin, "queue", {
    to: { address: TRAP, route: { to: "local", plugin: "spam_trap" } },
    tries: 1,
  });
  assertEquals(released.recipients[0]!.result, "discarded");
  assertEquals((await simulate([plugin, recipients, inbox], { to: USER })).held, null);
});

Deno.test("spam_trap: whoever is logged in, one's own probes and aliases are not caught", async () => {
  const facts: readonly Simulated[] = [{ identity: "ann" }, { ip: "203.0.113.4" }];
  for (const each of facts) {
    const result = await run({ networks: ["203.0.113.0/24"] }, { ...each, to: [USER, TRAP] });
    assertEquals([result.get(TRAPPED), result.scores, result.rows.length], [undefined, [], 1]);
  }
  const alias = on("rcpt", (ctx, next) => {
    if (ctx.recipient.address.local === "all") {
      ctx.expand(["bob", "old-hand"].map((local) => ({ local, domain: "example.org" })));
    }
    return next();
  });
  const result = await simulate([spam_trap({ addresses: ["old-*@example.org"] }), alias, recipients, inbox], {
    to: "all@example.org",
  });
  assertEquals(result.get(TRAPPED), undefined);
});

Deno.test("spam_trap: whose server bounces what somebody sent in the name of a trap is not caught", async () => {
  const result = await run({}, { from: null, to: [USER, TRAP] });
  assertEquals([result.get(TRAPPED), result.scores, result.rows.length], [undefined, [], 1]);
  const decisions = result.decisions.filter(({ plugin, phase }) => plugin === "spam_trap" && phase === "rcpt");
  assertEquals(decisions.map(({ verdict }) => verdict), ["next", "next"]);
});

Deno.test("spam_trap: plugins behind it know of it", async () => {
  const seen = key<number>("seen");
  const reader = on("data", (ctx, next) => (ctx.set(seen, ctx.get(TRAPPED) ?? 0), next()));
  const plugins = [spam_trap({ addresses: [TRAP] }), reader, recipients, inbox];
  assertEquals((await simulate(plugins, { to: TRAP })).get(seen), 1);
});

Deno.test("spam_trap: options: what is wrong is said with its place", () => {
  const table: readonly [unknown, RegExp][] = [
    [{}, /spam_trap\.addresses/],
    [{ addresses: [] }, /spam_trap\.addresses/],
    [{ addresses: ["*"] }, /spam_trap\.addresses\.0: "\*" is no address/],
    [{ addresses: ["a b"] }, /spam_trap\.addresses\.0/],
    [{ addresses: [TRAP], action: "bounce" }, /spam_trap\.action/],
  ];
  for (const [options, message] of table) {
    assertMatch(assertThrows(() => spam_trap.parse(options, ["spam_trap"]), OptionsError).message, message);
  }
});
