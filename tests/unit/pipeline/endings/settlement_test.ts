/** The end of a message: what is kept, what the one reply says, what each LMTP recipient is owed. */
import { assertEquals } from "@std/assert";
import {
  accept,
  defer,
  on,
  type Plugin,
  type QueueContext,
  reject,
  runPhase,
  type Simulated,
  type SimulatedResult,
} from "postern";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { session } from "../session.ts";

type Act = "store" | "discard" | "deposit" | "full" | "never" | "leave";
const FULL = defer("4.2.2", "Over quota", { code: 452 }), NEVER = reject("5.2.1", "Mailbox closed");

/** Does what the local part of each recipient says, then what `then` says. */
function storage(
  then: (ctx: QueueContext, next: () => ReturnType<Parameters<typeof on<"queue">>[1]>) => unknown = (_c, n) => n(),
): Plugin {
  return on("queue", (ctx, next) => {
    for (const each of ctx.recipients) {
      const act = each.address.local.replace(/\d$/, "") as Act;
      if (act === "store") ctx.settle(each, "stored");
      if (act === "discard") ctx.settle(each, "discarded");
      if (act === "deposit") ctx.deposit(each, "inbox");
      if (act === "full") ctx.refuse(each, FULL);
      if (act === "never") ctx.refuse(each, NEVER);
    }
    return then(ctx, next) as ReturnType<typeof next>;
  }, { name: "storage" });
}
const to = (...locals: string[]): Simulated => ({ to: locals.map((local) => `${local}@example.org`) });
const told = ({ recipients }: SimulatedResult): string =>
  recipients.map(({ result }) => typeof result === "string" ? result : result === null ? "-" : result.code).join(" ");
const kept = ({ rows }: SimulatedResult): string =>
  rows.map(({ recipient, state, reply }) => `${recipient.address.local} ${state}${reply ? ` ${reply.code}` : ""}`).join(
    ", ",
  );

Deno.test("SEMANTICS 3, 8: one reply for different fates", async () => {
  const rows: [name: string, facts: Simulated, code: number, results: string, rows: string][] = [
    ["nobody settles", to("leave"), 250, "queued", "leave ready"],
    ["all stored: nothing to keep", to("store1", "store2"), 250, "stored stored", ""],
    ["stored and left", to("store", "leave"), 250, "stored queued", "leave ready"],
    ["discarded and left", to("discard", "leave"), 250, "discarded queued", "leave ready"],
    ["deposited", to("deposit"), 250, "stored", ""],
    ["deposited and left", to("deposit", "leave"), 250, "stored queued", "leave ready"],
    ["all full: the worst, nothing kept", to("full1", "full2"), 452, "452 452", ""],
    ["all refused for good", to("never1", "never2"), 550, "550 550", ""],
    ["defer before reject", to("never", "full"), 452, "550 452", ""],
    ["one full, one stored: it waits in the queue", to("store", "full"), 250, "stored 452", "full deferred 452"],
    ["one full, one left", to("leave", "full"), 250, "queued 452", "leave ready, full deferred 452"],
    [
      "one closed, one stored: it is held, never bounced to a stranger",
      to("store", "never"),
      250,
      "stored 550",
      "never held 550",
    ],
    ["one closed, one deposited", to("deposit", "never"), 250, "stored 550", "never held 550"],
    ["one full, one discarded", to("discard", "full"), 250, "discarded 452", "full deferred 452"],
  ];
  for (const [name, facts, code, results, list] of rows) {
    const result = await runPhase(storage(), "queue", facts);
    assertEquals([result.reply.code, told(result), kept(result)], [code, results, list], name);
  }
});

Deno.test("settled is settled: after a failure the rest is committed, when something was stored or deposited", async () => {
  const failures: [string, Plugin][] = [
    [
      "throws",
      storage(() => {
        throw new Error("boom");
      }),
    ],
    ["defers", storage(() => defer("4.3.0", "later"))],
    ["rubbish", storage(() => 1)],
    ["refuses after the rest was asked", storage((_ctx, next) => (next(), 1))],
    ["accepts without asking the rest", storage(() => accept())],
    ["never settles", { ...storage(() => new Promise(() => {})), policy: { deadline: 20 } }],
  ];
  for (const [name, plugin] of failures) {
    const stored = await runPhase(plugin, "queue", to("store", "leave"));
    assertEquals([stored.reply.code, told(stored), kept(stored)], [250, "stored queued", "leave ready"], name);
    const deposited = await runPhase(plugin, "queue", to("deposit", "leave"));
    assertEquals([deposited.reply.code, told(deposited), kept(deposited)], [250, "stored queued", "leave ready"], name);
    if (name.startsWith("refuses")) continue; // there the rest is durable before
    const nothing = await runPhase(plugin, "queue", to("discard", "leave"));
    assertEquals([nothing.reply.code, told(nothing), kept(nothing)], [451, "discarded -", ""], name);
  }
});

Deno.test("what was durable stays a yes, whatever a plugin says after it", async () => {
  const regrets = storage(async (_ctx, next) => (await next(), defer("4.3.0", "regret")));
  const result = await runPhase(regrets, "queue", to("leave"));
  assertEquals([result.reply.code, told(result), kept(result)], [250, "queued", "leave ready"]);
});

Deno.test("a failed commit is the reply, and a deposit is stored only after it", async () => {
  const full = () => Promise.resolve(defer("4.3.1", "No space", { code: 452 }));
  for (const locals of [["leave"], ["deposit"], ["store", "leave"], ["store", "full"], ["deposit", "leave"]]) {
    const result = await runPhase(storage(), "queue", { ...to(...locals), commit: full });
    assertEquals([String(result.reply), result.rows], ["452 4.3.1 No space", []], locals.join());
    assertEquals(told(result).includes("queued"), false, locals.join());
    assertEquals(told(result).split(" ").filter((each) => each === "stored").length, locals.includes("store") ? 1 : 0);
  }
  const overruled = storage(async (_ctx, next) => accept("fine", { over: await next() }));
  assertEquals((await runPhase(overruled, "queue", { ...to("leave"), commit: full })).reply.code, 452);
  const broken = await runPhase([], "queue", { ...to("leave"), commit: () => Promise.reject(new Error("EIO")) });
  assertEquals([broken.reply.code, broken.events.at(-1)!.type], [451, "trouble"]);
});

Deno.test("a commit runs once", async () => {
  let commits = 0;
  const commit = () => (commits++, Promise.resolve(defer("4.3.1", "No space")));
  const again = storage(async (_ctx, next) => {
    await next();
    throw new Error("boom");
  });
  await runPhase(again, "queue", { ...to("deposit", "leave"), commit });
  assertEquals(commits, 1);
});

Deno.test("an early yes of a storage plugin commits its deposits and what was refused", async () => {
  const eager = storage(() => accept("stored"));
  const result = await runPhase(eager, "queue", to("deposit", "full"));
  assertEquals([result.reply.code, told(result), kept(result), result.deposits.length], [
    250,
    "stored 452",
    "full deferred 452",
    1,
  ]);
});

Deno.test("the first result stands", async () => {
  const twice = on("queue", (ctx, next) => {
    const [one, two] = ctx.recipients;
    ctx.settle(one!, "discarded");
    ctx.settle(one!, "stored");
    ctx.deposit(two!, "a");
    ctx.deposit(two!, "b");
    ctx.refuse(two!, NEVER);
    return next();
  });
  const result = await runPhase(twice, "queue", to("x", "y"));
  assertEquals([told(result), result.deposits.map((each) => each.inbox)], ["discarded stored", ["a"]]);
  assertEquals(result.decisions[0]!.reason.split("; ").length, 3);
});

Deno.test("refused in data: the worst when all are, else they are kept by the commit", async () => {
  const some = on("data", (ctx, next) => {
    for (const each of ctx.recipients) if (each.address.local.startsWith("never")) ctx.refuse(each, NEVER);
    return next();
  });
  assertEquals((await runPhase(some, "data", to("never1", "never2"))).reply, NEVER);
  assertEquals((await runPhase(some, "data", to("never", "leave"))).reply.code, 250);
});

Deno.test("what is held is committed as held, and no storage sees it", async () => {
  const { ctx, message } = session();
  message("Subject: x\n\n");
  ctx.propose({ address: { local: "x", domain: "example.org" }, parameters: { notify: null, orcpt: null } });
  ctx.recipient = ctx.recipient!.withRoute({ to: "local", plugin: "storage" });
  ctx.admit();
  const pipeline = new Pipeline([
    on("data", (ctx, next) => (ctx.hold("virus"), ctx.hold("spam"), next())),
    storage(() => {
      throw new Error("ran");
    }),
  ]);
  await pipeline.run("data", ctx);
  assertEquals([ctx.held, (await pipeline.run("queue", ctx)).code, ctx.recipients[0]!.result], [
    "virus",
    250,
    "queued",
  ]);
  const quarantine = on("queue", (ctx, next) => (ctx.hold("virus"), next()));
  const result = await runPhase([quarantine, storage()], "queue", to("full", "leave"));
  assertEquals(kept(result), "full held 452, leave held");
});

Deno.test("RFC 2033 4.2: LMTP owes each RCPT its own reply, and keeps nothing of a refused one", async () => {
  const lmtp = async (...locals: string[]) => {
    const result = await runPhase(storage(), "queue", { ...to(...locals), role: "lmtp" });
    return [result.reply.code, result.recipientReplies.map((each) => each.code), kept(result)];
  };
  assertEquals(await lmtp("store", "full", "never", "leave"), [250, [250, 452, 550, 250], "leave ready"]);
  assertEquals(await lmtp("full", "never"), [452, [452, 550], ""]);
  assertEquals(await lmtp("store", "full"), [250, [250, 452], ""]);
  const failed = await runPhase(storage(() => defer("4.3.0", "later")), "queue", {
    ...to("full", "leave"),
    role: "lmtp",
  });
  assertEquals(failed.recipientReplies.map((each) => each.code), [452, 451]);
});

Deno.test("LMTP: an alias is one RCPT: what was promised with it is kept, and no RCPT is told to repeat what is kept", async () => {
  const alias = on("rcpt", (ctx, next) => {
    const address = (local: string) => ({ local, domain: "example.org" });
    if (ctx.recipient.address.local === "list") ctx.expand([address("store"), address("full")]);
    else ctx.route({ to: "local", plugin: "storage" });
    return next();
  });
  const { ctx, rcpt, message } = session({ role: "lmtp" });
  const pipeline = new Pipeline([alias, storage()]);
  message("Subject: x\n\n");
  const received = ctx.received!;
  for (const each of ["list", "full", "full", "never"]) {
    rcpt(`${each}@example.org`);
    await pipeline.run("rcpt", ctx);
  }
  ctx.complete(received);
  const { repliesPerRecipient, rows } = await import("../../../../core/pipeline/endings/settlement.ts");
  const reply = await pipeline.run("queue", ctx);
  assertEquals(repliesPerRecipient(ctx, reply).map((each) => each.code), [250, 250, 250, 550]);
  ctx.committed = undefined;
  assertEquals(rows(ctx).map(({ recipient, state }) => `${recipient.address.local} ${state}`), ["full deferred"]);
});

Deno.test("SEMANTICS 9: the peer goes before the commit: nothing is kept; after it began: it counts", async () => {
  let commits = 0;
  const before = session({ commit: () => (commits++, Promise.resolve(null)) });
  const leaves = on("queue", async (_ctx, next) => (await null, before.ctx.abort("peer left"), next()));
  before.message("Subject: x\n\n");
  before.ctx.propose({ address: { local: "x", domain: "d" }, parameters: { notify: null, orcpt: null } });
  before.ctx.admit();
  assertEquals([(await new Pipeline([leaves]).run("queue", before.ctx)).verdict, commits], ["defer", 0]);

  const during = session({ commit: () => (during.ctx.abort("peer left"), Promise.resolve(null)) });
  during.message("Subject: x\n\n");
  during.ctx.propose({ address: { local: "x", domain: "d" }, parameters: { notify: null, orcpt: null } });
  during.ctx.admit();
  assertEquals([(await new Pipeline([]).run("queue", during.ctx)).code, during.ctx.recipients[0]!.result], [
    250,
    "queued",
  ]);
});

Deno.test("from the durable queue: the same handlers, with tries, and nothing of the session", async () => {
  const seen: unknown[] = [];
  const plugin = storage((
    ctx,
    next,
  ) => (seen.push(ctx.tries, ctx.id, ctx.sender?.local, ctx.message.header("x-spam")), next()));
  const { ctx, message } = session();
  message("Subject: x\n\nbody\n");
  const stored = ctx.received!;
  ctx.reset();
  const recipient = (local: string) => ({
    address: { local, domain: "example.org" },
    original: { local, domain: "example.org" },
    parameters: { notify: null, orcpt: null },
    route: { to: "local", plugin: "storage" } as const,
  });
  ctx.resume({
    id: "T9",
    sender: { local: "a", domain: "example.net" },
    parameters: { size: null, body: "7BIT", smtputf8: false, ret: null, envid: null, auth: null },
    recipients: [recipient("store"), recipient("full"), recipient("deposit"), recipient("leave")],
    message: stored,
    edits: { prepend: "X-Spam: no\r\n", drop: [] },
    tries: 2,
  });
  const reply = await new Pipeline([plugin]).run("queue", ctx);
  assertEquals([
    reply.code,
    ctx.recipients.map((each) => typeof each.result === "string" ? each.result : each.result?.code),
  ], [
    250,
    ["stored", 452, "stored", "queued"],
  ]);
  assertEquals([ctx.deposits.length, seen], [1, [2, "T9", "a", "no"]]);
});

Deno.test("output(): one Return-Path in front, edits applied, a fresh stream each time", async () => {
  const written: string[] = [];
  const plugin = on("queue", async (ctx, next) => {
    ctx.prependHeader("X-Spam", "no");
    ctx.removeHeader("bcc");
    for (let i = 0; i < 2; i++) written.push(await new Response(ctx.output()).text());
    assertEquals((await ctx.message.bytes()).length, 86);
    return next();
  });
  const message = "Return-Path: <forged@x>\nSubject: x\nBcc: a@b,\n c@d\nReturn-path: <again@x>\n\nbody\n";
  const result = await runPhase(plugin, "queue", { message, from: "a@example.net" });
  assertEquals(String(result.reply), "250 2.0.0 OK", JSON.stringify(result.decisions));
  assertEquals(written[0], "Return-Path: <a@example.net>\r\nX-Spam: no\r\nSubject: x\r\n\r\nbody\r\n");
  assertEquals(written[1], written[0]);
});

Deno.test("RFC 4865: what waits for its hour is committed for it, and no storage sees it", async () => {
  const now = () => 1_000_000;
  const facts = (holdUntil: number) => ({ ...to("store", "never", "leave"), parameters: { holdUntil }, now });
  const later = await runPhase(storage(), "queue", facts(now() + 1));
  assertEquals([later.reply.code, told(later)], [250, "queued queued queued"]);
  assertEquals(kept(later), "store deferred, never deferred, leave deferred");
  const due = await runPhase(storage(), "queue", facts(now()));
  assertEquals(told(due), "stored 550 queued", "its hour has come");
});

Deno.test("RFC 2852: a message whose time is over before it is taken is refused, and no storage sees it", async () => {
  const now = () => 1_000_000;
  const facts = (mode: "R" | "N", at: number) => ({
    ...to("store"),
    parameters: { deliverBy: { at, mode, trace: false } },
    now,
  });
  const late = await runPhase(storage(), "queue", facts("R", now()));
  assertEquals([late.reply.toString(), told(late), kept(late)], ["550 5.4.7 Delivery time expired", "-", ""]);
  assertEquals(told(await runPhase(storage(), "queue", facts("R", now() + 1))), "stored");
  assertEquals(told(await runPhase(storage(), "queue", facts("N", now() - 1))), "stored");
});
