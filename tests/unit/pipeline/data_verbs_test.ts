/** Verbs of `data` that change the envelope and single fields: drop, reversePath, changeFields, and what they leave. */
import { assert, assertEquals } from "@std/assert";
import { definePlugin, formatAddress, on, reject, runPhase, simulate } from "../../../core/pipeline/mod.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { z } from "zod";

const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "box" }), next()));
const TWO = ["b@example.org", "c@example.org"];

Deno.test("drop: nothing is kept for that recipient, nobody is told, the others get theirs", async () => {
  const one = on("data", (ctx, next) => (ctx.drop(ctx.recipients[0]!), next()));
  const { reply, rows, recipients } = await simulate([everyone, one], { to: TWO });
  assertEquals(reply.verdict, "accept");
  assertEquals(rows.map(({ recipient }) => formatAddress(recipient.address)), ["c@example.org"]);
  assertEquals(recipients.map(({ result }) => result), ["discarded", "queued"]);
});

Deno.test("drop of all: the message is accepted, and nothing of it is kept; for LMTP each RCPT is", async () => {
  const all = on("data", (ctx, next) => (ctx.recipients.forEach((each) => ctx.drop(each)), next()));
  for (const role of ["mx", "lmtp"] as const) {
    const { reply, rows, recipientReplies } = await simulate([everyone, all], { to: TWO, role });
    assertEquals([reply.verdict, rows.length], ["accept", 0], role);
    assertEquals(recipientReplies.map(({ verdict }) => verdict), ["accept", "accept"], role);
  }
});

Deno.test("drop and copyTo: a recipient that was dropped may be added again, told to nobody", async () => {
  const again = on("data", (ctx, next) => {
    ctx.drop(ctx.recipients[0]!);
    ctx.copyTo(ctx.recipients[0]!.address);
    return next();
  });
  const { rows } = await simulate([everyone, again], { to: "b@example.org" });
  assertEquals(rows.map(({ recipient }) => [formatAddress(recipient.address), recipient.copy]), [
    ["b@example.org", true],
  ]);
});

Deno.test("reversePath in data: the sender is another one from there on; <> stays <>", async () => {
  let seen = "";
  const other = on("data", (ctx, next) => (ctx.reversePath({ local: "list", domain: "example.org" }), next()));
  const behind = on("data", (ctx, next) => (seen = formatAddress(ctx.sender), next()));
  await simulate([everyone, other, behind], { to: TWO });
  assertEquals(seen, "list@example.org");
  const { reply, decisions } = await simulate([everyone, other], { from: null, to: TWO });
  assertEquals(reply.code, 451);
  assert(decisions.some(({ reason }) => reason.includes("<> stays <>")));
});

Deno.test("changeFields: what headers, headerOctets and the output show; in mode observe nobody else sees it", async () => {
  const message = "A: 1\n folded\nB:2\n\nbody\n";
  const shown: string[] = [];
  const change = on("data", (ctx, next) => {
    ctx.prependHeader("P", "x");
    ctx.changeFields([{ at: 2, value: "two" }, { before: 9, name: "C", value: "c\n\tfolded" }]);
    shown.push(ctx.message.headers.map(({ name, value }) => `${name}=${value}`).join(" "));
    shown.push(text(ctx.message.headerOctets));
    return next();
  });
  const { output } = await runPhase(change, "data", { message });
  const section = "P: x\r\nA: 1\r\n folded\r\nB: two\r\nC: c\r\n\tfolded\r\n";
  assertEquals(shown, ["P=x A=1 folded B=two C=c\tfolded", section]);
  assertEquals(output, `${section}\r\nbody\r\n`);
  const observed = await runPhase({ ...change, policy: { mode: "observe" } }, "data", { message });
  assertEquals(observed.output, message.replaceAll("\n", "\r\n"));
  const received = on("data", (ctx, next) => (shown.push(text(ctx.message.headerOctets)), next()));
  await runPhase(received, "data", { message });
  assertEquals(shown.at(-1), "A: 1\r\n folded\r\nB:2\r\n");
});

Deno.test("changeFields wants places and values", async () => {
  for (
    const odd of [{ at: -1, value: "x" }, { at: 0.5, value: "x" }, { at: 0 }, { before: 0, name: "A", value: null }]
  ) {
    const plugin = on("data", (ctx, next) => (ctx.changeFields([odd as never]), next()));
    assertEquals((await runPhase(plugin, "data")).reply.code, 451, JSON.stringify(odd));
  }
});

Deno.test("a plugin's own deadline holds where the operator says none", async () => {
  const slow = definePlugin({
    name: "slow",
    options: z.strictObject({}),
    create: (_, setup) => {
      setup.deadline(30);
      return {
        mail: (ctx) => new Promise((done) => ctx.signal.addEventListener("abort", () => done(reject("5.0.0", "late")))),
      };
    },
  });
  const { reply, decisions } = await runPhase(slow(), "mail");
  assertEquals([reply.code, decisions[0]?.reason.split(":")[0]], [451, "exceeded its deadline of 30 ms"]);
  assertEquals(slow().deadline, 30);
  assertEquals(new Pipeline([{ ...slow(), policy: { deadline: 60_000 } }]).handles("mail"), true);
});
