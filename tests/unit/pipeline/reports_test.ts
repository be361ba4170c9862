/** Rows that only report: what was refused behind the 250 for a known sender, and lists that were expanded. */
import { assertEquals } from "@std/assert";
import {
  defer,
  formatAddress,
  type Notify,
  on,
  parseAddress,
  reject,
  runPhase,
  simulate,
  type Simulated,
} from "postern";
import { rows } from "../../../core/pipeline/endings/settlement.ts";
import type { Row } from "../../../core/pipeline/endings/settlement.ts";
import { Pipeline } from "../../../core/pipeline/pipeline.ts";
import { session } from "./session.ts";

const NEVER = reject("5.2.1", "Mailbox closed"), LATER = defer("4.2.2", "Full");
const FAILED = "report failed 550 5.2.1 Mailbox closed";

/** Lists, and mailboxes whose names say what becomes of their copy. */
const lists: Readonly<Record<string, readonly string[]>> = {
  team: ["one", "two"],
  single: ["one"],
  staff: ["team", "boss"],
  chief: ["team"],
  closed: ["never1", "never2"],
  mixed: ["never", "later"],
  self: ["self", "other"],
};
const site = [
  on("rcpt", (ctx, next) => {
    const { recipient } = ctx, { local } = recipient.address, members = lists[local];
    const kept = recipient.origin?.address.local === local;
    if (members && !kept) ctx.expand(members.map((each) => parseAddress(`${each}@example.org`)!));
    else ctx.route({ to: "local", plugin: "box" });
    return next();
  }),
  on("queue", (ctx, next) => {
    for (const each of ctx.recipients) {
      if (each.address.local.startsWith("never")) ctx.refuse(each, NEVER);
      if (each.address.local.startsWith("later")) ctx.refuse(each, LATER);
      if (each.address.local.startsWith("stored")) ctx.settle(each, "stored");
    }
    return next();
  }, { name: "box" }),
];
function told(list: readonly Row[]): string[] {
  return list.map(({ recipient, state, route }) => {
    const where = route?.to === "report" ? ` report ${route.action} ${route.reason}` : "";
    return `${recipient.address.local} ${state}${where}`.trim();
  });
}
const to = (...locals: string[]) => ({ to: locals.map((each) => `${each}@example.org`) });
const asking = (local: string, ...notify: Notify[]) => ({
  address: `${local}@example.org`,
  parameters: { notify, orcpt: "rfc822;list@example.org" },
});

Deno.test("SEMANTICS 8: who had logged in is told of what was refused behind the 250, a stranger's copy is held", async () => {
  const rows: [Simulated, string[]][] = [
    [to("stored", "never"), ["never held"]],
    [{ ...to("stored", "never"), identity: "amy" }, [`never ready ${FAILED}`]],
    [{ ...to("one", "later"), identity: "amy" }, ["one ready", "later deferred"]],
    [{ ...to("never1", "never2"), identity: "amy" }, []], // the reply says it
  ];
  for (const [facts, expected] of rows) assertEquals(told((await simulate(site, facts)).rows), expected);
});

Deno.test("SEMANTICS 16: nobody is told of what is held", async () => {
  const hold = on("data", (ctx, next) => (ctx.hold("odd"), ctx.refuse(ctx.recipients[0]!, NEVER), next()));
  const facts = { to: ["one@example.org", asking("team", "SUCCESS")], identity: "amy" };
  const result = await simulate([...site, hold], facts);
  assertEquals(told(result.rows), ["one held", "one held", "two held"]);
});

Deno.test("LMTP: a refusal that the client hears is no report", async () => {
  const facts = { ...to("stored", "never"), identity: "amy", role: "lmtp" } as const;
  assertEquals(told((await simulate(site, facts)).rows), []);
});

Deno.test("RFC 3461 5.2.7.3 (c): who asked for success hears that it was several, once per RCPT", async () => {
  const expanded = (local: string) => `${local} ready report expanded`;
  const rows: [local: string, notify: Notify[], string[]][] = [
    ["team", ["SUCCESS"], ["one ready", "two ready", expanded("team")]],
    ["team", ["SUCCESS", "FAILURE"], ["one ready", "two ready", expanded("team")]],
    ["team", ["FAILURE"], ["one ready", "two ready"]],
    ["single", ["SUCCESS"], ["one ready"]],
    ["staff", ["SUCCESS"], ["one ready", "two ready", "boss ready", expanded("staff")]],
    ["chief", ["SUCCESS"], ["one ready", "two ready", expanded("team")]],
    ["self", ["SUCCESS"], ["self ready", "other ready", expanded("self")]],
    ["mixed", ["SUCCESS"], ["one ready", "never held", "later deferred", expanded("mixed")]],
    ["closed", ["SUCCESS"], ["one ready", "never1 held", "never2 held"]], // it reached nobody
  ];
  for (const [local, notify, expected] of rows) {
    const facts = ["mixed", "closed"].includes(local) ? ["one@example.org"] : [];
    const result = await simulate(site, { to: [...facts, asking(local, ...notify)] });
    assertEquals(told(result.rows), expected, local);
    const report = result.rows.find(({ route }) => route?.to === "report");
    if (report === undefined) continue;
    const { original, parameters } = report.recipient;
    assertEquals([formatAddress(original), parameters.orcpt, parameters.notify], [
      `${local}@example.org`,
      "rfc822;list@example.org",
      notify,
    ]);
  }
});

Deno.test("an expansion of which all copies are stored at once is reported all the same, by a commit of its own", async () => {
  const stored = { ...lists, team: ["stored1", "stored2"] };
  const [, box] = site;
  const route = on("rcpt", (ctx, next) => {
    const members = stored[ctx.recipient.address.local as "team"];
    if (members) ctx.expand(members.map((each) => parseAddress(`${each}@example.org`)!));
    else ctx.route({ to: "local", plugin: "box" });
    return next();
  });
  const result = await simulate([route, box!], { to: asking("team", "SUCCESS") });
  assertEquals([result.reply.code, told(result.rows)], [250, ["team ready report expanded"]]);
});

Deno.test("a RCPT that was refused, or taken back, leaves no report behind", async () => {
  const { ctx, mail, message, rcpt } = session();
  const busy = on("rcpt", (ctx, next) => ctx.recipient.address.local === "busy" ? LATER : next());
  const pipeline = new Pipeline([busy, ...site]);
  message("Subject: x\n\n");
  const received = ctx.received!;
  const say = async (local: string) => {
    rcpt(`${local}@example.org`, asking(local, "SUCCESS").parameters);
    return (await pipeline.run("rcpt", ctx)).code;
  };
  Object.assign(lists, { some: ["one", "busy"] });
  assertEquals(await say("some"), 451);
  assertEquals(ctx.expanded.size, 0);
  const before = ctx.count;
  assertEquals(await say("team"), 250);
  ctx.withdraw(before);
  assertEquals(ctx.expanded.size, 0);
  assertEquals([await say("single"), await say("team")], [250, 250]);
  ctx.complete(received);
  assertEquals(told(rows(ctx)), ["one ready", "two ready", "team ready report expanded"]);
  mail();
  assertEquals(ctx.expanded.size, 0);
});

Deno.test("LMTP: the expanded RCPT that is refused is not reported", async () => {
  const facts = { to: ["one@example.org", asking("mixed", "SUCCESS")], role: "lmtp" } as const;
  assertEquals(told((await simulate(site, facts)).rows), ["one ready"]);
});

Deno.test("callAhead asks about the remote route of this recipient, and nothing else can be asked", async () => {
  const questions: unknown[] = [];
  const ask = on("rcpt", async (ctx, next) => {
    const reply = await ctx.callAhead(ctx.recipient.address.local === "as" ? { sender: ctx.sender } : {});
    return reply.verdict === "reject" ? reject("5.1.1", reply.text) : next();
  });
  const route = on("rcpt", (ctx, next) => (ctx.route({ to: "remote", via: "hop" }), next()));
  const callAhead: Simulated["callAhead"] = ({ sender, recipient, route }, signal) => {
    questions.push([formatAddress(sender), recipient.local, route.via, signal.aborted]);
    return Promise.resolve(recipient.local === "no" ? NEVER : LATER);
  };
  const answer = async (local: string, plugins = [route, ask], facts: Simulated = { callAhead }) =>
    String((await runPhase(plugins, "rcpt", { to: `${local}@far.example`, ...facts })).reply);
  assertEquals(await answer("yes"), "250 2.0.0 OK");
  assertEquals(await answer("no"), "550 5.1.1 Mailbox closed");
  assertEquals(await answer("as"), "250 2.0.0 OK");
  assertEquals(questions, [["", "yes", "hop", false], ["", "no", "hop", false], ["a@example.net", "as", "hop", false]]);
  const local = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "box" }), next()));
  for (const [plugins, facts] of [[[ask], { callAhead }], [[local, ask], { callAhead }], [[route, ask], {}]] as const) {
    assertEquals(await answer("x", [...plugins], facts), "451 4.3.0 Local error in processing");
  }
});
