import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  key,
  MemoryResolver,
  type MemoryZone,
  on,
  OptionsError,
  type Plugin,
  runPhase,
  simulate,
  type Simulated,
  type SimulatedResult,
} from "../../../../../core/pipeline/mod.ts";
import { dnsbl } from "../../../../../plugins/access/dnsbl/mod.ts";
import { DNSWL, LISTED, LISTED_HELO, LISTED_SENDER } from "../../../../../plugins/access/dnsbl/key.ts";
import { queryName } from "../../../../../plugins/access/dnsbl/query_name.ts";

type Options = NonNullable<Parameters<typeof dnsbl>[0]>;
const BAD = "192.0.2.66", BAD6 = "2001:db8::66", GOOD = "192.0.2.1";
const START = Date.UTC(2026, 0, 1);

/** A list in order: its test entries, and who is on it. */
function list(zone: string, entries: Readonly<Record<string, readonly string[]>> = {}, txt?: string): MemoryZone {
  const found: Record<string, MemoryZone[string]> = {
    [queryName("127.0.0.2", zone)]: { a: ["127.0.0.2"] },
    [`test.${zone}`]: { a: ["127.0.0.2"] },
  };
  for (const [subject, a] of Object.entries(entries)) {
    const name = /[a-z]/.test(subject) && !subject.includes(":") ? `${subject}.${zone}` : queryName(subject, zone);
    found[name] = txt === undefined ? { a } : { a, txt: [txt] };
  }
  return found;
}
const inbox = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()), { name: "inbox" });

/** A plugin with what it told the operator. */
function made(options: Options): { plugin: Plugin; troubles: string[] } {
  const troubles: string[] = [];
  return { plugin: dnsbl.parse(options, ["dnsbl"], { trouble: (text) => void troubles.push(text) }), troubles };
}
const session = (plugin: Plugin, dns: MemoryResolver, facts: Simulated = {}): Promise<SimulatedResult> =>
  simulate([plugin, inbox], { ip: BAD, to: "b@example.org", dns, ...facts });
const said = ({ reply }: SimulatedResult) => String(reply);

Deno.test("dnsbl: who is listed is refused at RCPT with the list's words, who is not comes in", async () => {
  const dns = new MemoryResolver(list("bl.example", { [BAD]: ["127.0.0.2"], [BAD6]: ["127.0.0.3"] }, "Sent spam"));
  const { plugin, troubles } = made({ zones: { "bl.example": 5 } });
  const refused = await session(plugin, dns);
  assertEquals(said(refused), `550 5.7.1 ${BAD} is listed by bl.example, which says: Sent spam`);
  assertEquals(refused.replies.map(({ phase }) => phase), ["connect", "helo", "mail", "rcpt"]);
  assertEquals(refused.get(LISTED), [{ zone: "bl.example", subject: BAD, codes: ["127.0.0.2"], weight: 5 }]);
  assertMatch(said(await session(plugin, dns, { ip: BAD6 })), /^550 5\.7\.1 2001:db8::66 is listed by bl\.example/);
  const good = await session(plugin, dns, { ip: GOOD });
  assertEquals([good.reply.code, good.get(LISTED), good.scores], [250, [], []]);
  assertEquals(troubles, []);
});

Deno.test("dnsbl: weights add up over lists; below the threshold the message gets them as points", async () => {
  const dns = new MemoryResolver({
    ...list("one.example", { [BAD]: ["127.0.0.2"], "192.0.2.67": ["127.0.0.2"] }),
    ...list("two.example", { [BAD]: ["127.0.0.4", "127.0.0.10"] }),
  });
  const { plugin } = made({
    zones: { "one.example": 2, "two.example": { codes: { "127.0.0.4": 1, "127.0.0.10-11": 3 } } },
    reject: 5,
  });
  const both = await session(plugin, dns);
  assertEquals(
    both.reply.options.reason,
    `${BAD} is listed by two.example (127.0.0.10 127.0.0.4, weight 3), one.example (127.0.0.2, weight 2); ` +
      "together 5, and refusal starts at 5",
  );
  const one = await session(plugin, dns, { ip: "192.0.2.67" });
  assertEquals(one.reply.code, 250);
  assertEquals(one.scores, [{ points: 2, reason: "listed: one.example:192.0.2.67(127.0.0.2)" }]);
  const silent = await session(made({ zones: { "one.example": 2 }, score: false }).plugin, dns);
  assertEquals([silent.reply.code, silent.scores], [250, []]);
  assertEquals((await session(made({ zones: { "one.example": 9 }, reject: "never" }).plugin, dns)).reply.code, 250);
});

Deno.test("dnsbl: only the answers that the operator wants count", async () => {
  const dns = new MemoryResolver(list("bl.example", { [BAD]: ["127.0.0.10"] }));
  const table: readonly [readonly string[], number][] = [
    [["127.0.0.2"], 250],
    [["127.0.0.2", "127.0.0.10"], 550],
    [["127.0.0.4-11"], 550],
    [["&0.0.0.4"], 250],
    [["&0.0.0.8"], 550],
  ];
  for (const [codes, code] of table) {
    const { plugin } = made({ zones: { "bl.example": { weight: 5, codes: [...codes] } } });
    assertEquals((await session(plugin, dns)).reply.code, code, String(codes));
  }
});

Deno.test("dnsbl: a list of good clients speaks for them, and its word is a fact for others", async () => {
  const dns = new MemoryResolver({
    ...list("bl.example", { [BAD]: ["127.0.0.2"] }),
    ...list("good.example", { [BAD]: ["127.0.5.3"], [GOOD]: ["127.0.5.3"] }),
  });
  const { plugin } = made({ zones: { "bl.example": 5 }, allow: { "good.example": 3 } });
  const result = await session(plugin, dns);
  assertEquals([result.reply.code, result.scores.map(({ points }) => points)], [250, [5, -3]]);
  assertMatch(result.output, /\sdnswl=pass dns\.zone=good\.example policy\.ip=127\.0\.5\.3\r?\n/);
  const seen = key<number>("seen");
  const reader = on("mail", (ctx, next) => (ctx.set(seen, ctx.get(DNSWL)?.length ?? -1), next()));
  assertEquals((await simulate([plugin, reader, inbox], { ip: GOOD, to: "b@example.org", dns })).get(seen), 1);
});

Deno.test("dnsbl: a list that answers for everything is believed by nobody, and told once", async () => {
  const zone = list("bl.example", { [BAD]: ["127.0.0.2"], [GOOD]: ["127.0.0.2"] });
  const dns = new MemoryResolver({ ...zone, [queryName("127.0.0.1", "bl.example")]: { a: ["127.0.0.2"] } });
  const { plugin, troubles } = made({ zones: { "bl.example": 5 } });
  for (const ip of [BAD, GOOD, BAD]) assertEquals((await session(plugin, dns, { ip })).reply.code, 250);
  assertEquals(troubles, ["the list bl.example answers for everything; it is left alone for 60 seconds"]);
  const six = new MemoryResolver({
    ...list("bl.example", { [BAD6]: ["127.0.0.2"] }),
    [queryName("::ffff:7f00:1", "bl.example")]: { a: ["127.0.0.2"] },
  });
  assertEquals((await session(made({ zones: { "bl.example": 5 } }).plugin, six, { ip: BAD6 })).reply.code, 250);
});

Deno.test("dnsbl: error codes and the addresses of whoever has the name now are no listings", async () => {
  for (const code of ["127.255.255.252", "127.255.255.254", "203.0.113.9"]) {
    const dns = new MemoryResolver(list("bl.example", { [BAD]: ["127.0.0.2", code] }));
    const { plugin, troubles } = made({ zones: { "bl.example": 5 } });
    assertEquals((await session(plugin, dns)).reply.code, 250, code);
    assertEquals(troubles.length, 1);
    assertMatch(troubles[0]!, new RegExp(`the list bl.example answers ${code.replaceAll(".", "\\.")}`));
  }
});

Deno.test("dnsbl: a list without its test entry is told of at the first use, once", async () => {
  const dns = new MemoryResolver({ [queryName(BAD, "bl.example")]: { a: ["127.0.0.2"] } });
  const { plugin, troubles } = made({ zones: { "bl.example": 5 } });
  for (const _ of [1, 2]) await session(plugin, dns, { ip: GOOD });
  assertEquals(troubles.length, 1);
  assertMatch(troubles[0]!, /does not list 2\.0\.0\.127\.bl\.example/);
  const own = made({ zones: { "bl.example": { weight: 5, test: false } } });
  assertEquals((await session(own.plugin, dns)).reply.code, 550);
  assertEquals(own.troubles, []);
});

Deno.test("case 59: dnsbl: a list that fails is left alone for a while, then asked again; what silence means is an option", async () => {
  const broken = new MemoryResolver({ "bl.example": "servfail", [queryName(BAD, "bl.example")]: "servfail" });
  let now = START;
  const { plugin, troubles } = made({ zones: { "bl.example": { weight: 5, test: false } } });
  const count = () => broken.queries.length;
  for (const _ of [1, 2, 3]) assertEquals((await session(plugin, broken, { now: () => now })).reply.code, 250);
  assertEquals([count(), troubles], [3, ["the list bl.example does not answer; it is left alone for 60 seconds"]]);
  await session(plugin, broken, { now: () => now });
  assertEquals(count(), 3);
  now += 60_000;
  await session(plugin, broken, { now: () => now });
  assertEquals(count(), 4);

  const strict = made({ zones: { "bl.example": { weight: 5, test: false } }, failure: "defer" });
  assertMatch(said(await session(strict.plugin, broken)), /^451 4\.4\.3 /);
});

Deno.test("dnsbl: a list that does not answer in time holds up nobody longer", async () => {
  const dns = new MemoryResolver({ [queryName(BAD, "slow.example")]: "silence", ...list("bl.example") });
  const { plugin } = made({ zones: { "slow.example": { weight: 5, test: false }, "bl.example": 5 }, timeout: "100ms" });
  assertEquals((await session(plugin, dns)).reply.code, 250);
});

Deno.test("case 59: dnsbl: a list of good clients that fails turns a refusal for good into one for now", async () => {
  const dns = new MemoryResolver({
    ...list("bl.example", { [BAD]: ["127.0.0.2"] }),
    [queryName(BAD, "good.example")]: "timeout",
  });
  const both = { zones: { "bl.example": 5 }, allow: { "good.example": { weight: 1, test: false } } };
  assertMatch(said(await session(made(both).plugin, dns)), /^451 4\.7\.1 /);
  // It could not have saved this one
  assertEquals((await session(made({ ...both, zones: { "bl.example": 7 } }).plugin, dns)).reply.code, 550);
});

Deno.test("dnsbl: names of senders and of HELO", async () => {
  const dns = new MemoryResolver(list("names.example", {
    "bad.example.net": ["127.0.1.2"],
    "helo.example.net": ["127.0.1.2"],
  }));
  const { plugin, troubles } = made({ domains: { "names.example": { weight: 5, of: ["helo", "sender"] } } });
  const bySender = await session(plugin, dns, { from: "a@bad.example.net" });
  assertEquals(said(bySender), "550 5.7.1 bad.example.net is listed by names.example");
  assertEquals(bySender.get(LISTED_SENDER)?.[0]?.subject, "bad.example.net");
  const byHelo = await session(plugin, dns, { helo: "HELO.example.net" });
  assertEquals(said(byHelo), "550 5.7.1 helo.example.net is listed by names.example");
  assertEquals(byHelo.get(LISTED_HELO)?.length, 1);
  for (const helo of ["[192.0.2.66]", "192.0.2.66", "localhost", "ok.example.net"]) {
    assertEquals((await session(plugin, dns, { helo, from: null })).reply.code, 250, helo);
  }
  assertEquals(dns.queries.filter((query) => query.includes("66") || query.includes("localhost")), []);
  assertEquals(troubles, []);
});

Deno.test("dnsbl: addresses and names weigh together", async () => {
  const dns = new MemoryResolver({
    ...list("bl.example", { [BAD]: ["127.0.0.2"] }),
    ...list("names.example", { "bad.example.net": ["127.0.1.2"] }),
  });
  const { plugin } = made({ zones: { "bl.example": 3 }, domains: { "names.example": 2 } });
  assertEquals((await session(plugin, dns)).reply.code, 250);
  assertEquals((await session(plugin, dns, { from: "a@bad.example.net" })).reply.code, 550);
});

Deno.test("dnsbl: networks of one's own, private addresses and whoever logs in are left alone", async () => {
  const dns = new MemoryResolver(list("bl.example", { [BAD]: ["127.0.0.2"], "10.0.0.1": ["127.0.0.2"] }));
  const { plugin } = made({ zones: { "bl.example": 5 }, networks: ["192.0.2.64/28"] });
  for (const ip of [BAD, "10.0.0.1", "127.0.0.1", "::1", "fe80::1"]) {
    assertEquals((await session(plugin, dns, { ip })).reply.code, 250, ip);
  }
  assertEquals(dns.queries, []);
  const login = on("auth", (ctx, next) => (ctx.identify("ann"), next()));
  const strict = made({ zones: { "bl.example": 5 } }).plugin;
  const result = await simulate([strict, login, inbox], {
    ip: BAD,
    dns,
    to: "b@example.org",
    login: { user: "ann", password: "x" },
  });
  assertEquals([result.reply.code, result.scores], [250, []]);
});

Deno.test("dnsbl: postmaster is reached by whoever is listed", async () => {
  const dns = new MemoryResolver(list("bl.example", { [BAD]: ["127.0.0.2"] }));
  const { plugin } = made({ zones: { "bl.example": 5 } });
  assertEquals((await session(plugin, dns, { to: "postmaster@example.org" })).reply.code, 250);
});

Deno.test("case 59: dnsbl: whatever a list says, the reply is one short line of ASCII", async () => {
  const words = "\r\n250 ok \u0000\u009b\u00ff" + "x".repeat(5000);
  const dns = new MemoryResolver(list("bl.example", { [BAD]: ["127.0.0.2"] }, words));
  const text = said(await session(made({ zones: { "bl.example": 5 } }).plugin, dns));
  assertMatch(text, /^550 5\.7\.1 [\x20-\x7e]{1,250}$/);
  const quiet = said(await session(made({ zones: { "bl.example": 5 }, words: false }).plugin, dns));
  assertEquals(quiet, `550 5.7.1 ${BAD} is listed by bl.example`);
});

Deno.test("dnsbl: a client that leaves does not make a list look broken", async () => {
  const silence = new MemoryResolver({ [queryName(BAD, "bl.example")]: "silence" });
  const { plugin, troubles } = made({ zones: { "bl.example": { weight: 5, test: false } } });
  const short = { ...plugin, policy: { deadline: 50 } };
  for (const _ of [1, 2, 3, 4]) await runPhase(short, "connect", { ip: BAD, dns: silence });
  assertEquals(troubles, []);
});

Deno.test("dnsbl: all lists are asked before the first has answered", async () => {
  const asked: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => release = resolve);
  const real = new MemoryResolver({ ...list("a.example"), ...list("b.example"), ...list("c.example") });
  const dns = Object.assign(Object.create(real), {
    a: async (name: string) => {
      asked.push(name);
      if (asked.filter((each) => each.startsWith("66.")).length === 3) release();
      await gate; // nobody is answered before all have been asked
      return await real.a(name);
    },
    txt: (name: string) => real.txt(name),
  });
  const { plugin } = made({ zones: { "a.example": 1, "b.example": 1, "c.example": 1 } });
  assertEquals((await session(plugin, dns)).reply.code, 250);
  assert(asked.length >= 3);
});

Deno.test("dnsbl: options: what is wrong is said with its place", () => {
  const table: readonly [unknown, RegExp][] = [
    [{}, /no list is named/],
    [{ zones: { "bl.example": 0 } }, /dnsbl\.zones\.bl\.example/],
    [{ zones: { "not a name": 1 } }, /dnsbl\.zones\.not a name/],
    [{ zones: { "bl.example": { codes: ["127.0.0.300"] } } }, /127\.0\.0\.4-11/],
    [{ zones: { "bl.example": { weigth: 1 } } }, /dnsbl\.zones\.bl\.example/],
    [{ zones: { "bl.example": 1 }, timeout: "1h" }, /must be from 0\.1 s to 20 s/],
    [{ zones: { "bl.example": 1 }, networks: ["x"] }, /no IP address or network/],
  ];
  for (const [options, message] of table) {
    const error = assertThrows(() => dnsbl.parse(options, ["dnsbl"]), OptionsError);
    assertMatch(error.message, message);
  }
});
