/** One attempt with everything around it: plugins of `deliver`, suppressions, web hooks, and what stays as it was. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { defer, reject } from "../../../core/model/reply.ts";
import type { Handlers } from "../../../core/pipeline/plugin.ts";
import { on } from "../../../core/pipeline/plugin.ts";
import { routedTo } from "../../../core/pipeline/routed_to.ts";
import { type Says, TalkingHost } from "../../support/talking_host.ts";
import { address, T0 } from "../store/messages.ts";
import { Site, siteConfig, type SiteOptions } from "./site.ts";
import { DAY, MINUTE } from "./stored.ts";

const ZONE: MemoryZone = { "y.example": { mx: [[10, "mx.y.example"]] }, "mx.y.example": { a: ["127.0.0.1"] } };

interface World extends AsyncDisposable {
  readonly site: Site;
  readonly mx: TalkingHost;
  /** The next hop "other". */
  readonly other: TalkingHost;
}
async function world(
  deliver: Handlers["deliver"] | null,
  options: SiteOptions & { readonly others?: string; readonly zoneOf?: (port: number) => MemoryZone } = {},
): Promise<World> {
  const { others = "", zoneOf = () => ZONE, ...rest } = options;
  const mx = await TalkingHost.open(), other = await TalkingHost.open();
  const config = await siteConfig(
    `port: ${mx.port}`,
    others || `nextHops: { other: { hosts: ["smtp://127.0.0.1:${other.port}"] } }`,
  );
  const more = deliver ? [on("deliver", deliver, { name: "policy" })] : [];
  const site = new Site({ config, zone: zoneOf(mx.port), more, ...rest });
  return {
    site,
    mx,
    other,
    async [Symbol.asyncDispose]() {
      for (const each of [site, mx, other]) await each[Symbol.asyncDispose]();
    },
  };
}
const GREY: Says = (step) => step === "rcpt" ? "450 4.2.0 grey" : undefined;
const wasDeferred = (site: Site): string[] =>
  site.events.flatMap((event) => event.type === "deferred" ? [event.reply] : []);

// ---- Plugins -------------------------------------------------------------------------------------------------------------

Deno.test("a plugin refuses one recipient: it is told, and the others go", async () => {
  await using it = await world((ctx, next) => {
    const [no] = ctx.recipients.filter((each) => each.address.local === "no");
    if (no) ctx.refuse(no, reject("5.7.1", "Not to this one"));
    return next();
  });
  const { site, mx } = it;
  await site.send(["no@y.example", "x@y.example"], { sender: null });
  await site.until([]);
  assertEquals(mx.heard("RCPT"), ["RCPT TO:<x@y.example>"]);
  assertEquals(site.bounced(), ["no@y.example 550 5.7.1 Not to this one"]);
  assertEquals(site.delivered(), ["x@y.example"]);
});

Deno.test("a plugin answers before next(): nothing was said to anybody, and its answer is what became of it", async () => {
  let answer = defer("4.7.1", "Not before noon") as ReturnType<typeof defer | typeof reject>;
  await using it = await world(() => answer);
  const { site, mx } = it;
  await site.send(["x@y.example"], { sender: null });
  await site.until(["deferred 1"]);
  assertEquals(wasDeferred(site), ["451 4.7.1 Not before noon"]);
  answer = reject("5.7.1", "Never");
  site.pass(MINUTE);
  await site.until([]);
  assertEquals([site.bounced(), mx.connections], [["x@y.example 550 5.7.1 Never"], 0]);
});

Deno.test("next() says what became of the attempt, and nothing said behind it changes that", async () => {
  const said: string[] = [];
  await using it = await world(async (ctx, next) => {
    said.push((await next()).toString());
    said.push(...ctx.recipients.map(({ result }) => typeof result === "string" ? result : String(result)));
    return reject("5.7.1", "Too late");
  });
  const { site, mx } = it;
  mx.says = (step, line) => step === "rcpt" && line.includes("no@") ? "550 5.1.1 nobody" : undefined;
  await site.send(["no@y.example", "x@y.example"], { sender: null });
  await site.until([]);
  assertStringIncludes(said[0]!, "550 5.1.1 nobody");
  assertStringIncludes(said[1]!, "550 5.1.1");
  assertEquals(said[2], "relayed");
  assertEquals([site.bounced(), site.delivered()], [["no@y.example 550 5.1.1 nobody"], ["x@y.example"]]);
});

Deno.test("a plugin that throws: nothing goes out without it, and it is tried again", async () => {
  await using it = await world(() => {
    throw new Error("no policy");
  });
  const { site, mx } = it;
  await site.send(["x@y.example"]);
  await site.until(["deferred 1"]);
  assertEquals(mx.connections, 0);
});

Deno.test("a plugin holds it: a person releases it, and then it goes", async () => {
  await using it = await world((ctx, next) => {
    ctx.hold("looks odd");
    return next();
  });
  const { site, mx } = it;
  const { id } = await site.send(["x@y.example"]);
  await site.until(["held 0"]);
  const item = await site.store.item(id);
  assertEquals([item!.recipients[0]!.lastReply, item!.recipients[0]!.deadline, mx.connections], ["looks odd", null, 0]);
  await site.dispatcher.change({ id }, { do: "release" });
  await site.until([]);
  assertEquals(mx.contents.length, 1);
});

Deno.test("a plugin takes another way: the host of the destination is not asked, and not blamed for the other one", async () => {
  let via = true;
  await using it = await world((ctx, next) => {
    if (via) ctx.route({ to: "remote", via: "other" });
    return next();
  });
  const { site, mx, other } = it;
  other.says = (step) => step === "greeting" ? "421 4.3.2 down" : undefined;
  for (let at = 0; at < 8; at++) await site.send([`x${at}@y.example`]);
  await site.quiet();
  assertEquals([mx.connections, await site.states()], [0, Array(8).fill("deferred 1")]);
  via = false;
  await site.send(["now@y.example"]);
  await site.quiet();
  assertEquals([mx.heard("RCPT"), site.delivered()], [["RCPT TO:<now@y.example>"], ["now@y.example"]]);
  via = true;
  other.says = () => undefined;
  site.pass(MINUTE);
  await site.until([]);
  assertEquals([mx.connections, other.contents.length], [1, 8]);
});

Deno.test("a plugin names a next hop that there is not: the mail waits with that reason", async () => {
  await using it = await world((ctx, next) => {
    ctx.route({ to: "remote", via: "none" });
    return next();
  });
  await it.site.send(["x@y.example"]);
  await it.site.until(["deferred 1"]);
  assertStringIncludes(wasDeferred(it.site)[0]!, 'no next hop "none"');
});

Deno.test("paths of this attempt: MAIL and RCPT say them, the row and the sender stay", async () => {
  await using it = await world((ctx, next) => {
    ctx.reversePath(address("bounce@example.org"));
    for (const each of ctx.recipients) {
      if (each.address.local === "b") ctx.reversePath(address("bounce+b@example.org"), each);
      ctx.forwardPath(each, address(`${each.address.local}@internal.example`));
    }
    return next();
  });
  const { site, mx } = it;
  mx.says = GREY;
  const { id } = await site.send(["a@y.example", "b@y.example"]);
  await site.until(["deferred 1", "deferred 1"]);
  const envelope = mx.lines.filter((line) => /^(MAIL|RCPT)/.test(line)).map((line) => line.replace(/ SIZE=\d+/, ""));
  assertEquals(envelope, [
    "MAIL FROM:<bounce@example.org>",
    "RCPT TO:<a@internal.example>",
    "MAIL FROM:<bounce+b@example.org>",
    "RCPT TO:<b@internal.example>",
  ]);
  const item = await site.store.item(id);
  assertEquals(item!.message.sender, address("alice@example.org"));
  assertEquals(item!.recipients.map((each) => each.address.domain), ["y.example", "y.example"]);
});

Deno.test("header edits are this attempt's: on the wire once, in the store never, and at the next attempt once again", async () => {
  await using it = await world((ctx, next) => {
    ctx.prependHeader("X-Attempt", String(ctx.tries));
    ctx.removeHeader("Subject");
    ctx.sign(async ({ head }) => `X-Sig: ${new TextDecoder().decode(await head).includes("X-Attempt")}\r\n`);
    return next();
  });
  const { site, mx } = it;
  mx.says = (step) => step === "dot" ? "451 4.3.0 later" : undefined;
  const { id } = await site.send(["x@y.example"], { edits: { prepend: "Received: us\r\n", drop: [] } });
  await site.until(["deferred 1"]);
  const raw = () => site.store.raw(id).then((stream) => new Response(stream).text());
  assertEquals(await raw(), "Received: us\r\nSubject: x\r\n\r\nhello\r\n");
  mx.says = () => undefined;
  site.pass(MINUTE);
  await site.until([]);
  assertEquals(
    mx.contents,
    [0, 1].map((tries) => `X-Sig: true\r\nX-Attempt: ${tries}\r\nReceived: us\r\n\r\nhello\r\n.\r\n`),
  );
});

// ---- What is refused, and by whom ----------------------------------------------------------------------------------------

Deno.test("a suppressed address gets nothing, its neighbours do, and its sender reads why", async () => {
  for (const deliver of [null, ((_ctx, next) => next()) as NonNullable<Handlers["deliver"]>]) {
    await using it = await world(deliver, { hasSender: true });
    const { site, mx } = it;
    await site.sending.suppression.add(address("No@y.example"), { reason: "550 5.1.1 nobody", seconds: 600 });
    await site.send(["no@y.example", "x@y.example"]);
    await site.until([]);
    assertEquals(mx.heard("RCPT"), ["RCPT TO:<x@y.example>"]);
    assertEquals(site.bounced().length, 1);
    assertMatch(site.stored[0]!.text, /on our suppression list: 550 5\.1\.1\s+nobody/);
    assertEquals(await site.states(), []);
  }
});

Deno.test("what waits for its hour waits whatever the plugins say; what is late goes nowhere any more", async () => {
  let asked = 0;
  await using it = await world((_ctx, next) => {
    asked++;
    return next();
  });
  const { site, mx } = it;
  await site.send(["x@y.example"], { parameters: { ...NO_MAIL_PARAMETERS, holdUntil: T0 + DAY } });
  const late = { at: T0, mode: "R", trace: false } as const;
  await site.send(["y@y.example"], { sender: null, parameters: { ...NO_MAIL_PARAMETERS, deliverBy: late } });
  await site.until(["deferred 0"]);
  assertEquals([asked, mx.connections], [0, 0]);
  assertEquals(site.bounced(), ["y@y.example 550 5.4.7 Delivery time expired expired"]);
});

Deno.test("an alias that is done is told of and not tried (RFC 3461 5.2.7.3)", async () => {
  await using it = await world(null, { hasSender: true });
  const { site, mx } = it;
  const parameters = { notify: ["SUCCESS" as const], orcpt: null };
  const route = { to: "report", action: "expanded", reason: "" } as const;
  const base = { original: address("list@example.org"), address: address("list@example.org"), parameters, route };
  await site.put({
    recipients: [{ ...base, destination: "report", deadline: null, state: "ready", nextAttempt: T0, lastReply: null }],
  });
  await site.until([]);
  assertMatch(site.stored[0]!.text, /Action: expanded/);
  assertEquals([site.delivered(), mx.connections], [["alice@example.org"], 0]);
});

Deno.test("RFC 8689 5: TLS-Required: No that a plugin wrote when the message came counts on its way out", async () => {
  const zone = (port: number): MemoryZone => ({
    "y.example": { mx: [[10, "mx.y.example"]], authentic: true },
    "mx.y.example": { a: ["127.0.0.1"], authentic: true },
    [`_${port}._tcp.mx.y.example`]: { tlsa: [[3, 1, 1, "00".repeat(32)]], authentic: true },
  });
  for (const deliver of [null, ((_ctx, next) => next()) as NonNullable<Handlers["deliver"]>]) {
    await using it = await world(deliver, { zoneOf: zone });
    const { site, mx } = it;
    await site.send(["x@y.example"]);
    await site.until(["deferred 1"]);
    assertMatch(wasDeferred(site)[0]!, /^4\.7\.4 /);
    await site.send(["y@y.example"], { edits: { prepend: "TLS-Required: No\r\n", drop: [] } });
    site.pass(MINUTE);
    await site.quiet();
    assertEquals(mx.heard("RCPT"), ["RCPT TO:<y@y.example>"]);
  }
});

// ---- Web hooks -----------------------------------------------------------------------------------------------------------

Deno.test("a web hook: final delivery with a Return-Path, as many requests as recipients need, the next host when one is down", async () => {
  const posts: { path: string; envelope: { recipients: unknown[] }; body: string }[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const path = new URL(request.url).pathname, body = await request.text();
    posts.push({ path, envelope: JSON.parse(request.headers.get("postern-envelope")!), body });
    return new Response(null, { status: path === "/down" ? 503 : 204 });
  });
  const base = `http://127.0.0.1:${server.addr.port}`;
  await using it = await world((ctx, next) => {
    ctx.prependHeader("X-Way", "hook");
    ctx.route({ to: "remote", via: "hook" });
    return next();
  }, { others: `nextHops: { hook: { hosts: ["${base}/down", "${base}/up"] } }` });
  const { site, mx } = it;
  await site.send(Array.from({ length: 250 }, (_, at) => `r${at}@y.example`), { sender: null });
  await site.until([]);
  assertEquals([site.delivered().length, mx.connections], [250, 0]);
  assertEquals(posts.map(({ path }) => path), ["/down", "/up", "/up", "/up"]);
  assertEquals(posts.map(({ envelope }) => envelope.recipients.length), [100, 100, 100, 50]);
  assertEquals(posts[1]!.body, "Return-Path: <>\r\nX-Way: hook\r\nSubject: x\r\n\r\nhello\r\n");
  assert(site.events.every((event) => event.type !== "delivered" || event.relay === base));
});

Deno.test("a rule leads to a storage plugin: it stores what a recipient's own route does not say", async () => {
  const config = await siteConfig("routes: [{ domain: box.example, to: local, plugin: discard }]");
  const stored: string[] = [];
  const shelf = on("queue", (ctx, next) => {
    for (const each of routedTo("discard", ctx.recipients)) {
      stored.push(each.address.local);
      ctx.settle(each, "stored");
    }
    return next();
  }, { name: "discard" });
  await using site = new Site({ config, plugins: [shelf] });
  await site.send(["bob@box.example"]);
  await site.until([]);
  assertEquals([site.bounced(), stored], [[], ["bob"]]);
});
