import { assert, assertEquals, assertThrows } from "@std/assert";
import { on, OptionsError, type Phases, runPhase, simulate } from "postern";
import { inbox } from "../../../../../plugins/storage/inbox/mod.ts";

const deposited = (result: Awaited<ReturnType<typeof simulate>>) =>
  result.deposits.map(({ recipient, inbox }) => `${recipient.address.local}@${recipient.address.domain}: ${inbox}`);

Deno.test("inbox: takes every recipient of every domain, and each is stored", async () => {
  const result = await simulate([inbox({ everything: true })], { to: ["joe@example.org", "jane@elsewhere.example"] });
  assertEquals(deposited(result), ["joe@example.org: default", "jane@elsewhere.example: default"]);
  assertEquals(result.recipients.map((each) => each.result), ["stored", "stored"]);
  assertEquals([result.reply.verdict, result.rows.length], ["accept", 0]);
});

Deno.test("inbox: without `everything` it routes nobody, and stores whom others route to it", async () => {
  const refused = await simulate([inbox()], { to: ["joe@example.org"] });
  assertEquals(refused.reply.status, "5.1.1");
  const router = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
  assertEquals(deposited(await simulate([router, inbox()], { to: "joe@example.org" })), ["joe@example.org: default"]);
});

Deno.test("inbox: an earlier route stands", async () => {
  const router = on("rcpt", (ctx, next) => (ctx.route({ to: "remote" }), next()));
  const result = await simulate([router, inbox({ everything: true })], { to: "joe@example.org" });
  assertEquals([deposited(result).length, result.rows.length], [0, 1]);
});

Deno.test("inbox: names from the recipient, or from who signed in", async () => {
  const table: [options: Parameters<typeof inbox>[0], identity: string | null, names: string][] = [
    [{}, null, "default"],
    [{ name: "team" }, null, "team"],
    [{ name: "{local}" }, null, "joe"],
    [{ name: "{domain}/{local}" }, null, "example.org/joe"],
    [{ name: "{address}" }, null, "joe@example.org"],
    [{ name: "{user} {tag}" }, null, "joe default"],
    [{}, "ci", "ci"],
    [{ name: "{local}", identity: false }, "ci", "joe"],
  ];
  for (const [options, identity, name] of table) {
    const result = await simulate([inbox({ ...options, everything: true })], { to: "Joe@example.org", identity });
    assertEquals(result.deposits.map((each) => each.inbox), [name], JSON.stringify(options));
  }
});

Deno.test("inbox: two instances keep their recipients apart", async () => {
  const a = inbox.parse({ name: "a" }, [], { name: "first" }), b = inbox.parse({ name: "b" }, [], { name: "second" });
  const router = on("rcpt", (ctx, next) => {
    ctx.route({ to: "local", plugin: ctx.recipient.address.local === "x" ? "first" : "second" });
    return next();
  });
  const result = await simulate([router, a, b], { to: ["x@example.org", "y@example.org"] });
  assertEquals(deposited(result), ["x@example.org: a", "y@example.org: b"]);
});

Deno.test("inbox: a settled recipient is left alone", async () => {
  const first = on("queue", (ctx, next) => (ctx.settle(ctx.recipients[0]!, "discarded"), next()));
  const result = await simulate([first, inbox({ everything: true })], { to: ["x@example.org", "y@example.org"] });
  assertEquals(deposited(result), ["y@example.org: default"]);
});

Deno.test("inbox: answers without a promise", () => {
  const { queue, rcpt } = inbox({ everything: true }).handlers;
  const deposits: unknown[] = [], notes: string[] = [];
  const yes = () => ({ verdict: "accept" }) as never;
  const recipient = { address: { local: "a", domain: "b" }, route: { to: "local", plugin: "inbox" }, result: null };
  const ctx = {
    get: () => undefined,
    recipients: [recipient],
    deposit: (...args: unknown[]) => deposits.push(args),
    note: (sentence: string) => void notes.push(sentence),
  };
  assert(!(queue!(ctx as unknown as Phases["queue"], yes) instanceof Promise));
  assert(!(rcpt!({ recipient, client: { identity: null } } as unknown as Phases["rcpt"], yes) instanceof Promise));
  assertEquals([deposits, notes], [[[recipient, "default"]], ["Kept in the inbox default"]]);
});

Deno.test("inbox: from the durable queue the identity is gone, the name is the recipient's", async () => {
  const result = await runPhase(inbox({ name: "{local}" }), "queue", { to: "joe@example.org", tries: 1 });
  assertEquals(deposited(result), ["joe@example.org: joe"]);
});

Deno.test("inbox: a bad name is told", () => {
  for (const name of ["", " ", "{nobody}", "a\nb"]) {
    const error = assertThrows(() => inbox({ name }), OptionsError);
    assertEquals(error.issues.map(({ path }) => path.join(".")), ["inbox.name"], name);
  }
});
