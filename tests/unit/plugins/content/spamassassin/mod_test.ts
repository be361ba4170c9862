/** spamd's words and what follows from them, without a spamd: the real one is asked in tests/interop. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/plugin.ts";
import { runPhase, type Simulated } from "../../../../../core/pipeline/testing/simulation.ts";
import { MemoryResolver } from "../../../../../core/dns/memory_resolver.ts";
import { EngineError } from "../../../../../plugins/content/engine_error.ts";
import { envelopeFields } from "../../../../../plugins/content/spamassassin/envelope.ts";
import { spamassassin } from "../../../../../plugins/content/spamassassin/mod.ts";
import { isWhole, parseAnswer } from "../../../../../plugins/content/spamassassin/spamc.ts";
import { FCRDNS } from "../../../../../plugins/identity/fcrdns/key.ts";
import { octets } from "../../../../support/bytes.ts";
import { FakeEngine } from "../../../../support/fake_engine.ts";
import { keepsItsPolicy } from "../policy.ts";

const answer = (verdict: string, rules: string) =>
  `SPAMD/1.1 0 EX_OK\r\nContent-length: ${rules.length}\r\nSpam: ${verdict}\r\n\r\n${rules}`;
const CLEAN = answer("False ; 0.5 / 5.0", "HTML_MESSAGE\r\n"),
  SPAM = answer("True ; 1002.3 / 5.0", "GTUBE,NO_RELAYS\r\n");

/** The request is whole when what it says is there. */
function asked(heard: string): boolean {
  const end = heard.indexOf("\r\n\r\n"), [, length] = /^Content-length: (\d+)\r$/im.exec(heard) ?? [];
  return end >= 0 && heard.length >= end + 4 + Number(length);
}

keepsItsPolicy("spamassassin", {
  make: (at, options, trouble) => spamassassin.parse({ servers: [`tcp://${at}`], ...options }, [], { trouble }),
  asked,
  clean: CLEAN,
  rubbish: [
    "220 mx.example.org ESMTP\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "SPAMD/1.0 76 Bad header line: (Content-Length mismatch)\r\n\r\n",
    "SPAMD/1.1 0 EX_OK\r\n\r\n",
    "SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n",
    "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n",
    answer("Perhaps ; 9.0 / 5.0", ""),
    answer("True ; NaN / 5.0", ""),
    answer("True ; 1e9 / 5.0", ""),
    answer("True ; 12345678 / 5.0", ""),
    `${CLEAN}x`,
  ],
  authenticated: false,
});

async function ask(answer: string, options: Parameters<typeof spamassassin>[0] = {}, facts: Simulated = {}) {
  let heard = "";
  await using engine = new FakeEngine(async (side) => {
    if (await side.until(asked)) await side.say(answer);
    heard = side.heard();
  });
  return { ...await runPhase(spamassassin({ servers: [engine.place], ...options }), "data", facts), heard };
}

Deno.test("spamassassin: answers, with and without rules, and how far one has come", () => {
  assertEquals(parseAnswer(SPAM), { score: 1002.3, required: 5, rules: ["GTUBE", "NO_RELAYS"] });
  assertEquals(parseAnswer(answer("False ; -2 / 5.0", "\r\n")), { score: -2, required: 5, rules: [] });
  const many = Array.from({ length: 1000 }, (_, i) => `RULE_${i}`).join(",");
  assertEquals(parseAnswer(answer("True ; 9.0 / 5.0", many)).rules.length, 200);
  for (let size = 0; size < SPAM.length; size++) assert(!isWhole(octets(SPAM.slice(0, size))), String(size));
  assert(isWhole(octets(SPAM)));
  assert(isWhole(octets("220 mx")), "what is no answer of spamd's needs no end");
  assertThrows(() => parseAnswer("SPAMD/1.1 75 EX_TEMPFAIL\r\n\r\n"), EngineError, "75 EX_TEMPFAIL");
});

Deno.test("spamassassin: points, and lines of its own", async () => {
  const counted = await ask(SPAM);
  assertEquals(counted.reply.code, 250);
  assertEquals(counted.scores, [{ points: 1002.3, reason: "spamassassin: 1002.3/5 GTUBE,NO_RELAYS" }]);
  const refused = await ask(SPAM, { quarantine: 6, reject: 15 });
  assertEquals(String(refused.reply), "550 5.7.1 Message looks like spam");
  assertEquals(refused.decisions[0]!.reason, "spamassassin: 1002.3/5 GTUBE,NO_RELAYS");
  const held = await ask(SPAM, { quarantine: 6 });
  assertEquals([held.reply.code, held.held], [250, "spamassassin: 1002.3/5 GTUBE,NO_RELAYS"]);
  const clean = await ask(CLEAN, { quarantine: 6, reject: 15 });
  assertEquals([clean.reply.code, clean.held, clean.scores[0]?.points], [250, null, 0.5]);
  const postmaster = await ask(SPAM, { quarantine: 6, reject: 15 }, { to: "postmaster@example.org" });
  assertEquals([postmaster.reply.code, postmaster.held, postmaster.scores[0]?.points], [250, null, 1002.3]);
  assertThrows(() => spamassassin({ quarantine: 15, reject: 6 }), OptionsError);
});

Deno.test("spamassassin: the request: the message as received, behind the envelope", async () => {
  const message = "Subject: x\r\n\r\n..\r\nbody\r\n";
  const { heard } = await ask(CLEAN, { user: { name: "spam" } }, {
    message,
    helo: "mail.example.net",
    ip: "192.0.2.7",
  });
  const [head, ...rest] = heard.split("\r\n\r\n");
  assertMatch(head!, /^SYMBOLS SPAMC\/1\.5\r\nContent-length: \d+\r\nUser: spam$/);
  assertMatch(
    rest.join("\r\n\r\n"),
    /^Return-Path: <a@example\.net>\r\nReceived: from mail\.example\.net \(unknown \[192\.0\.2\.7\]\)\r\n\tby mx\.example\.org with ESMTP id \w+;\r\n\t[^\r]+ \+0000\r\nSubject: x\r\n\r\n\.\.\r\nbody\r\n$/,
  );
});

Deno.test("spamassassin: the client's name, by the plugin fcrdns or by name service, never one that points elsewhere", async () => {
  const name = async (facts: Simulated) => / \((\S+) \[/.exec((await ask(CLEAN, {}, facts)).heard)?.[1];
  const found = { result: "pass", name: "mail.example.net", names: ["mail.example.net"] };
  assertEquals(await name({ keys: [[FCRDNS, found]] }), "mail.example.net");
  assertEquals(await name({ keys: [[FCRDNS, { ...found, result: "fail", name: null }]] }), "unknown");
  const dns = new MemoryResolver({
    "1.2.0.192.in-addr.arpa": { ptr: ["liar.example", "mail.example.net"] },
    "liar.example": { a: ["198.51.100.1"] },
    "mail.example.net": { a: ["192.0.2.1"] },
  });
  assertEquals(await name({ dns }), "mail.example.net");
  assertEquals(await name({}), "unknown");
});

Deno.test("case 54: spamassassin: no peer writes a field of its own into what spamd reads", () => {
  const sender = { local: "a\r\nX-Envelope-From: b", domain: "example.net" };
  const client = { ip: "2001:db8::1", port: 1, tls: null, identity: null };
  const host = { name: "mx.example.org", domains: [], postmaster: null };
  const helo = `x)\r\nReceived: from y (z [192.0.2.1]) ${"h".repeat(1000)}`;
  const fields = envelopeFields({ id: "1", helo, sender, client, host, now: () => 0 }, null);
  assertEquals(fields.split("\r\n").length, 5, "a line more than there should be");
  assertMatch(
    fields,
    /^Return-Path: <[^\r\n]*>\r\nReceived: from xReceived:fromyz\[192\.0\.2\.1\]h{200,255} \(unknown \[2001:db8::1\]\)\r\n/,
  );
});

Deno.test("spamassassin: whose rules", async () => {
  const user = async (options: Parameters<typeof spamassassin>[0], to: string | string[]) =>
    /^User: (.*)\r$/m.exec((await ask(CLEAN, options, { to })).heard)?.[1] ?? null;
  assertEquals(await user({}, "amy@example.org"), null);
  assertEquals(await user({ user: "recipient" }, "amy@example.org"), "amy@example.org");
  assertEquals(await user({ user: "recipient" }, ["amy@example.org", "bob@example.org"]), null);
  assertEquals(
    await user({ user: "recipient" }, '"a b"@example.org'),
    null,
    "a name that would end the line, or a word",
  );
  assertThrows(() => spamassassin({ user: { name: "a\r\nCompress: zlib" } }), OptionsError);
});

Deno.test("spamassassin: what is too large is taken unseen, and the log says so", async () => {
  const { reply, scores, heard } = await ask(SPAM, { maxSize: "10B", reject: 5 });
  assertEquals([reply.code, heard], [250, ""]);
  assertEquals(scores, [{ points: 0, reason: "spamassassin: not checked: larger than 10 octets" }]);
});
