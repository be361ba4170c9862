import { assert, assertEquals, assertThrows } from "@std/assert";
import { OptionsError, runPhase } from "postern";
import { HEADERS } from "../../../../../plugins/content/headers/key.ts";
import { headers } from "../../../../../plugins/content/headers/mod.ts";

const NOW = Date.parse("2026-05-01T12:00:00Z");
const GOOD = "From: a@b.example\nDate: Fri, 01 May 2026 12:00:00 +0000\n";
const data = (options: Parameters<typeof headers>[0], message: string, more: Parameters<typeof runPhase>[2] = {}) =>
  runPhase(headers(options), "data", { message, now: () => NOW, ...more });

Deno.test("headers: a good message passes without a word", async () => {
  const result = await data({}, `${GOOD}\nhello\n`);
  assertEquals([result.reply.verdict, result.scores, result.get(HEADERS)], ["accept", [], []]);
});

Deno.test("case 52: none or two From are refused, and the reply says what and where", async () => {
  const table: [message: string, reply: string][] = [
    ["Date: x\n\n", "550 5.7.1 Header refused: missingFrom: no From field; see RFC 5322 3.6"],
    [
      `${GOOD}From: c@d\n\n`,
      "550 5.7.1 Header refused: duplicateFrom: a second From field in line 3; see RFC 5322 3.6",
    ],
    ["From: Joe\n\n", "550 5.7.1 Header refused: invalidFrom: no address in From in line 1; see RFC 5322 3.6.2"],
    [
      `${GOOD}Hello Joe,\n\n`,
      "550 5.6.0 Header refused: notAField: a line that is no header field, or no empty line before the body in line 3; " +
      "see RFC 5322 2.1",
    ],
  ];
  for (const [message, reply] of table) assertEquals(String((await data({}, message)).reply), reply);
});

Deno.test("headers: each rule is refused, scored or ignored as the operator says", async () => {
  const message = "From: a@b.example\nSubject: a\nSubject: b\n\n";
  const scored = await data({}, message);
  assertEquals(scored.scores, [
    { points: 1, reason: "headers: missingDate: no Date field" },
    { points: 1.5, reason: "headers: duplicate: a second Subject in line 3" },
  ]);
  assertEquals(scored.get(HEADERS), ["missingDate", "duplicate"]);
  const own = await data({ missingDate: "ignore", points: { duplicate: 7 } }, message);
  assertEquals(own.scores.map(({ points }) => points), [7]);
  assertEquals(own.get(HEADERS), ["duplicate"]);
  const refused = await data({ duplicate: "reject" }, message);
  assertEquals([refused.reply.code, refused.reply.status], [550, "5.6.0"]);
  assertEquals(
    refused.reply.options.reason,
    "missingDate: no Date field; duplicate: a second Subject in line 3",
    "the ledger has all of them",
  );
});

Deno.test("headers: the peer's octets never stand in the reply", async () => {
  const result = await data({}, `${GOOD}\x1b[31mevil\u00fc: x\n\n`);
  assertEquals(result.reply.status, "5.6.0");
  assert(/^[ -~]+$/.test(result.reply.text) && !result.reply.text.includes("evil"));
});

Deno.test("headers: octets above 127 are a mark without points, and nothing with SMTPUTF8", async () => {
  const message = `${GOOD}Subject: ü\n\n`;
  assertEquals((await data({}, message)).scores.map(({ points }) => points), [0]);
  assertEquals((await data({}, message, { parameters: { smtputf8: true } })).scores, []);
});

Deno.test("headers: how far a Date may be off", async () => {
  const message = "From: a@b.example\nDate: Sun, 03 May 2026 12:00:00 +0000\n\n";
  assertEquals((await data({}, message)).get(HEADERS), []);
  assertEquals((await data({ future: "1d" }, message)).get(HEADERS), ["futureDate"]);
  const old = "From: a@b.example\nDate: Thu, 30 Apr 2026 11:00:00 +0000\n\n";
  assertEquals((await data({ past: "1d" }, old)).get(HEADERS), ["pastDate"]);
});

Deno.test("headers: mail to postmaster alone is never refused", async () => {
  const message = "Subject: no From\n\n";
  const alone = await data({}, message, { to: "PostMaster@example.org" });
  assertEquals([alone.reply.verdict, alone.get(HEADERS)?.[0]], ["accept", "missingFrom"]);
  const both = await data({}, message, { to: ["postmaster@example.org", "joe@example.org"] });
  assertEquals(both.reply.status, "5.7.1");
});

Deno.test("case 31: a message larger than what is read at once, and a header without an end", async () => {
  const large = await data({}, `${GOOD}${"X: y\n".repeat(100_000)}\n${"body\n".repeat(100_000)}`);
  assertEquals([large.reply.verdict, large.get(HEADERS)], ["accept", []]);
  const late = await data({}, `${GOOD}${"X: y\n".repeat(100_000)}From: c@d\n\n`);
  assertEquals(late.get(HEADERS), ["duplicateFrom"]);
  const endless = await data({}, `${GOOD}X: ${"y".repeat(2 << 20)}\n\n`);
  assertEquals([endless.reply.status, endless.get(HEADERS)], ["5.6.0", ["tooLarge", "longLine"]]);
});

Deno.test("headers: bad options are told with their path", () => {
  const table: [options: Record<string, unknown>, path: string][] = [
    [{ missingFrom: "refuse" }, "headers.missingFrom"],
    [{ points: { missingFrom: "5" } }, "headers.points.missingFrom"],
    [{ past: "30 days" }, "headers.past"],
  ];
  for (const [options, path] of table) {
    const error = assertThrows(() => headers.parse(options, ["headers"]), OptionsError);
    assertEquals(error.issues.map((issue) => issue.path.join(".")), [path]);
  }
});
