import { assert, assertEquals } from "@std/assert";
import { type Author, authorOf as readAuthor } from "../../../../../plugins/identity/dmarc/author.ts";

const authorOf = (octets: Uint8Array, whole = true): Author => readAuthor(octets, { whole });
/** LF stands for CRLF; `\x80` and above for one octet each. */
const octets = (text: string): Uint8Array =>
  Uint8Array.from(text.replaceAll("\n", "\r\n"), (char) => char.charCodeAt(0));
const utf8 = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (each) => String.fromCharCode(each)).join("");
const author = (header: string) => authorOf(octets(`${header}\nSubject: x\n\nFrom: body@example.net\n`));

Deno.test("the author's domain, however it is written", () => {
  const table: readonly [string, string][] = [
    ["From: a@example.com", "example.com"],
    ["FROM : Ann <a@Example.COM> (x)", "example.com"],
    ["From:\n Ann\n <a@example.com>", "example.com"],
    ['From: "Smith, A." <a@example.com>, b@example.com', "example.com"], // two authors of one domain: RFC 9989 5.3.1
    ["From: team: a@example.com;", "example.com"], // RFC 6854
    ["From: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <a@example.com>", "example.com"],
    [utf8("From: a@bücher.example"), "xn--bcher-kva.example"],
    ["From: Gr\xfc\xdfe <a@example.com>", "example.com"],
    ["From: a@localhost", "localhost"],
    ["Subject: y\n From: b@example.org\nFrom: a@example.com", "example.com"], // a continuation is no field
    ["X-From: b@example.org\nFrom-Line: c@example.net\nFrom: a@example.com", "example.com"],
  ];
  for (const [header, expected] of table) assertEquals(author(header).domain, expected, header);
});

Deno.test("case 52: what a reader may take for another author is no author at all", () => {
  const table: readonly [string, string][] = [
    ["To: a@example.com", "no From field"],
    ["From: a@example.com\nFrom: b@example.net", "2 From fields"],
    ["From: a@example.com\nfrom : b@example.net", "2 From fields"],
    ["From: a@example.com, b@example.net", "From names 2 domains"],
    ["From: b@example.net <a@example.com>", "From names 2 domains"], // a name to some, the address to others
    ["From: a@example.com <>", "From does not fit its grammar"],
    ["From: <a@example.com> <b@example.net>", "From does not fit its grammar"],
    ["From: <a@example.com", "From does not fit its grammar"],
    ['From: "a@example.com', "From does not fit its grammar"],
    ["From: Ann", "From does not fit its grammar"],
    ["From:", "From names nobody"],
    ["From: undisclosed:;", "From names nobody"],
    ["From: =?utf-8?q?a=40example=2Ecom?=", "From does not fit its grammar"],
    ["From: a@=?utf-8?q?example=2Ecom?=", "From does not fit its grammar"],
    ["From: <=?utf-8?q?a?=@example.com>", "From does not fit its grammar"],
    ["From: a@[192.0.2.1]", "From names no domain"],
    ["From: a@example..com", "From has an address that is none"],
    ["From: a@-example.com", "From has an address that is none"],
    ["From: a@example.com\0 <b@example.net>", "From has control characters"],
    ["From: a@b\xfccher.example", "From has an address that is none"], // Latin-1: each reader sees another name
    ["From\0: b@example.net\nFrom: a@example.com", OTHER_LINE],
    ["\0From: b@example.net\nFrom: a@example.com", OTHER_LINE],
    ["From: a@example.com\nFrom\x80: b@example.net", OTHER_LINE],
    ["From: a@example.com\nFr\xa0om: b@example.net", OTHER_LINE],
    ["From: a@example.com\nno field\nFrom: b@example.net", OTHER_LINE],
    [" From: b@example.net\nFrom: a@example.com", OTHER_LINE], // a continuation of nothing
    ["From: a@example.com\nX: y\rFrom: b@example.net", OTHER_LINE], // a CR ends a line for some
  ].map(([header, problem]) => [header!, problem!] as const);
  for (const [header, problem] of table) {
    const { domain, problem: found } = author(header);
    assertEquals([domain, found?.startsWith(problem) ? problem : found], [null, problem], JSON.stringify(header));
  }
});
const OTHER_LINE = "a line that is no proper From field may be taken for one";

Deno.test("case 52: a missing empty line leaves no second author in doubt", () => {
  assertEquals(authorOf(octets("From: a@example.com\nHello\nFrom: b@example.net\n\nx")).domain, null);
  assertEquals(authorOf(octets("From: a@example.com\nHello\n\nFrom: b@example.net\n")).domain, "example.com");
  assertEquals(authorOf(octets("From: a@example.com")).domain, "example.com");
  assertEquals(authorOf(octets("From: a@example.com\nX: y\n"), false).domain, null); // more may come
  assertEquals(authorOf(octets("From: a@example.com\nX: y\n\nz"), false).domain, "example.com");
  assertEquals(authorOf(octets("From: a@example.com\nHello\n"), false).domain, null);
  assertEquals(authorOf(octets("")).problem, "no From field");
  assertEquals(authorOf(octets("\nFrom: a@example.com")).problem, "no From field");
});

Deno.test("case 52: addresses of others that a display name shows are told", () => {
  const table: readonly [string, readonly string[]][] = [
    ['From: "ceo@bank.example" <a@example.com>', ["bank.example"]],
    ["From: a@example.com (ceo@bank.example)", ["bank.example"]],
    ["From: =?utf-8?q?ceo=40bank=2Eexample?= <a@example.com>", ["bank.example"]],
    ["From: =?utf-8?b?Y2Vv77ygYmFuay5leGFtcGxl?= <a@example.com>", ["bank.example"]], // U+FF20
    ['From: "a@example.com" <a@mail.example.com>', []],
    ['From: "x@mail.example.com" <a@example.com>', []],
    ['From: "Ann @ Example" <a@example.com>', []],
    ["From: a@example.com", []],
  ];
  for (const [header, expected] of table) {
    const found = author(header);
    assertEquals([found.domain?.endsWith("example.com"), found.shown], [true, expected], header);
  }
});

Deno.test("headers made to hurt cost no more than their length", () => {
  const many = (part: string, size = 1_000_000) => part.repeat(Math.ceil(size / part.length));
  const hostile = [
    `From: ${many("a@b.example,")}\n\n`,
    `From: ${many("(")}\n\n`,
    `From: ${many('"@x.y')}\n\n`,
    `From: "${many("@x.")}" <a@example.com>\n\n`,
    `From: "${utf8(many("@ü.é", 500_000))}" <a@example.com>\n\n`,
    `From: ${many("=?utf-8?q?")} <a@example.com>\n\n`,
    `${many("From: a@example.com\n")}\n`,
    `${many("F : x\n")}\n`,
    many("\r"),
    many("From"),
  ].map(octets);
  for (const each of hostile) {
    const started = performance.now();
    authorOf(each);
    assert(performance.now() - started < 5_000, new TextDecoder().decode(each.subarray(0, 40)));
  }
});
