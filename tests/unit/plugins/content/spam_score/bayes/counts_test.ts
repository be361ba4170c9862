/** The table of tokens at its limits. */
import { assert, assertEquals } from "@std/assert";
import { Counts } from "../../../../../../plugins/content/spam_score/bayes/counts.ts";

const tokens = (from: number, count: number) => Uint32Array.from({ length: count }, (_, at) => 1 + from + at);

Deno.test("a full table takes nothing more, until what was unlearned makes room", () => {
  const counts = new Counts(10_000);
  counts.count(tokens(0, 10_000), "spam", 1);
  counts.count(tokens(10_000, 10), "spam", 1);
  assertEquals([counts.size, counts.place(10_001)], [10_000, -1]);
  counts.count(tokens(0, 5000), "spam", -1);
  assertEquals(counts.size, 5000);
  for (let seed = 0; seed < 40; seed++) { // messages come and go for years
    counts.count(tokens(20_000 + 1000 * seed, 1000), "ham", 1);
    assertEquals([counts.size, counts.hamAt(counts.place(20_001 + 1000 * seed))], [6000, 1]);
    counts.count(tokens(20_000 + 1000 * seed, 1000), "ham", -1);
  }
  assertEquals([counts.size, counts.spamAt(counts.place(10_000))], [5000, 1]);
});

Deno.test("tokens that were made to be alike are as far apart as others", () => {
  const counts = new Counts(), started = performance.now();
  for (const low of [0, 1]) {
    const alike = Uint32Array.from({ length: 65_536 }, (_, at) => (at << 16 | low) >>> 0);
    counts.count(alike, "spam", 1);
    for (const token of alike) assertEquals(counts.place(token) < 0, false);
  }
  assert(performance.now() - started < 5000, `took ${performance.now() - started} ms`);
});
