/** feedback: what is proven suppresses, and what anybody could have written suppresses nobody. */
import { assertEquals } from "@std/assert";
import {
  formatAddress,
  type Plugin,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
  type SimulatedResult,
} from "postern";
import { bounce } from "../../../../../plugins/access/bounce/mod.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";
import { FEEDBACK, feedback } from "../../../../../plugins/content/feedback/mod.ts";
import { DKIM, type DkimFindings } from "../../../../../plugins/identity/dkim/key.ts";
import { DMARC, type DmarcFinding } from "../../../../../plugins/identity/dmarc/key.ts";
import { verp } from "../../../../../plugins/outbound/verp/mod.ts";
import { inbox } from "../../../../../plugins/storage/inbox/mod.ts";

type Options = Parameters<typeof feedback>[0];
const DAY = 86_400_000, START = Date.UTC(2026, 0, 1);
const secrets = ["a secret of some length"];
const REPORTERS: NonNullable<NonNullable<Options>["reporters"]> = [
  { from: "feedback@arf.big.example", domains: ["big.example"] },
];

/** One site through its days: two threads, one store. */
class World {
  now = START;
  readonly counters = new SimulatedCounters(() => this.now);
  readonly #threads: readonly Plugin[][];
  #turn = 0;

  constructor(options: Options = {}) {
    const list = () => [
      verp({ senders: ["news-bounces@example.org"] }),
      bounce({ secrets }),
      relay({ networks: ["198.51.100.0/24"] }),
      recipients({ accounts: { alice: "inbox", bob: "inbox", "news-bounces": "inbox" } }),
      feedback({ reporters: REPORTERS, ...options }),
      inbox(),
    ];
    this.#threads = [list(), list()];
  }
  get #list(): Plugin[] {
    return this.#threads[this.#turn++ % 2]!;
  }
  get #facts(): Simulated {
    return { now: () => this.now, counters: this.counters };
  }
  /** Mail of ours leaves; its return paths, by recipient. */
  async sends(from: string, to: string | string[], id: string, facts: Simulated = {}): Promise<string[]> {
    const message = `From: ${from}\nMessage-ID: <${id}>\nSubject: hello\n\nHello\n`;
    const { departure } = await runPhase(this.#list, "deliver", {
      ...this.#facts,
      from,
      to,
      message,
      identity: "alice",
      ...facts,
    });
    return departure!.envelopes.map((each) => each.from);
  }
  async gets(to: string, message: string, facts: Simulated = {}): Promise<SimulatedResult> {
    return await simulate(this.#list, { ...this.#facts, from: null, to, message, ...facts });
  }
  /** Who is suppressed by it, and for how many days. */
  async suppressedBy(to: string, message: string, facts: Simulated = {}): Promise<string[]> {
    const { reply, suppressed, decisions } = await this.gets(to, message, facts);
    assertEquals([reply.code, decisions.filter(({ verdict }) => verdict === "error")], [250, []]);
    return suppressed.map(({ address, seconds }) => `${formatAddress(address)} ${(seconds ?? NaN) / 86_400}`);
  }
}

/** A bounce as a server of others writes it. */
function dsn(
  about: string,
  options: { status?: string; action?: string; id?: string; original?: string } = {},
): string {
  const { status = "5.1.1", action = "failed", id = "m1@example.org", original } = options;
  return `From: MAILER-DAEMON@far.example
Subject: Undelivered Mail
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.example

${original ? `Original-Recipient: rfc822; ${original}\n` : ""}Final-Recipient: rfc822; ${about}
Action: ${action}
Status: ${status}

--b
Content-Type: message/rfc822

From: alice@example.org
Message-ID: <${id}>
Subject: hello

Hello
--b--
`;
}

/** A complaint as providers write it. */
function arf(options: { type?: string; from?: string; id?: string; more?: string; returned?: string } = {}): string {
  const { type = "abuse", from = "feedback@arf.big.example", id = "m1@example.org", more = "", returned = "" } =
    options;
  return `From: <${from}>
Subject: complaint
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: ${type}
User-Agent: Big/1.0
Version: 1
${more}
--b
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: base64

${btoa(`${returned}From: alice@example.org\r\nMessage-ID: <${id}>\r\n\r\n`)}
--b--
`;
}
const dmarc = (domain: string, result: DmarcFinding["result"] = "pass") =>
  [[DMARC, { result, domain }]] as unknown as Simulated["keys"] & [];
const dkim = (domain: string, result = "pass") =>
  [[DKIM, { result, signatures: [{ result, domain }] } as unknown as DkimFindings]] as unknown as
    & Simulated["keys"]
    & [];

Deno.test("feedback: a bounce of a list's mail suppresses whom its signed return path names, whatever it says itself", async () => {
  const world = new World();
  const [path, others] = await world.sends(
    "news-bounces@example.org",
    ["carol@far.example", "dave@far.example"],
    "n1@example.org",
  );
  assertEquals(await world.suppressedBy(path!, dsn("carol@far.example")), ["carol@far.example 90"]);
  assertEquals(await world.suppressedBy(others!, dsn("dave-new@elsewhere.example")), ["dave@far.example 90"]); // forwarded
  assertEquals(await world.suppressedBy(path!, dsn("carol@far.example", { action: "delayed" })), []);
  assertEquals(await world.suppressedBy(path!, dsn("carol@far.example", { status: "5.7.1" })), []);
});

Deno.test("feedback: a bounce of a mail that one person got suppresses him", async () => {
  const world = new World();
  const [path] = await world.sends("alice@example.org", "carol@far.example", "m1@example.org");
  assertEquals(await world.suppressedBy(path!, dsn("Carol@far.example")), ["carol@far.example 90"]);
  assertEquals(await world.suppressedBy(path!, dsn("x@y.example", { original: "carol@far.example" })), [
    "carol@far.example 90",
  ]);
  const text =
    `From: MAILER-DAEMON@far.example\n\nHi. This is the qmail-send program at far.example.\n\n<carol@far.example>:\n(#5.1.1)\n`;
  assertEquals(await world.suppressedBy(path!, text), []); // it has no header of the mail that anybody could read
});

Deno.test("feedback: qmail's sentences count where the return path says whom they are about", async () => {
  const world = new World();
  const [path] = await world.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
  const text =
    `From: MAILER-DAEMON@far.example\n\nHi. This is the qmail-send program at far.example.\n\n<carol@far.example>:\n(#5.1.1)\n`;
  assertEquals(await world.suppressedBy(path!, text), ["carol@far.example 90"]);
});

Deno.test("feedback: a forged bounce suppresses nobody", async () => {
  const world = new World();
  const [eves] = await world.sends("alice@example.org", "eve@evil.example", "to-eve@example.org");
  await world.sends("alice@example.org", "carol@far.example", "m1@example.org");
  await world.sends("alice@example.org", ["dave@far.example", "eve@evil.example"], "both@example.org");
  const [listed] = await world.sends("news-bounces@example.org", "eve@evil.example", "n1@example.org");
  // Eve has a signed return path of alice's and one of the list's, and knows who is on it
  const rows: [what: string, to: string, message: string][] = [
    ["no tag", "alice@example.org", dsn("carol@far.example")],
    ["a tag, and an id that she has not seen", eves!, dsn("carol@far.example", { id: "guess@example.org" })],
    ["a tag, and an id of hers", eves!, dsn("carol@far.example", { id: "to-eve@example.org" })],
    ["a tag, and the id of a mail that both got", eves!, dsn("dave@far.example", { id: "both@example.org" })],
    ["the list's path to her", listed!.replace("eve=evil.example", "carol=far.example"), dsn("carol@far.example")],
    ["a path without a tag", "news-bounces+carol=far.example@example.org", dsn("carol@far.example")],
  ];
  for (const [what, to, message] of rows) {
    const { suppressed } = await world.gets(to, message);
    assertEquals(suppressed.filter(({ address }) => address.domain !== "evil.example"), [], what);
  }
  assertEquals(await world.suppressedBy(listed!, dsn("carol@far.example")), ["eve@evil.example 90"]); // herself
});

Deno.test("feedback: with a mail whose id a stranger chose he proves nothing about others", async () => {
  const world = new World();
  const [eves] = await world.sends("alice@example.org", "eve@evil.example", "to-eve@example.org");
  const forwarded = { to: { address: "carol@far.example", original: "away@example.org" }, identity: null };
  await world.sends("alice@example.org", [], "chosen@evil.example", forwarded); // an alias sends on what eve wrote in alice's name
  assertEquals(await world.suppressedBy(eves!, dsn("carol@far.example", { id: "chosen@evil.example" })), []);
  await world.sends("bob@example.org", "carol@far.example", "from-bob@example.org");
  assertEquals(await world.suppressedBy(eves!, dsn("carol@far.example", { id: "from-bob@example.org" })), []);
});

Deno.test("feedback: what may come back is counted, by both threads, and forgotten", async () => {
  const world = new World({ soft: { count: 3, within: "10d", seconds: "7d" } });
  const [path] = await world.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
  const full = () => world.suppressedBy(path!, dsn("carol@far.example", { status: "5.2.2" }));
  assertEquals([await full(), await full(), await full()], [[], [], ["carol@far.example 7"]]);
  const later = new World({ soft: { count: 2, within: "1d" } });
  const [again] = await later.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
  assertEquals(await later.suppressedBy(again!, dsn("carol@far.example", { status: "4.4.7" })), []);
  later.now += 2 * DAY;
  assertEquals(await later.suppressedBy(again!, dsn("carol@far.example", { status: "4.4.7" })), []);
});

Deno.test("feedback: it is remembered for a time to whom mail went", async () => {
  const world = new World({ remember: "3d" });
  const [path] = await world.sends("alice@example.org", "carol@far.example", "m1@example.org");
  world.now += 4 * DAY;
  assertEquals(await world.suppressedBy(path!, dsn("carol@far.example")), []);
});

Deno.test("feedback: a complaint counts from whom the list names, if it is they, about mail that is ours", async () => {
  const world = new World();
  await world.sends("alice@example.org", "carol@big.example", "m1@example.org");
  const judge = (message: string, keys: Simulated["keys"] & [], from = "x@arf.big.example") =>
    world.suppressedBy("alice@example.org", message, { from, keys });
  const yes = ["carol@big.example 3650"];
  assertEquals(await judge(arf(), dmarc("arf.big.example")), yes);
  assertEquals(await judge(arf(), dkim("arf.big.example")), yes);
  assertEquals(await judge(arf(), dkim("big.example")), yes);
  assertEquals(await judge(arf({ type: "opt-out" }), dmarc("arf.big.example")), yes);
  const no: [what: string, message: string, keys: Simulated["keys"] & []][] = [
    ["nobody vouches", arf(), [] as never],
    ["dmarc fails", arf(), dmarc("arf.big.example", "fail")],
    ["dmarc of another domain", arf(), dmarc("evil.example")],
    ["a signature of another", arf(), dkim("evil.example")],
    ["a signature of a part of the name", arf(), dkim("ig.example")],
    ["a signature that fails", arf(), dkim("big.example", "fail")],
    ["not on the list", arf({ from: "eve@big.example" }), dmarc("big.example")],
    ["no mail of ours", arf({ id: "other@example.org" }), dmarc("arf.big.example")],
    ["praise", arf({ type: "not-spam" }), dmarc("arf.big.example")],
    ["something else", arf({ type: "other" }), dmarc("arf.big.example")],
    ["two authors", arf({ from: "feedback@arf.big.example>, <eve@evil.example" }), dmarc("arf.big.example")],
  ];
  for (const [what, message, keys] of no) assertEquals(await judge(message, keys), [], what);
});

Deno.test("feedback: whom a complaint is about: the return path, the mail itself, or the provider's word about its own", async () => {
  const world = new World();
  const [path] = await world.sends(
    "news-bounces@example.org",
    ["carol@big.example", "dave@far.example"],
    "n1@example.org",
  );
  const judge = (options: Parameters<typeof arf>[0]) =>
    world.suppressedBy("alice@example.org", arf({ id: "n1@example.org", ...options }), {
      from: "x@arf.big.example",
      keys: dmarc("arf.big.example"),
    });
  assertEquals(await judge({ more: `Original-Mail-From: <${path}>\n` }), ["carol@big.example 3650"]);
  assertEquals(await judge({ returned: `Return-Path: <${path}>\r\n` }), ["carol@big.example 3650"]);
  assertEquals(await judge({ more: "Original-Rcpt-To: <erin@big.example>\n" }), ["erin@big.example 3650"]);
  assertEquals(await judge({ more: "Original-Rcpt-To: <dave@far.example>\n" }), []); // not its own
  assertEquals(await judge({ more: "Original-Rcpt-To: <erin@big.example>\n", id: "other@example.org" }), []);
  assertEquals(await judge({}), []);
});

Deno.test("feedback: fraud is for a person to hear of, once an hour", async () => {
  const world = new World();
  const [path] = await world.sends("alice@example.org", "carol@big.example", "m1@example.org");
  const alerts = async (id = "m1@example.org") => {
    const message = arf({ type: "fraud", more: `Original-Mail-From: <${path}>\n`, id });
    const { events, suppressed } = await world.gets("alice@example.org", message, {
      from: "x@arf.big.example",
      keys: dmarc("arf.big.example"),
    });
    assertEquals(suppressed, []);
    return events.flatMap((event) =>
      event.type === "alert" ? [event.subject === path, /fraud/.test(event.message)] : []
    );
  };
  assertEquals(await alerts("other@example.org"), []);
  assertEquals([await alerts(), await alerts()], [[true, true], []]);
});

Deno.test("feedback: what is done with is kept or dropped, as the operator says; others see what was read", async () => {
  for (const [deliver, deposits] of [[true, 1], ["discard", 0]] as const) {
    const world = new World({ deliver });
    const [path] = await world.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
    const result = await world.gets(path!, dsn("carol@far.example"));
    assertEquals([result.reply.code, result.deposits.length], [250, deposits]);
    assertEquals(result.get(FEEDBACK), {
      kind: "dsn",
      told: [{ recipient: { local: "carol", domain: "far.example" }, what: "5.1.1", done: "suppressed" }],
    });
    const kept = await world.gets(path!, dsn("carol@far.example", { status: "5.7.1" }));
    assertEquals(kept.deposits.length, 1); // nothing was done about it: a person may want to see it
  }
});

Deno.test("feedback: each time may be off", async () => {
  const off = new World({ hard: false, complaint: false, soft: { count: 2, seconds: false } });
  const [path] = await off.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
  for (const status of ["5.1.1", "5.2.2", "5.2.2"]) {
    assertEquals(await off.suppressedBy(path!, dsn("carol@far.example", { status })), []);
  }
});

Deno.test("feedback: a report inside of another message is none", async () => {
  const world = new World();
  const [path] = await world.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
  const wrapped =
    `From: MAILER-DAEMON@far.example\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n${
      dsn("carol@far.example")
    }\n--o--\n`;
  assertEquals(await world.suppressedBy(path!, wrapped), []);
});

Deno.test("feedback: a report of any make costs bounded time", async () => {
  const world = new World();
  const [path] = await world.sends("news-bounces@example.org", "carol@far.example", "n1@example.org");
  const head =
    "From: MAILER-DAEMON@far.example\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n";
  for (const filler of ["Final-Recipient: rfc822; a@b.example\n", "\n", "x\n", "--b\n\n", `${"y".repeat(900)}\n`]) {
    const message = head + filler.repeat(2_000_000 / filler.length), begun = performance.now();
    assertEquals(await world.suppressedBy(path!, message), []);
    if (performance.now() - begun > 10_000) throw new Error(`${JSON.stringify(filler.slice(0, 20))} took too long`);
  }
});
