import { assert, assertEquals } from "@std/assert";
import { classify, logTail, probability } from "../../../../../../plugins/content/spam_score/bayes/classify.ts";
import { Counts } from "../../../../../../plugins/content/spam_score/bayes/counts.ts";

function assertNear(actual: number, expected: number, within: number): void {
  assert(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);
}

/** The sum as it stands in the books. */
function tail(m: number, n: number): number {
  let term = Math.exp(-m), sum = term;
  for (let k = 1; k < n; k++) sum += term *= m / k;
  return sum;
}

Deno.test("the tail of chi-square is what the sum says, and holds where the sum overflows", () => {
  for (const n of [1, 2, 5, 40, 150]) {
    for (const m of [0.01, 0.5, 1, 3, 10, 40, 140, 300]) {
      const expected = tail(m, n);
      if (expected > 1e-290) assertNear(logTail(m, n), Math.log(Math.min(1, expected)), 1e-6);
    }
  }
  assertEquals(logTail(0, 5), 0);
  assertNear(logTail(3.841458820694124 / 2, 1), Math.log(Math.exp(-3.841458820694124 / 2)), 1e-12);
  for (const [m, n] of [[5000, 2000], [2000, 5000], [1e6, 4096], [1, 4096]] as const) {
    assert(Number.isFinite(logTail(m, n)) && logTail(m, n) <= 0, `${m} ${n}`);
  }
  assert(logTail(5000, 2000) < logTail(4000, 2000));
});

const tokens = (...list: number[]) => Uint32Array.from(list);

Deno.test("a token's probability is its share in each class, drawn to the prior where little was seen", () => {
  const counts = new Counts();
  for (let i = 0; i < 10; i++) counts.count(tokens(1, i === 0 ? 2 : 3), "spam", 1);
  for (let i = 0; i < 100; i++) counts.count(tokens(4, i < 10 ? 3 : 5), "ham", 1);
  const of = (token: number) => probability(counts, counts.place(token));
  assertNear(of(1), (0.1 * 0.4 + 10) / 10.1, 1e-12);
  assertNear(of(2), (0.1 * 0.4 + 1) / 1.1, 1e-12);
  assertNear(of(3), (0.1 * 0.4 + 19 * 0.9) / 19.1, 1e-9); // 9 of 10 spam, 10 of 100 ham
  assertNear(of(4), 0.1 * 0.4 / 100.1, 1e-12);
  assertEquals(counts.place(99), -1);
});

Deno.test("opinions: sure of what is known, none of what is new, in doubt not spam", () => {
  const counts = new Counts();
  const spam = Array.from({ length: 40 }, (_, i) => i + 1), ham = spam.map((token) => token + 1000);
  for (let i = 0; i < 300; i++) {
    counts.count(tokens(...spam), "spam", 1);
    counts.count(tokens(...ham), "ham", 1);
  }
  assert(classify(tokens(...spam), counts).balance > 50);
  assert(classify(tokens(...ham), counts).balance < -50);
  assertEquals(classify(tokens(5000, 5001), counts), { balance: 0, told: 0 });
  const both = classify(tokens(...spam.slice(0, 20), ...ham.slice(0, 20)), counts);
  assert(both.balance < 0 && both.balance > -20, `in doubt for the message: ${both.balance}`);
  assertEquals(classify(tokens(), counts), { balance: 0, told: 0 });
});

Deno.test("what is taken back is as if it had never been, token 0 and growth included", () => {
  const counts = new Counts(), many = Uint32Array.from({ length: 20_000 }, (_, i) => Math.imul(i, 0x9e3779b9) >>> 0);
  counts.count(tokens(0, 7), "ham", 1);
  counts.count(many, "spam", 1);
  assertEquals([counts.spam, counts.ham, counts.spamAt(counts.place(0)), counts.hamAt(counts.place(0))], [1, 1, 1, 1]);
  assert(counts.size >= 20_000);
  counts.count(many, "spam", -1);
  assertEquals([counts.spam, counts.spamAt(counts.place(0)), counts.hamAt(counts.place(7))], [0, 0, 1]);
  assertEquals(classify(many, counts).told, 1); // the token 0, from good mail
});
