/** What hostile messages cost spam_score. The bound is generous, for machines that are busy; what is not linear misses it. */
import { assert, assertEquals } from "@std/assert";
import { runPhase, SimulatedCounters } from "postern";
import { NamespacedCounters } from "../../../../../core/pipeline/contexts/plugin_context.ts";
import { tokensOf } from "../../../../../plugins/content/spam_score/bayes/tokens.ts";
import { spamScore } from "../../../../../plugins/content/spam_score/mod.ts";
import { wordsOf } from "../../../../../plugins/content/spam_score/words.ts";
import { read } from "../../../../../plugins/content/spam_score/reading.ts";

const HEAD = "Message-ID: <1@a>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nFrom: a@b.example\r\nTo: c@d.example\r\n";
const HTML = `${HEAD}Content-Type: text/html\r\n\r\n`;
const many = (text: string, size: number) => text.repeat(Math.ceil(size / text.length));
const nested = (levels: number) =>
  Array.from({ length: levels }, (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`).join(
    "",
  );

const MESSAGES: Readonly<Record<string, () => string>> = {
  "a field of 1 MB": () => `${HEAD}X-A: ${many("a", 1e6)}\r\n\r\nx`,
  "a subject of 1 MB of encoded words": () => `${HEAD}Subject: ${many("=?utf-8?q?=41?= ", 1e6)}\r\n\r\nx`,
  "a sender of 1 MB": () => `${HEAD.replace("a@b.example", many("a@", 1e6))}\r\nx`,
  "1e5 header fields": () => `${HEAD}${many("X-A: b\r\n", 8e5)}\r\nx`,
  "500 senders without an end": () => `${many(`From: ${"a".repeat(990)}\r\n`, 5e5)}${HEAD}\r\nx`,
  "1e4 MIME levels": () => `MIME-Version: 1.0\r\n${HEAD}${nested(1e4)}`,
  "10 MB of HTML that never closes": () => HTML + many("<a href=x ", 1e7),
  "10 MB of <": () => HTML + many("<", 1e7),
  "10 MB of links": () => HTML + many("<a href='http://192.0.2.1/x'>b", 1e7),
  "10 MB of hidden text": () => HTML + many("<i style='display:none'>x", 1e7),
  "1e6 different words": () => `${HEAD}\r\n${Array.from({ length: 1e6 }, (_, at) => at.toString(36)).join(" ")}`,
  "10 MB of addresses": () => `${HEAD}\r\n${many("http://", 1e7)}`,
  "10 MB of sums": () => `${HEAD}\r\n$${many("1,000", 1e7)}`,
  "3 MB of what nobody sees": () => `${HEAD}Content-Type: text/plain; charset=utf-8\r\n\r\na${many("\u200b", 1e6)}`,
};

for (const [name, make] of Object.entries(MESSAGES)) {
  Deno.test(`case 33: spam_score bears ${name}`, async () => {
    const counters = new SimulatedCounters(), plugin = spamScore({ bayes: { minimum: 1 } });
    const house = { store: new NamespacedCounters(counters, "plugin:spam_score:"), now: counters.now, alert: () => {} };
    const message = new TextEncoder().encode(make()), started = performance.now();
    await plugin.learn!(message, "spam", house);
    await plugin.learn!(new TextEncoder().encode(`${HEAD}\r\nlunch`), "ham", house);
    const { reply } = await runPhase(plugin, "data", { message, counters });
    assertEquals(reply.verdict, "accept");
    assert(performance.now() - started < 10_000, `took ${performance.now() - started} ms`);
  });
}

Deno.test("case 33: a flood of words leaves no more tokens than any message may have", async () => {
  const message = new TextEncoder().encode(MESSAGES["1e6 different words"]!());
  const reading = await read({
    size: message.length,
    headers: [],
    bytes: () => Promise.resolve(message),
    stream: () => new Blob([message]).stream(),
  }, 256 * 1024);
  const { tokens } = tokensOf(reading);
  assertEquals([tokens.length, new Set(tokens).size], [4096, 4096]);
});

Deno.test("case 33: of fields that are repeated the first few count", () => {
  const fields = Array.from({ length: 500 }, (_, at) => ({ name: "from", value: `a@host${at}.example` }));
  const empty = wordsOf("", 0), bare = { texts: [], words: [], html: [], links: [], urls: [], parts: [] };
  const { tokens } = tokensOf({ ...bare, fields, subject: empty, hidden: 0, images: 0, header: () => undefined });
  assert(tokens.length < 50, String(tokens.length));
});
