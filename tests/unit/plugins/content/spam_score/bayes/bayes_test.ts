import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runPhase, SimulatedCounters } from "postern";
import { NamespacedCounters } from "../../../../../../core/pipeline/contexts/plugin_context.ts";
import { spamScore } from "../../../../../../plugins/content/spam_score/mod.ts";

const PILLS = "cheap tablets discount pharmacy order online shipping worldwide doctor approved quality brands".split(
  " ",
);
const TALK = "kernel patch compile meeting tomorrow review branch question driver install thanks regards".split(" ");

/** A letter with most of these words in an order of its own. */
function letter(words: readonly string[], seed: number, extra = ""): string {
  let dice = seed + 1;
  const next = () => (dice = (Math.imul(dice, 1103515245) + 12345) >>> 0) >>> 8;
  const text = Array.from({ length: 30 }, () => words[next() % words.length]).join(" ");
  return `Message-ID: <${seed}@mail.example>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nFrom: pat@mail.example\n` +
    `To: b@example.org\nSubject: about ${words[next() % words.length]}\n\n${text} ${extra}\n`;
}
const octets = (message: string) => new TextEncoder().encode(message.replace(/\n/g, "\r\n"));

async function taught(options: NonNullable<Parameters<typeof spamScore>[0]>["bayes"], count = 30) {
  const counters = new SimulatedCounters(), plugin = spamScore({ bayes: { minimum: 20, ...options } });
  const house = { store: new NamespacedCounters(counters, "plugin:spam_score:"), now: counters.now, alert: () => {} };
  const learn = (message: string, as: "spam" | "ham") => plugin.learn!(octets(message), as, house);
  for (let seed = 0; seed < count; seed++) {
    await learn(letter(PILLS, seed), "spam");
    await learn(letter(TALK, seed + 1000), "ham");
  }
  return {
    learn,
    house,
    plugin,
    judge: (message: string) => runPhase(plugin, "data", { message: octets(message), counters }),
  };
}

Deno.test("spam_score: what it was taught crosses the line by itself, in both directions", async () => {
  const { judge } = await taught({});
  const spam = await judge(letter(PILLS, 5000)), ham = await judge(letter(TALK, 5001));
  assertEquals(spam.scores.map(({ points }) => points), [7]);
  assertMatch(spam.scores[0]!.reason, /^bayes: \d+ of its words and marks are known from spam: "text:/);
  assertMatch(spam.held!, /^spam_score: 7 points, held from 6, refused from 12: content rules 7 \(bayes 7\)$/);
  assertStringIncludes(spam.output, "X-Spam-Status: Yes, score=7 required=4 tests=bayes others=0");
  assertEquals(ham.scores.map(({ points }) => points), [-3]);
  assertEquals([ham.held, ham.reply.code], [null, 250]);
  const both = await judge(letter([...PILLS, ...TALK], 5002));
  assert(both.held === null, String(both.held));
});

Deno.test("spam_score: it says nothing before it knows enough of both, and nothing when it is off", async () => {
  const few = await taught({ minimum: 31 });
  assertEquals((await few.judge(letter(PILLS, 5000))).scores, []);
  assertEquals(await few.learn("", "ham"), "30 spam and 30 ham known, 1 spam and 1 ham to go");
  assertEquals(await few.learn(letter(PILLS, 77), "spam"), "learned as spam; 31 spam and 30 ham known, 1 ham to go");
  assertEquals(
    await few.learn(letter(PILLS, 77), "spam"),
    "known as spam already; 31 spam and 30 ham known, 1 ham to go",
  );
  assertEquals(await few.learn(letter(TALK, 78), "ham"), "learned as ham; 31 spam and 31 ham known");
  assertEquals((await few.judge(letter(PILLS, 5000))).scores.length, 1);
  assertEquals(spamScore({ bayes: { enabled: false } }).learn, undefined);
});

Deno.test("spam_score: a message is the same lesson wherever it was taken from", async () => {
  const { learn } = await taught({});
  const message = letter(PILLS, 99);
  assertMatch(await learn(message, "spam"), /^learned/);
  const later =
    "Return-Path: <x@y.example>\nDelivered-To: b@example.org\nReceived: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\n" +
    "Authentication-Results: mx.example.org; spf=pass\nX-Spam-Flag: YES\nX-Spam-Status: Yes, score=7\nStatus: RO\n" +
    message;
  assertMatch(await learn(later, "spam"), /^known/);
  assertMatch(await learn(later, "ham"), /^now ham/);
});

Deno.test("spam_score: the points of both ends are the operator's", async () => {
  const { judge } = await taught({ spam: 2, ham: -1 });
  assertEquals((await judge(letter(PILLS, 5000))).scores.map(({ points }) => points), [2]);
  assertEquals((await judge(letter(TALK, 5000))).scores.map(({ points }) => points), [-1]);
});

Deno.test("spam_score: the words that it names are printable, whatever the sender wrote", async () => {
  const { learn, judge } = await taught({});
  const odd = "\u202egold\u200bcoins größe 日本";
  for (let seed = 0; seed < 10; seed++) await learn(letter(PILLS, 200 + seed, odd), "spam");
  const { reason = "" } = (await judge(letter([odd], 5000))).scores.at(-1) ?? {};
  assertMatch(reason, /^[\x20-\x7e]+$/);
});
