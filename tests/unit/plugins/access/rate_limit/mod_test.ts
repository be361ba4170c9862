import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  OptionsError,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
} from "../../../../../core/pipeline/mod.ts";
import { on, type Plugin } from "../../../../../core/pipeline/mod.ts";
import { rate_limit } from "../../../../../plugins/access/rate_limit/mod.ts";
import { parseRate, RATE } from "../../../../../plugins/access/rate.ts";

/** A clock that the test moves, and counters that go by it. */
function world() {
  const clock = { now: Date.UTC(2026, 0, 1) };
  return { clock, facts: { now: () => clock.now, counters: new SimulatedCounters(() => clock.now) } };
}
const mail = async (plugin: Plugin, facts: Simulated) =>
  String((await runPhase(plugin, "mail", facts)).reply).slice(0, 9);

Deno.test("rates", () => {
  const table: readonly [string, number, number, string][] = [
    ["1/1s", 1, 1, "1 second"],
    ["100/1m", 100, 60, "1 minute"],
    ["5000/12h", 5000, 43_200, "12 hours"],
    ["7/30d", 7, 2_592_000, "30 days"],
  ];
  for (const [text, count, seconds, period] of table) assertEquals(parseRate(text), { count, seconds, period });
  for (
    const text of [
      "",
      "100",
      "100/m",
      "0/1m",
      "1/0m",
      "01/1m",
      "1/01m",
      "-1/1m",
      "1.5/1m",
      "1/1w",
      "1 / 1m",
      "1/1m ",
      "1/1M",
      "1e3/1m",
      "9999999999/1m",
    ]
  ) {
    assert(!RATE.test(text), text);
    assertThrows(() => parseRate(text), TypeError, text);
  }
});

Deno.test("options: what is wrong is said with its place", () => {
  const table: readonly [unknown, string][] = [
    [{}, "no limit is set"],
    [{ messagesPerIp: "many" }, "rate_limit.messagesPerIp: must be a rate like 100/1m"],
    [{ messagesPerIP: "1/1m" }, "messagesPerIP"],
    [
      { messagesPerIp: "1/1m", exempt: ["10.0.0.0/33"] },
      'rate_limit.exempt.0: "10.0.0.0/33" is no IP address or network',
    ],
  ];
  for (const [options, message] of table) {
    assertThrows(() => rate_limit.parse(options, ["rate_limit"]), OptionsError, message);
  }
});

Deno.test("messages per IP: the one too many is told which limit and when to come back, and then is welcome", async () => {
  const { clock, facts } = world(), plugin = rate_limit({ messagesPerIp: "2/1m" });
  for (const expected of ["250 2.0.0", "250 2.0.0", "450 4.7.1"]) assertEquals(await mail(plugin, facts), expected);
  const { reply } = await runPhase(plugin, "mail", facts);
  assertEquals(
    String(reply),
    "450 4.7.1 Too many messages from 192.0.2.1, at most 2 in 1 minute; try again in 1 minute",
  );
  assertEquals(await mail(plugin, { ...facts, ip: "192.0.2.2" }), "250 2.0.0"); // somebody else
  clock.now += 59_999;
  assertEquals(await mail(plugin, facts), "450 4.7.1"); // refusals do not make the time longer
  clock.now += 1;
  assertEquals(await mail(plugin, facts), "250 2.0.0");
});

Deno.test("SEMANTICS 24: two instances with one store are one limit", async () => {
  const { facts } = world(), instances = [rate_limit({ messagesPerIp: "5/1m" }), rate_limit({ messagesPerIp: "5/1m" })];
  const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => mail(instances[i % 2]!, facts)));
  assertEquals(replies.filter((each) => each === "250 2.0.0").length, 5);
  assertEquals(replies.filter((each) => each === "450 4.7.1").length, 7);
});

Deno.test("an IPv6 client is its /64", async () => {
  const { facts } = world(), plugin = rate_limit({ messagesPerIp: "1/1m" });
  const from = (ip: string) => mail(plugin, { ...facts, ip });
  assertEquals(await from("2001:db8:0:1::1"), "250 2.0.0");
  assertEquals(await from("2001:db8:0:1:ffff::2"), "450 4.7.1");
  assertEquals(await from("2001:db8:0:2::1"), "250 2.0.0");
});

Deno.test("loopback is not counted unless the operator says so, and counts nothing", async () => {
  const { facts } = world(), limits = { connectionsPerIp: "1/1m", messagesPerIp: "1/1m", recipientsPerIp: "1/1m" };
  const plugin = rate_limit(limits);
  for (const ip of ["127.0.0.1", "127.9.9.9", "::1"]) {
    for (const phase of ["connect", "mail", "rcpt"] as const) {
      for (const _ of [1, 2, 3]) {
        const { reply } = await runPhase(plugin, phase, { ...facts, ip });
        assert(reply.code !== 450 && reply.code !== 421, `${ip} ${phase} ${reply}`);
      }
    }
  }
  assertEquals(facts.counters.names, []);
  const strict = rate_limit({ ...limits, exempt: [] });
  assertEquals(await mail(strict, { ...facts, ip: "127.0.0.1" }), "250 2.0.0");
  assertEquals(await mail(strict, { ...facts, ip: "127.0.0.1" }), "450 4.7.1");
});

Deno.test("connections per IP: 421, and nothing after it", async () => {
  const { facts } = world(), plugin = rate_limit({ connectionsPerIp: "1/10s" });
  assertEquals((await runPhase(plugin, "connect", facts)).reply.verdict, "accept");
  const { reply, replies } = await simulate([plugin], { ...facts, to: "b@example.org" });
  assertEquals([reply.code, reply.status, replies.length], [421, "4.7.1", 1]);
  assertMatch(reply.text, /connections.* 1 in 10 seconds/);
});

Deno.test("recipients per IP counts what the client names, not what an alias becomes", async () => {
  const { facts } = world(), plugin = rate_limit({ recipientsPerIp: "2/1h" });
  const alias = on("rcpt", (ctx, next) => {
    if (ctx.recipient.address.local === "all") {
      ctx.expand(["x", "y", "z"].map((local) => ({ local, domain: "example.org" })));
    } else ctx.route({ to: "local", plugin: "inbox" });
    return next();
  });
  const { replies, rows } = await simulate([plugin, alias], {
    ...facts,
    to: ["all@example.org", "b@example.org", "c@example.org"],
  });
  const rcpt = replies.filter((each) => each.phase === "rcpt").map((each) => each.reply.code);
  assertEquals([rcpt, rows.length], [[250, 250, 450], 4]);
});

Deno.test("messages per sender: the login when there is one, any case of an address, never the null sender", async () => {
  const { facts } = world(), plugin = rate_limit({ messagesPerSender: "1/1d" });
  const from = (sender: string | null, identity: string | null = null, ip = "192.0.2.1") =>
    mail(plugin, { ...facts, from: sender, identity, ip });
  assertEquals(await from("A@Example.net"), "250 2.0.0");
  assertEquals(await from("a@example.NET", null, "198.51.100.1"), "450 4.7.1");
  assertEquals(await from("a@example.net", "ann"), "250 2.0.0");
  assertEquals(await from("b@example.net", "ann"), "450 4.7.1");
  for (const _ of [1, 2, 3]) assertEquals(await from(null), "250 2.0.0");
});

Deno.test("case 54: a hostile sender address cannot write a line into the refusal", async () => {
  const { facts } = world(), plugin = rate_limit({ messagesPerSender: "1/1d" });
  const from = '"a; b (c)"@example.net';
  await mail(plugin, { ...facts, from });
  const { reply } = await runPhase(plugin, "mail", { ...facts, from });
  assertMatch(String(reply), /^450 4\.7\.1 [\x20-\x7e]+$/);
});

Deno.test("a store that fails is a temporary refusal, not an open door", async () => {
  const { facts } = world();
  facts.counters.add = () => Promise.reject(new Error("disk"));
  const { reply } = await runPhase(rate_limit({ messagesPerIp: "1/1m" }), "mail", facts);
  assertEquals(reply.code, 451);
});
