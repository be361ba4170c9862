/** Call-ahead as operators set it: who is asked about, what is remembered, what it means when nobody answers. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type CallAhead,
  defer,
  on,
  OptionsError,
  type Plugin,
  type Question,
  reject,
  Reply,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
} from "../../../../../core/pipeline/mod.ts";
import { formatAddress } from "../../../../../core/model/address.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { verify_recipient } from "../../../../../plugins/access/verify_recipient/mod.ts";
import { MailSink } from "../../../../support/mail_sink.ts";
import { within } from "../../../../support/wait.ts";
import { AskingSite } from "../../../delivery/questions.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

/** Routes as `recipients` gives them in front of a host of ours. */
const gateway = on("rcpt", (ctx, next) => {
  if (ctx.recipient.address.domain === "example.org") ctx.route({ to: "remote", via: "exchange" });
  return next();
}, { name: "gateway" });

const NOBODY = new Reply(550, "5.1.1", "No mailbox here by that name (said ex.internal)");
const TAKEN = new Reply(250, "2.1.5", "OK (said ex.internal)");
const SILENT = defer("4.4.1", "No server could be asked");

/** A clock that the test moves, one store, and a next hop that says what the test wants. */
class World {
  now = Date.UTC(2026, 0, 1);
  readonly counters = new SimulatedCounters(() => this.now);
  readonly asked: string[] = [];
  says: (question: Question, signal: AbortSignal) => Reply | Promise<Reply> = ({ recipient }) =>
    recipient.local.startsWith("no") ? NOBODY : TAKEN;
  readonly callAhead: CallAhead = async (question, signal) => {
    const { sender, recipient, route } = question;
    const from = sender === null ? "" : `${formatAddress(sender)}: `;
    this.asked.push(`${from}${formatAddress(recipient)}${route.via === undefined ? "" : ` via ${route.via}`}`);
    return await this.says(question, signal);
  };
  get facts(): Simulated {
    return { now: () => this.now, counters: this.counters, callAhead: this.callAhead };
  }
  async reply(plugin: Plugin, to = "a@example.org", facts: Simulated = {}): Promise<Reply> {
    const { reply } = await runPhase([relayed, gateway, plugin], "rcpt", { ...this.facts, to, ...facts });
    return reply;
  }
  /** Code and status. */
  async rcpt(plugin: Plugin, to?: string, facts?: Simulated): Promise<string> {
    return String(await this.reply(plugin, to, facts)).slice(0, 9);
  }
}
const relayed = relay({ domains: ["backup.example"], networks: ["10.0.0.0/8"] });

Deno.test("options: what is wrong is said with its place", () => {
  const table: readonly [unknown, string][] = [
    [{ domains: ["exa mple"] }, 'verify_recipient.domains.0: "exa mple" is no domain'],
    [{ positive: "31d" }, "verify_recipient.positive"],
    [{ positive: { keep: "31" } }, "verify_recipient.positive.keep: must be a duration"],
    [{ timeout: "26s" }, "verify_recipient.timeout: must be at most 25s"],
    [{ sender: "postmaster" }, 'verify_recipient.sender: "postmaster" is no address'],
    [{ code: 421 }, "verify_recipient.code: must be 450"],
    [{ questions: "0/1m" }, "verify_recipient.questions: must be a rate"],
    [{ refresh: "1d" }, "refresh"],
  ];
  for (const [options, message] of table) {
    assertThrows(() => verify_recipient.parse(options, ["verify_recipient"]), OptionsError, message);
  }
});

Deno.test("who is asked about: recipients of ours and of domains we are backup for that leave, and whom the operator names", async () => {
  const client = { ip: "10.0.0.1" }, user = { identity: "ann" };
  const named = { domains: ["*.partner.example", "backup.example"] };
  const table:
    readonly (readonly [options: Parameters<typeof verify_recipient>[0], Simulated, to: string, asked: boolean])[] = [
      [{}, {}, "a@example.org", true],
      [{}, {}, "a@backup.example", true],
      [{}, client, "a@elsewhere.example", false],
      [{}, user, "a@example.org", false],
      [{}, user, "a@elsewhere.example", false],
      [{ authenticated: true }, user, "a@example.org", true],
      [{ authenticated: true }, user, "a@elsewhere.example", false],
      [named, {}, "a@example.org", false],
      [named, {}, "a@backup.example", true],
      [named, client, "a@x.partner.example", true],
      [named, client, "a@partner.example", false],
      [named, user, "a@x.partner.example", false],
    ];
  for (const [options, facts, to, asked] of table) {
    const world = new World();
    await world.rcpt(verify_recipient(options), to, facts);
    assertEquals(world.asked.length, asked ? 1 : 0, `${JSON.stringify(options)} ${JSON.stringify(facts)} ${to}`);
  }
});

Deno.test("nobody is asked about mail that stays, that others refuse, or that is a copy for a person", async () => {
  const world = new World(), plugin = verify_recipient();
  const here = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
  await runPhase([here, plugin], "rcpt", { ...world.facts, to: "a@example.org" });
  const behind = on("rcpt", () => reject("5.7.1", "Not for you"));
  const { reply } = await runPhase([gateway, plugin, behind], "rcpt", { ...world.facts, to: "a@example.org" });
  assertEquals([String(reply), world.asked], ["550 5.7.1 Not for you", []]);
  const copy = on("data", (ctx, next) => (ctx.copyTo({ local: "archive", domain: "example.org" }), next()));
  const { rows } = await simulate([gateway, plugin, copy], { ...world.facts, to: "a@example.org" });
  assertEquals([rows.length, world.asked], [2, ["a@example.org via exchange"]]);
});

Deno.test("SEMANTICS 24: an answer is remembered for all instances, a yes and a no, each for its own time", async () => {
  const world = new World(), [one, two] = [verify_recipient(), verify_recipient()];
  const options = [one, two, one, two] as const;
  for (const plugin of options) assertEquals(await world.rcpt(plugin, "a@example.org"), "250 2.0.0");
  for (const plugin of options) assertEquals(await world.rcpt(plugin, "no@example.org"), "550 5.1.1");
  assertEquals(world.asked, ["a@example.org via exchange", "no@example.org via exchange"]);

  world.now += HOUR - 1;
  assertEquals(await world.rcpt(two, "no@example.org"), "550 5.1.1");
  assertEquals(world.asked.length, 2);
  world.now += 1; // now it is asked again, and has moved in
  world.says = () => TAKEN;
  assertEquals(await world.rcpt(two, "no@example.org"), "250 2.0.0");
  assertEquals([world.asked.length, await world.rcpt(one, "no@example.org"), world.asked.length], [3, "250 2.0.0", 3]);

  world.now += 7 * DAY;
  world.says = () => NOBODY;
  assertEquals(await world.rcpt(one, "a@example.org"), "550 5.1.1"); // gone
  assertEquals(world.asked.length, 4);
});

Deno.test("an old answer counts while no new one is to be had, and is forgotten in the end", async () => {
  const world = new World(), plugin = verify_recipient({ onDefer: "defer" });
  assertEquals([await world.rcpt(plugin, "a@example.org"), await world.rcpt(plugin, "no@example.org")], [
    "250 2.0.0",
    "550 5.1.1",
  ]);
  world.says = () => SILENT;
  world.now += 2 * HOUR;
  assertEquals(await world.rcpt(plugin, "no@example.org"), "550 5.1.1");
  world.now += HOUR;
  assertEquals(await world.rcpt(plugin, "no@example.org"), "451 4.4.1");
  world.now += 30 * DAY;
  assertEquals(await world.rcpt(plugin, "a@example.org"), "250 2.0.0");
  world.now += DAY;
  assertEquals(await world.rcpt(plugin, "a@example.org"), "451 4.4.1");
});

Deno.test("addresses are one by domain in any case and by local part as it is; another next hop is another matter", async () => {
  const world = new World(), plugin = verify_recipient({ domains: ["example.org"] });
  await world.rcpt(plugin, "a@example.org");
  await world.rcpt(plugin, "a@EXAMPLE.org");
  assertEquals(world.asked.length, 1);
  await world.rcpt(plugin, "A@example.org");
  assertEquals(world.asked.length, 2);
  const other = on("rcpt", (ctx, next) => (ctx.route({ to: "remote", via: "new" }), next()));
  await runPhase([other, plugin], "rcpt", { ...world.facts, to: "a@example.org" });
  assertEquals(world.asked.at(-1), "a@example.org via new");
});

Deno.test("what the client hears of a refusal, and what the log does", async () => {
  const table: readonly (readonly [said: Reply, code: 450 | 550 | 553, heard: string, remembered: boolean])[] = [
    [NOBODY, 550, "550 5.1.1 No such user (said exchange)", true],
    [NOBODY, 553, "553 5.1.1 No such user (said exchange)", true],
    [NOBODY, 450, "450 4.1.1 No such user (said exchange)", true],
    [new Reply(550, "5.0.0", "no"), 550, "550 5.1.1 No such user (said exchange)", true],
    [new Reply(551, "5.1.6", "moved"), 550, "550 5.1.6 Recipient refused (said exchange)", true],
    [new Reply(552, "5.2.2", "full"), 550, "550 5.2.2 Recipient refused (said exchange)", true],
    [new Reply(554, "5.7.1", "not from you"), 550, "550 5.7.1 Recipient refused (said exchange)", false],
    [new Reply(554, "5.7.1", "not from you"), 450, "450 4.7.1 Recipient refused (said exchange)", false],
  ];
  for (const [said, code, heard, remembered] of table) {
    const world = new World(), plugin = verify_recipient({ code });
    world.says = () => said;
    const { reply, decisions } = await runPhase([gateway, plugin], "rcpt", { ...world.facts, to: "a@example.org" });
    assertEquals(String(reply), heard);
    assertEquals(decisions.findLast((each) => each.plugin === "verify_recipient")?.reason, String(said));
    assertEquals(String(await world.reply(plugin)), heard);
    assertEquals(world.asked.length, remembered ? 1 : 2, String(said));
  }
});

Deno.test("no answer: taken by default, and the log says why; or for later", async () => {
  const world = new World();
  world.says = () => defer("4.2.1", "busy", { code: 450 });
  const { reply, decisions } = await runPhase([gateway, verify_recipient()], "rcpt", {
    ...world.facts,
    to: "a@example.org",
  });
  assertEquals(reply.verdict, "accept");
  assertMatch(
    decisions.findLast(({ plugin }) => plugin === "verify_recipient")!.reason,
    /^not verified: 450 4\.2\.1 busy/,
  );
  const later = await world.reply(verify_recipient({ onDefer: "defer" }));
  assertEquals(
    String(later),
    "451 4.4.1 exchange does not say whether it takes this recipient, try again later",
  );
  assertEquals(world.asked.length, 2); // a mailbox that is busy says nothing of its host
});

Deno.test("a next hop that says nothing is left alone for a while, whoever is asked about, by all instances", async () => {
  const world = new World(), [one, two] = [verify_recipient({ onDefer: "defer" }), verify_recipient()];
  world.says = () => SILENT;
  const { reply, events } = await runPhase([gateway, one], "rcpt", { ...world.facts, to: "a@example.org" });
  assertEquals(String(reply).slice(0, 9), "451 4.4.1");
  assertEquals(events.filter(({ type }) => type === "alert"), [{
    type: "alert",
    where: "verify_recipient",
    subject: "exchange",
    message: `does not say which recipients it takes: ${SILENT}`,
  }]);
  assertEquals(await world.rcpt(one, "b@example.org"), "451 4.4.1");
  assertEquals(await world.rcpt(two, "c@example.org"), "250 2.0.0");
  assertEquals(world.asked.length, 1);
  await world.rcpt(one, "a@backup.example"); // another one
  assertEquals(world.asked.length, 2);
  world.now += MINUTE;
  await world.rcpt(one, "a@example.org");
  assertEquals(world.asked.length, 3);
});

Deno.test("where nobody has to be asked, nothing is remembered", async () => {
  const world = new World(), plugin = verify_recipient({ onDefer: "defer" });
  world.says = () => new Reply(252, "2.0.0", "No other server has to be asked");
  for (const count of [1, 2]) {
    assertEquals(await world.rcpt(plugin), "250 2.0.0");
    assertEquals(world.asked.length, count);
  }
});

Deno.test("random addresses: so many questions in a time, then there is no answer", async () => {
  const world = new World(), plugins = [1, 2].map(() => verify_recipient({ questions: "5/1m", onDefer: "defer" }));
  world.says = () => NOBODY;
  const replies: string[] = [];
  for (let i = 0; i < 8; i++) replies.push(await world.rcpt(plugins[i % 2]!, `x${i}@example.org`));
  assertEquals(replies.map((each) => each.slice(0, 3)), ["550", "550", "550", "550", "550", "451", "451", "451"]);
  assertEquals([world.asked.length, await world.rcpt(plugins[0]!, "x0@example.org")], [5, "550 5.1.1"]);
  world.now += MINUTE;
  assertEquals(await world.rcpt(plugins[0]!, "x7@example.org"), "550 5.1.1");
});

Deno.test("who it is from: nobody, or the address that the operator names", async () => {
  const world = new World();
  await world.rcpt(verify_recipient({ sender: "probe@mx.example.org" }));
  assertEquals(world.asked, ["probe@mx.example.org: a@example.org via exchange"]);
});

Deno.test("many clients that name one address at a time ask once, and all hear the answer", async () => {
  const world = new World(), plugin = verify_recipient(), answer = Promise.withResolvers<Reply>();
  world.says = () => answer.promise;
  const replies = Array.from({ length: 20 }, () => world.rcpt(plugin, "no@example.org"));
  const other = world.rcpt(plugin, "no2@example.org");
  answer.resolve(NOBODY);
  assertEquals(new Set(await Promise.all([...replies, other])), new Set(["550 5.1.1"]));
  assertEquals(world.asked.length, 2);
});

Deno.test("a circle: the question that comes back is answered at once, and neither waits for the other", async () => {
  const world = new World(), plugin = verify_recipient();
  const back: string[] = [];
  world.says = async () => {
    const reply = await world.reply(plugin, "a@example.org", { from: null });
    back.push(String(reply).slice(0, 9));
    return reply.verdict === "accept" ? TAKEN : defer("4.2.0", "later");
  };
  assertEquals(await within("an end", world.rcpt(plugin), 5000), "250 2.0.0"); // not verified, and taken
  assertEquals([back, world.asked.length], [["451 4.4.6"], 1]);

  // Once there is an answer, old as it is, it answers
  world.says = () => TAKEN;
  assertEquals(await world.rcpt(plugin), "250 2.0.0");
  world.now += 8 * DAY;
  world.says = async () => {
    back.push((await world.rcpt(plugin, "a@example.org", { from: null })).slice(0, 9));
    return TAKEN;
  };
  assertEquals(await within("an end", world.rcpt(plugin), 5000), "250 2.0.0");
  assertEquals(back, ["451 4.4.6", "250 2.0.0"]);
});

Deno.test("names in the store are bounded, and what stands there is read with care", async () => {
  const world = new World(), plugin = verify_recipient();
  const long = `${"x".repeat(60)}@${"a.".repeat(90)}example.org`;
  await runPhase([relay({ domains: ["*.example.org"] }), plugin], "rcpt", { ...world.facts, to: long });
  await world.rcpt(plugin, long);
  const answers = world.counters.names.filter((each) => each.includes("answer "));
  assertEquals(answers.length, 1);
  assert(answers[0]!.length < 240, answers[0]);
  await world.rcpt(plugin, "b@example.org");
  const name = world.counters.names.findLast((each) => each.includes("answer "))!;
  for (const text of ["", "no", "yes 2.1.5", "no 4.1.1 1767225600000", "no 5.1.1 later", "maybe 5.1.1 1"]) {
    await world.counters.put(name, text, { seconds: 60 });
    const before = world.asked.length;
    assertEquals(await world.rcpt(plugin, "b@example.org"), "250 2.0.0", text);
    assertEquals(world.asked.length, before + 1, text);
  }
});

Deno.test("a server that asks nobody: the plugin's failure, said as one", async () => {
  const { reply, decisions } = await runPhase([gateway, verify_recipient()], "rcpt", { to: "a@example.org" });
  assertEquals(reply.code, 451);
  assertMatch(decisions.find(({ plugin }) => plugin === "verify_recipient")!.reason, /nobody here asks other hosts/);
});

Deno.test("in front of a real server", async () => {
  await using sink = await MailSink.open();
  await using site = new AskingSite({ hops: { exchange: [`smtp://127.0.0.1:${sink.port}`] } });
  const world = new World(), plugin = verify_recipient();
  world.says = (question, signal) => site.callAhead.ask(question, signal);
  assertEquals(await world.rcpt(plugin, "ann@example.org"), "250 2.0.0");
  assertEquals(String(await world.reply(plugin, "nobody@example.org")), "550 5.1.1 No such user (said exchange)");
  assertEquals(sink.messages.length, 0);
  await sink[Symbol.asyncDispose]();
  assertEquals(await world.rcpt(plugin, "nobody@example.org"), "550 5.1.1"); // remembered
  assertEquals(await world.rcpt(plugin, "bob@example.org"), "250 2.0.0"); // it is down, and the queue takes the mail
});
