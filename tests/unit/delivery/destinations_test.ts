/** The dispatcher and its destinations, over real sockets: who rests, who is suspended, who is delivered meanwhile. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Config } from "../../../core/config/config.ts";
import type { MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { accept, defer } from "../../../core/model/reply.ts";
import { on } from "../../../core/pipeline/plugin.ts";
import type { Store } from "../../../core/store/store.ts";
import { type Says, TalkingHost } from "../../support/talking_host.ts";
import { waitFor } from "../../support/wait.ts";
import { recipient, T0 } from "../store/messages.ts";
import { Site, siteConfig, type SiteOptions } from "./site.ts";
import { DAY, HOUR, MINUTE } from "./stored.ts";

/** good.example and the domains below it are on 127.0.0.1, dead.example is on 127.0.0.2. */
const ZONE: MemoryZone = {
  ...Object.fromEntries(
    ["good.example", ...Array.from({ length: 10 }, (_, at) => `d${at}.good.example`)]
      .map((name) => [name, { mx: [[10, "mx.good.example"]] }] as const),
  ),
  "mx.good.example": { a: ["127.0.0.1"] },
  "dead.example": { mx: [[10, "mx.dead.example"]] },
  "mx.dead.example": { a: ["127.0.0.2"] },
};

interface World extends AsyncDisposable {
  readonly site: Site;
  readonly good: TalkingHost;
  readonly dead: TalkingHost;
}
const DEAD: Says = (step) => step === "greeting" ? "421 4.3.2 not now" : undefined;

/** `more` goes under `delivery`. */
async function world(more = "", options: SiteOptions & { readonly others?: string } = {}): Promise<World> {
  const good = await TalkingHost.open();
  const dead = await TalkingHost.open({ host: "127.0.0.2", port: good.port, says: DEAD });
  const { others = "", ...rest } = options;
  const config: Config = await siteConfig(`port: ${good.port}${more === "" ? "" : `, ${more}`}`, others);
  const site = new Site({ config, zone: ZONE, ...rest });
  return {
    site,
    good,
    dead,
    async [Symbol.asyncDispose]() {
      for (const each of [site, good, dead]) await each[Symbol.asyncDispose]();
    },
  };
}

Deno.test("case 76: a dead domain with 90 % of the queue, and all the oldest of it: the others are delivered at once", async () => {
  await using it = await world();
  const { site, good, dead } = it;
  for (let at = 0; at < 450; at++) await site.send(["x@dead.example"]);
  for (let at = 0; at < 50; at++) await site.send([`x@d${at % 10}.good.example`]);
  await site.quiet();
  assertEquals([site.delivered().length, good.contents.length], [50, 50]);
  assert(dead.connections <= 5, `${dead.connections} connections to a host that is dead`); // it began with so many
  assertEquals(await site.states(), Array(450).fill("deferred 1"));
  site.pass(MINUTE); // its rest is over: one asks
  await site.send(["x@good.example"]);
  const before = dead.connections;
  await site.quiet();
  assertEquals([dead.connections - before, site.delivered().length], [1, 51]);
  assertEquals(await site.states(), Array(450).fill("deferred 2"));
});

Deno.test("a dead destination rests as a whole, one asks whether it is back, and then all go on", async () => {
  await using it = await world();
  const { site, dead } = it;
  for (let at = 0; at < 30; at++) await site.send(["x@dead.example"]);
  await site.quiet();
  const first = dead.connections;
  assertEquals(await site.states(), Array(30).fill("deferred 1"));
  site.pass(MINUTE - 1);
  await site.quiet();
  assertEquals(dead.connections, first);
  site.pass(1);
  await site.quiet();
  assertEquals(dead.connections, first + 1);
  assertEquals(await site.states(), Array(30).fill("deferred 2"), "nobody is counted twice, and nobody is left out");
  await site.send(["x@dead.example"]); // who comes now waits too
  await site.quiet();
  assertEquals(dead.connections, first + 1);
  dead.says = () => undefined;
  site.pass(5 * MINUTE);
  await site.until([]);
  assertEquals(dead.contents.length, 31);
});

Deno.test("an attempt that asks nobody is no probe: the next in line asks whether a dead destination is back", async () => {
  const later = on("deliver", (ctx, next) => {
    if (ctx.recipients[0]!.address.local !== "later") return next();
    ctx.postpone(ctx.now() + HOUR);
    return defer("4.2.1", "Not now");
  }, { name: "later" });
  await using it = await world("", { more: [later] });
  const { site, dead } = it;
  for (let at = 0; at < 10; at++) await site.send(["x@dead.example"]);
  await site.quiet();
  dead.says = () => undefined;
  site.pass(MINUTE);
  for (let at = 0; at < 3; at++) {
    await site.send(["later@dead.example"], { parameters: { ...NO_MAIL_PARAMETERS, priority: 9 } });
  }
  await site.until(Array(3).fill("deferred 0"));
  assertEquals(dead.contents.length, 10);
});

Deno.test("behind a dead destination a delay is told and the end comes at its moment, with no attempt for that", async () => {
  await using it = await world("delayNotice: 3h", { hasSender: true });
  const { site, dead } = it;
  await site.send(["old@dead.example"]);
  const late = T0 + 90 * MINUTE;
  const told = new Map<string, number>(), asked: number[] = [];
  for (let looks = 0; looks < 500 && site.now < T0 + 6 * DAY; looks++) {
    const before = dead.connections, stored = site.stored.length;
    await site.quiet();
    if (dead.connections > before) asked.push(site.now - T0);
    for (const { text } of site.stored.slice(stored)) {
      const [, who] = /Final-Recipient: rfc822; ?(\w+)@/i.exec(text)!, [, what] = /Action: (\w+)/.exec(text)!;
      assertEquals(told.get(`${who} ${what}`), undefined, "each word once");
      told.set(`${who} ${what}`, site.now - T0);
    }
    const due = await site.store.nextDue({ now: site.now });
    if (due === null) break;
    if (site.now < late && due >= late) {
      site.pass(late - site.now);
      await site.send(["new@dead.example"]);
    } else site.pass(due - site.now);
  }
  assertEquals([told.get("old delayed"), told.get("old failed")], [3 * HOUR, 5 * DAY]);
  assert(!asked.includes(3 * HOUR) && !asked.includes(5 * DAY), "these were no attempts");
  // Who came while it was dead had fewer attempts than its age would have: a step of the schedule later at most
  for (const [word, moment] of [["new delayed", 3 * HOUR], ["new failed", 5 * DAY]] as const) {
    const at = told.get(word)! - 90 * MINUTE;
    assert(at >= moment && at < moment + 2 * HOUR, `${word}: ${at / HOUR} h`);
  }
  assertEquals(await site.states(), []);
  assert(asked.length < 130, `${asked.length} probes in five days`);
});

Deno.test("a person asks for another try: a dead destination is asked at once, whichever way it rests", async () => {
  await using it = await world();
  const { site, dead } = it;
  const { id } = await site.send(["x@dead.example"]);
  await site.send(["y@dead.example"]);
  await site.until(["deferred 1", "deferred 1"]);
  dead.says = () => undefined;
  await site.quiet();
  assertEquals(dead.contents, []);
  const asked = () => site.dns.queries.filter((each) => each === "MX dead.example").length, before = asked();
  await site.dispatcher.change({ id }, { do: "retry" });
  await site.until(["deferred 1"]); // the other one has its own moment
  assertEquals(dead.contents.length, 1);
  assertEquals(asked(), before + 1, "its hosts may be others by now");
});

// ---- Being told to stay away ---------------------------------------------------------------------------------------------

Deno.test("a reply that suspends: nobody else is tried, and for those it was no attempt", async () => {
  await using it = await world('suspend: [{ reply: "451*too much", for: 30m }]');
  const { site, dead } = it;
  dead.says = (step) => step === "mail" ? "451 4.7.0 Too much mail from you" : undefined;
  for (let at = 0; at < 40; at++) await site.send(["x@dead.example"]);
  await site.quiet();
  const tried = dead.heard("MAIL").length;
  assert(tried >= 1 && tried <= 5, `${tried} attempts`);
  const states = await site.states();
  assertEquals(states.filter((each) => each === "deferred 1").length, tried);
  assertEquals(states.filter((each) => each.endsWith(" 0")).length, 40 - tried);
  assert(
    site.events.some((event) => event.type === "notice" && event.message.includes("mx:dead.example is left alone")),
  );
  dead.says = () => undefined;
  site.pass(30 * MINUTE - 1);
  await site.quiet();
  assertEquals(dead.heard("MAIL").length, tried);
  site.pass(1);
  await site.until([]);
});

Deno.test("a suspension beyond the longest step does not turn, and nobody is tried before its end", async () => {
  let leases = 0;
  const counted = (real: Store): Store =>
    new Proxy(real, {
      get(target, name) {
        if (name === "lease") leases++;
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  await using it = await world('suspend: [{ reply: "421 4.3.2", for: 1d }]', { store: counted });
  const { site, dead } = it;
  for (let at = 0; at < 20; at++) await site.send(["x@dead.example"]);
  await site.quiet();
  const first = dead.connections, before = leases;
  for (let hours = 0; hours < 23; hours++) {
    site.pass(HOUR);
    await site.quiet();
  }
  assertEquals(dead.connections, first);
  assert(leases - before < 23 * 10 * 6, `${leases - before} questions to the store`);
  dead.says = () => undefined;
  site.pass(2 * HOUR);
  await site.until([]);
});

Deno.test("Retry-After of a web hook: the next hop is left alone for so long", async () => {
  let busy = true, posts = 0;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    await request.body?.cancel();
    posts++;
    return busy
      ? new Response("later", { status: 429, headers: { "Retry-After": "600" } })
      : new Response(null, { status: 204 });
  });
  const others = `nextHops: { hook: { hosts: ["http://127.0.0.1:${server.addr.port}/mail"] } }`;
  await using it = await world("routes: [{ domain: app.example, to: remote, via: hook }]", { others });
  const { site } = it;
  for (let at = 0; at < 10; at++) await site.send(["x@app.example"]);
  await site.quiet();
  const first = posts;
  assert(first <= 5);
  busy = false;
  site.pass(10 * MINUTE - 1);
  await site.quiet();
  assertEquals(posts, first);
  site.pass(1);
  await site.until([]);
  assertEquals(site.delivered().length, 10);
});

Deno.test("a plugin that postpones until tomorrow is asked now and then, not again and again", async () => {
  let asked = 0;
  const tomorrow = on("deliver", (ctx, next) => {
    if (ctx.now() >= T0 + DAY) return next();
    asked++;
    ctx.postpone(T0 + DAY);
    return defer("4.2.1", "Not at night");
  }, { name: "tomorrow" });
  await using it = await world("", { more: [tomorrow] });
  const { site, good } = it;
  await site.send(["x@good.example"]);
  await site.quiet();
  assertEquals([asked, await site.states()], [1, ["deferred 0"]]);
  for (let looks = 0; looks < 60 && good.contents.length === 0; looks++) {
    site.pass((await site.store.nextDue({ now: site.now }))! - site.now);
    await site.quiet();
  }
  assertEquals(good.contents.length, 1);
  assertEquals(site.now, T0 + DAY, "and goes at that moment");
  assert(asked < 30, `asked ${asked} times`);
});

// ---- Order ---------------------------------------------------------------------------------------------------------------

Deno.test("RFC 6710: of what waits for a destination the highest priority goes first", async () => {
  await using it = await world("concurrencyPerDomain: 1");
  const { site, good } = it;
  for (const priority of [-5, 0, 9, 3]) {
    await site.send([`p${priority}@good.example`], { parameters: { ...NO_MAIL_PARAMETERS, priority } });
  }
  await site.until([]);
  assertEquals(good.heard("RCPT"), [9, 3, 0, -5].map((each) => `RCPT TO:<p${each}@good.example>`));
});

Deno.test("routes that changed since: rows go today's way, and belong to its destination from then on", async () => {
  await using smart = await TalkingHost.open({ says: (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined });
  const others = `nextHops: { smart: { hosts: ["smtp://127.0.0.1:${smart.port}"] } }`;
  await using it = await world("routes: [{ to: remote, via: smart }]", { others });
  const { site, good } = it;
  // As a server wrote them that had no such rule, and one whose next hop is gone
  const gone = { ...recipient("y@good.example", { route: { to: "remote", via: "gone" } }) };
  await site.put({ recipients: [recipient("x@good.example"), gone] });
  await site.until(["deferred 1", "deferred 1"]);
  const { items: [item] } = await site.store.queue({});
  assertEquals(item!.recipients.map(({ destination }) => destination), ["via:smart", "report"]);
  assertStringIncludes(item!.recipients[1]!.lastReply!, 'no next hop "gone"');
  assertEquals([good.connections, smart.heard("RCPT")], [0, ["RCPT TO:<x@good.example>"]]);
});

// ---- The end -------------------------------------------------------------------------------------------------------------

Deno.test("stop gives back what waits and what hangs: nothing of it was an attempt", async () => {
  await using it = await world("concurrencyPerDomain: 1");
  const { site, good } = it;
  const never = new Promise<undefined>(() => {});
  good.says = (step) => step === "mail" ? never : undefined;
  for (let at = 0; at < 10; at++) await site.send(["x@good.example"]);
  site.dispatcher.kick();
  await waitFor("the first to be under way", () => good.heard("MAIL").length === 1);
  await waitFor("the others to be leased", async () => `${await site.states()}` === `${Array(10).fill("active 0")}`);
  await site.sending.stop(10);
  assertEquals(await site.states(), Array(10).fill("ready 0"));
});

Deno.test("what a person returns is returned, also under softBounce and before its hour", async () => {
  await using it = await world("softBounce: true", { hasSender: true });
  const { site } = it;
  const hour = T0 + DAY;
  const { id } = await site.put({
    parameters: { ...NO_MAIL_PARAMETERS, holdUntil: hour },
    recipients: [{ ...recipient("x@good.example"), state: "deferred", nextAttempt: hour, appointed: true }],
  });
  await site.dispatcher.change({ id }, { do: "bounce", reason: "550 5.7.1 Not from here" });
  await site.until([]);
  assertEquals(site.bounced(), ["x@good.example 550 5.7.1 Not from here"]);
  assertEquals(site.stored.map(({ to }) => to), [["alice"]]);
});

Deno.test("nobody can say where the sender is: what failed waits, a delay is told later, and nothing is lost", async () => {
  await using it = await world("delayNotice: 3h");
  const { site, good } = it;
  let down = true;
  site.rcpt = (ctx) => {
    if (down) return defer("4.3.0", "The directory is down");
    ctx.route({ to: "local", plugin: "box" });
    return accept();
  };
  good.says = (step, line) =>
    step !== "rcpt" ? undefined : line.includes("no@") ? "550 5.1.1 nobody" : "450 4.2.0 grey";
  await site.send(["no@good.example", "slow@good.example"]);
  for (let looks = 0; looks < 20 && site.now < T0 + 4 * HOUR; looks++) {
    await site.quiet();
    site.pass((await site.store.nextDue({ now: site.now }))! - site.now);
  }
  await site.quiet();
  assertEquals([site.stored, site.bounced()], [[], []]);
  assert(good.connections < 12, `${good.connections} times in four hours`);
  const { items: [item] } = await site.store.queue({});
  assertEquals(item!.recipients.map(({ told }) => told), [null, null]);
  assertStringIncludes(item!.recipients[0]!.lastReply!, "550 5.1.1 nobody (nobody can say now");
  down = false;
  for (let looks = 0; looks < 3; looks++) {
    site.pass(HOUR);
    await site.quiet();
  }
  const actions = site.stored.map(({ text }) => /Action: (\w+)/.exec(text)![1]).sort();
  assertEquals(actions, ["delayed", "failed"]);
});
