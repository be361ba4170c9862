/** Text and octets of reports: fields that fold and unfold, quoting, wrapping, quoted-printable, in linear time. */
import { assert, assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import { formOf, holds, quotedPrintable } from "../../../core/dsn/octets.ts";
import { field, quotable, wrap } from "../../../core/dsn/text.ts";
import { decodeXtext, encodeUnicode, originalRecipient } from "../../../core/dsn/typed.ts";
import { latin1, octets } from "../../support/bytes.ts";

const size = (line: string) => new TextEncoder().encode(line).length;

Deno.test("a field is folded before a space, and unfolding gives it back", () => {
  assertEquals(field("A", "b"), "A: b\r\n");
  assertEquals(field("A", "b\r\nBcc: c\0d\u2028e"), "A: b Bcc: c d e\r\n");
  assertEquals(field("A", ""), "A: \r\n");
  const word = "x".repeat(80);
  assertEquals(field("A", `${word} ${word}`), `A: ${word}\r\n ${word}\r\n`);
  assertEquals(field("A", `${"y".repeat(70)}   ${word}`), `A: ${"y".repeat(70)}\r\n   ${word}\r\n`);
  const blank = field("A", `x${" ".repeat(3000)}y`).split("\r\n").slice(0, -1).filter((line) => line.trim() === "");
  assertEquals(blank, [], "a line of spaces alone");
  const words = fc.array(
    fc.oneof(fc.string({ unit: "grapheme", maxLength: 40 }), fc.constantFrom("x".repeat(200), " ", "漢".repeat(250))),
  );
  fc.assert(fc.property(words, (list) => {
    const value = list.join(" ");
    const folded = field("Name", value), lines = folded.slice(0, -2).split("\r\n");
    assert(folded.endsWith("\r\n") && !/[^\r]\n|\r[^\n]/.test(folded));
    assertEquals(lines.slice(1).filter((line) => !/^ +[^ ]/.test(line)), [], "a line that is no continuation");
    assertEquals(lines.filter((line) => size(line) > 998), []);
    const clean = value.replace(/[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu, " ")
      .trim();
    if (list.every((each) => size(each) < 800) && !/ {65}/.test(clean)) {
      assertEquals(lines.join("").trimEnd(), `Name: ${clean.toWellFormed()}`.trimEnd());
    }
  }));
});

Deno.test("a field without a space to fold at is cut before 998 octets, never inside a character", () => {
  for (const char of ["x", "ü", "漢", "𝒳"]) {
    const lines = field("Name", char.repeat(3000)).split("\r\n");
    assertEquals(lines.filter((line) => size(line) > 998), []);
    assertEquals(lines.map((line) => line.replace(/^ /, "")).join("").length, 6 + 3000 * char.length);
    assert(lines.every((line) => line.isWellFormed()));
  }
});

Deno.test("case 80: what a server said becomes one line without controls or turned text, and is cut", () => {
  const rows: [words: string, max: number, quoted: string][] = [
    ["550-one\r\n550 two", 100, "550-one 550 two"],
    ["\x1b[31mred\x07", 100, "[31mred"],
    ["a\u202eb\u2066c\u200fd", 100, "a b c d"],
    ["\ud800", 100, "\ufffd"],
    ["  a   b  ", 100, "a b"],
    ["größer", 100, "größer"],
    ["\0", 100, ""],
    ["1234567890", 10, "1234567890"],
    ["12345678901", 10, "123456 ..."],
    ["12345𝒳78901", 10, "12345 ..."],
    ["1234𝒳678901", 10, "1234𝒳 ..."],
  ];
  for (const [words, max, quoted] of rows) assertEquals(quotable(words, max), quoted);
});

Deno.test("wrapped lines have 72 characters where there is a space", () => {
  const text = wrap("word ".repeat(60).trim(), "    ");
  assert(text.split("\n").every((line) => line.length <= 72));
  assertEquals(text.replaceAll(/\s+/g, " ").trim(), "word ".repeat(60).trim());
  assertEquals(wrap("x".repeat(100)), `${"x".repeat(100)}\n`);
});

Deno.test("RFC 2045 6.7: quoted-printable decodes to what it was, in lines of 76", () => {
  const rows: [octets: string, coded: string][] = [
    ["", ""],
    ["a=b", "a=3Db"],
    ["a \r\nb\t", "a=20\r\nb=09"],
    ["a\rb\nc\0", "a=0Db=0Ac=00"],
    ["\r\n\r\n", "\r\n\r\n"],
    ["\xc3\xa4", "=C3=A4"],
    ["x".repeat(76), `${"x".repeat(75)}=\r\nx`],
    ["x".repeat(75), "x".repeat(75)],
    [`${"x".repeat(74)}\xe4`, `${"x".repeat(74)}=\r\n=E4`],
  ];
  for (const [plain, coded] of rows) assertEquals(latin1(quotedPrintable(octets(plain))), coded);
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(255), fc.constantFrom(13, 10, 32, 61)), { maxLength: 400 }), (list) => {
      const coded = latin1(quotedPrintable(Uint8Array.from(list)));
      assertEquals(/[^\x20-\x7e\t\r\n]|[^\r]\n|\r[^\n]|[ \t]\r\n|[ \t]$|[^\r\n]{77}/.exec(coded), null);
      const decoded = coded.replaceAll("=\r\n", "").replace(
        /=([0-9A-F]{2})/g,
        (_, hex) => String.fromCharCode(parseInt(hex, 16)),
      );
      assertEquals(decoded, latin1(Uint8Array.from(list)));
    }),
  );
});

Deno.test("what transport octets can take", () => {
  const rows: [string, string][] = [
    ["", "7bit"],
    ["a\r\nb", "7bit"],
    ["\xe4\r\n", "8bit"],
    ["\r", "binary"],
    ["\n", "binary"],
    ["a\r\r\n", "binary"],
    ["\0", "binary"],
    [`${"x".repeat(998)}\r\n${"x".repeat(998)}`, "7bit"],
    ["x".repeat(999), "binary"],
    [`\xe4${"x".repeat(998)}`, "binary"],
  ];
  for (const [text, form] of rows) assertEquals(formOf(octets(text)), form, JSON.stringify(text.slice(0, 20)));
});

Deno.test("a text is found in octets wherever it stands", () => {
  for (const text of ["=_ab", "x=_ab", "==_ab", "=_=_ab", "=_a=_abc"]) assert(holds(octets(text), "=_ab"), text);
  for (const text of ["", "=_a", "=_b=_a", "_ab"]) assert(!holds(octets(text), "=_ab"), text);
});

Deno.test("RFC 3461 4, RFC 6533 3: xtext and the forms of utf-8 addresses", () => {
  assertEquals(decodeXtext("a+2Bb+3Dc"), "a+b=c");
  for (const kept of ["+0D+0ABcc", "a+20", "+FF", "+00"]) assertEquals(decodeXtext(kept), kept);
  assertEquals(encodeUnicode("a+b=c\\d ü𝒳"), "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}\\x{FC}\\x{1D4B3}");
  const rows: [orcpt: string, wide: string, narrow: string][] = [
    ["rfc822;a@b", "rfc822; a@b", "rfc822; a@b"],
    ["RFC822;a+40b", "RFC822; a@b", "RFC822; a@b"],
    ["x400;/S=+0A", "x400; /S=+0A", "x400; /S=+0A"],
    ["utf-8;\\x{FC}@b", "utf-8; ü@b", "utf-8; \\x{FC}@b"],
    ["UTF-8;ü@b", "UTF-8; ü@b", "UTF-8; \\x{FC}@b"],
    ["utf-8;a\\x{0D}\\x{0A}b", "utf-8; a\\x{0D}\\x{0A}b", "utf-8; a\\x{0D}\\x{0A}b"],
    ["utf-8;\\x{D800}", "utf-8; \\x{D800}", "utf-8; \\x{D800}"],
    ["utf-8;\\x{110000}ü", "utf-8; \\x{110000}\\x{FC}", "utf-8; \\x{110000}\\x{FC}"],
    ["utf-8;a+0D@b", "utf-8; a+0D@b", "utf-8; a\\x{2B}0D@b"],
  ];
  for (const [orcpt, wide, narrow] of rows) {
    assertEquals([originalRecipient(orcpt, true), originalRecipient(orcpt, false)], [wide, narrow], orcpt);
  }
});

Deno.test("case 80: fields, quotes and codings of large input take linear time", () => {
  const storms = ["a", " ", "a ", "\r\n", "ü", "=", "=_0", "\\x{", "+0", "\u202e", `${"a".repeat(75)} `];
  for (const storm of storms) {
    const text = storm.repeat(2_000_000 / storm.length), bytes = octets(text.replaceAll(/[^\x00-\xff]/g, "?"));
    const started = performance.now();
    field("A", text);
    quotable(text, 1000);
    quotedPrintable(bytes);
    formOf(bytes);
    holds(bytes, "=_01HKXRBD80ZZZZZZZZZZZZZZZZ_0");
    originalRecipient(`utf-8;${text}`, true);
    assertLess(performance.now() - started, 5000, JSON.stringify(storm));
  }
});
