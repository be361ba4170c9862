/** SEMANTICS 11: what policy says at connect, helo and mail is spoken at RCPT, unless something lifts it. */
import { assertEquals } from "@std/assert";
import {
  defer,
  firstOf,
  on,
  type Phase,
  type Plugin,
  reject,
  type Reply,
  simulate,
  type SimulatedResult,
} from "postern";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { session } from "../session.ts";

const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "x" }), next()));
const vouch = on("auth", (ctx, next) => (ctx.identify(ctx.credentials.user), next()));
const refuse = (phase: "connect" | "helo" | "mail", reply: Reply = reject("5.7.1", `no ${phase}`)): Plugin =>
  on(phase, () => reply, { name: `policy-${phase}` });
const path = (result: SimulatedResult): string =>
  result.replies.map(({ phase, reply }) => `${phase} ${reply.code}`).join(", ");

Deno.test("recorded, spoken at RCPT, and the ledger knows whom it hit", async () => {
  for (const phase of ["connect", "helo", "mail"] as const) {
    const result = await simulate([refuse(phase), everyone], { to: "b@example.org" });
    assertEquals(path(result), "connect 250, helo 250, mail 250, rcpt 550");
    assertEquals(result.reply.text, `no ${phase}`);
    assertEquals(
      result.decisions.map((each) => `${each.phase} ${each.plugin} ${each.verdict} ${each.reason}`),
      [`${phase} policy-${phase} reject no ${phase}`, `rcpt policy-${phase} reject delayed from ${phase}: no ${phase}`],
    );
  }
});

Deno.test("the first refusal is the one that is spoken", async () => {
  const result = await simulate([refuse("mail"), refuse("helo"), refuse("connect")], { to: "b@example.org" });
  assertEquals(result.reply.text, "no connect");
});

Deno.test("the ledger names the plugin whose refusal it is, in company too", async () => {
  const busy = on("mail", () => defer("4.7.1", "busy"), { name: "busy" });
  const result = await simulate([firstOf(busy, refuse("mail"))], { to: "b@example.org" });
  assertEquals([result.decisions.at(-1)!.plugin, result.reply.text], ["busy", "busy"]);
});

Deno.test("not delayed: when off, when it hangs up, when it is an error", async () => {
  const off = await simulate([refuse("mail")], { to: "b@example.org" }, { delayRefusals: false });
  assertEquals(path(off), "connect 250, helo 250, mail 550");
  const rows: [Plugin, string][] = [
    [refuse("connect", defer("4.7.0", "busy", { code: 421 })), "connect 421"],
    [refuse("connect", reject("5.3.2", "never here", { code: 521 })), "connect 521"],
    [refuse("helo", reject("5.7.1", "bye", { close: true })), "connect 250, helo 550"],
    [{ name: "x", handlers: { mail: () => Promise.reject(new Error("boom")) } }, "connect 250, helo 250, mail 451"],
    [{ name: "x", handlers: { connect: () => Promise.reject(new Error("boom")) } }, "connect 421"],
  ];
  for (const [plugin, replies] of rows) assertEquals(path(await simulate([plugin], { to: "b@example.org" })), replies);
});

Deno.test("lifted by a login, and not said of somebody who is logged in", async () => {
  const login = { user: "ann", password: "x" };
  const lifted = await simulate([refuse("connect"), refuse("helo"), vouch, everyone], { to: "b@example.org", login });
  assertEquals(path(lifted), "connect 250, helo 250, auth 250, mail 250, rcpt 250, data 250, queue 250");
  const own = await simulate([refuse("mail"), vouch, everyone], { to: "b@example.org", login });
  assertEquals(path(own), "connect 250, helo 250, auth 250, mail 550", "case 41: another's address is refused at once");
});

Deno.test("case 18: postmaster and abuse can be reached all the same", async () => {
  const to = ["b@example.org", "PostMaster@example.org", "abuse@example.org", "postmaster"];
  const result = await simulate([refuse("connect"), everyone], { to });
  assertEquals(result.replies.filter((each) => each.phase === "rcpt").map((each) => each.reply.code), [
    550,
    250,
    250,
    250,
  ]);
  assertEquals(result.recipients.map((each) => each.address.local), ["PostMaster", "abuse", "postmaster"]);
});

Deno.test("connect and helo last for the connection, mail for the transaction", () => {
  const { ctx, mail, rcpt } = session();
  const pipeline = new Pipeline([
    on("helo", (ctx, next) => ctx.helo === "bad" ? reject("5.7.1", "no helo") : next()),
    on("mail", (ctx, next) => ctx.sender?.local === "bad" ? reject("5.7.1", "no mail") : next()),
    everyone,
  ], { partial: true });
  const run = (phase: Phase) => (pipeline.run(phase, ctx) as Reply).text;
  const transaction = (sender: string) => {
    mail(sender);
    run("mail");
    rcpt("b@example.org");
    return run("rcpt");
  };
  ctx.greet("good");
  run("helo");
  assertEquals([transaction("bad@x"), transaction("good@x")], ["no mail", "OK"]);
  ctx.greet("bad");
  run("helo");
  ctx.greet("good");
  run("helo");
  assertEquals([transaction("good@x"), transaction("bad@x")], ["no helo", "no helo"]);
  ctx.secure(null);
  ctx.greet("good");
  run("helo");
  assertEquals(transaction("good@x"), "OK", "RFC 3207 4.2: what was said in the clear is forgotten");
});
