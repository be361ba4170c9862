/**
 * What plugins say for people of what they found, in sentences that `explain` shows: of each one what it notes when it has
 * nothing against the mail, and the reason of a refusal. Non-job: what they decide (the tests of each).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Decision,
  key,
  MemoryResolver,
  on,
  type Phase,
  type Plugin,
  reject,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
  withPolicy,
} from "postern";
import { account_guard } from "../../../plugins/access/account_guard/mod.ts";
import { bounce } from "../../../plugins/access/bounce/mod.ts";
import { dnsbl } from "../../../plugins/access/dnsbl/mod.ts";
import { early_talker } from "../../../plugins/access/early_talker/mod.ts";
import { greylist } from "../../../plugins/access/greylist/mod.ts";
import { null_mx } from "../../../plugins/access/null_mx/mod.ts";
import { rate_limit } from "../../../plugins/access/rate_limit/mod.ts";
import { relay } from "../../../plugins/access/relay/mod.ts";
import { reputation } from "../../../plugins/access/reputation/mod.ts";
import { sender_login } from "../../../plugins/access/sender_login/mod.ts";
import { EARLY_TALKER } from "../../../plugins/access/early_talker/key.ts";
import { tarpit } from "../../../plugins/access/tarpit/mod.ts";
import { verify_recipient } from "../../../plugins/access/verify_recipient/mod.ts";
import { address_map } from "../../../plugins/accounts/address_map/mod.ts";
import { recipients } from "../../../plugins/accounts/recipients/mod.ts";
import { any_login } from "../../../plugins/auth/any_login/mod.ts";
import { attachments } from "../../../plugins/content/attachments/mod.ts";
import { clamav } from "../../../plugins/content/clamav/mod.ts";
import { headers } from "../../../plugins/content/headers/mod.ts";
import { spamassassin } from "../../../plugins/content/spamassassin/mod.ts";
import { spamScore } from "../../../plugins/content/spam_score/mod.ts";
import { submission } from "../../../plugins/content/submission/mod.ts";
import { uribl } from "../../../plugins/content/uribl/mod.ts";
import { arc } from "../../../plugins/identity/arc/mod.ts";
import { dkim } from "../../../plugins/identity/dkim/mod.ts";
import { dmarc } from "../../../plugins/identity/dmarc/mod.ts";
import { fcrdns } from "../../../plugins/identity/fcrdns/mod.ts";
import { helo } from "../../../plugins/identity/helo/mod.ts";
import { spf } from "../../../plugins/identity/spf/mod.ts";
import { archive } from "../../../plugins/outbound/archive/mod.ts";
import { arc_seal } from "../../../plugins/outbound/arc_seal/mod.ts";
import { dkim_sign } from "../../../plugins/outbound/dkim_sign/mod.ts";
import { srs } from "../../../plugins/outbound/srs/mod.ts";
import { verp } from "../../../plugins/outbound/verp/mod.ts";
import { discard } from "../../../plugins/storage/discard/mod.ts";
import { inbox } from "../../../plugins/storage/inbox/mod.ts";
import { FakeEngine } from "../../support/fake_engine.ts";
import { RFC_ED25519_PEM } from "../dkim/keys.ts";

const DNS = {
  "good.org": { txt: ["v=spf1 ip4:192.0.2.0/24 -all"] },
  "bad.org": { txt: ["v=spf1 -all"] },
  "down.org": "servfail",
  "_dmarc.bad.org": { txt: ["v=DMARC1; p=reject"] },
  "_dmarc.good.org": { txt: ["v=DMARC1; p=none"] },
  "mail.good.org": { a: ["192.0.2.1"] },
  "1.2.0.192.in-addr.arpa": { ptr: ["mail.good.org"] },
  "1.2.0.192.bl.example": { a: ["127.0.0.2"] },
  "2.0.0.127.bl.example": { a: ["127.0.0.2"] }, // every list has it (RFC 5782 5)
  "spam.example.uri.example": { a: ["127.0.0.2"] },
} as const;
const secrets = ["a secret of some length"], S2026 = { domain: "example.org", selector: "s2026", key: RFC_ED25519_PEM };
const local = { login: { identity: "alice" } as const, home: { ip: "127.0.0.1" } as const };
const mail = (text: string) => ({
  message: `From: a@good.org\nDate: Wed, 31 Dec 2025 10:00:00 +0000\nSubject: hi\n${text}`,
});

/** What the last call of the plugin says of itself. */
async function said(plugin: Plugin, phase: Phase, facts: Simulated, behind: readonly Plugin[] = []): Promise<string> {
  const { decisions } = await runPhase([plugin, ...behind], phase, { dns: new MemoryResolver(DNS), ...facts });
  const decision = decisions.find((each) => each.plugin === plugin.name);
  assert(decision !== undefined && decision.verdict !== "error", `${plugin.name}: ${decision?.reason}`);
  return decision.reason;
}

Deno.test("what plugins note of mail that they have nothing against", async () => {
  const taken = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()), { name: "taken" });
  const away = on("rcpt", (ctx, next) => (ctx.route({ to: "remote" }), next()), { name: "away" });
  const table: readonly (readonly [Plugin, Phase, Simulated, string, Plugin?])[] = [
    [spf(), "mail", { from: "a@good.org" }, "good.org lets 192.0.2.1 send for it (ip4:192.0.2.0/24)"],
    [spf(), "mail", { from: "a@bad.org" }, "SPF failed: bad.org does not let 192.0.2.1 send for it (-all)"],
    [spf(), "mail", { from: "a@none.org" }, "none.org says nothing about who sends for it"],
    [spf(), "mail", local.login, "Not checked: the client has logged in"],
    [spf(), "mail", local.home, "Not checked: the client is this machine, or in a network of your own"],
    [dkim(), "data", {}, "The message has no signature"],
    [
      dkim(),
      "data",
      mail("DKIM-Signature: v=2; d=good.org\n\nx\n"),
      "One signature, by good.org: it cannot be checked, its version is not 1",
    ],
    [arc(), "data", {}, "Nobody on its way has sealed it"],
    [
      dmarc(),
      "data",
      mail("\nx\n"),
      "Whether something speaks for good.org cannot be told: signatures were not checked: dkim is not there",
    ],
    [fcrdns(), "connect", {}, "The address is called mail.good.org, and that name leads back to it"],
    [fcrdns(), "connect", { ip: "192.0.2.9" }, "The address has no name"],
    [helo(), "mail", { helo: "mail.good.org" }, "It called itself mail.good.org: nothing odd"],
    [helo(), "mail", { helo: "localhost" }, "It called itself localhost, which is a name of this host"],
    [dnsbl({ zones: { "bl.example": 4 } }), "connect", {}, "192.0.2.1 is listed by bl.example (127.0.0.2, weight 4)"],
    [dnsbl({ zones: { "bl.example": 4 } }), "connect", { ip: "192.0.2.9" }, "On none of the lists"],
    [early_talker({ pause: "4s" }), "connect", {}, "It waited 4 s for its greeting"],
    [early_talker(), "connect", local.home, "Greeted at once: this machine, or a network that is left alone"],
    [rate_limit({ messagesPerIp: "100/1m" }), "mail", {}, "1 of 100 messages in 1 minute from 192.0.2.1"],
    [reputation(), "mail", {}, "Little is known of 192.0.2.1, or as much good as bad"],
    [tarpit(), "mail", { keys: [[EARLY_TALKER, true]] }, "Made to wait 1 s, because the client behaves badly"],
    [relay(), "rcpt", { to: "b@example.org" }, "example.org is ours", taken],
    [relay(), "rcpt", { to: "b@far.example", ...local.login }, "It may leave: the client has logged in"],
    [
      relay(),
      "rcpt",
      { to: "b@far.example" },
      "far.example is none of our domains, and nothing lets this client send there",
    ],
    [null_mx(), "mail", { from: "a@down.org" }, "Whether down.org takes mail is not known: name service failed"],
    [
      verify_recipient({ domains: ["example.org"] }),
      "rcpt",
      { to: "b@example.org", callAhead: () => Promise.resolve(accepted) },
      "example.org takes this recipient, as it said just now",
      away,
    ],
    [
      sender_login({ map: { alice: ["info@example.org"] } }),
      "mail",
      { role: "submission", from: "info@example.org", ...local.login },
      "alice may send as info@example.org",
    ],
    [
      account_guard({ messages: ["100/1h"], recipients: [] }),
      "mail",
      { role: "submission", ...local.login },
      "1 of 100 messages in 1 hour",
    ],
    [
      recipients({ accounts: ["ada"] }),
      "rcpt",
      { to: "ada@example.org" },
      "ada@example.org exists; its mail goes to maildir",
    ],
    [
      recipients({ accounts: ["ada", "bob"], aliases: { info: ["ada", "bob"] } }),
      "rcpt",
      { to: "info@example.org" },
      "An alias of ada@example.org, bob@example.org",
    ],
    [
      recipients({ accounts: ["ada"] }),
      "rcpt",
      { to: "Ada+x@example.org" },
      "Another way to write ada@example.org",
    ],
    [
      address_map({ canonical: { both: { "a@good.org": "b@example.org" } } }),
      "mail",
      { from: "a@good.org" },
      "The sender becomes b@example.org",
    ],
    [any_login(), "auth", { ...local.home, login: { user: "eve", password: "hunter2" } }, "It is eve"],
    [headers(), "data", { message: "From: a@good.org\n\nx\n" }, "Faults of its header: missingDate: no Date field"],
    [headers(), "data", mail("\nx\n"), ""],
    [
      attachments({ name: "score" }),
      "data",
      mail("Content-Disposition: attachment; filename=a.exe\n\nx\n"),
      "Found: name: a file name of a kind that runs (a.exe: .exe)",
    ],
    [attachments(), "data", local.login, "Not looked at: the client has logged in"],
    [uribl({ zones: { "uri.example": 3 } }), "data", mail("\nno link\n"), "It has no links to ask about"],
    [
      uribl({ zones: { "uri.example": 3 } }),
      "data",
      mail("\nhttp://spam.example/\n"),
      "Its links lead to what a list knows",
    ],
    [
      spamScore({ bayes: { enabled: false } }),
      "data",
      { message: "From: a@good.org\nDate: Wed, 31 Dec 2025 10:00:00 +0000\n\nx\n" },
      "1.8 points, held from 6: content rules 1.8 (no_message_id 1, no_subject 0.5, no_visible_recipient 0.3)",
    ],
    [
      submission(),
      "data",
      { role: "submission", ...mail("Bcc: x@example.org\nMessage-ID: <1@x>\n\nx\n") },
      "Bcc is taken out",
    ],
    [
      archive({ to: "journal@archive.example", direction: "both" }),
      "data",
      {},
      "A copy goes to journal@archive.example",
    ],
    [discard(), "queue", { to: "b@example.org" }, "Dropped on purpose: nobody reads these addresses"],
    [inbox(), "queue", { to: "b@example.org" }, "Kept in the inbox default"],
    [
      dkim_sign({ keys: [S2026] }),
      "deliver",
      { origin: { identity: "alice" }, message: "From: a@example.org\n\nx\n" },
      "Signed for example.org with s2026",
    ],
    [
      dkim_sign({ keys: [S2026] }),
      "deliver",
      { origin: { identity: "alice" }, message: "From: a@good.org\n\nx\n" },
      "Not signed: there is no key for its author's domain",
    ],
    [
      dkim_sign({ keys: [S2026] }),
      "deliver",
      { message: "From: a@example.org\n\nx\n" },
      "Not signed: a stranger brought it, and a signature would vouch for him",
    ],
    [arc_seal(S2026), "deliver", {}, "Sealed for example.org with s2026; the chain before: none"],
    [
      verp({ senders: ["news@example.org"] }),
      "deliver",
      { from: "news@example.org", to: "b@far.example" },
      "Each recipient gets it with a return path that names it",
    ],
    [
      bounce({ secrets }),
      "deliver",
      { from: "a@example.org", to: "b@far.example", origin: { identity: "alice" } },
      "Its return path is signed, so that a bounce can be told from one of mail that was never sent",
    ],
  ];
  const found: string[] = [];
  for (const [plugin, phase, facts, , behind] of table) {
    found.push(`${plugin.name}: ${await said(plugin, phase, facts, behind === undefined ? [] : [behind])}`);
  }
  assertEquals(found, table.map(([{ name }, , , expected]) => `${name}: ${expected}`));
});
const accepted = await (async () => (await runPhase(on("mail", (_, next) => next()), "mail")).reply)();

Deno.test("greylist: first time, come again, and known", async () => {
  const counters = new SimulatedCounters(() => now),
    taken = on("rcpt", (ctx, next) => {
      ctx.route({ to: "local", plugin: "inbox" });
      return next();
    }, { name: "taken" });
  let now = Date.UTC(2026, 0, 1);
  const sentences: string[] = [];
  for (const wait of [0, 120_000, 60_000]) {
    now += wait;
    sentences.push(await said(greylist(), "rcpt", { counters, now: () => now, to: "b@example.org" }, [taken]));
  }
  assertEquals(sentences, [
    "This client, sender and recipient have not met before: it may come again in 60 seconds",
    "It has come again, as a mail server does",
    "Mail like this, or its client, has come again before",
  ]);
});

Deno.test("srs: whose name forwarded mail gets", async () => {
  const plugin = srs({ domain: "example.org", secrets });
  const forwarded = { address: "b@far.example", original: "info@example.org" };
  assertMatch(
    await said(plugin, "deliver", { from: "a@good.org", to: [forwarded] }),
    /^Forwarded, and so sent from SRS0=.*@example\.org$/,
  );
});

Deno.test("engines: what they said, and of whom they were not asked", async () => {
  await using clamd = FakeEngine.answering((heard) => heard.endsWith("\0\0\0\0"), "stream: OK\0");
  assertEquals(await said(clamav({ servers: [clamd.place] }), "data", {}), "No malware that clamd knows");
  assertEquals(await said(spamassassin(), "data", local.login), "Not looked at: the client has logged in");
  assertEquals(
    await said(spamassassin({ networks: ["192.0.2.0/24"] }), "data", {}),
    "Not looked at: the client is in a network that is left alone",
  );
});

Deno.test("dmarc: who speaks for the author, and what its owner wants of mail for which nobody does", async () => {
  const inbox = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()), { name: "box" });
  const run = async (domain: string) => {
    const { decisions } = await simulate([spf(), dkim(), dmarc(), inbox], {
      dns: new MemoryResolver(DNS),
      from: `a@${domain}`,
      to: "b@example.org",
      message: `From: a@${domain}\n\nx\n`,
    });
    return decisions.find(({ plugin }) => plugin === "dmarc")!.reason;
  };
  assertEquals(await run("good.org"), "SPF speaks for good.org, the author's domain");
  assertEquals(
    await run("bad.org"),
    "Neither SPF nor a signature speaks for bad.org, the author's domain, which asks to refuse such mail (p=reject); " +
      "not followed: this site's own policy stands in its place",
  );
  assertEquals(await run("none.org"), "none.org says nothing about mail that fails");
});

Deno.test("in mode observe the ledger knows what the peer would have been told, and why", async () => {
  const watched = (plugin: Plugin) => withPolicy(plugin, { mode: "observe" });
  const facts = { dns: new MemoryResolver(DNS), from: "a@bad.org" };
  const { decisions: [told], reply } = await runPhase(watched(spf({ fail: "reject" })), "mail", facts);
  assertEquals(reply.code, 250);
  assertEquals(
    told!.reason,
    "SPF failed: bad.org does not let 192.0.2.1 send for it (-all). " +
      "It would have said 550 5.7.23 SPF validation failed: bad.org does not permit 192.0.2.1 to send for it",
  );
  const plain = watched(on("mail", () => reject("5.7.1", "No"), { name: "no" }));
  assertEquals((await runPhase(plain, "mail")).decisions[0]!.reason, "It would have said 550 5.7.1 No");
});

Deno.test("notes and told values have an end, whoever has a say in them", async () => {
  const LONG = key<string>("long", "transaction", (value) => value);
  const plugin = on("mail", (ctx, next) => {
    for (let n = 0; n < 1e5; n++) ctx.note("x".repeat(100));
    ctx.set(LONG, "😀".repeat(1e5));
    return next();
  });
  const { decisions: [told] } = await runPhase(plugin, "mail") as { decisions: readonly Decision[] };
  assert(told!.reason.length < 400 && told!.reason.startsWith("xxx"), String(told!.reason.length));
  const [, words] = told!.facts![0]!;
  assert(words.length < 400 && words.isWellFormed(), String(words.length));
});

Deno.test("nothing that is secret is noted: passwords, subjects and bodies stay where they are (SEMANTICS 28)", async () => {
  const plugins = [
    any_login(),
    spf(),
    dkim(),
    dmarc(),
    headers(),
    attachments(),
    spamScore({ bayes: { enabled: false } }),
    inbox({ everything: true }),
  ];
  const message = "From: a@bad.org\nSubject: PINEAPPLE FREE OFFER\nSubject: pineapple\n\nThe body says mango\n";
  const login = { user: "eve", password: "hunter2" };
  for (const facts of [{ ...local.home, login }, { ip: "192.0.2.1" }]) {
    const ran = await simulate(plugins, { dns: new MemoryResolver(DNS), to: "b@example.org", message, ...facts });
    assertEquals([ran.reply.code, ran.decisions.some(({ phase, reason }) => phase === "data" && reason !== "")], [
      250,
      true,
    ]);
    assertEquals(/hunter2|pineapple|mango/i.test(JSON.stringify(ran.decisions)), false);
  }
});
