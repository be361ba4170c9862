/** attest, pause, rewrite, suppress, and the events of score and rewrite. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type accept, defer, on, parallel, type Plugin, reject, runPhase, simulate, withPolicy } from "postern";
import { PluginContext } from "../../../core/pipeline/contexts/plugin_context.ts";
import { MemoryWriter } from "../../../core/store/memory_body.ts";
import { session } from "./session.ts";
import { Pauses } from "../../../core/pipeline/calls/pause.ts";

const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
const observed = (plugin: Plugin) => withPolicy(plugin, { mode: "observe" });

Deno.test("findings of all plugins are one Authentication-Results in front, those of observed plugins too", async () => {
  const spf = on("data", (ctx, next) => {
    ctx.attest({ method: "spf", result: "pass", properties: [["smtp.mailfrom", "example.net"]] });
    ctx.prependHeader("Received-SPF", "pass");
    return next();
  });
  const dkim = on("data", (ctx, next) => {
    assertEquals(ctx.authResults.length, 1);
    ctx.attest({ method: "dkim", result: "none" });
    return next();
  });
  const { output, authResults } = await simulate([spf, observed(dkim), everyone], {
    to: "b@example.org",
    message: "Subject: x\n\nhi\n",
  });
  assertMatch(
    output,
    /^Authentication-Results: mx\.example\.org;\r\n\tspf=pass smtp\.mailfrom=example\.net;\r\n\tdkim=none\r\nReceived-SPF: pass\r\nSubject: x\r\n/,
  );
  assertEquals(authResults.length, 2);
});

Deno.test("findings of plugins that run together stand in the list's order, whoever answers first", async () => {
  let open!: () => void;
  const second = new Promise<void>((resolve) => open = resolve);
  const slow = on("data", async (ctx, next) => {
    await second;
    ctx.attest({ method: "spf", result: "pass" });
    return await next();
  }, { name: "slow" });
  const quick = on("data", (ctx, next) => {
    ctx.attest({ method: "iprev", result: "pass" });
    open();
    return next();
  }, { name: "quick" });
  const { output } = await runPhase(parallel(slow, quick), "data");
  assertMatch(output, /^Authentication-Results: mx\.example\.org;\r\n\tspf=pass;\r\n\tiprev=pass\r\n/);
});

Deno.test("a finding that cannot be written is its plugin's fault; a refused message gets none", async () => {
  const wrong = on("data", (ctx, next) => (ctx.attest({ method: "a b", result: "pass" }), next()));
  assertEquals((await runPhase(wrong, "data")).reply.code, 451);
  const right = on("data", (ctx, next) => (ctx.attest({ method: "spf", result: "fail" }), next()));
  const { output, reply } = await runPhase([right, on("data", () => reject("5.7.1", "no"))], "data");
  assertEquals([reply.code, output.includes("Authentication-Results")], [550, false]);
});

Deno.test("a rewritten body goes on behind the received header; verifiers see what was received", async () => {
  const seen: string[] = [];
  const text = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => new Response(stream).text();
  const look = on("data", async (ctx, next) => {
    seen.push(await text(ctx.message.stream()), await text(ctx.message.content()), String(ctx.message.rewritten));
    return await next();
  });
  const rewrite = on("data", async (ctx, next) => {
    await ctx.rewrite(new TextEncoder().encode("other\r\n"), "a test");
    ctx.prependHeader("X-Rewritten", "yes");
    return await next();
  }, { name: "changer" });
  const again = on("data", async (ctx, next) => {
    await ctx.rewrite(new Blob([new Uint8Array([104, 105])]).stream(), "twice");
    return await next();
  }, { name: "again" });
  const message = "Subject: x\n\nhello\n", crlf = message.replaceAll("\n", "\r\n");
  const result = await simulate([look, rewrite, look, again, everyone], { to: "b@example.org", message });
  assertEquals(seen, [crlf, crlf, "false", crlf, "Subject: x\r\n\r\nother\r\n", "true"]);
  assertEquals(result.output, "X-Rewritten: yes\r\nSubject: x\r\n\r\nhi");
  assertEquals(
    result.events.filter((event) => event.type === "rewritten").map((
      { plugin, reason, sizes },
    ) => [plugin, reason, sizes]),
    [["changer", "a test", [21, 21]], ["again", "twice", [21, 16]]],
  );
});

Deno.test("in mode observe nothing is rewritten, and no event says so; a fault of the stream is the plugin's", async () => {
  const rewrite = on("data", async (ctx, next) => {
    await ctx.rewrite(new Uint8Array([104]), "a test");
    return await next();
  });
  const { output, events, decisions } = await runPhase(observed(rewrite), "data", { message: "A: b\n\nhello\n" });
  assertEquals(output, "A: b\r\n\r\nhello\r\n");
  assertEquals(events.filter(({ type }) => type === "rewritten"), []);
  assertEquals(decisions[0]!.held, [{ do: "rewrite", reason: "a test", size: 9 }]);
  const broken = on("data", async (ctx, next) => {
    await ctx.rewrite(new ReadableStream({ pull: (c) => c.error(new Error("lost")) }), "a test");
    return await next();
  });
  assertEquals((await runPhase(broken, "data")).reply.code, 451);
});

Deno.test("each point given is an event; those of mode observe are not", async () => {
  const points = (name: string) => on("data", (ctx, next) => (ctx.score(2.5, "odd"), next()), { name });
  const { events } = await runPhase([points("one"), observed(points("two"))], "data");
  assertEquals(
    events.filter((event) => event.type === "scored").map(({ plugin, points, reason }) => [plugin, points, reason]),
    [["one", 2.5, "odd"]],
  );
});

Deno.test("an address is suppressed when the message is accepted, and not otherwise", async () => {
  const address = { local: "gone", domain: "example.net" };
  const suppress = on("data", (ctx, next) => (ctx.suppress(address, { reason: "it is gone", seconds: 60 }), next()));
  const taken = await simulate([suppress, everyone], { to: "b@example.org" });
  assertEquals(taken.suppressed, [{ address, reason: "it is gone", seconds: 60 }]);
  for (const other of [on("data", () => reject("5.7.1", "no")), observed(suppress)]) {
    const list = other.name === "on(data)" && other.policy === undefined ? [suppress, other] : [other];
    assertEquals((await simulate([...list, everyone], { to: "b@example.org" })).suppressed, []);
  }
});

Deno.test("observe: nobody is made to wait, and it is told that somebody would have been", async () => {
  const waits = on("connect", async (ctx, next) => await ctx.pause(450) ? reject("5.7.1", "talked") : await next());
  const { reply, decisions, pauses } = await runPhase(withPolicy(waits, { mode: "observe" }), "connect");
  assertEquals([reply.code, pauses], [250, []]);
  assertEquals([decisions[0]!.observed, decisions[0]!.reason], [true, "would have made the peer wait"]);
});

Deno.test("a pause is no time of the plugin's", async () => {
  const waits = withPolicy(
    on("connect", async (ctx, next) => await ctx.pause(450) ? reject("5.7.1", "talked") : await next()),
    { deadline: 500 },
  );
  const slow = { pause: (ms: number) => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 2 * ms)) };
  const { reply, decisions, pauses } = await runPhase(waits, "connect", slow);
  assertEquals([reply.code, pauses], [250, [450]]);
  assert(decisions[0]!.ms < 500);
});

Deno.test("who waits hears of a peer that talks before it was greeted, and nobody waits for one that has gone", async () => {
  const pauses = new Pauses();
  const first = pauses.begin(1e6, true), second = pauses.begin(1e6, true);
  pauses.talked();
  assertEquals(await Promise.all([first, second]), [true, true]);
  assertEquals(await pauses.begin(1e6, true), true, "it has talked already");
  const later = pauses.begin(1e6, false); // pipelined commands are no talk
  pauses.end(false);
  assertEquals(await later, false);
  assertEquals(await pauses.begin(-1, false), false);
});

Deno.test("checks that run together end together: one deadline for all, the list's order picks the answer", async () => {
  const never = on("mail", () => new Promise<ReturnType<typeof accept>>(() => {}), { name: "never" });
  const says = on("mail", async () => (await null, defer("4.7.1", "later")), { name: "says" });
  const { reply, decisions } = await runPhase(
    withPolicy(parallel(never, says, observed(never)), { deadline: 50 }),
    "mail",
  );
  assertEquals(reply.code, 451);
  assertEquals(decisions.map(({ plugin, verdict }) => `${plugin} ${verdict}`).sort(), [
    "never error",
    "never error",
    "says defer",
  ]);
});

Deno.test("a body that came to nothing is let go of, whyever it did", async () => {
  const { ctx, message } = session();
  let made = 0, discarded = 0;
  class Counted extends MemoryWriter {
    override finish() {
      made++;
      return { ...super.finish(), discard: () => void discarded++ };
    }
  }
  Object.assign(ctx.services, { receive: () => new Counted() });
  message("A: b\n\nhello\n");
  ctx.phase = "data";
  const view = new PluginContext(ctx, "test"), body = new Uint8Array([104]);
  await assertRejects(() => view.rewrite(body, "two\nlines"), TypeError); // a reason that is none
  assertEquals([made, discarded], [1, 1]);
  const late = view.rewrite(body, "a test");
  view.end();
  await late;
  assertEquals([made, discarded], [2, 2]);
});
