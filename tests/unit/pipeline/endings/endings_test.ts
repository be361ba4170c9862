/** How phases end when nobody answers, what a yes must have earned, what is cleared when. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  accept,
  type Answer,
  defer,
  firstOf,
  key,
  on,
  type Phase,
  type Plugin,
  reject,
  type Reply,
  runPhase,
  simulate,
  when,
  withPolicy,
} from "postern";
import { Pipeline } from "../../../../core/pipeline/pipeline.ts";
import { session } from "../session.ts";

Deno.test("nobody answers", async () => {
  const rows: [Phase, string, string, string][] = [
    ["connect", "", "250 2.0.0 OK", ""],
    ["helo", "", "250 2.0.0 OK", ""],
    ["mail", "", "250 2.0.0 OK", ""],
    ["data", "", "250 2.0.0 OK", ""],
    ["queue", "", "250 2.0.0 OK", ""],
    ["auth", "", "535 5.7.8 Authentication failed", "reject nobody vouched for it"],
    ["rcpt", "b@example.org", "550 5.1.1 No such user here", "reject no route"],
    ["rcpt", "b@example.com", "550 5.7.1 Relaying denied", "reject no route"],
    ["rcpt", "b@sub.example.org", "550 5.7.1 Relaying denied", "reject no route"],
  ];
  for (const [phase, to, reply, told] of rows) {
    const result = await runPhase([], phase, to ? { to } : {});
    assertEquals(
      [String(result.reply), result.decisions.map((each) => `${each.verdict} ${each.reason}`).join()],
      [reply, told],
      `${phase} ${to}`,
    );
  }
});

Deno.test("a yes that was not earned is 451 and told as core's error", async () => {
  for (
    const [phase, owed] of [["rcpt", "a route"], ["auth", "an identity"], [
      "queue",
      "a result for every recipient",
    ]] as const
  ) {
    const result = await runPhase(on(phase, () => accept()), phase);
    assertEquals(result.reply.verdict, "defer", phase);
    const error = result.decisions.find((each) => each.plugin === "core");
    assertEquals([error?.verdict, error?.reason], ["error", `accepted without ${owed}`]);
    assertEquals([result.identity, result.rows], [null, []]);
  }
});

Deno.test("a route to a plugin that stores nothing here earns no yes: 451, before the mail is ours", async () => {
  const to = (plugin: string) => on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin }), next()));
  const box = { name: "box", handlers: { queue: (_ctx: unknown, next: () => Answer<"accept" | "defer">) => next() } };
  const run = (...plugins: Plugin[]) => simulate(plugins, { to: "b@example.org" }, { partial: false, role: "mx" });
  const told = async (...plugins: Plugin[]) => {
    const { reply, decisions, rows } = await run(...plugins);
    const error = decisions.find((each) => each.verdict === "error");
    return `${reply} | ${error ? `${error.plugin} ${error.phase}: ${error.reason}` : "no error"} | ${rows.length}`;
  };
  const refused = (name: string) =>
    `451 4.3.0 Local error in processing | core rcpt: no plugin named "${name}" stores mail here | 0`;
  assertEquals(await told(to("nowhere"), box), refused("nowhere"));
  assertEquals(await told(to("box"), { ...box, roles: ["lmtp"] }), refused("box"), "for another role");
  assertEquals(await told(to("box"), withPolicy(box, { mode: "observe" })), refused("box"), "observing stores nothing");
  assertEquals(await told(to("on(rcpt)"), box), refused("on(rcpt)"), "there, and without a queue handler");
  for (const whole of [box, when(() => true, box), firstOf(box)]) {
    assertEquals(await told(to("box"), whole), "250 2.0.0 OK | no error | 1");
  }
  const alias = on("rcpt", (ctx, next) => {
    if (ctx.recipient.address.local === "b") ctx.expand([{ local: "c", domain: "example.org" }]);
    else ctx.route({ to: "local", plugin: "nowhere" });
    return next();
  });
  assertEquals(await told(alias, box), refused("nowhere"), "a member of an alias");
});

Deno.test("an identity counts only when the whole phase accepts", async () => {
  const vouch = on("auth", async (ctx, next) => {
    if (await ctx.credentials.verify("secret")) ctx.identify(ctx.credentials.user);
    return next();
  });
  const login = { user: "ann", password: "secret" };
  assertEquals((await runPhase(vouch, "auth", { login })).identity, "ann");
  assertEquals((await runPhase(vouch, "auth", { login: { user: "ann", password: "wrong" } })).reply.code, 535);
  const locked = on("auth", () => reject("5.7.8", "Locked", { code: 535 }));
  const refused = await runPhase([vouch, locked], "auth", { login });
  assertEquals([refused.reply.text, refused.identity], ["Locked", null]);
  const broken = on("auth", () => {
    throw new Error("directory down");
  });
  const failed = await runPhase([vouch, broken], "auth", { login });
  assertEquals([failed.reply.code, failed.identity], [454, null]);
});

Deno.test("credentials are gone after auth, and a budget cannot outlast the client", async () => {
  const { ctx, message } = session(), pipeline = new Pipeline([], { budget: 3_600_000 });
  ctx.authenticate({
    mechanism: "PLAIN",
    user: "u",
    verify: () => Promise.resolve(true),
    decoy: () => Promise.resolve(false),
    reveal: () => null,
  });
  await pipeline.run("auth", ctx);
  assertEquals(ctx.credentials, null);
  message("Subject: x\n\n");
  await pipeline.run("data", ctx);
  assert(ctx.expires - performance.now() <= 540_000, "SEMANTICS 10");
});

Deno.test("the first route wins, and the second claim is noted", async () => {
  const to = (plugin: string) =>
    on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin }), next()), { name: plugin });
  const result = await runPhase([to("a"), to("b")], "rcpt", { to: "b@example.org" });
  assertEquals(result.recipients[0]!.route, { to: "local", plugin: "a" });
  assertEquals(result.decisions.find((each) => each.plugin === "b")!.reason, "a second route was ignored");
});

Deno.test("keys last as long as their scope says", async () => {
  const C = key<string>("c", "connection"), T = key<string>("t"), R = key<string>("r", "recipient");
  const { ctx, mail, rcpt } = session();
  const pipeline = new Pipeline([
    on("helo", (ctx, next) => (ctx.set(C, ctx.helo), next())),
    on("rcpt", (ctx, next) => {
      ctx.set(T, "t");
      ctx.set(R, ctx.recipient.address.local);
      ctx.route({ to: "remote" });
      return next();
    }),
  ]);
  const helo = (name: string) => (ctx.greet(name), pipeline.run("helo", ctx));
  helo("one.example");
  mail();
  for (const to of ["x@example.org", "y@example.org"]) {
    rcpt(to);
    await pipeline.run("rcpt", ctx);
  }
  assertEquals([ctx.get(C), ctx.get(T), ctx.recipients.map((each) => each.get(R))], ["one.example", "t", ["x", "y"]]);
  ctx.reset();
  assertEquals([ctx.get(C), ctx.get(T), ctx.count], ["one.example", undefined, 0]);
  mail();
  helo("two.example");
  assertEquals([ctx.get(C), ctx.sender, ctx.id], ["two.example", null, "s1"]);
  ctx.secure({ version: "TLSv1.3", cipher: "x", serverName: null, resumed: false, certificate: null });
  assertEquals([ctx.get(C), ctx.helo, ctx.client.ip, ctx.client.tls?.version], [undefined, "", "192.0.2.1", "TLSv1.3"]);
});

Deno.test("case 14: an EHLO that is refused changes nothing, one that is accepted clears the transaction", () => {
  const { ctx, mail } = session();
  const pipeline = new Pipeline([on("helo", (ctx, next) => ctx.helo === "bad" ? reject("5.7.1", "no") : next())], {
    delayRefusals: false,
  });
  const helo = (name: string) => (ctx.greet(name), (pipeline.run("helo", ctx) as Reply).code);
  assertEquals(helo("good"), 250);
  mail("a@example.net");
  assertEquals([helo("bad"), ctx.helo, ctx.sender?.local], [550, "good", "a"]);
  assertEquals([helo("other"), ctx.helo, ctx.sender], [250, "other", null]);
});

Deno.test("roles select, and the operator's word replaces the author's", async () => {
  const ran: string[] = [];
  const say = (name: string, more: Partial<Plugin> = {}): Plugin => ({
    ...on("mail", (_ctx, next) => (ran.push(name), next()), { name }),
    ...more,
  });
  const plugins = [
    say("all"),
    say("mx", { roles: ["mx"] }),
    say("moved", { roles: ["mx"], policy: { roles: ["submission"] } }),
    say("lmtp", { policy: { roles: ["lmtp"] } }),
  ];
  for (
    const [role, names] of [["mx", ["all", "mx"]], ["submission", ["all", "moved"]], ["lmtp", ["all", "lmtp"]]] as const
  ) {
    ran.length = 0;
    await simulate(plugins, { role, to: [] });
    assertEquals(ran, [...names], role);
    assertEquals(new Pipeline(plugins, { role }).matrix.map((each) => each.plugin), [...names]);
  }
});

Deno.test("handles() says whether anybody but core is there", () => {
  const pipeline = new Pipeline([on("mail", (_ctx, next) => next())]);
  assertEquals([pipeline.handles("mail"), pipeline.handles("rcpt")], [true, false]);
});

Deno.test("no stack of plugins gets a yes that was not earned", async () => {
  const answers = fc.constantFrom("next", "accept", "defer", "reject", "throw", "over", "expand", "skip");
  const routes = fc.constantFrom("none", "local", "remote");
  const layer = fc.record({ answer: answers, route: routes, late: fc.boolean(), observe: fc.boolean() });
  const plugin = (
    phase: "rcpt" | "queue",
    act: { answer: string; route: string; late: boolean; observe: boolean },
  ): Plugin => ({
    ...on(phase as "rcpt", async (ctx, next): Promise<Reply> => {
      if (act.late) await null;
      if (phase === "rcpt" && act.route !== "none" && act.answer !== "skip") {
        ctx.route(act.route === "local" ? { to: "local", plugin: "x" } : { to: "remote" });
      }
      if (act.answer === "expand" && phase === "rcpt") ctx.expand([ctx.recipient.address, { local: "z", domain: "d" }]);
      if (act.answer === "accept") return accept();
      if (act.answer === "defer") return defer("4.0.0", "later");
      if (act.answer === "reject") return reject("5.0.0", "never");
      if (act.answer === "throw") throw new Error("boom");
      const below = await next();
      return act.answer === "over" ? accept("over", { over: below }) : below;
    }),
    policy: { mode: act.observe ? "observe" : "enforce", onError: act.answer === "skip" ? "skip" : "defer" },
  });
  await fc.assert(
    fc.asyncProperty(fc.array(layer, { maxLength: 5 }), fc.boolean(), async (layers, durable) => {
      const rcpt = await runPhase(layers.map((each) => plugin("rcpt", each)), "rcpt", { to: "b@example.org" });
      const admitted = rcpt.recipients.length > 0 && rcpt.recipients.every((each) => each.route !== null);
      assertEquals(rcpt.reply.verdict === "accept", admitted);

      let committed = false;
      const queue = await runPhase(layers.map((each) => plugin("queue", each)), "queue", {
        commit: () => {
          committed = durable;
          return Promise.resolve(durable ? null : defer("4.3.1", "full", { code: 452 }));
        },
      });
      if (queue.reply.verdict === "accept") {
        assert(committed, "a yes without a commit, and nobody stored anything");
        assert(queue.recipients.every((each) => each.result === "queued"));
      } else assertEquals(queue.rows, [], "a refusal that kept something");
    }),
    { numRuns: 300 },
  );
});
