/** Aliases: every member runs the whole chain, within bounds, each address once (SEMANTICS 15, RFC 3461 5.2.7). */
import { assertEquals } from "@std/assert";
import { defer, formatAddress, on, parseAddress, type Plugin, reject, runPhase, type SimulatedResult } from "postern";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import type { Notify } from "../../../core/model/envelope.ts";
import { session } from "./session.ts";

/** Expands by the table, routes what it does not name; "no-" is nobody, "down-" cannot be told. */
function aliases(table: Record<string, readonly string[]>): Plugin {
  return on("rcpt", (ctx, next) => {
    const { address, origin } = ctx.recipient, name = formatAddress(address), members = table[name];
    const kept = origin !== null && formatAddress(origin.address) === name;
    if (members && !kept) ctx.expand(members.map((each) => parseAddress(each)!));
    else if (address.local.startsWith("down-")) return defer("4.3.0", "Directory down");
    else if (!address.local.startsWith("no-")) ctx.route({ to: "local", plugin: "x" });
    return next();
  }, { name: "aliases" });
}
const who = (result: SimulatedResult): string[] => result.recipients.map((each) => formatAddress(each.address));
const ask = (table: Record<string, readonly string[]>, to: string | string[]) =>
  runPhase(aliases(table), "rcpt", { to });

Deno.test("members, kept, nested, doubled, nobody", async () => {
  const rows: [name: string, table: Record<string, readonly string[]>, reply: string, recipients: string[]][] = [
    ["two", { "a@d": ["b@d", "c@e"] }, "250 2.0.0 OK", ["b@d", "c@e"]],
    ["kept and copied", { "a@d": ["a@d", "b@d"] }, "250 2.0.0 OK", ["a@d", "b@d"]],
    ["nested", { "a@d": ["b@d"], "b@d": ["c@d", "x@d"], "c@d": ["y@d"] }, "250 2.0.0 OK", ["y@d", "x@d"]],
    ["named twice", { "a@d": ["b@d", "B@D", "b@d"] }, "250 2.0.0 OK", ["b@d"]],
    ["reached twice", { "a@d": ["b@d", "c@d"], "b@d": ["x@d"], "c@d": ["x@d", "y@d"] }, "250 2.0.0 OK", ["x@d", "y@d"]],
    ["one is nobody", { "a@d": ["no-b@d", "c@d"] }, "250 2.0.0 OK", ["c@d"]],
    ["all are nobody", { "a@d": ["no-b@example.org", "no-c@d"] }, "550 5.1.1 No such user here", []],
    ["one cannot be told: none is kept", { "a@d": ["b@d", "down-c@d", "e@d"] }, "451 4.3.0 Directory down", []],
    ["nobody behind it", { "a@d": [] }, "550 5.1.1 No such user here", []],
    ["loop of one", { "a@d": ["b@d"], "b@d": ["a@d"] }, "550 5.4.6 Alias loop", []],
    ["loop beside a member", { "a@d": ["b@d", "x@d"], "b@d": ["A@d"] }, "250 2.0.0 OK", ["x@d"]],
    ["loop of three", { "a@d": ["b@d"], "b@d": ["c@d"], "c@d": ["b@d"] }, "550 5.4.6 Alias loop", []],
  ];
  for (const [name, table, reply, recipients] of rows) {
    const result = await ask(table, "a@d");
    assertEquals([String(result.reply), who(result)], [reply, recipients], name);
  }
});

Deno.test("an expansion to itself for ever is a loop", async () => {
  const result = await runPhase(on("rcpt", (ctx, next) => (ctx.expand([ctx.recipient.address]), next())), "rcpt", {
    to: "a@d",
  });
  assertEquals([String(result.reply), result.recipients], ["550 5.4.6 Alias loop", []]);
  const loop = result.decisions.find((each) => each.verdict === "reject")!;
  assertEquals([loop.plugin, loop.reason], ["on(rcpt)", "alias loop: a@d -> a@d -> a@d"]);
});

Deno.test("ten deep, and no deeper", async () => {
  const chain = (length: number) => Object.fromEntries(Array.from({ length }, (_, i) => [`a${i}@d`, [`a${i + 1}@d`]]));
  assertEquals(who(await ask(chain(10), "a0@d")), ["a10@d"]);
  assertEquals(String((await ask(chain(11), "a0@d")).reply), "550 5.4.6 Alias loop");
});

Deno.test("a thousand results, and no more; then none is kept", async () => {
  const list = (length: number) => ({ "a@d": Array.from({ length }, (_, i) => `b${i}@d`) });
  assertEquals((await ask(list(1000), "a@d")).recipients.length, 1000);
  const over = await ask(list(1001), "a@d");
  assertEquals([String(over.reply), over.recipients.length], ["451 4.3.5 Too many recipients behind this address", 0]);
});

Deno.test("members that are all nobody are not asked without end", async () => {
  let asked = 0;
  const wide = on("rcpt", (ctx, next) => {
    asked++;
    const { local } = ctx.recipient.address;
    if (local.length < 9) ctx.expand(Array.from({ length: 10 }, (_, i) => ({ local: `${local}${i}`, domain: "d" })));
    else return reject("5.1.1", "Nobody");
    return next();
  });
  const result = await runPhase(wide, "rcpt", { to: "a@d" });
  assertEquals([result.reply.code, asked], [451, 10_001]);
});

Deno.test("across commands: merged by final address and ORCPT; a deferred command takes nothing away", async () => {
  const { ctx, mail, rcpt } = session();
  const pipeline = new Pipeline([aliases({ "list@d": ["b@d", "c@d"], "broken@d": ["c@d", "new@d", "down-x@d"] })], {
    partial: true,
  });
  mail();
  const say = async (address: string, orcpt: string | null = null) => {
    rcpt(address, { notify: null, orcpt });
    return (await pipeline.run("rcpt", ctx)).code;
  };
  assertEquals([await say("b@d"), await say("list@d"), await say("B@d"), await say("broken@d")], [250, 250, 250, 451]);
  assertEquals(ctx.recipients.map((each) => formatAddress(each.address)), ["b@d", "c@d"]);
  assertEquals([await say("b@d", "rfc822;other@d"), await say("new@d")], [250, 250]);
  assertEquals([ctx.count, ctx.commands], [4, [[0], [0, 1], [0], [2], [3]]]);
});

Deno.test("case of a foreign local part is its owner's to read", async () => {
  const relay = on("rcpt", (ctx, next) => (ctx.route({ to: "remote" }), next()));
  const result = await runPhase(relay, "rcpt", { to: ["A@d", "a@d", "a@d"] });
  assertEquals(result.recipients.map((each) => each.address.local), ["A", "a"]);
});

Deno.test("RFC 3461 5.2.7: one target gets all parameters, several none about success", async () => {
  const parameters = (...notify: Notify[]) => ({ notify, orcpt: "rfc822;a@d" });
  const rows: [members: string[], given: Notify[], passed: Notify[]][] = [
    [["b@d"], ["SUCCESS", "FAILURE"], ["SUCCESS", "FAILURE"]],
    [["b@d", "b@d"], ["SUCCESS"], ["SUCCESS"]],
    [["b@d", "c@d"], ["SUCCESS", "FAILURE"], ["FAILURE"]],
    [["b@d", "c@d"], ["SUCCESS"], ["NEVER"]],
    [["b@d", "c@d"], ["DELAY"], ["DELAY"]],
  ];
  for (const [members, given, passed] of rows) {
    const result = await runPhase(aliases({ "a@d": members }), "rcpt", {
      to: { address: "a@d", parameters: parameters(...given) },
    });
    for (const each of result.recipients) {
      assertEquals([each.parameters, formatAddress(each.original)], [parameters(...passed), "a@d"], members.join());
    }
  }
});

Deno.test("each address is asked about once", async () => {
  const asked: string[] = [];
  const watch = on("rcpt", (ctx, next) => (asked.push(ctx.recipient.address.local), next()));
  const table = { "a@d": ["b@d", "c@d", "no-x@d"], "b@d": ["x@d", "no-x@d"], "c@d": ["x@d", "y@d"] };
  const result = await runPhase([watch, aliases(table)], "rcpt", { to: "a@d" });
  assertEquals([asked.join(" "), who(result)], ["a b x no-x c y", ["x@d", "y@d"]]);
});

Deno.test("a member sees where it came from", async () => {
  const seen: string[] = [];
  const watch = on("rcpt", (ctx, next) => {
    const path: string[] = [];
    for (let at: typeof ctx.recipient | null = ctx.recipient; at; at = at.origin) path.push(formatAddress(at.address));
    seen.push(`${path.join("<")} of ${formatAddress(ctx.recipient.original)}, ${ctx.count}`);
    return next();
  });
  await runPhase([watch, aliases({ "a@d": ["b@d", "c@d"], "b@d": ["x@d"] })], "rcpt", { to: "a@d" });
  assertEquals(seen, ["a@d of a@d, 0", "b@d<a@d of a@d, 0", "x@d<b@d<a@d of a@d, 0", "c@d<a@d of a@d, 1"]);
});
