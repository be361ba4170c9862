import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  accept,
  defer,
  defineMessagePlugin,
  definePlugin,
  definePortablePlugin,
  type EdgeContext,
  type EdgePhases,
  type Handler,
  MemoryResolver,
  type Plugin,
  reject,
  simulate,
  withPolicy,
} from "postern";
import { EdgeDeferral, edgeHost, type EdgeMail, type EventHostOptions, forwardTo, keep } from "postern/edge";
import { z } from "zod";
import { attachments } from "../../../plugins/content/attachments/mod.ts";
import { headers } from "../../../plugins/content/headers/mod.ts";
import { rewrite } from "../../../plugins/content/rewrite/mod.ts";
import { uribl } from "../../../plugins/content/uribl/mod.ts";
import { arc } from "../../../plugins/identity/arc/mod.ts";
import { dkim } from "../../../plugins/identity/dkim/mod.ts";
import { dmarc } from "../../../plugins/identity/dmarc/mod.ts";
import { spf } from "../../../plugins/identity/spf/mod.ts";
import { mail } from "../../support/bytes.ts";
import { eventOf, type EventOptions } from "./events.ts";

const HELLO = "From: Amy <amy@example.net>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nSubject: hello\n\nHello\n";
const SILENT = "no answer at all";
const NOW = Date.UTC(2026, 0, 1);

function plugin(data: Handler<EdgeContext>, name = "tested"): Plugin<EdgePhases> {
  return { name, handlers: { data } };
}

/** What a host with these plugins makes of an event, and the line of its log. */
async function outcome(
  plugins: readonly Plugin<EdgePhases>[],
  options: Partial<EventHostOptions> & {
    readonly event?: EventOptions;
    readonly message?: string | Uint8Array<ArrayBuffer>;
  } = {},
) {
  const lines: string[] = [], { event: given, message = HELLO, ...rest } = options;
  const host = edgeHost({
    host: { name: "edge.example.org" },
    plugins,
    dns: new MemoryResolver({}),
    deliver: forwardTo("ann@verified.example"),
    log: (line) => void lines.push(line),
    now: () => NOW,
    ...rest,
  });
  const { event, done } = eventOf(message, given);
  const thrown = await host.email(event, {}).then(() => null, (error) => error as Error);
  return {
    ...done,
    thrown: thrown && `${thrown.name}: ${thrown.message}`,
    line: JSON.parse(lines[0] ?? "null"),
    raw: lines,
  };
}

Deno.test("an event is forwarded, refused for good, or put off so that the platform comes again", async (t) => {
  const table: readonly [string, Handler<EdgeContext>, unknown][] = [
    ["next", (_, next) => next(), "forwarded"],
    ["accept", () => accept(), "forwarded"],
    ["reject", () => reject("5.7.1", "Not here"), "5.7.1 Not here"],
    ["defer", () => defer("4.7.1", "Not now"), "EdgeDeferral: 451 4.7.1 Not now"],
    ["a throw", () => {
      throw new Error("a defect");
    }, "EdgeDeferral: 451 4.3.0 Local error in processing"],
    [
      "a promise that rejects",
      () => Promise.reject(new Error("a defect")),
      "EdgeDeferral: 451 4.3.0 Local error in processing",
    ],
    [SILENT, () => new Promise(() => {}), "EdgeDeferral: 451 4.3.0 Local error in processing"],
    ["no reply", (() => "yes") as never, "EdgeDeferral: 451 4.3.0 Local error in processing"],
    [
      "the recipient is refused",
      (ctx, next) => (ctx.refuse(ctx.recipients[0]!, reject("5.2.2", "Full")), next()),
      "5.2.2 Full",
    ],
    [
      "the recipient is put off",
      (ctx, next) => (ctx.refuse(ctx.recipients[0]!, defer("4.2.2", "Full")), next()),
      "EdgeDeferral: 451 4.2.2 Full",
    ],
  ];
  for (const [name, handler, expected] of table) {
    await t.step(name, async () => {
      const { forwarded, rejected, thrown } = await outcome([plugin(handler)], name === SILENT ? { budget: 50 } : {});
      const said = forwarded.length > 0 ? "forwarded" : (rejected ?? thrown ?? "").replace(/ \(ref [0-9A-Z]{8}\)$/, "");
      assertEquals(said, expected);
    });
  }
});

Deno.test("what is said to the sender has the reference that the log has, and the log who decided", async () => {
  const { rejected, line } = await outcome([
    plugin((ctx, next) => (ctx.score(2, "short"), ctx.note("Looked at"), next()), "first"),
    plugin(() => reject("5.7.1", "Not here", { reason: "a rule" }), "second"),
  ]);
  assertMatch(rejected ?? "", new RegExp(`^5\\.7\\.1 Not here \\(ref ${line.id.slice(-8)}\\)$`));
  assertEquals([line.verdict, line.by, line.reason, line.from, line.to, line.size], [
    "reject",
    "second",
    "a rule",
    "amy@example.net",
    ["ann@example.org"],
    mail(HELLO).length,
  ]);
  assertEquals(
    line.decisions.map((each: Record<string, unknown>) => `${each.plugin} ${each.verdict}: ${each.reason}`),
    ["first next: Looked at", "second reject: a rule"],
  );
});

Deno.test("case 61: nothing of a peer's begins a line of the log", async () => {
  const { line, rejected, raw } = await outcome([], { event: { from: 'a"\u2028b\r\nc' } });
  assertEquals([line.from, rejected?.slice(0, 32)], ['a"\u2028b\r\nc', "5.1.7 The sender is no address ("]);
  assert(raw.length === 1 && !/[\r\n\u2028]/.test(raw[0]!));
});

Deno.test("X- fields of plugins go along with a forwarded message, the log names what cannot", async () => {
  const edits = plugin((ctx, next) => {
    ctx.prependHeader("X-Note", "für dich");
    ctx.prependHeader("Comment", "lost");
    ctx.removeHeader("X-Spam-Flag");
    ctx.replaceHeader("Subject", "other");
    ctx.attest({ method: "x-test", result: "pass" });
    return next();
  });
  const { forwarded, line } = await outcome([edits], { message: `X-Spam-Flag: YES\n${HELLO}` });
  assertEquals(forwarded, [{
    to: "ann@verified.example",
    fields: { "x-note": "f?r dich", "x-postern-authentication-results": "edge.example.org;\tx-test=pass" },
  }]);
  assertEquals(line.lost.toSorted(), ["Comment", "Subject", "X-Spam-Flag"]);
});

Deno.test("held mail waits in the quarantine, and is refused where there is none", async () => {
  const holds = plugin((ctx, next) => (ctx.hold("looks odd"), next()));
  const without = await outcome([holds]);
  assertMatch(without.rejected ?? "", /^5\.7\.1 Message content is not accepted here \(ref /);
  assertEquals([without.line.held, without.forwarded], ["looks odd", []]);
  const kept: EdgeMail[] = [];
  const { rejected, thrown, forwarded } = await outcome([holds], { quarantine: keep((mail) => void kept.push(mail)) });
  assertEquals([rejected, thrown, forwarded, kept[0]?.held], [null, null, [], "looks odd"]);
});

Deno.test("what cannot be handed on is put off, never lost", async (t) => {
  const table: readonly [string, Partial<EventHostOptions> & { event?: EventOptions }, string][] = [
    ["forward fails", { event: { forward: () => Promise.reject(new Error("not verified")) } }, "not verified"],
    [
      "forward is late",
      { patience: 20, event: { forward: () => new Promise(() => {}) } },
      "it was not handed on within 20 ms",
    ],
    ["half a message", { event: { rawSize: 1000 } }, ""],
    ["a stream that breaks", {
      event: { raw: new ReadableStream({ pull: () => Promise.reject(new Error("broken")) }) },
    }, ""],
  ];
  for (const [name, options, failure] of table) {
    await t.step(name, async () => {
      const { thrown, forwarded, rejected, line } = await outcome([], options);
      assertMatch(thrown ?? "", /^EdgeDeferral: 451 4\.3\.0 Local error in processing \(ref /);
      assertEquals([forwarded, rejected, line.failure ?? ""], [[], null, failure]);
    });
  }
  const { rejected } = await outcome([], { size: 100, event: { rawSize: 101 } });
  assertMatch(rejected ?? "", /^5\.3\.4 Message too big, the limit is 100 octets \(ref /);
});

Deno.test("case 60: hops are counted, forged results of our name go, `<>` is a sender", async () => {
  const circles = await outcome([], { message: `${"Received: by a\n".repeat(100)}${HELLO}` });
  assertMatch(circles.rejected ?? "", /^5\.4\.6 /);
  const kept: EdgeMail[] = [], forged = "Authentication-Results: edge.example.org; dkim=pass\n";
  const seen: (string | undefined)[] = [];
  const look = plugin((
    ctx,
    next,
  ) => (seen.push(ctx.message.header("Authentication-Results")), assertEquals(ctx.peer, null), next()));
  const host = edgeHost({
    host: { name: "edge.example.org" },
    plugins: [look],
    dns: new MemoryResolver({}),
    deliver: keep((mail) => void kept.push(mail)),
    log: () => {},
    now: () => NOW,
  });
  for (const from of ["", "<>"]) await host.email(eventOf(forged + HELLO, { from }).event, {});
  assertEquals([kept.map(({ sender }) => sender), seen], [[null, null], [undefined, undefined]]);
  const text = new TextDecoder().decode(kept[0]!.content());
  assertEquals(
    text,
    `Received: by edge.example.org (Postern) id ${kept[0]!.id};\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n${
      HELLO.replaceAll("\n", "\r\n")
    }`,
  );
});

Deno.test("a rewritten body goes on where the whole message does, else the mail is put off", async () => {
  const footer = rewrite({ footer: { text: "Example Ltd", direction: "both" } });
  assertMatch((await outcome([footer])).thrown ?? "", /^EdgeDeferral: 451 4\.3\.0 /);
  const kept: string[] = [];
  const host = edgeHost({
    host: { name: "edge.example.org" },
    plugins: [footer],
    dns: new MemoryResolver({}),
    deliver: keep((mail) => void kept.push(new TextDecoder().decode(mail.content()))),
    log: () => {},
  });
  await host.email(eventOf(HELLO).event, {});
  assertMatch(kept[0] ?? "", /\r\n\r\nHello\r\nExample Ltd\r\n$/);
});

Deno.test("built-in plugins that judge a message run here as they are", async () => {
  const dns = new MemoryResolver({ "_dmarc.example.net": { txt: ["v=DMARC1; p=reject"] } });
  const all = [
    dkim(),
    arc(),
    dmarc({ reject: "reject" }),
    headers(),
    attachments(),
    uribl({ zones: { "uri.example": 1 } }),
  ];
  const taken = await outcome(all, { dns });
  assertEquals([taken.rejected, taken.thrown, taken.forwarded.length], [null, null, 1]);
  // Nobody has seen the peer, so SPF might have passed
  assertMatch(
    taken.forwarded[0]!.fields["x-postern-authentication-results"] ?? "",
    /dmarc=permerror reason="SPF was not checked/,
  );
  const strict = await outcome([dkim(), dmarc({ reject: "reject", unknownPeer: "fail" })], { dns });
  assertMatch(strict.rejected ?? "", /^5\.7\.1 Email rejected per DMARC policy for example\.net/);
  const postmaster = await outcome([dkim({ none: "reject" })], { event: { to: "postmaster@example.org" } });
  assertEquals(postmaster.forwarded.length, 1);
});

Deno.test("observe, deadlines of the operator and state hold as they do in a session", async () => {
  const refusing = plugin(() => reject("5.7.1", "Not here"));
  assertEquals((await outcome([withPolicy(refusing, { mode: "observe" })])).forwarded.length, 1);
  assertEquals(
    (await outcome([withPolicy(plugin(() => Promise.reject(new Error("x"))), { onError: "skip" })])).forwarded.length,
    1,
  );
  const counts = plugin(async (ctx, next) =>
    await ctx.store.add("seen", 1, { seconds: 60 }) > 2 ? reject("5.7.1", "Enough") : next()
  );
  const host = edgeHost({
    host: { name: "e.example" },
    plugins: [counts],
    dns: new MemoryResolver({}),
    deliver: forwardTo("a@b.example"),
    log: () => {},
  });
  const said = [];
  for (let i = 0; i < 3; i++) {
    const { event, done } = eventOf(HELLO);
    await host.email(event, {});
    said.push(done.rejected?.slice(0, 12) ?? null);
  }
  assertEquals(said, [null, null, "5.7.1 Enough"]);
});

Deno.test("a hostile message takes linear time", async () => {
  const began = performance.now();
  const table = [
    "a:\n".repeat(100_000),
    `X: ${"a, (".repeat(200_000)}\n`,
    "Content-Type: multipart/mixed; boundary=x\n\n--x\n".repeat(10_000),
  ];
  for (const text of table) {
    await outcome([dkim(), arc(), dmarc(), headers(), attachments()], {
      message: `From: a@example.net\n${text}\nHi\n`,
    });
  }
  assert(performance.now() - began < 20_000);
});

Deno.test("what an edge host cannot know does not compile, and is found at the start", async () => {
  const options = z.strictObject({});
  const onMail = definePlugin({ name: "on_mail", options, create: () => ({ mail: (_, next) => next() }) });
  const whole = definePlugin({
    name: "whole",
    options,
    create: () => ({ data: (ctx, next) => ctx.client.ip === "" ? next() : next() }),
  });
  const both = definePortablePlugin({
    name: "both",
    options,
    create: () => ({ mail: (ctx, next) => ctx.client.ip === "" ? next() : next(), data: (_, next) => next() }),
  });
  defineMessagePlugin({
    name: "x",
    options,
    // @ts-expect-error: there is no client in the message of an edge host
    create: () => ({ data: (ctx, next) => ctx.client.ip === "" ? next() : next() }),
  });
  // @ts-expect-error: nor is there a phase mail
  defineMessagePlugin({ name: "x", options, create: () => ({ mail: (_, next) => next() }) });
  definePortablePlugin({
    name: "x",
    options,
    // @ts-expect-error: `data` of a portable plugin knows no client either
    create: () => ({ data: (ctx, next) => ctx.client.ip === "" ? next() : next() }),
  });
  const base = { host: { name: "e.example" }, dns: new MemoryResolver({}), deliver: forwardTo("a@b.example") };
  // @ts-expect-error: it wants a session
  assertThrows(() => edgeHost({ ...base, plugins: [onMail()] }), Error, '"on_mail" has nothing to do on an edge host');
  // @ts-expect-error: its `data` wants a session
  edgeHost({ ...base, plugins: [whole()] });
  // @ts-expect-error: so does that of spf
  assertThrows(() => edgeHost({ ...base, plugins: [spf()] }), Error, '"spf" is for mx alone');
  // @ts-expect-error: what forwards by the event has nothing for web requests
  assertEquals((await edgeHost({ ...base, plugins: [both()] }).fetch(new Request("http://e.example/"))).status, 404);
  assertEquals((await simulate([both()], { to: "b@example.org" })).replies.map(({ phase }) => phase), [
    "connect",
    "helo",
    "mail",
    "rcpt",
  ]);
  await assertRejects(
    () => edgeHost(() => ({ ...base, plugins: [dmarc({}), dkim({})] })).email(eventOf(HELLO).event, {}),
    Error,
    'must stand after "dkim"',
  );
  assertEquals(new EdgeDeferral("x").name, "EdgeDeferral");
});
