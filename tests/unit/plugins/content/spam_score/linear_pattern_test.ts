import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LinearPattern } from "../../../../../plugins/content/spam_score/linear_pattern.ts";

Deno.test("a pattern finds what the same regular expression finds", () => {
  const table: [pattern: string, text: string, found: boolean][] = [
    ["abc", "xABCx", true],
    ["ABC", "xabcx", true],
    ["^abc$", "x\nabc\ny", true],
    ["^abc$", "x abc", false],
    ["^$", "", true],
    ["a{2,3}b", "aab", true],
    ["a{2,3}b", "ab", false],
    ["^a{2,3}b", "aaaab", false],
    ["^a{2,}b", "aaaab", true],
    ["(?:ab|c)+d", "ababcd", true],
    ["(ab|c)?d$", "xd", true],
    ["\\bfree\\b", "it is free!", true],
    ["\\bfree\\b", "freedom", false],
    ["\\Bree\\b", "free", true],
    ["[^a-z ]x", "1x", true],
    ["[^a-z ]x", "Ax", false],
    ["[a\\-z]!", "-!", true],
    ["[\\]]", "]", true],
    ["\\d{3}-\\d{4}", "call 555-1234", true],
    ["\\w+\\s\\W", "a !", true],
    ["\\x41\\u00fc", "aÜ", true],
    ["a.c", "a\nc", false],
    ["a|", "", true],
    ["", "x", true],
    ["gold (bars|coins)", "buy GOLD COINS", true],
    ["\\.zip$", "http://a.example/b.zip", true],
    ["price: \\$[0-9]+\\.", "Price: $20.", true],
  ];
  for (const [pattern, text, found] of table) {
    assertEquals(new LinearPattern(pattern).test(text), found, `${pattern} in ${JSON.stringify(text)}`);
    assertEquals(new RegExp(pattern, "im").test(text), found, `the table: ${pattern}`);
  }
});

Deno.test("property: any pattern of that syntax agrees with the runtime's own", () => {
  const leaf = fc.constantFrom("a", "b", "c", "[ab]", "[^a\\n]", ".", "\\w", "\\s", "\\b", "\\B", "^", "$");
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { depthSize: "small" },
      leaf,
      fc.tuple(tie("pattern"), tie("pattern")).map(([one, two]) => one + two),
      fc.tuple(tie("pattern"), tie("pattern")).map(([one, two]) => `(?:${one}|${two})`),
      fc.tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "{1,2}", "{2}", "{0,3}")).map(([one, times]) =>
        `(?:${one})${times}`
      ),
    ),
  }));
  const text = fc.array(fc.constantFrom("a", "b", "c", "A", " ", "\n"), { maxLength: 10 }).map((all) => all.join(""));
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 5 }), (source, texts) => {
      const ours = new LinearPattern(source), theirs = new RegExp(source, "im");
      for (const each of texts) {
        assertEquals(ours.test(each), theirs.test(each), `${source} in ${JSON.stringify(each)}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("what cannot be linear, and what is no pattern, is told with its place", () => {
  const table: [pattern: string, says: RegExp][] = [
    ["(a", /not closed/],
    ["a)", /character 2: .*closes nothing/],
    ["[a", /class is not closed/],
    ["*a", /repeats nothing/],
    ["a**", /repetition of a repetition/],
    ["a+?", /repetition of a repetition/],
    ["a{3,2}", /m at most n/],
    ["a{1,999}", /at most 200/],
    ["(?=a)", /only \(\?: is there/],
    ["(?<n>a)", /only \(\?: is there/],
    ["(a)\\1", /\\1 is not there/],
    ["\\", /backslash at the end/],
    ["[z-a]", /ends before it begins/],
    ["\\xZZ", /hex digits/],
    ["^*", /place cannot be repeated/],
    ["(?:a{200}){200}", /repetitions of this pattern are too many/],
    ["(".repeat(60) + ")".repeat(60), /too many groups/],
    ["a".repeat(1001), /at most 1000 characters/],
  ];
  for (const [pattern, says] of table) {
    const { message } = assertThrows(() => new LinearPattern(pattern), SyntaxError);
    assert(says.test(message), `${pattern}: ${message}`);
  }
});

Deno.test("case 33: patterns that others take an age for are linear in the text", () => {
  let dice = 1;
  const thrown = Array.from({ length: 3e5 }, () => (dice = Math.imul(dice, 1103515245) + 12345) & 0x10000 ? "a" : "b");
  for (const text of ["a".repeat(1e6), thrown.join("")]) {
    for (const pattern of ["(a+)+c", "(a|aa)+$c", "a{0,200}c", ".*.*.*x", "(a|b)*a(a|b){100}c", "(x?){50}y"]) {
      const started = performance.now();
      assertEquals(new LinearPattern(pattern).test(text), false, pattern);
      assert(performance.now() - started < 10_000, `${pattern} took ${performance.now() - started} ms`);
    }
  }
});

Deno.test("case 33: the work for a message is bounded, in however many texts it comes", () => {
  const pattern = new LinearPattern("a.{0,190}b");
  let seed = 1;
  const text = () => Array.from({ length: 500 }, () => (seed = seed * 48_271 % 0x7fffffff) & 1024 ? "a" : "c").join("");
  assertEquals(pattern.any(Array.from({ length: 500 }, text)), false);
  assert(pattern.work < 260_000, String(pattern.work));
  assertEquals([pattern.any(["c", "xab"]), pattern.any(["ba"]), pattern.any([])], [true, false, false]);
});
