import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  accept,
  type Address,
  defer,
  type DeliverContext,
  formatAddress,
  type Handler,
  on,
  parallel,
  parseAddress,
  reject,
  type Reply,
  runPhase,
  type SimulatedResult,
  withPolicy,
} from "postern";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import { ReceivedMessage } from "../../../core/pipeline/contexts/received_message.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { memoryBody } from "../../../core/pipeline/testing/simulation.ts";
import { session } from "./session.ts";

const LATER = defer("4.7.1", "later"), NEVER = reject("5.7.1", "never");
const to = (...locals: string[]) => ({ to: locals.map((each) => `${each}@far.example`) });
const address = (text: string): Address => parseAddress(text)!;
const deliver = (handler: Handler<DeliverContext>, name = "plugin") => on("deliver", handler, { name });

/** "relayed 451 null", by recipient. */
function results({ recipients }: SimulatedResult): string {
  return recipients.map(({ result }) => typeof result === "string" ? result : String(result?.code ?? null)).join(" ");
}
function errors({ decisions }: SimulatedResult): string[] {
  return decisions.filter(({ verdict }) => verdict === "error").map(({ plugin, reason }) => `${plugin}: ${reason}`);
}
/** What the next hop says, by local part. */
const hop = (answers: Record<string, Reply>) => ({ address: { local } }: { address: Address }) =>
  answers[local] ?? accept();

Deno.test("nobody answers: the attempt is made, and its words are the phase's", async () => {
  const rows: [answers: Record<string, Reply>, reply: number, results: string][] = [
    [{}, 250, "relayed relayed"],
    [{ a: NEVER }, 550, "550 relayed"],
    [{ a: NEVER, b: LATER }, 451, "550 451"],
  ];
  for (const [answers, code, expected] of rows) {
    for (const plugins of [[], [deliver((_ctx, next) => next())]]) {
      const result = await runPhase(plugins, "deliver", { ...to("a", "b"), attempt: hop(answers) });
      assertEquals([result.reply.code, results(result), result.departure!.attempted], [code, expected, true]);
    }
  }
});

Deno.test("next() makes the attempt and says what became of it", async () => {
  const seen: unknown[] = [];
  const watch = deliver(async (ctx, next) => {
    seen.push(ctx.recipients[0]!.result, ctx.tries, ctx.destination, ctx.origin.ip, ctx.parameters.body);
    const reply = await next();
    seen.push(reply, ctx.recipients.map(({ result }) => result));
    return reply;
  });
  await runPhase(watch, "deliver", {
    ...to("a", "b"),
    tries: 3,
    destination: { via: "upstream" },
    origin: { ip: "" },
    parameters: { body: "8BITMIME" },
    attempt: hop({ b: NEVER }),
  });
  assertEquals(seen, [null, 3, { domain: "far.example", via: "upstream" }, "", "8BITMIME", NEVER, ["relayed", NEVER]]);
});

Deno.test("the attempt is made once, and outcomes stand whatever is said behind it", async () => {
  const rows: [name: string, Handler<DeliverContext>][] = [
    ["refuses", async (_ctx, next) => (await next(), NEVER)],
    ["throws", async (_ctx, next) => {
      await next();
      throw new Error("boom");
    }],
    ["does not wait", (_ctx, next) => (void next(), LATER)],
    ["asks twice", async (_ctx, next) => (await next(), next())],
    ["refuses a recipient", async (ctx, next) => {
      const reply = await next();
      ctx.refuse(ctx.recipients[0]!, NEVER);
      ctx.hold("late");
      ctx.postpone(1);
      ctx.prependHeader("X-Late", "yes");
      ctx.route({ to: "remote", via: "late" });
      return reply;
    }],
  ];
  for (const [name, handler] of rows) {
    let attempts = 0;
    const result = await runPhase(deliver(handler), "deliver", { ...to("a"), attempt: () => (attempts++, accept()) });
    assertEquals([attempts, results(result), result.reply.verdict], [1, "relayed", "accept"], name);
    const { route, postponedUntil } = result.departure!;
    assertEquals([result.held, result.edits, route, postponedUntil], [null, NO_EDITS, null, null], name);
  }
});

Deno.test("a change behind the attempt is noted in the decision", async () => {
  const late = deliver(async (ctx, next) => {
    const reply = await next();
    ctx.hold("late");
    return reply;
  });
  const { decisions } = await runPhase(late, "deliver", to("a"));
  assertEquals(decisions.map(({ reason }) => reason), ["the attempt was made already"]);
});

Deno.test("without an attempt the chain's answer is everybody's result", async () => {
  const rows: [Handler<DeliverContext>, code: number, results: string][] = [
    [() => LATER, 451, "451 451"],
    [() => NEVER, 550, "550 550"],
    [(ctx) => (ctx.refuse(ctx.recipients[0]!, NEVER), LATER), 451, "550 451"],
    [() => accept(), 451, "451 451"],
    [
      () => {
        throw new Error("boom");
      },
      451,
      "451 451",
    ],
  ];
  for (const [index, [handler, code, expected]] of rows.entries()) {
    const result = await runPhase(deliver(handler), "deliver", to("a", "b"));
    assertEquals([result.reply.code, results(result)], [code, expected], `row ${index}`);
    assert(!result.departure!.attempted);
  }
  const yes = await runPhase(deliver(() => accept()), "deliver", to("a"));
  assertEquals(errors(yes), ["core: accepted without an attempt"]);
});

Deno.test("who is refused before is left out; when nobody is left no attempt is made", async () => {
  const some = (...locals: string[]) =>
    deliver((ctx, next) => {
      for (const each of ctx.recipients) if (locals.includes(each.address.local)) ctx.refuse(each, NEVER);
      return next();
    });
  const one = await runPhase(some("a"), "deliver", to("a", "b"));
  assertEquals([one.reply.code, results(one)], [250, "550 relayed"]);
  assertEquals(one.departure!.envelopes.map((each) => each.to), ["b@far.example"]);
  const all = await runPhase(some("a", "b"), "deliver", to("a", "b"));
  assertEquals([all.reply, results(all), all.departure!.attempted], [NEVER, "550 550", false]);
  const early = await runPhase(deliver((ctx) => (ctx.refuse(ctx.recipients[0]!, LATER), accept())), "deliver", to("a"));
  assertEquals([early.reply, errors(early)], [LATER, []], "everybody has a result: nothing is owed");
});

Deno.test("what is held is not attempted, whoever answers", async () => {
  const rows: Handler<DeliverContext>[] = [
    (ctx, next) => (ctx.hold("virus"), next()),
    (ctx) => (ctx.hold("virus"), accept()),
    (ctx) => (ctx.hold("virus"), NEVER),
  ];
  for (const handler of rows) {
    const refused = deliver((ctx, next) => (ctx.refuse(ctx.recipients[0]!, NEVER), next()));
    const result = await runPhase([refused, deliver(handler)], "deliver", to("a", "b"));
    assertEquals([result.held, results(result), result.departure!.attempted, errors(result)], [
      "virus",
      "550 null",
      false,
      [],
    ]);
  }
});

Deno.test("paths and next hops: of all, of one; the last word counts", async () => {
  const rows: [Handler<DeliverContext>, string][] = [
    [(_ctx, next) => next(), "s@here.example>a@far.example s@here.example>b@far.example"],
    [
      (ctx, next) => (ctx.reversePath(address("x@here.example")), next()),
      "x@here.example>a@far.example x@here.example>b@far.example",
    ],
    [(ctx, next) => {
      ctx.reversePath(address("x@here.example"));
      ctx.reversePath(address("y@here.example"), ctx.recipients[1]);
      return next();
    }, "x@here.example>a@far.example y@here.example>b@far.example"],
    [(ctx, next) => {
      ctx.reversePath(address("y@here.example"), ctx.recipients[1]);
      ctx.reversePath(address("x@here.example"));
      return next();
    }, "x@here.example>a@far.example x@here.example>b@far.example"],
    [(ctx, next) => {
      ctx.forwardPath(ctx.recipients[0]!, address("c@Far.example"));
      return next();
    }, "s@here.example>c@far.example s@here.example>b@far.example"],
  ];
  for (const [handler, expected] of rows) {
    const result = await runPhase(deliver(handler), "deliver", { from: "s@here.example", ...to("a", "b") });
    assertEquals(result.departure!.envelopes.map(({ from, to }) => `${from}>${to}`).join(" "), expected);
  }
  const routed = deliver((ctx, next) => {
    ctx.route({ to: "remote", via: "first" });
    ctx.route({ to: "remote", via: "second" });
    return next();
  });
  assertEquals((await runPhase(routed, "deliver", to("a"))).departure!.route, { to: "remote", via: "second" });
});

Deno.test("a plugin sees the path that those before it gave a recipient", async () => {
  const seen: string[] = [];
  const look = (name: string) =>
    deliver((ctx, next) => {
      seen.push(ctx.recipients.map((each) => formatAddress(ctx.returnPathOf(each))).join(" "));
      return next();
    }, name);
  const change = deliver(
    (ctx, next) => (ctx.reversePath(address("x@here.example"), ctx.recipients[1]), next()),
    "change",
  );
  await runPhase([look("before"), change, look("behind")], "deliver", { from: "s@here.example", ...to("a", "b") });
  const watched = withPolicy(change, { mode: "observe" });
  await runPhase([watched, look("behind")], "deliver", { from: "s@here.example", ...to("a", "b") });
  await runPhase(look("null"), "deliver", { from: null, ...to("a") });
  assertEquals(seen, [
    "s@here.example s@here.example",
    "s@here.example x@here.example",
    "s@here.example s@here.example",
    "",
  ]);
});

Deno.test("RFC 5321 4.5.5: <> stays <>, on the way in and out", async () => {
  for (const phase of ["mail", "deliver"] as const) {
    const rewrite = on(phase, (ctx, next) => (ctx.reversePath(address("x@here.example")), next()));
    const result = await runPhase(rewrite, phase, { from: null });
    const said = errors(result).map((each) => each.replace(/ at \S+$/, ""));
    assertEquals(said, ["on(" + phase + "): reversePath() wants a sender: <> stays <>"]);
    assertEquals(result.reply.verdict, "defer");
  }
});

Deno.test("in mail a reverse path makes the sender somebody else, for all that follows", async () => {
  const seen: string[] = [];
  const rewrite = on("mail", (ctx, next) => {
    ctx.reversePath(address("new@here.example"));
    return (seen.push(formatAddress(ctx.sender)), next());
  });
  const see = on("mail", (ctx, next) => (seen.push(formatAddress(ctx.sender)), next()));
  await runPhase([rewrite, see], "mail", { from: "old@here.example" });
  await runPhase([withPolicy(rewrite, { mode: "observe" }), see], "mail", { from: "old@here.example" });
  assertEquals(seen, ["new@here.example", "new@here.example", "new@here.example", "old@here.example"]);
});

Deno.test("postponed: the latest moment, and a deferral that is no attempt", async () => {
  const wait = (until: number, name: string) =>
    deliver((ctx, next) => {
      ctx.postpone(until);
      return name === "last" ? LATER : next();
    }, name);
  const one = deliver((ctx, next) => (ctx.refuse(ctx.recipients[0]!, NEVER), next()));
  const result = await runPhase([one, wait(1999.5, "first"), wait(1000, "last")], "deliver", to("a", "b"));
  const { postponedUntil, attempted } = result.departure!;
  assertEquals([results(result), result.reply, postponedUntil, attempted], ["550 null", LATER, 2000, false]);
  const refused = await runPhase(deliver((ctx) => (ctx.postpone(1), NEVER)), "deliver", to("a"));
  assertEquals(results(refused), "550", "never is never");
});

Deno.test("signers see what goes out, edits made and signatures before theirs in front", async () => {
  const sign = (name: string) =>
    deliver((ctx, next) => {
      ctx.sign(async (content) => {
        const text = await new Response(content.stream()).text();
        assertEquals(new TextDecoder().decode(content.memory!), text);
        assertEquals([content.size, new TextDecoder().decode(content.head)], [text.length, text]);
        return `${name}: ${text.split("\r\n")[0]!.replace(/:.*/, "")}\r\n`;
      });
      return next();
    });
  const edit = deliver((ctx, next) => (ctx.prependHeader("X-Edit", "1"), next()));
  const { departure, output } = await runPhase([sign("X-One"), sign("X-Two"), edit], "deliver", to("a"));
  assertEquals(departure!.signatures, "X-Two: X-One\r\nX-One: X-Edit\r\n");
  assertEquals(departure!.sent, departure!.signatures + output);
  assertStringIncludes(output, "X-Edit: 1\r\nFrom: ");
});

Deno.test("what was to be signed never goes out without it", async () => {
  const signers: (() => Promise<string>)[] = [
    () => Promise.reject(new Error("no key")),
    () => Promise.resolve("X: 1\r\n\r\nbody"),
  ];
  for (const signer of signers) {
    const sign = deliver((ctx, next) => (ctx.sign(signer), next()));
    const result = await runPhase(sign, "deliver", to("a"));
    assertEquals([results(result), result.departure!.sent], ["451", ""]);
    assert(result.events.some(({ type }) => type === "trouble"));
  }
});

Deno.test("observe: nothing counts, the attempt is made, and what is told is data", async () => {
  const busy: Handler<DeliverContext> = (ctx, next) => {
    ctx.route({ to: "remote", via: "x" });
    ctx.reversePath(address("x@here.example"));
    ctx.reversePath(address("y@here.example"), ctx.recipients[0]);
    ctx.forwardPath(ctx.recipients[0]!, address("z@here.example"));
    ctx.postpone(5);
    ctx.sign(() => Promise.resolve("X: 1\r\n"));
    ctx.hold("odd");
    ctx.refuse(ctx.recipients[0]!, NEVER);
    return next();
  };
  for (const handler of [busy, (() => LATER) as Handler<DeliverContext>]) {
    const result = await runPhase(withPolicy(deliver(handler), { mode: "observe" }), "deliver", to("a"));
    const { route, envelopes, signatures, postponedUntil, attempted } = result.departure!;
    assertEquals([route, signatures, postponedUntil, attempted, result.held], [null, "", null, true, null]);
    assertEquals([results(result), envelopes], ["relayed", [{ from: "a@example.net", to: "a@far.example" }]]);
    for (const each of result.decisions) structuredClone(each.held);
  }
  const { decisions } = await runPhase(withPolicy(deliver(busy), { mode: "observe" }), "deliver", to("a"));
  assertEquals(decisions[0]!.held!.length, 8);
});

Deno.test("beside each other: the attempt comes after all of them, or not at all", async () => {
  const pass = deliver((_ctx, next) => next(), "pass"), wait = deliver(() => LATER, "wait");
  assertEquals(results(await runPhase(parallel(pass, pass), "deliver", to("a"))), "relayed");
  const stopped = await runPhase(parallel(pass, wait), "deliver", to("a"));
  assertEquals([results(stopped), stopped.departure!.attempted], ["451", false]);
});

Deno.test("a deadline does not run while the attempt does, and the plugins of deliver have no budget together", async () => {
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    return accept();
  };
  const wait = withPolicy(deliver(async (_ctx, next) => await next()), { deadline: 30 });
  const result = await runPhase(wait, "deliver", { ...to("a"), attempt: slow }, { budget: 1 });
  assertEquals([result.reply.code, errors(result)], [250, []]);
});

Deno.test("given up: who was not tried has no result; an attempt under way keeps its own", async () => {
  const { ctx } = session();
  const recipient = { address: address("a@far.example"), original: address("a@far.example") };
  const depart = (attempt: () => Promise<Reply>) =>
    ctx.depart({
      id: "T1",
      sender: address("s@here.example"),
      parameters: NO_MAIL_PARAMETERS,
      recipients: [{ ...recipient, parameters: NO_RCPT_PARAMETERS, route: { to: "remote" } }],
      message: new ReceivedMessage(memoryBody("Subject: x\n\n"), "7BIT"),
      edits: NO_EDITS,
      tries: 0,
      origin: { session: "s", ip: "", helo: "", identity: null, protocol: "SMTP", listener: "x" },
      destination: { domain: "far.example", via: null },
      attempt,
    });
  const pipeline = new Pipeline([deliver(async (_ctx, next) => await next())]);
  depart(async () => {
    ctx.abort("the server stops");
    await null;
    ctx.settleRecipient(0, "relayed");
    return accept();
  });
  assertEquals([(await pipeline.run("deliver", ctx)).verdict, ctx.recipients[0]!.result], ["accept", "relayed"]);
  depart(() => Promise.resolve(accept()));
  assertEquals([(await pipeline.run("deliver", ctx)).verdict, ctx.attempted, ctx.recipients[0]!.result], [
    "defer",
    false,
    null,
  ]);
});
