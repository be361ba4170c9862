/** Conditions, alternatives, company; the order that plugins ask for. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  accept,
  defer,
  firstOf,
  on,
  parallel,
  type Plugin,
  reject,
  runPhase,
  simulate,
  unless,
  when,
  withPolicy,
} from "postern";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";

const later = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const pass = (name = "pass") => on("mail", (_ctx, next) => next(), { name });
const deny = on("mail", () => reject("5.7.1", "no"), { name: "deny" });
const wait = on("mail", () => defer("4.7.1", "wait"), { name: "wait" });
const yes = on("mail", () => accept("yes"), { name: "yes" });
const slow = (ms: number, plugin: Plugin): Plugin => ({
  ...plugin,
  handlers: { mail: async (ctx, next) => (await later(ms), plugin.handlers.mail!(ctx, next)) },
});
const boom = on("mail", () => {
  throw new Error("boom");
}, { name: "boom" });

Deno.test("who answers", async () => {
  const rows: [name: string, plugins: Plugin[], code: number, text: string][] = [
    ["when it holds", [when(() => true, pass(), deny)], 550, "no"],
    ["when it does not", [when(() => false, deny)], 250, "OK"],
    ["unless it holds", [unless(() => true, deny)], 250, "OK"],
    ["unless it does not", [unless(() => false, deny)], 550, "no"],
    ["what follows when runs", [when(() => true, pass()), deny], 550, "no"],
    ["nested", [when(() => true, unless(() => false, when(() => true, deny)))], 550, "no"],
    ["firstOf, the second has nothing against it", [firstOf(deny, pass())], 250, "OK"],
    ["firstOf, what follows runs", [firstOf(deny, pass()), wait], 451, "wait"],
    ["firstOf, a yes skips the rest", [firstOf(deny, yes), wait], 250, "yes"],
    ["firstOf, all refuse: a deferral first", [firstOf(deny, wait)], 451, "wait"],
    ["firstOf, all refuse", [firstOf(deny, deny)], 550, "no"],
    ["firstOf, later", [firstOf(slow(3, deny), slow(1, pass()))], 250, "OK"],
    ["firstOf of combinations", [firstOf(when(() => true, deny), parallel(pass(), pass()))], 250, "OK"],
    ["parallel, nobody objects", [parallel(pass(), pass()), wait], 451, "wait"],
    ["parallel, one refuses", [parallel(pass(), deny, pass())], 550, "no"],
    ["parallel, list order picks", [parallel(slow(9, deny), slow(1, wait))], 550, "no"],
    ["parallel, later", [parallel(slow(5, pass()), slow(1, pass())), wait], 451, "wait"],
    ["parallel, a fault", [parallel(pass(), boom)], 451, "Local error in processing"],
  ];
  for (const [name, plugins, code, text] of rows) {
    const { reply } = await runPhase(plugins, "mail");
    assertEquals([reply.code, reply.text], [code, text], name);
  }
});

Deno.test("members keep their names, and combinations take no part in the ledger", async () => {
  const result = await runPhase([when(() => true, pass("a"), parallel(pass("b"), firstOf(pass("c"))))], "mail");
  assertEquals(result.decisions.map((each) => each.plugin).sort(), ["a", "b", "c"]);
});

Deno.test("company runs at the same time", async () => {
  const order: string[] = [];
  const step = (name: string, ms: number) =>
    on("mail", async (_ctx, next) => {
      order.push(`${name} begins`);
      await later(ms);
      order.push(`${name} ends`);
      return next();
    });
  await runPhase(parallel(step("a", 20), step("b", 2)), "mail");
  assertEquals(order, ["a begins", "b begins", "b ends", "a ends"]);
});

Deno.test("parallel: one deadline holds for all members, named one by one or as a list", async () => {
  const never = on("mail", () => new Promise<never>(() => {}), { name: "never" });
  for (const together of [parallel(never, never, pass()), parallel([never, never, pass()])]) {
    const late = await runPhase(withPolicy(together, { deadline: 50 }), "mail");
    assertEquals(late.reply.code, 451);
    const names = late.decisions.filter(({ verdict }) => verdict === "error").map(({ plugin }) => plugin);
    assertEquals(names, ["never", "never"]);
  }
  const skipped = withPolicy(parallel([never, deny]), { deadline: 50, onError: "skip" });
  assertEquals(String((await runPhase(skipped, "mail")).reply), "550 5.7.1 no");
});

Deno.test("a condition sees the facts of every phase", async () => {
  const seen: string[] = [];
  const note = when((facts) => {
    seen.push(
      `${facts.phase} ${facts.client.ip} ${facts.helo} ${facts.sender?.local ?? "-"} ${
        facts.recipient?.address.local ?? "-"
      } ${facts.recipients.length}`,
    );
    return false;
  }, {
    name: "all",
    handlers: {
      connect: (_c, n) => n(),
      mail: (_c, n) => n(),
      rcpt: (_c, n) => n(),
      data: (_c, n) => n(),
      queue: (_c, n) => n(),
    },
  });
  const route = on("rcpt", (ctx, next) => (ctx.route({ to: "remote" }), next()));
  await simulate([note, route], { to: "b@d", helo: "h" });
  assertEquals(seen, [
    "connect 192.0.2.1  - - 0",
    "mail 192.0.2.1 h a - 0",
    "rcpt 192.0.2.1 h a b 0",
    "data 192.0.2.1 h a - 1",
    "queue 192.0.2.1 h a - 1",
  ]);
});

Deno.test("a condition that throws fails closed, unless the operator says otherwise", async () => {
  const broken = when(() => {
    throw new Error("no such list");
  }, deny);
  const closed = await runPhase(broken, "mail");
  assertEquals([closed.reply.code, closed.decisions[0]!.reason], [451, "a condition threw: no such list"]);
  assertEquals((await runPhase(withPolicy(broken, { onError: "skip" }), "mail")).reply.code, 250);
});

Deno.test("the operator's words for a combination reach its members", async () => {
  const observed = await runPhase(withPolicy(parallel(deny, boom), { mode: "observe" }), "mail");
  assertEquals([observed.reply.code, observed.decisions.map((each) => each.observed)], [250, [true, true]]);
  const own = withPolicy(when(() => true, withPolicy(deny, { mode: "enforce", deadline: 9 })), { mode: "observe" });
  assertEquals((await runPhase(own, "mail")).reply.code, 250, "the outer word is the later one");
  const skipped = await runPhase(withPolicy(when(() => true, boom), { onError: "skip" }), "mail");
  assertEquals(skipped.reply.code, 250);
  const elsewhere = withPolicy(when(() => true, deny), { roles: ["submission"] });
  assertEquals((await simulate([elsewhere], { role: "mx", to: [] })).reply.verdict, "accept");
});

Deno.test("roles of members select within a combination", () => {
  const plugin = when(() => true, { ...deny, roles: ["mx"] }, { ...wait, roles: ["lmtp"] });
  assertEquals(new Pipeline([plugin], { role: "lmtp" }).matrix.map((each) => each.plugin), ["wait"]);
  assertEquals(new Pipeline([plugin], { role: "edge" }).handles("mail"), false);
});

Deno.test("handlers of a combination work for whoever calls them", async () => {
  const inner = when((facts) => facts.helo === "client.example.net", deny);
  const outer: Plugin = { name: "outer", handlers: { mail: (ctx, next) => inner.handlers.mail!(ctx, next) } };
  assertEquals((await runPhase(outer, "mail")).reply.text, "no");
});

Deno.test("a list that cannot be: order, phases", () => {
  const spf: Plugin = { ...pass("spf") };
  const score: Plugin = { ...pass("score"), after: ["spf"] };
  const sign: Plugin = { ...pass("sign"), after: ["*"] };
  const seal: Plugin = { ...on("deliver", (_ctx, next) => next(), { name: "seal" }), after: ["*"] };
  const odd = { name: "odd", handlers: { rctp: () => accept() } } as unknown as Plugin;
  const rows: [Plugin[], string | null][] = [
    [[spf, score], null],
    [[score], null],
    [[score, spf], 'plugins: "score" must stand after "spf"'],
    [[when(() => true, score), parallel(pass(), spf)], 'plugins: "score" must stand after "spf"'],
    [[spf, sign], null],
    [[sign, spf], 'plugins: "sign" must stand last, after "spf"'],
    [[seal, on("data", (_ctx, next) => next(), { name: "data" }), spf], null], // it is not in their phase
    [[seal, on("deliver", (_ctx, next) => next(), { name: "edit" })], 'plugins: "seal" must stand last, after "edit"'],
    [[seal, spf, when(() => true, { ...seal, name: "dkim" })], null], // two of them: in the operator's order
    [[parallel(spf, score)], 'plugins: "score" must stand after "spf", and not beside it in parallel'],
    [
      [when(() => true, parallel(firstOf(spf), when(() => true, score)))],
      'plugins: "score" must stand after "spf", and not beside it in parallel',
    ],
    [[parallel(pass(), when(() => true, spf, score))], null], // one after the other within a member
    [[parallel(spf, { ...on("data", (_ctx, next) => next(), { name: "late" }), after: ["spf"] })], null], // in a later phase
    [[odd], 'plugins: "odd" handles the unknown phase "rctp"'],
  ];
  for (const [plugins, message] of rows) {
    if (message === null) new Pipeline(plugins);
    else assertThrows(() => new Pipeline(plugins), Error, message);
  }
});

Deno.test("the matrix shows members, phases in their order, and what observing leaves out", () => {
  const both: Plugin = { name: "both", handlers: { queue: (_c, n) => n(), connect: (_c, n) => n() } };
  const pipeline = new Pipeline([when(() => true, both), withPolicy({ ...both, name: "dry" }, { mode: "observe" })]);
  assertEquals(pipeline.matrix, [
    { plugin: "both", phases: ["connect", "queue"], mode: "enforce" },
    { plugin: "dry", phases: ["connect"], mode: "observe" },
  ]);
});
