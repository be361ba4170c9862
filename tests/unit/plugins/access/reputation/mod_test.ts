/** Two instances stand for two threads: whatever is remembered is remembered by both. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type Key,
  on,
  OptionsError,
  type Plugin,
  reject,
  type Scope,
  type Simulated,
} from "../../../../../core/pipeline/mod.ts";
import { REPUTATION, reputation } from "../../../../../plugins/access/reputation/mod.ts";
import { DKIM } from "../../../../../plugins/identity/dkim/key.ts";
import { SPF, type SpfFinding } from "../../../../../plugins/identity/spf/key.ts";
import { Threads } from "../threads.ts";

type Options = Parameters<typeof reputation>[0];
const IP = "192.0.2.7", NEIGHBOUR = "192.0.2.8", OTHER = "198.51.100.7";
const DAY = 86_400_000;
const make = (options: Options = {}) => new Threads([reputation(options), reputation(options)]);
const inbox = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()), { name: "inbox" });
/** What a content filter behind it says. */
const filter = (points: number) =>
  on("data", (ctx, next) => {
    if (points !== 0) ctx.score(points, "filter");
    return next();
  }, { name: "filter" });

function spfPass(domain: string): readonly [Key<unknown, Scope>, unknown] {
  const finding: SpfFinding = {
    result: "pass",
    identity: "mailfrom",
    domain,
    mechanism: "all",
    explanation: null,
    problem: null,
  };
  return [SPF as Key<unknown, Scope>, finding];
}

interface Sent {
  readonly ip?: string;
  readonly points?: number;
  readonly domain?: string;
  readonly facts?: Simulated;
  readonly others?: readonly Plugin[];
}
let number = 0;
/** A message that comes to its end, and what became of it is told. */
async function send(threads: Threads, { ip = IP, points = 0, domain, facts = {}, others = [] }: Sent = {}) {
  const plugins = [...others, filter(points), inbox];
  const keys = domain === undefined ? [] : [spfPass(domain)];
  const result = await threads.transaction(plugins, { ip, to: "b@example.org", keys, ...facts });
  const { session } = result.decisions[0]!;
  const transaction = result.decisions.findLast((each) => each.transaction !== null)?.transaction ?? `t${number++}`;
  const { reply } = result, last = result.replies.at(-1)!.phase;
  if (reply.verdict === "accept") await threads.accepted(session, ip, { transaction, held: result.held });
  else {
    const blame = result.decisions.findLast(({ verdict }) => verdict === reply.verdict)?.plugin ?? "core";
    const command = last === "data" ? "message" : "RCPT";
    await threads.refused(session, ip, { command, reply, plugin: blame, transaction });
  }
  return result;
}
/** What the next message of that client would find. */
async function known(threads: Threads, ip = IP, domain?: string) {
  const facts = domain === undefined ? {} : { keys: [spfPass(domain)] };
  const result = await threads.transaction([inbox], { ip, to: "b@example.org", ...facts });
  return { ...result.get(REPUTATION)!, scores: result.scores, reply: result.reply };
}
/** Sums of floating numbers. */
const near = (actual: number, expected: number, what?: string) =>
  assertEquals(Math.round(actual * 1e6), Math.round(expected * 1e6), what);
const times = async (count: number, run: () => Promise<unknown>) => {
  for (let i = 0; i < count; i++) await run();
};

Deno.test("reputation: who is new is neither good nor bad", async () => {
  const { address, network, domain, scores } = await known(make(), IP, "example.net");
  assertEquals([address, network, domain, scores], [0, 0, 0, []]);
});

Deno.test("reputation: SEMANTICS 24: spam at two threads is one history, and speaks against the next message", async () => {
  const threads = make();
  await times(6, () => send(threads, { points: 7 }));
  const { address, network, scores } = await known(threads);
  near(network, 6 / 26);
  near(address, (6 + 5 * network / 2) / 11);
  assertEquals(scores, [{ points: 2.39, reason: `reputation of ${IP}: 0.6` }]);
  assertEquals((await known(threads, OTHER)).address, 0);
});

Deno.test("reputation: clean mail speaks for its client; what is between clean and spam says nothing", async () => {
  const threads = make();
  await times(10, () => send(threads));
  const { address, scores } = await known(threads);
  assert(address < -0.6);
  assert(scores[0]!.points < -1.2 && scores.length === 1);
  await times(10, () => send(threads, { ip: OTHER, points: 3 }));
  assertEquals((await known(threads, OTHER)).address, 0);
});

Deno.test("reputation: its own points are no news: a bad name does not feed itself", async () => {
  const threads = make({ points: { bad: 50 }, spam: 5 });
  await times(3, () => send(threads, { points: 7 }));
  const before = (await known(threads)).address;
  await times(20, () => send(threads)); // each gets more than 5 points from here alone
  assert((await known(threads)).address < before - 0.3);
});

Deno.test("reputation: a half-life later it is worth half, and at last nothing, at any moment of a period", async () => {
  for (const start of [0, 13, 27.9, 55.99]) {
    const threads = make({ halfLife: "14d" });
    threads.now += start * DAY;
    await times(8, () => send(threads, { points: 9 }));
    const bad = async () => {
      const { network } = await known(threads); // b / (b + 20), where only bad is known
      return 20 * network / (1 - network);
    };
    near(await bad(), 8);
    threads.now += 14 * DAY;
    near(await bad(), 4);
    threads.now += 28 * DAY;
    near(await bad(), 1);
    threads.now += 200 * DAY;
    near(await bad(), 0);
  }
});

Deno.test("reputation: nothing is kept for ever", async () => {
  const threads = make({ halfLife: "1d" });
  await times(3, () => send(threads, { domain: "example.net" }));
  threads.now += 9 * DAY;
  assertEquals(await threads.counters.list({ prefix: "", limit: 100 }), []);
});

Deno.test("reputation: a bad guest costs its network little and other networks nothing; its neighbour gets over it", async () => {
  const threads = make();
  await times(120, () => send(threads, { points: 9 }));
  assert((await known(threads)).address > 0.95);
  const beside = await known(threads, NEIGHBOUR);
  assert(beside.network < 0.36 && beside.address < 0.18, `${beside.network} ${beside.address}`);
  assertEquals((await known(threads, "192.0.3.8")).address, 0);
  await times(10, () => send(threads, { ip: NEIGHBOUR }));
  assert((await known(threads, NEIGHBOUR)).address < -0.5);
});

Deno.test("reputation: a network full of bad guests speaks against the next one", async () => {
  const threads = make();
  for (let host = 10; host < 30; host++) await times(5, () => send(threads, { ip: `192.0.2.${host}`, points: 9 }));
  assert((await known(threads, "192.0.2.200")).address > 0.35);
});

Deno.test("reputation: a domain has one only where it was authenticated, by its registered part", async () => {
  const threads = make();
  await times(10, () => send(threads, { domain: "mail.shop.example.co.uk" }));
  assert((await known(threads, OTHER, "example.co.uk")).domain! < -0.6);
  assertEquals((await known(threads, OTHER, "other.co.uk")).domain, 0);
  assertEquals((await known(threads, OTHER)).domain, null);
  // Anybody can write the name
  await times(10, () => send(threads, { ip: "203.0.113.5", points: 9, facts: { from: "a@example.co.uk" } }));
  assert((await known(threads, OTHER, "example.co.uk")).domain! < -0.6);
  const { scores } = await known(threads, OTHER, "example.co.uk");
  assertMatch(scores[0]!.reason, /^reputation of example\.co\.uk: -0\.67$/);
});

Deno.test("reputation: a signature that holds authenticates, one that does not does not", async () => {
  const threads = make();
  const signed = (result: "pass" | "fail", domain: string) => ({
    keys: [
      [DKIM as Key<unknown, Scope>, {
        result,
        signatures: [{
          result,
          domain,
          reason: null,
          agent: null,
          selector: null,
          algorithm: null,
          b: null,
          limited: null,
          testing: false,
        }],
      }] as const,
    ],
  });
  await times(5, () => send(threads, { facts: signed("pass", "news.example.com") }));
  await times(5, () => send(threads, { facts: signed("fail", "example.org") }));
  assertEquals((await known(threads, OTHER, "example.com")).domain, -0.5);
  assertEquals((await known(threads, OTHER, "example.org")).domain, 0);
});

Deno.test("reputation: what refusals say", async () => {
  const refuses = (status: `5.${number}.${number}`, phase: "rcpt" | "data", name = "judge") =>
    on(phase, () => reject(status, "No"), { name });
  const table: readonly [string, readonly Plugin[], number][] = [
    ["a message refused by policy", [refuses("5.7.1", "data")], 1],
    ["one that is malformed", [refuses("5.6.0", "data")], 0],
    ["a recipient that is not there", [refuses("5.1.1", "rcpt")], 0.2],
    ["a client refused by policy", [refuses("5.7.1", "rcpt")], 1],
    ["a full mailbox", [refuses("5.2.2", "rcpt")], 0],
    ["a count of connections", [refuses("5.7.1", "rcpt", "rate_limit")], 0],
  ];
  for (const [what, others, expected] of table) {
    const threads = make();
    await send(threads, { others });
    const bad = [...await threads.counters.list({ prefix: "plugin:reputation:bad", limit: 9 })]
      .find(({ name }) => name.endsWith(`ip ${IP}`));
    const { network } = await known(threads);
    near(20 * network / (1 - network), expected, what);
    assertEquals(bad !== undefined, expected > 0, what);
  }
});

Deno.test("reputation: a refusal that is spoken to every recipient counts once for a transaction", async () => {
  const threads = make(), { session } = await threads.connect(IP);
  const reply = reject("5.7.1", "Listed");
  for (const transaction of ["01A", "01A", "01A", "01B", "01B"]) {
    await threads.refused(session, IP, { command: "RCPT", reply, plugin: "dnsbl", transaction });
  }
  const { network } = await known(threads);
  near(20 * network / (1 - network), 2);
});

Deno.test("reputation: a trap weighs as much as five messages of spam", async () => {
  const threads = make();
  const trap = on("rcpt", (ctx) => (ctx.route({ to: "local", plugin: "inbox" }), reject("5.1.1", "No")), {
    name: "spam_trap",
  });
  await send(threads, { others: [trap] });
  const { network } = await known(threads);
  near(20 * network / (1 - network), 5);
});

Deno.test("reputation: what is held speaks against the client", async () => {
  const threads = make();
  const holds = on("data", (ctx, next) => (ctx.hold("a person is to look"), next()), { name: "holds" });
  await times(3, () => send(threads, { others: [holds] }));
  assert((await known(threads)).address > 0.3);
});

Deno.test("reputation: beyond a bound it defers or refuses, postmaster not on a domain's account", async () => {
  const threads = make({ defer: 0.5, reject: 0.9 });
  await times(7, () => send(threads, { points: 9, domain: "example.net" }));
  const soft = (await known(threads)).reply;
  assertEquals(String(soft), `451 4.7.1 Too much spam has come from ${IP} lately, try again later`);
  const byDomain = (await known(threads, OTHER, "example.net")).reply;
  assertEquals(String(byDomain), "451 4.7.1 Too much spam has come from example.net lately, try again later");
  const facts: Simulated = { ip: OTHER, keys: [spfPass("example.net")], to: "postmaster@example.org" };
  assertEquals((await threads.transaction([inbox], facts)).reply.code, 250);
  await times(100, async () => {
    const { session } = await threads.connect(IP);
    await threads.refused(session, IP, { command: "message", reply: reject("5.7.1", "No"), plugin: "spam_score" });
  });
  assertEquals(String((await known(threads)).reply), `550 5.7.1 Too much spam has come from ${IP}`);
});

Deno.test("reputation: its own refusals are no news either: a half-life later the client may try again", async () => {
  const threads = make({ defer: 0.5, halfLife: "1d" });
  await times(7, () => send(threads, { points: 9 }));
  await times(50, () => send(threads));
  assertEquals((await known(threads)).reply.code, 451);
  threads.now += 2 * DAY;
  assertEquals((await known(threads)).reply.code, 250);
});

Deno.test("reputation: nothing is remembered of who is logged in, exempt, private or on loopback", async () => {
  const threads = make({ networks: ["203.0.113.0/24"] });
  for (const ip of ["203.0.113.9", "10.0.0.1", "127.0.0.1", "::1"]) await send(threads, { ip, points: 9 });
  await send(threads, { points: 9, facts: { identity: "ann" } });
  assertEquals(threads.counters.names.filter((name) => / ip | net /.test(name)), []);
});

Deno.test("reputation: options: what is wrong is said with its place", () => {
  const table: readonly [unknown, RegExp][] = [
    [{ halfLife: "1s" }, /reputation\.halfLife: must be from 60 s/],
    [{ reject: 1 }, /reputation\.reject: /],
    [{ worth: { traps: 1 } }, /traps/],
    [{ networks: ["x"] }, /reputation\.networks\.0/],
  ];
  for (const [options, message] of table) {
    assertMatch(assertThrows(() => reputation.parse(options, ["reputation"]), OptionsError).message, message);
  }
});
