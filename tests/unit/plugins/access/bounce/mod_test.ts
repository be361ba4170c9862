/** bounce: signed on the way out, taken off on the way in; a bounce without a tag is somebody else's (HARD_CASES 25). */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  formatAddress,
  on,
  OptionsError,
  parseAddress,
  type Plugin,
  runPhase,
  simulate,
  type Simulated,
} from "postern";
import { recipients } from "../../../../../plugins/accounts/recipients/mod.ts";
import { bounce, TAGGED, type Tagged } from "../../../../../plugins/access/bounce/mod.ts";
import { relay } from "../../../../../plugins/access/relay/mod.ts";
import { srs } from "../../../../../plugins/outbound/srs/mod.ts";
import { BOUNCED, verp } from "../../../../../plugins/outbound/verp/mod.ts";

type Options = Parameters<typeof bounce>[0];
const DAY = 86_400_000, START = Date.UTC(2026, 0, 1);
const secrets = ["a secret of some length"];
const REPORT = "Content-Type: multipart/report; report-type=delivery-status; boundary=x\nSubject: gone\n\n";

function site(options: Partial<Options> = {}): Plugin[] {
  return [
    srs({ domain: "example.org", secrets }),
    verp({ senders: ["*-bounces@example.org"] }),
    bounce({ secrets, ...options }),
    relay({ networks: ["198.51.100.0/24"] }),
    recipients({
      accounts: ["alice", "bob", "info", "news-bounces", "postmaster"],
      aliases: { team: ["alice", "bob"], away: "carol@far.example" },
    }),
  ];
}
/** The return paths that recipients get on the way out. */
async function paths(plugins: readonly Plugin[], facts: Simulated): Promise<string[]> {
  const { departure, decisions } = await runPhase(plugins, "deliver", { identity: "alice", ...facts });
  assertEquals(decisions.filter(({ verdict }) => verdict === "error"), []);
  return departure!.envelopes.map(({ from }) => from);
}
const pathOf = async (from: string, to = "carol@far.example", now = START): Promise<string> =>
  (await paths(site(), { from, to, now: () => now }))[0]!;
/** What a bounce that a stranger sends is told. */
async function bounced(to: string | string[], options: Partial<Options> = {}, facts: Simulated = {}) {
  return await simulate(site(options), { from: null, to, message: REPORT, ...facts });
}

Deno.test("senders of ours leave with a tag, whoever else stays as they are", async () => {
  const plugins = site({ silent: ["info@example.org"], except: ["ext-*@example.org"] });
  const tagged = /^prvs=0\d{3}[0-9a-f]{6}=alice@example\.org$/;
  assertMatch((await paths(plugins, { from: "alice@example.org", to: "carol@far.example" }))[0]!, tagged);
  const plain = async (from: string | null, to: unknown = "carol@far.example", facts: Simulated = {}) =>
    assertEquals(await paths(plugins, { from, to: to as string, ...facts }), [from ?? ""]);
  await plain(null);
  await plain("info@example.org");
  await plain("ext-1@example.org");
  await plain("dave@far.example");
  await plain("alice@example.org", "bob@example.org"); // a host of ours behind this one
  await plain(`${"x".repeat(60)}@example.org`);
  // A stranger's mail in the name of alice, which an alias of ours sends on: its bounce would have a tag that counts
  const forwarded = { address: "carol@far.example", original: "away@example.org" };
  await plain("alice@example.org", forwarded, { identity: null, ip: "203.0.113.7" });
  assertMatch((await paths(plugins, { from: "alice@example.org", to: forwarded }))[0]!, tagged);
});

Deno.test("all recipients of one sender share one path, so they share one transaction", async () => {
  const to = ["a@far.example", "b@far.example"];
  const found = await paths(site(), { from: "alice@example.org", to });
  assertEquals(new Set(found).size, 1);
});

Deno.test("what srs and verp made: a path of srs is its own business, one of verp is signed as a whole", async () => {
  const forwarded = { address: "carol@far.example", original: "away@example.org" };
  const [packed] = await paths(site(), { from: "dave@a.example", to: forwarded, identity: null });
  assertMatch(packed!, /^SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=a\.example=dave@example\.org$/);
  const [named] = await paths(site(), { from: "news-bounces@example.org", to: "carol@far.example" });
  assertMatch(named!, /^prvs=0\d{3}[0-9a-f]{6}=news-bounces\+carol=far\.example@example\.org$/);
});

Deno.test("case 25: a bounce finds its way back by its tag, and one without is refused behind its content", async () => {
  const path = await pathOf("alice@example.org");
  const good = await bounced(path);
  assertEquals([good.reply.code, good.recipients.map(({ address }) => formatAddress(address))], [250, [
    "alice@example.org",
  ]]);
  const bad = await bounced("alice@example.org");
  assertEquals(bad.replies.map(({ phase, reply }) => `${phase} ${reply.code}`).slice(-2), ["rcpt 250", "data 550"]);
  assertEquals([bad.reply.status, bad.reply.options.reason], ["5.7.1", "backscatter: untagged"]);
  const asked = await simulate(site(), { from: "x@far.example", to: "alice@example.org" });
  assertEquals(asked.reply.code, 250); // mail that is no bounce needs no tag
});

Deno.test("case 25: early says so at RCPT", async () => {
  const { reply, replies } = await bounced("alice@example.org", { early: true });
  assertEquals([reply.code, replies.at(-1)!.phase], [550, "rcpt"]);
  assertEquals((await bounced(await pathOf("alice@example.org"), { early: true })).reply.code, 250);
});

Deno.test("tags that expired or that nobody here wrote are refused, and a tag is good for mail that is no bounce", async () => {
  const path = await pathOf("alice@example.org"), { local, domain } = parseAddress(path)!;
  const later = { now: () => START + 8 * DAY };
  assertEquals((await bounced(path, {}, later)).reply.options.reason, "backscatter: expired tag");
  assertEquals((await bounced(path, {}, { now: () => START + 7 * DAY })).reply.code, 250);
  const answered = await simulate(site(), { from: "x@far.example", to: path, ...later });
  assertEquals(answered.recipients.map(({ address }) => formatAddress(address)), ["alice@example.org"]);
  for (const from of [null, "x@far.example"]) {
    const forged = `${local.replace(/=\d/, (start) => `=${(Number(start[1]) + 1) % 10}`)}@${domain}`;
    const { reply } = await simulate(site(), { from, to: forged });
    assertEquals([reply.code, reply.options.reason], [550, "backscatter: forged tag"]);
  }
});

Deno.test("a bounce of a list says whom it is about, and that it is about mail of ours", async () => {
  const path = await pathOf("news-bounces@example.org");
  const seen: unknown[] = [];
  const look = on("data", (ctx, next) => {
    const [recipient] = ctx.recipients, tagged: Tagged | undefined = recipient!.get(TAGGED);
    seen.push(tagged && formatAddress(tagged.address), formatAddress(recipient!.get(BOUNCED)!.recipient));
    return next();
  });
  const { recipients: kept } = await simulate([...site(), look], { from: null, to: path, message: REPORT });
  assertEquals(kept.map(({ address }) => formatAddress(address)), ["news-bounces@example.org"]);
  assertEquals(seen, ["news-bounces+carol=far.example@example.org", "carol@far.example"]);
  const guessed = await bounced("news-bounces+carol=far.example@example.org");
  assertEquals(guessed.reply.options.reason, "backscatter: untagged");
});

Deno.test("a path of srs comes back untouched", async () => {
  const forwarded = { address: "carol@far.example", original: "away@example.org" };
  const [packed] = await paths(site(), { from: "dave@a.example", to: forwarded, identity: null });
  const { reply, recipients: kept } = await bounced(packed!);
  assertEquals([reply.code, kept.map(({ address }) => formatAddress(address))], [250, ["dave@a.example"]]);
});

Deno.test("addresses that never send, aliases, names that nobody has", async () => {
  const silent = { silent: ["info@example.org"] };
  assertEquals((await bounced("info@example.org", silent)).reply.options.reason, "backscatter: silent address");
  assertEquals((await simulate(site(silent), { from: "a@far.example", to: "info@example.org" })).reply.code, 250);
  assertEquals((await bounced("team@example.org")).reply.options.reason, "backscatter: untagged");
  const team = await bounced(await pathOf("team@example.org"));
  assertEquals([team.reply.code, team.recipients.length], [250, 2]);
  assertEquals((await bounced("nobody@example.org")).reply.status, "5.1.1");
  assertEquals((await bounced(await pathOf("nobody@example.org"))).reply.status, "5.1.1");
});

Deno.test("the second recipient of mail from <> is refused, or asked to come alone", async () => {
  const one = await pathOf("alice@example.org"), two = await pathOf("bob@example.org");
  const codes = async (several: "reject" | "defer" | "pass", to: string[] = [one, two]) =>
    (await bounced(to, { several })).replies.filter(({ phase }) => phase === "rcpt").map(({ reply }) => reply.code);
  assertEquals([await codes("reject"), await codes("defer"), await codes("pass")], [[250, 550], [250, 452], [
    250,
    250,
  ]]);
  assertEquals(await codes("reject", [one, "postmaster@example.org"]), [250, 250]);
  const mixed = await bounced([one, "bob@example.org"], { several: "pass" });
  assertEquals(
    mixed.recipients.map(({ result }) => typeof result === "string" || result === null ? "kept" : result.code),
    [
      "kept",
      550,
    ],
  );
});

Deno.test("points instead of a refusal, or no more than a word in the log", async () => {
  const told = async (options: Partial<Options>) => {
    const { reply, scores } = await bounced("alice@example.org", options);
    return [reply.code, scores];
  };
  assertEquals(await told({ untagged: "score", points: 2.5 }), [250, [{ points: 2.5, reason: "bounce: untagged" }]]);
  assertEquals(await told({ untagged: "mark" }), [250, [{ points: 0, reason: "bounce: untagged" }]]);
});

Deno.test("whom nobody asks: postmaster, who has logged in, relays of our own, this server itself", async () => {
  assertEquals((await bounced("postmaster@example.org", { early: true })).reply.code, 250);
  const free: Simulated[] = [
    { identity: "amy" },
    { ip: "127.0.0.1" },
    { ip: "203.0.113.9" },
    { role: "lmtp" },
    { role: "submission", identity: "amy" },
  ];
  for (const facts of free) {
    const { reply } = await bounced("alice@example.org", { early: true, networks: ["203.0.113.0/24"] }, facts);
    assertEquals(reply.code, 250, JSON.stringify(facts));
  }
});

Deno.test("receipts need no tag: they go to an address that the header names (RFC 8098)", async () => {
  const receipt = "Content-Type: multipart/report;\n report-type=disposition-notification; boundary=x\n\n";
  assertEquals((await bounced("alice@example.org", {}, { message: receipt })).reply.code, 250);
});

Deno.test("mail from <> that is no report", async () => {
  const path = await pathOf("alice@example.org");
  const rows: [header: string, report: boolean][] = [
    ["Content-Type: multipart/report; report-type=delivery-status; boundary=x", true],
    ["Auto-Submitted: auto-replied", true],
    ["Auto-Submitted: no", false],
    ["Precedence: bulk", true],
    ["From: Mail Delivery System <MAILER-DAEMON@far.example>", true],
    ["X-Failed-Recipients: carol@far.example", true],
    ["From: <>", true],
    ["From: Cheap Pills <pills@far.example>", false],
    ["Content-Type: text/html", false],
  ];
  for (const [header, report] of rows) {
    const { reply } = await bounced(path, { content: "reject" }, { message: `${header}\nSubject: x\n\nx\n` });
    assertEquals(reply.code, report ? 250 : 550, header);
  }
  const { scores } = await bounced(path, { content: "score", points: 1 }, { message: "Subject: x\n\nx\n" });
  assertEquals(scores, [{ points: 1, reason: "bounce: content" }]);
});

Deno.test("it stands behind srs and verp, and wants a secret of some length", () => {
  for (const options of [{}, { secrets: [] }, { secrets: ["short"] }, { secrets, days: 0 }, { secrets, key: 10 }]) {
    assertThrows(() => bounce.parse(options, ["bounce"]), OptionsError);
  }
  assert(bounce({ secrets }).after!.includes("verp"));
});
