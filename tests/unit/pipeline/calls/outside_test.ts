/** `ctx.outside`: whoever is asked, the answer or the failure is the plugin's, and no question outlives its call unseen. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  type Context,
  defer,
  on,
  OutsideError,
  type Phase,
  reject,
  runPhase,
  type Simulated,
  withPolicy,
} from "postern";
import type { Inquiry, Outside } from "../../../../core/pipeline/contexts/outside.ts";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { session } from "../session.ts";

/** Refuses whom an oracle calls bad; nobody answers: later. */
const oracle = (ask: (signal: AbortSignal) => Promise<string>, question = "oracle") =>
  on("mail", async (ctx, next) => {
    try {
      return await ctx.outside(question, ask) === "bad" ? reject("5.7.1", "The oracle says no") : next();
    } catch (error) {
      return defer("4.3.0", "Nobody knows", { reason: String(error) });
    }
  }, { name: "oracle" });
const unasked = () => Promise.reject(new Error("it was asked"));

async function verdict(plugin: ReturnType<typeof oracle>, facts: Simulated = {}): Promise<string> {
  const { reply, decisions } = await runPhase(plugin, "mail", facts);
  return `${reply.code} ${decisions[0]?.reason ?? ""}`.trim();
}

Deno.test("outside: what is asked is asked, and the answer or the failure is the plugin's", async () => {
  const signals: AbortSignal[] = [];
  const ask = (answer: string) => (signal: AbortSignal) => (signals.push(signal), Promise.resolve(answer));
  assertEquals(await verdict(oracle(ask("good"))), "250");
  assertEquals(await verdict(oracle(ask("bad"))), "550 The oracle says no");
  assertEquals(signals.map(({ aborted }) => aborted), [false, false]);
  assertEquals(await verdict(oracle(() => Promise.reject(new RangeError("gone")))), "451 RangeError: gone");
  assertEquals(
    await verdict(oracle(() => {
      throw new Error("at once");
    })),
    "451 Error: at once",
  );
  assertMatch(await verdict(oracle(() => Promise.resolve(7 as unknown as string))), /^451 TypeError: .*text/);
});

Deno.test("outside: a question is a few printable words", async () => {
  const good = ["rspamd checkv2", "x".repeat(200)], bad = ["", "x".repeat(201), "two\nlines", "sch\u00f6n", "\0"];
  for (const question of good) {
    assertEquals(await verdict(oracle(() => Promise.resolve("bad"), question)), "550 The oracle says no");
  }
  for (const question of bad) assertMatch(await verdict(oracle(unasked, question)), /^451 TypeError: .*question/);
});

Deno.test("outside: a test answers by a table, and nobody is asked", async () => {
  const outside = { oracle: "bad", mute: new OutsideError("silence") };
  assertEquals(await verdict(oracle(unasked), { outside }), "550 The oracle says no");
  assertEquals(await verdict(oracle(unasked, "mute"), { outside }), "451 OutsideError: silence");
  for (const question of ["other", "constructor", "__proto__"]) {
    assertMatch(await verdict(oracle(unasked, question), { outside }), /^451 OutsideError: .*nobody answers/);
  }
});

Deno.test("outside: in mode observe it is asked all the same: asking changes nothing", async () => {
  let asked = 0;
  const watching = withPolicy(oracle(() => (asked++, Promise.resolve("bad"))), { mode: "observe" });
  const { reply, decisions } = await runPhase(watching, "mail");
  assertEquals([reply.code, asked], [250, 1]);
  assertEquals(decisions.map(({ verdict, observed }) => [verdict, observed]), [["reject", true]]);
});

Deno.test("outside: the house hears who asks what, and in which phase; what it gives is the answer", async () => {
  const heard: [string, string, Phase][] = [];
  const outside: Outside = ({ plugin, question, phase }: Inquiry) => {
    heard.push([plugin, question, phase]);
    return Promise.resolve("bad");
  };
  const { ctx } = session({ outside });
  const pipeline = new Pipeline([
    withPolicy({ ...oracle(unasked), name: "watching" }, { mode: "observe" }),
    oracle(unasked),
  ], {
    partial: true,
    delayRefusals: false,
  });
  assertEquals((await pipeline.run("mail", ctx)).code, 550);
  assertEquals(heard, [["watching", "oracle", "mail"], ["oracle", "oracle", "mail"]]);
});

Deno.test("outside: when the call is over its signal says so, and nobody is asked any more", async () => {
  let left!: Context, ended: unknown = null;
  const slow = on("mail", async (ctx) => {
    left = ctx as unknown as Context;
    await ctx.outside("oracle", (signal) =>
      new Promise<string>((_, fail) =>
        signal.addEventListener("abort", () => {
          ended = signal.reason;
          fail(signal.reason);
        })
      ));
    return reject("5.7.1", "no");
  }, { name: "slow" });
  const { reply, events } = await runPhase(withPolicy(slow, { deadline: 30 }), "mail");
  assertEquals(reply.code, 451);
  assert(ended instanceof Error);
  await assertRejects(() => left.outside("oracle", unasked), OutsideError, "over");
  assertEquals(events.flatMap((each) => each.type === "trouble" ? [each.message] : []).length, 1);
});
