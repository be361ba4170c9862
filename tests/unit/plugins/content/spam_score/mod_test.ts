import { assert, assertEquals, assertThrows } from "@std/assert";
import { on, OptionsError, runPhase } from "postern";
import { headers } from "../../../../../plugins/content/headers/mod.ts";
import { spamScore } from "../../../../../plugins/content/spam_score/mod.ts";
import { SPF } from "../../../../../plugins/identity/spf/key.ts";
import { readVectorText } from "../../../../support/vectors.ts";

/** In two parts, so that no filter takes this file for spam. */
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const GOOD =
  "Message-ID: <1@a.example>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nFrom: a@a.example\nTo: b@example.org\n" +
  "Subject: lunch\n";
/** Another plugin that gave points. */
const points = (count: number) => on("data", (ctx, next) => (ctx.score(count, "somebody"), next()));
const data = (options: Parameters<typeof spamScore>[0], before: number, message = `${GOOD}\nhello\n`) =>
  runPhase([points(before), spamScore(options)], "data", { message });

Deno.test("spam_score: tag, quarantine and reject at their thresholds", async () => {
  const table: [points: number, reply: number, held: boolean, tagged: boolean][] = [
    [0, 250, false, false],
    [3.9, 250, false, false],
    [4, 250, false, true],
    [5.9, 250, false, true],
    [6, 250, true, true],
    [11.99, 250, true, true],
    [12, 550, false, false],
  ];
  for (const [count, reply, held, tagged] of table) {
    const result = await data({}, count);
    assertEquals([result.reply.code, result.held !== null], [reply, held], String(count));
    assertEquals(result.output.startsWith("X-Spam-Flag: YES\r\n"), tagged, String(count));
  }
});

Deno.test("spam_score: the fields say how much, and from whom", async () => {
  const result = await data({}, 4, GOOD.replace("Subject: lunch\n", "") + "\nhello\n");
  assertEquals(result.scores.at(-1), { points: 0.5, reason: "no_subject: no subject" });
  assertEquals(
    result.edits.prepend,
    "X-Spam-Flag: YES\r\nX-Spam-Score: 4.5\r\n" +
      "X-Spam-Status: Yes, score=4.5 required=4 tests=no_subject others=4\r\n",
  );
});

Deno.test("spam_score: a refusal tells the peer no more than that, the ledger why", async () => {
  const { reply } = await data({ reject: 7 }, 0.1 + 0.2 + 7);
  assertEquals(String(reply), "550 5.7.1 Message looks like spam");
  assertEquals(reply.options.reason, "7.3 points, refused from 7: others 7.3 (somebody 7.3)");
});

Deno.test("spam_score: what is held says which points of others weigh most", async () => {
  const some = (count: number, reason: string) => on("data", (ctx, next) => (ctx.score(count, reason), next()));
  const given = [some(1, "iprev=none"), some(-0.5, "known"), some(5, "a trap"), some(0.2, "small"), some(2, "a list")];
  const { held, edits } = await runPhase([...given, spamScore()], "data", { message: `${GOOD}\nhello\n` });
  assertEquals(
    held,
    "spam_score: 7.7 points, held from 6, refused from 12: others 7.7 (a trap 5, a list 2, iprev=none 1 and 2 more)",
  );
  assert(edits.prepend.includes("score=7.7 required=4 tests=none others=7.7\r\n"), edits.prepend);
  const long = await runPhase([some(9, "x".repeat(1e5)), spamScore()], "data", { message: `${GOOD}\nhello\n` });
  assert(long.held!.length < 200);
});

Deno.test("spam_score: thresholds can be off", async () => {
  const off = { tag: "never", quarantine: "never", reject: "never" } as const;
  const result = await data(off, 1e6);
  assertEquals([result.reply.code, result.held, result.edits.prepend], [250, null, ""]);
});

Deno.test("case 53: X-Spam fields that came with the message are removed, tagged or not", async () => {
  const forged = `X-Spam-Flag: NO\nx-spam-status: No\nX-SPAM-SCORE: -100\nX-Spam-Other: kept\n${GOOD}`;
  for (const count of [0, 5]) {
    const { output } = await data({}, count, `${forged}\nhello\n`);
    const fields = output.split("\r\n").filter((line) => /^x-spam-/i.test(line)).map((line) => line.slice(0, 16));
    assertEquals(fields.filter((line) => !/other/i.test(line)).length, count === 0 ? 0 : 3);
    assert(output.includes("X-Spam-Other: kept"));
    assert(!output.includes("-100"));
  }
});

Deno.test("spam_score: what SPF found counts", async () => {
  const finding = {
    identity: "mailfrom",
    domain: "a.example",
    mechanism: null,
    explanation: null,
    problem: null,
  } as const;
  const spf = on("data", (ctx, next) => (ctx.set(SPF, { ...finding, result: "fail" }), next()));
  const result = await runPhase([spf, spamScore()], "data", { message: `${GOOD}\nhello\n` });
  assertEquals(result.scores.map(({ points }) => points), [4]);
});

Deno.test("spam_score: a missing Date costs once, with and without headers before it", async () => {
  const message = GOOD.replace(/^Date.*\n/m, "") + "\nhello\n";
  const alone = await runPhase(spamScore(), "data", { message });
  const both = await runPhase([headers(), spamScore()], "data", { message });
  assertEquals([alone.scores.length, both.scores.length], [1, 1]);
});

Deno.test("spam_score: weights are the operator's, and 0 turns a rule off", async () => {
  const message = GOOD.replace("Subject: lunch\n", "") + "\nhello\n";
  assertEquals((await data({ weights: { no_subject: 0 } }, 1, message)).scores.length, 1);
  assertEquals((await data({ weights: { no_subject: 3 } }, 1, message)).held, null);
  const { reply } = await data({ weights: { no_subject: -20 } }, 13, message);
  assertEquals(reply.verdict, "accept");
});

Deno.test("spam_score: the test line is found deep in a large message, up to the limit", async () => {
  const message = `${GOOD}\n${"text and more text\n".repeat(6000)}${GTUBE}\n`;
  assertEquals((await data({}, 0, message)).reply.code, 550);
  assertEquals((await data({ scan: "64KiB" }, 0, message)).reply.code, 250);
});

Deno.test("spam_score: mail to postmaster alone is tagged and never stopped", async () => {
  const message = `${GOOD}\n${GTUBE}\n`;
  const alone = await runPhase(spamScore(), "data", { message, to: "postmaster@example.org" });
  assertEquals([alone.reply.verdict, alone.held, alone.output.startsWith("X-Spam-Flag: YES")], ["accept", null, true]);
  const both = await runPhase(spamScore(), "data", { message, to: ["postmaster@example.org", "joe@example.org"] });
  assertEquals(both.reply.code, 550);
});

const spam = readVectorText("gtube-eicar/sample-spam.txt"), ham = readVectorText("gtube-eicar/sample-nonspam.txt");
Deno.test({
  name: "spam_score: the sample messages of a well-known filter",
  ignore: spam === null || ham === null,
  async fn() {
    const refused = await runPhase(spamScore(), "data", { message: spam! });
    assertEquals(String(refused.reply), "550 5.7.1 Message looks like spam");
    const passed = await runPhase(spamScore(), "data", { message: ham! });
    assertEquals([passed.reply.code, passed.held, passed.scores], [250, null, []]);
  },
});

Deno.test("spam_score: bad options are told with their path", () => {
  const table: [options: Record<string, unknown>, path: string][] = [
    [{ reject: 5 }, "spam_score.quarantine"],
    [{ tag: 0 }, "spam_score.tag"],
    [{ scan: 1024 }, "spam_score.scan"],
    [{ weights: { gtub: 1 } }, "spam_score.weights"],
    [{ bayes: { minimum: 0 } }, "spam_score.bayes.minimum"],
    [{ bayes: { remember: "long" } }, "spam_score.bayes.remember"],
  ];
  for (const [options, path] of table) {
    const error = assertThrows(() => spamScore.parse(options, ["spam_score"]), OptionsError);
    assertEquals(error.issues.map((issue) => issue.path.join(".")), [path], JSON.stringify(options));
  }
});

Deno.test("spam_score: points that no sum bears are refused at the start", () => {
  for (const points of [1001, -1001, 1e308, Infinity, NaN]) {
    assertThrows(() => spamScore({ weights: { html_only: points } }), OptionsError);
    assertThrows(() => spamScore({ rules: { mine: { in: "text", matches: "a", points } } }), OptionsError);
  }
});
