import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { saslprep } from "../../../../core/smtp/sasl/prepare.ts";

Deno.test("SASLprep does the examples of RFC 4013 3", () => {
  for (
    const [input, output] of [
      ["I\u00adX", "IX"],
      ["user", "user"],
      ["USER", "USER"],
      ["\u00aa", "a"],
      ["\u2168", "IX"],
      ["\u0007", null],
      ["\u0627\u0031", null],
    ] as const
  ) assertEquals(saslprep(input, "stored"), output, JSON.stringify(input));
});

Deno.test("SASLprep maps, normalizes and prohibits by table", () => {
  const both = (input: string, output: string | null) => {
    assertEquals(saslprep(input, "stored"), output, JSON.stringify(input));
    assertEquals(saslprep(input, "query"), output, JSON.stringify(input));
  };
  both("", "");
  both(" a  b ", " a  b "); // spaces of ASCII are letters like others
  for (const space of "\u00a0\u1680\u2000\u2009\u200b\u202f\u205f\u3000") both(`a${space}b`, "a b"); // C.1.2
  for (const nothing of "\u00ad\u034f\u1806\u180b\u200c\u200d\u2060\ufe00\ufe0f\ufeff") both(`a${nothing}b`, "ab"); // B.1
  both("\u00ad", ""); // and may leave nothing
  both("e\u0301", "\u00e9"); // NFKC composes
  both("\ufb01", "fi");
  both("\u0130", "\u0130"); // and leaves case alone
  const prohibited = [
    ..."\0\t\n\r\x1b\x7f\x80\x9f", // C.2.1, C.2.2
    ..."\u06dd\u070f\u180e\u2028\u2029\u2061\u206a\ufffc",
    "\u{1d173}",
    ..."\ue000\uf8ff",
    "\u{f0000}",
    "\u{10fffd}", // C.3
    "\ufdd0",
    "\ufffe",
    "\u{1fffe}",
    "\u{10ffff}", // C.4
    "\ud800",
    "\udfff", // C.5
    ..."\ufffd\u2ff0\u2ffb\u200e\u200f\u202a\u202e", // C.6, C.7, C.8
    "\u{e0001}",
    "\u{e007f}", // C.9
  ];
  for (const each of prohibited) both(`a${each}b`, null);
  both("a\u0340b", "\u00e0b"); // C.8, but it is gone once it is normalized
});

Deno.test("SASLprep lets code points that mean nothing yet through in a query, not into what is stored (RFC 3454 7)", () => {
  assertEquals(saslprep("a\u0378b", "query"), "a\u0378b");
  assertEquals(saslprep("a\u0378b", "stored"), null);
  assertEquals(saslprep("caf\u00e9 \u{1f600}", "stored"), "caf\u00e9 \u{1f600}"); // younger than the RFC, and assigned
});

Deno.test("SASLprep holds to one direction (RFC 3454 6)", () => {
  const alef = "\u05d0", arabic = "\u0627";
  assertEquals(saslprep(`${alef}1${alef}`, "stored"), `${alef}1${alef}`);
  assertEquals(saslprep(`${arabic} ${alef}`, "stored"), `${arabic} ${alef}`);
  for (const wrong of [`${alef}1`, `1${alef}`, `${alef}a${alef}`, `${alef}\u0967${alef}`, `a${alef}`, `${arabic}!`]) {
    assertEquals(saslprep(wrong, "stored"), null, JSON.stringify(wrong));
  }
});

const letter = fc.oneof(
  fc.constantFrom(
    ..."a1 \u00a0\u00ad\u0301\u0340\u05d0\u0627\ufdfa\ufb01\u00a8\u1100\u1161\u0378\u200b\ufe0f\u2168\uff21",
  ),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);

Deno.test("what SASLprep gave, it gives again, and it never gives what it prohibits", () => {
  let given = 0;
  fc.assert(
    fc.property(fc.string({ unit: letter, maxLength: 8 }), fc.constantFrom("stored", "query"), (text, kind) => {
      const once = saslprep(text, kind);
      if (once === null) return;
      given++;
      assertEquals(saslprep(once, kind), once);
      assert(!/[\0-\x1f\x7f-\xa0\u00ad\p{Co}\p{Cs}]/u.test(once));
    }),
    { numRuns: 3000 },
  );
  assert(given > 300);
});

Deno.test("SASLprep takes no time for a megabyte, and little for the longest it takes", () => {
  const started = performance.now();
  for (const letter of ["a", " ", "\u00ad", "\u0301", "\u05d0", "\ufdfa", "\u0315\u0300"]) {
    assertEquals(saslprep(letter.repeat(1e6), "query"), null);
    saslprep(letter.repeat(4000), "query");
  }
  assert(performance.now() - started < 2000);
});
