/** One plugin in one phase: whatever a handler does, its call ends with a Reply, in time, and the blame is the plugin's. */
import v8 from "node:v8";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  accept,
  type Handler,
  type HeloContext,
  key,
  type MailContext,
  MemoryResolver,
  on,
  parallel,
  type Phase,
  type Plugin,
  reject,
  runPhase,
  simulate,
  SimulatedCounters,
  when,
  withPolicy,
} from "postern";
import type { Counters } from "../../../../core/store/store.ts";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { session } from "../session.ts";

const later = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const never = (): Promise<never> => new Promise(() => {});
/** A handler that no compiler has seen. */
const bare = (handler: unknown, phase: Phase = "mail"): Plugin => ({
  name: "bare",
  handlers: { [phase]: handler as Handler<MailContext> },
});
const deny = on("mail", () => reject("5.7.1", "no"), { name: "deny" });
const boom = (): never => {
  throw new Error("boom");
};
type Next = () => unknown;

Deno.test("case 77: whatever a plugin does, the answer is a reply and the ledger knows why", async () => {
  const rows: [name: string, plugins: Plugin[], code: number, verdict: string, reason: string][] = [
    ["says nothing against it", [on("mail", (_ctx, next) => next())], 250, "next", ""],
    ["refuses", [deny], 550, "reject", "no"],
    [
      "the reason is for the ledger",
      [on("mail", () => reject("5.7.1", "no", { reason: "list 7" }))],
      550,
      "reject",
      "list 7",
    ],
    ["throws", [bare(boom)], 451, "error", "boom"],
    ["throws something that is no error", [bare(() => Promise.reject("plain"))], 451, "error", "plain"],
    ["rejects", [bare(() => Promise.reject(new Error("boom")))], 451, "error", "boom"],
    ["throws, skipped", [withPolicy(bare(boom), { onError: "skip" })], 250, "error", "boom"],
    [
      "rejects, skipped",
      [withPolicy(bare(() => Promise.reject(new Error("boom"))), { onError: "skip" })],
      250,
      "error",
      "boom",
    ],
    [
      "skipped after next()",
      [withPolicy(bare((_c: unknown, n: Next) => (n(), boom())), { onError: "skip" }), deny],
      550,
      "error",
      "boom",
    ],
    ["rubbish", [bare(() => ({ code: 250 }))], 451, "error", "not a Reply"],
    ["nothing", [bare(() => {})], 451, "error", "answered with nothing: "],
    ["rubbish, later", [bare(() => Promise.resolve(250))], 451, "error", "not a Reply"],
    [
      "asks and forgets",
      [bare(async (_c: unknown, next: Next) => void await next())],
      451,
      "error",
      "nothing after next()",
    ],
    ["asks twice", [on("mail", async (_ctx, next) => (await next(), next()))], 451, "error", "twice"],
    [
      "asks twice and hides it",
      [bare((_c: unknown, next: Next) => {
        try {
          next();
          next();
        } catch { /* hides it */ }
        return accept();
      })],
      451,
      "error",
      "twice",
    ],
    [
      "does not wait",
      [on("mail", (_ctx, next) => (next(), accept())), on("mail", async (_c, n) => (await later(5), n()))],
      451,
      "error",
      "did not wait",
    ],
    ["drops a refusal", [on("mail", (_ctx, next) => (next(), accept())), deny], 451, "error", "dropped the refusal"],
    [
      "drops a refusal, later",
      [on("mail", async (_ctx, next) => (await next(), accept())), deny],
      451,
      "error",
      "dropped the refusal",
    ],
    [
      "overrules on purpose",
      [on("mail", async (_c, n) => accept("yes", { over: await n() })), deny],
      250,
      "accept",
      "yes",
    ],
    [
      "replaces a refusal by another",
      [on("mail", async (_c, n) => (await n(), reject("5.7.2", "other"))), deny],
      550,
      "reject",
      "other",
    ],
    ["never settles", [withPolicy(bare(never), { deadline: 30 })], 451, "error", "deadline"],
    ["never settles, skipped", [withPolicy(bare(never), { deadline: 30, onError: "skip" })], 250, "error", "deadline"],
    [
      "never settles after next()",
      [withPolicy(bare(async (_c: unknown, n: Next) => (await n(), await never())), { deadline: 30 })],
      451,
      "error",
      "deadline",
    ],
  ];
  for (const [name, plugins, code, verdict, reason] of rows) {
    const result = await runPhase(plugins, "mail");
    const told = result.decisions.map((each) => `${each.verdict} ${each.reason}`).join("; ");
    assertEquals(result.reply.code, code, `${name}: ${result.reply}, told: ${told}`);
    assert(
      result.decisions.some((each) => each.verdict === verdict && each.reason.includes(reason)),
      `${name}: ${told}`,
    );
  }
});

Deno.test("an error is 421 at connect, 454 in auth, 451 elsewhere", async () => {
  const rows: [Phase, string][] = [
    ["connect", "421 4.3.0"],
    ["helo", "451 4.3.0"],
    ["auth", "454 4.7.0"],
    ["mail", "451 4.3.0"],
    [
      "rcpt",
      "451 4.3.0",
    ],
    ["data", "451 4.3.0"],
    ["queue", "451 4.3.0"],
  ];
  for (const [phase, reply] of rows) {
    assertStringIncludes(String((await runPhase(bare(boom, phase), phase)).reply), reply, phase);
    const slow = withPolicy(bare(never, phase), { deadline: 20 });
    assertStringIncludes(String((await runPhase(slow, phase)).reply), reply, `${phase}, deadline`);
  }
});

/** Counts the promises that anything on this thread makes, until it is told to stop. */
function countPromises(): () => number {
  let made = 0;
  // deno-lint-ignore no-explicit-any -- the runtime has it, its types do not
  const stop = (v8 as any).promiseHooks.onInit(() => void made++);
  return () => (stop(), made);
}

Deno.test("a phase without promises makes none, whatever its plugins look at and leave", async () => {
  const SEEN = key<number>("seen", "connection", String);
  const busy = (ctx: HeloContext, next: Next) => {
    ctx.set(SEEN, (ctx.get(SEEN) ?? 0) + 1);
    if (ctx.client.ip !== "") ctx.note("looked at it");
    return next();
  };
  for (const phase of ["connect", "helo", "mail", "data"] as const) {
    const { ctx, message } = session(), plugin = bare(busy, phase);
    if (phase === "data") message("Subject: x\n\nhi\n");
    const combined = [withPolicy(plugin, { mode: "observe" }), when(() => true, plugin), parallel(plugin, plugin)];
    const pipeline = new Pipeline([...Array.from({ length: 10 }, () => plugin), ...combined]);
    const made = countPromises();
    const answer = pipeline.run(phase, ctx);
    assertEquals([answer instanceof Promise, made()], [false, 0], phase);
    assertEquals(ctx.connectionKeys.get("seen"), 14);
  }
  const made = countPromises();
  await later(1);
  assertGreater(made(), 0, "they are counted at all");
});

Deno.test("a mistake of programming is told with its place, what somebody threw on purpose is not", async () => {
  const reasonOf = async (handler: unknown) => (await runPhase(bare(handler), "mail")).decisions[0]!.reason;
  const slip = (ctx: { nobody: { here: unknown } }) => ctx.nobody.here;
  assertMatch(await reasonOf(slip), /reading 'here'\) at calls\/call_test\.ts:\d+:\d+$/);
  const wrong = (ctx: MailContext) => ctx.reversePath({ local: "\n", domain: "x" });
  assertMatch(await reasonOf(wrong), /wants addresses, .* at calls\/call_test\.ts:\d+:\d+$/, "not a place in core");
  assertEquals(await reasonOf(boom), "boom");
  for (const stack of [7, "", "x\n".repeat(1e6), `x\n at ${"(".repeat(1e6)}`, `x\n at file:///${"a/".repeat(1e6)}`]) {
    const odd = () => {
      throw Object.assign(new TypeError("odd"), { stack });
    };
    assertMatch(await reasonOf(odd), /^odd( at .{0,80})?$/);
  }
});

Deno.test("a key where its value could not last is the plugin's error, whatever was compiled", async () => {
  const rows: [phase: Phase, key: unknown, reason: string][] = [
    ["connect", key("k"), `the key "k" is of a transaction, and connect is before MAIL`],
    ["helo", key("k"), `the key "k" is of a transaction, and helo is before MAIL`],
    ["auth", key("k"), `the key "k" is of a transaction, and auth is before MAIL`],
    ["mail", key("k", "recipient"), `the key "k" is of one recipient, and mail has many`],
    ["data", key("k", "recipient"), `the key "k" is of one recipient, and data has many`],
    ["queue", "k", "wants a key that key(name) made"],
    ["rcpt", undefined, "wants a key that key(name) made"],
  ];
  for (const [phase, made, reason] of rows) {
    for (const verb of ["get", "set"]) {
      const call = (
        ctx: Record<string, (key: unknown, value: number) => void>,
        next: Next,
      ) => (ctx[verb]!(made, 1), next());
      const { decisions } = await runPhase(bare(call, phase), phase);
      const [told] = decisions.filter(({ verdict }) => verdict === "error");
      assertStringIncludes(told?.reason ?? "", `${verb}()`);
      assertStringIncludes(told!.reason, reason);
    }
  }
});

Deno.test("own time is without what ran behind next()", async () => {
  const result = await runPhase([
    on("mail", async (_ctx, next) => (await later(15), await next()), { name: "outer" }),
    on("mail", async (_ctx, next) => (await later(60), next()), { name: "inner" }),
  ], "mail");
  const [inner, outer] = result.decisions;
  assertEquals([inner!.plugin, outer!.plugin], ["inner", "outer"]);
  assertGreater(inner!.ms, 55);
  assertGreater(outer!.ms, 10);
  assertLess(outer!.ms, 50);
});

Deno.test("waiting for next() counts against no deadline", async () => {
  const patient = withPolicy(on("mail", async (_ctx, next) => await next()), { deadline: 40 });
  const slow = on("mail", async (_ctx, next) => (await later(120), next()));
  assertEquals((await runPhase([patient, slow], "mail")).reply.code, 250);
});

Deno.test("a deadline aborts the signal of its plugin and of nobody else", async () => {
  const reasons: unknown[] = [];
  let second: AbortSignal | undefined;
  const result = await runPhase([
    withPolicy(
      on(
        "mail",
        (ctx) => new Promise(() => ctx.signal.addEventListener("abort", () => reasons.push(ctx.signal.reason))),
      ),
      { deadline: 20, onError: "skip" },
    ),
    on("mail", async (ctx, next) => {
      second = ctx.signal;
      await later(1);
      return next();
    }),
  ], "mail");
  assertEquals(result.reply.code, 250);
  assertEquals(reasons.map((reason) => (reason as DOMException).name), ["TimeoutError"]);
  assertEquals(second!.aborted, false);
});

Deno.test("a plugin that is late cannot touch the next message", async () => {
  const NOTE = key<string>("note");
  let wake = () => {}, woken = Promise.resolve();
  const sleeper = withPolicy(
    on("data", (ctx, next) => {
      if (ctx.message.header("subject") !== "first") return next();
      return new Promise((resolve) => {
        wake = () => {
          ctx.score(100, "late");
          ctx.prependHeader("X-Late", "yes");
          ctx.hold("late");
          ctx.set(NOTE, "late");
          resolve(next());
        };
      });
    }, { name: "sleeper" }),
    { deadline: 20 },
  );
  const { ctx, events, message } = session(), pipeline = new Pipeline([sleeper]);
  message("Subject: first\n\n");
  assertEquals((await pipeline.run("data", ctx)).code, 451);
  ctx.reset();
  message("Subject: second\n\n");
  woken = Promise.resolve().then(wake);
  await woken.catch(() => {}); // its next() throws: that is its own affair
  assertEquals((await pipeline.run("data", ctx)).code, 250);
  assertEquals([ctx.scores, ctx.edits.prepend, ctx.held, ctx.get(NOTE)], [[], "", null, undefined]);
  assertEquals(
    events.filter((event) => event.type === "trouble").map((event) => event.message.split(" after ")[0]),
    ["score()", "header()", "hold()", "set(note)"],
  );
});

Deno.test("what runs behind a failed plugin ends before the phase does", async () => {
  const ran: string[] = [];
  const impatient = bare((_c: unknown, next: Next) => {
    next();
    throw new Error("boom");
  });
  const slow = on("mail", async (_ctx, next) => {
    await later(30);
    ran.push("slow");
    return next();
  });
  assertEquals((await runPhase([impatient, slow], "mail")).reply.code, 451);
  assertEquals(ran, ["slow"]);
});

Deno.test("the peer goes: plugins are told, and not waited for", async () => {
  let reason: unknown;
  const { ctx, events } = session();
  const pipeline = new Pipeline([
    on("mail", (ctx) => new Promise(() => ctx.signal.addEventListener("abort", () => reason = ctx.signal.reason))),
  ]);
  const start = performance.now(), answer = pipeline.run("mail", ctx);
  ctx.abort(new Error("peer left in MAIL"));
  assertEquals((await answer).code, 451);
  assertLess(performance.now() - start, 5000); // the plugin's own deadline is 30 s
  assertEquals((reason as Error).message, "peer left in MAIL");
  assertEquals((await pipeline.run("mail", ctx)).code, 451, "nobody is asked any more");
  assertEquals(events.length, 1);
});

Deno.test("SEMANTICS 10: data and queue share a budget, and nobody runs without time", async () => {
  const ran: string[] = [];
  const slow = on("data", async (ctx, next) => {
    ran.push("slow");
    await new Promise((done) => ctx.signal.addEventListener("abort", done));
    return next();
  });
  const late = on("data", (_ctx, next) => (ran.push("late"), next()));
  const cut = await runPhase([slow, late], "data", {}, { budget: 40 });
  assertEquals([cut.reply.code, cut.decisions.map((each) => each.reason)], [451, [
    "exceeded the time after the last octet",
  ]]);
  const skipped = await runPhase([withPolicy(slow, { onError: "skip" }), late], "data", {}, { budget: 40 });
  assertEquals([skipped.reply.code, skipped.decisions.at(-1)?.reason], [451, "no time was left for it"]);
  assertEquals(ran, ["slow", "slow"]);

  const local = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "x" }), next()));
  const spend = on("data", async (_ctx, next) => (await later(30), next()));
  const store = on("queue", async () => await never(), { name: "store" });
  const start = performance.now();
  const both = await simulate([local, spend, store], { to: "b@example.org" }, { budget: 60 });
  assertEquals(both.reply.code, 451);
  assertLess(performance.now() - start, 1000); // the plugin's own deadline is 30 s
});

Deno.test("store: each plugin has its own part, after an await and in company too", async () => {
  const counters = new SimulatedCounters();
  const writer = (name: string, ms: number) => {
    const write = async (store: Counters, what: string) => {
      await store.put(what, name, { seconds: 60 });
      return await store.get(what);
    };
    return on("mail", async (ctx, next) => {
      assertEquals(await write(ctx.store, "before"), name);
      await later(ms);
      assertEquals(await write(ctx.store, "between"), name);
      const reply = await next();
      assertEquals(await ctx.store.add("after", 1, { seconds: 60 }), 1);
      return reply;
    }, { name });
  };
  const result = await runPhase([writer("a", 5), parallel(writer("b", 9), writer("c", 3)), writer("d", 1)], "mail", {
    counters,
  });
  assertEquals(String(result.reply), "250 2.0.0 OK", JSON.stringify(result.decisions));
  const names = ["a", "b", "c", "d"].flatMap((each) =>
    ["after", "before", "between"].map((what) => `plugin:${each}:${what}`)
  );
  assertEquals(counters.names.sort(), names);
});

Deno.test("case 67, 77: an effect that makes no sense is the plugin's error", async () => {
  const rows: [Phase, (ctx: never) => void][] = [
    [
      "data",
      (ctx: { settle(r: unknown, s: string): void; recipients: unknown[] }) => ctx.settle(ctx.recipients[0], "stored"),
    ],
    ["mail", (ctx: { route(route: unknown): void }) => ctx.route({ to: "remote" })],
    ["rcpt", (ctx: { identify(user: string): void }) => ctx.identify("root")],
    ["data", (ctx: { score(points: number, reason: string): void }) => ctx.score(NaN, "x")],
    ["data", (ctx: { prependHeader(name: string, value: string): void }) => ctx.prependHeader("a b", "x")],
    [
      "queue",
      (ctx: { settle(r: unknown, s: string): void; recipients: unknown[] }) => ctx.settle(ctx.recipients[0], "queued"),
    ],
    [
      "queue",
      (ctx: { refuse(r: unknown, s: unknown): void; recipients: unknown[] }) => ctx.refuse(ctx.recipients[0], accept()),
    ],
    [
      "queue",
      (ctx: { deposit(r: unknown, s: unknown): void }) => ctx.deposit({ address: { local: "x", domain: "y" } }, "x"),
    ],
  ];
  type Loose = Record<string, (...values: unknown[]) => void> & { recipients: unknown[] };
  const more: [Phase, (ctx: Loose) => void][] = [
    ["data", (ctx) => ctx.refuse!(ctx.recipients[0], { verdict: "defer", code: 451 })],
    ["queue", (ctx) => ctx.deposit!(ctx.recipients[0], "")],
    ["rcpt", (ctx) => ctx.route!({ to: "elsewhere" })],
    ["rcpt", (ctx) => ctx.route!({ to: "local" })],
    ["rcpt", (ctx) => ctx.route!({ to: "remote", via: 7 })],
    ["rcpt", (ctx) => ctx.route!({ to: "report", action: "failed", reason: "no" })],
    ["deliver", (ctx) => ctx.route!({ to: "local", plugin: "inbox" })],
    ["deliver", (ctx) => ctx.route!({ to: "report", action: "failed", reason: "no" })],
    ["deliver", (ctx) => ctx.settle!(ctx.recipients[0], "stored")],
    ["deliver", (ctx) => ctx.reversePath!({ local: "a\r\nDATA", domain: "example.org" })], // case 67
    ["deliver", (ctx) => ctx.reversePath!(null)],
    ["deliver", (ctx) => ctx.reversePath!({ local: "a", domain: "d" }, { address: { local: "x", domain: "y" } })],
    ["deliver", (ctx) => ctx.forwardPath!(ctx.recipients[0], { local: "a", domain: "x> NOTIFY=NEVER" })],
    ["deliver", (ctx) => ctx.postpone!(NaN)],
    ["deliver", (ctx) => ctx.sign!("X-Signature: 1")],
    ["mail", (ctx) => ctx.reversePath!({ local: "", domain: "" })],
    ["queue", (ctx) => ctx.reversePath!({ local: "a", domain: "example.org" })],
    ["queue", (ctx) => ctx.drop!(ctx.recipients[0])],
    ["data", (ctx) => ctx.sign!(() => Promise.resolve(""))],
    ["queue", (ctx) => ctx.postpone!(5)],
    ["rcpt", (ctx) => ctx.forwardPath!(ctx.recipients[0], { local: "a", domain: "example.org" })],
    ["rcpt", (ctx) => ctx.expand!(["a@example.org"])],
    ["rcpt", (ctx) => ctx.expand!([{ local: "a\r\nRCPT TO:<b>", domain: "example.org" }])], // case 67
    ["rcpt", (ctx) => ctx.expand!([{ local: "a", domain: "x> NOTIFY=NEVER" }])],
    ["rcpt", (ctx) => ctx.expand!(Array(10_001).fill({ local: "a", domain: "d" }))],
    ["auth", (ctx) => ctx.identify!("")],
    ["auth", (ctx) => ctx.identify!("a\r\nb")],
  ];
  rows.push(...more as typeof rows);
  for (const [index, [phase, act]] of rows.entries()) {
    const result = await runPhase(bare((ctx: never, next: Next) => (act(ctx), next()), phase), phase);
    assertEquals(
      [result.reply.code, result.decisions[0]?.verdict],
      [phase === "auth" ? 454 : 451, "error"],
      `row ${index}`,
    );
  }
});

Deno.test("observe: seen by itself and the ledger, counting for nothing; keys are facts", async () => {
  const FOUND = key<string>("found");
  const seen: unknown[] = [];
  const plugin = on("data", (ctx, next) => {
    ctx.score(5, "bad");
    ctx.prependHeader("X-Bad", "yes");
    ctx.hold("bad");
    ctx.refuse(ctx.recipients[0]!, reject("5.2.1", "no"));
    ctx.set(FOUND, "virus");
    seen.push(ctx.scores.length, ctx.message.header("x-bad"), ctx.message.headers[0]?.name, ctx.recipients[0]!.result);
    return next();
  }, { name: "watcher" });
  const after = on("data", (ctx, next) => {
    seen.push(ctx.scores.length, ctx.message.header("x-bad"), ctx.recipients[0]!.result, ctx.get(FOUND));
    return next();
  });
  const result = await runPhase([withPolicy(plugin, { mode: "observe" }), after], "data");
  assertEquals(result.reply.code, 250);
  assertEquals(seen, [1, "yes", "X-Bad", reject("5.2.1", "no"), 0, undefined, null, "virus"]);
  assertEquals([result.scores, result.held, result.edits.prepend, result.recipients[0]!.result], [[], null, "", null]);
  const [told] = result.decisions.filter((each) => each.plugin === "watcher");
  assertEquals(told!.observed, true);
  assertEquals(told!.held!.map((each) => (each as { do: string }).do), ["score", "header", "hold", "refuse"]);
});

Deno.test("observe: a refusal, a fault and a deadline let the rest go on", async () => {
  for (
    const handler of [() => reject("5.7.1", "no"), boom, never, (_c: unknown, n: Next) => (n(), reject("5.7.1", "no"))]
  ) {
    const rest: string[] = [];
    const result = await runPhase([
      withPolicy(bare(handler), { mode: "observe", deadline: 20 }),
      on("mail", (_ctx, next) => (rest.push("ran"), next())),
    ], "mail");
    assertEquals([result.reply.code, rest, result.decisions.some((each) => each.observed)], [250, ["ran"], true]);
  }
});

Deno.test("observe: routes, identities and expansions are held back", async () => {
  const route = on("rcpt", (ctx, next) => (ctx.route({ to: "remote" }), next()));
  const members = on("rcpt", (ctx, next) => (ctx.expand([{ local: "x", domain: "example.org" }]), next()));
  const identify = on("auth", (ctx, next) => (ctx.identify("root"), next()));
  for (
    const [phase, plugin, code] of [["rcpt", route, 550], ["rcpt", members, 550], ["auth", identify, 535]] as const
  ) {
    const result = await runPhase(withPolicy(plugin, { mode: "observe" }), phase, { to: "b@example.org" });
    const watched = result.decisions.find((each) => each.observed);
    assertEquals([result.reply.code, watched?.held?.length, result.identity], [code, 1, null]);
  }
});

Deno.test("in queue an observing plugin does not run", async () => {
  const store = on("queue", () => {
    throw new Error("ran");
  }, { name: "store" });
  const result = await runPhase(withPolicy(store, { mode: "observe" }), "queue");
  assertEquals([result.reply.code, result.decisions], [250, []]);
});

Deno.test("a decision says session, transaction, phase, plugin, verdict, reason, time", async () => {
  const result = await simulate([on("connect", (_c, n) => n()), deny], {}, { delayRefusals: false });
  const { ms, began = 0, transaction, session, ...told } = result.decisions[1]!;
  assertEquals(told, { type: "decision", phase: "mail", plugin: "deny", verdict: "reject", reason: "no" });
  assertEquals([typeof ms, transaction?.length, session[0]], ["number", 26, "s"]);
  assertEquals(result.decisions[0]!.transaction, null);
  assert(began >= result.decisions[0]!.began!);
});

Deno.test("bytes() rejects above its limit and stream() does not", async () => {
  const sizes: number[] = [];
  const plugin = on("data", async (ctx, next) => {
    await assertRejects(() => ctx.message.bytes({ max: 10 }), RangeError, "use stream()");
    sizes.push((await ctx.message.bytes()).length);
    for await (const chunk of ctx.message.stream()) sizes.push(chunk.length);
    return next();
  });
  const result = await runPhase(plugin, "data", { message: "Subject: x\n\nhello\n" });
  assertEquals([String(result.reply), sizes], ["250 2.0.0 OK", [21, 21]]);
});

Deno.test("what a plugin notes, asks and leaves is told with its decision", async () => {
  const COLOUR = key<string>("colour", "connection", (value) => `it is ${value}`);
  const plugin = on("mail", async (ctx, next) => {
    ctx.note("first time here");
    ctx.note("and polite");
    ctx.set(COLOUR, "red");
    ctx.set(key<number>("secret"), 7);
    await ctx.dns.txt("example.org");
    await ctx.dns.a("nowhere.example").catch(() => {});
    return next();
  });
  const dns = new MemoryResolver({ "example.org": { txt: ["v=spf1 -all"] } });
  const { decisions: [told] } = await runPhase(plugin, "mail", { dns });
  assertEquals([told!.verdict, told!.reason, told!.facts], ["next", "first time here; and polite", [[
    "colour",
    "it is red",
  ]]]);
  assert(
    told!.asked!.every(({ began }) => began! >= told!.began!),
    "a question lies behind the plugin's own beginning",
  );
  assertEquals(told!.asked!.map(({ ms: _, began: __, ...each }) => each), [
    { type: "TXT", name: "example.org", records: ["v=spf1 -all"], fault: null },
    { type: "A", name: "nowhere.example", records: null, fault: "nxdomain" },
  ]);
});

Deno.test("a decision about a recipient names it", async () => {
  const { decisions } = await simulate([on("rcpt", (ctx, next) => {
    ctx.route({ to: "remote" });
    return next();
  })], { to: ["bob@example.org", "ada@example.org"] });
  assertEquals(decisions.filter(({ phase }) => phase === "rcpt").map(({ recipient }) => recipient?.local), [
    "bob",
    "ada",
  ]);
});
