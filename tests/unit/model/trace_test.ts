/** Received, dates, and whose Authentication-Results a field claims to be. */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { HeaderSection } from "../../../core/model/headers.ts";
import { authservId, forgedResults, formatDate, receivedField, type TraceFacts } from "../../../core/model/trace.ts";

const FACTS: TraceFacts = {
  id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  host: "mx.example.org",
  helo: "client.example",
  ip: "192.0.2.1",
  protocol: "ESMTP",
  recipient: { local: "b", domain: "example.org" },
  now: Date.UTC(2026, 0, 5, 7, 8, 9, 999),
};
const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

Deno.test("RFC 5322 3.3: dates, day without a leading zero, the second it is, in any order", () => {
  const rows: [moment: number, date: string][] = [
    [0, "Thu, 1 Jan 1970 00:00:00 +0000"],
    [999, "Thu, 1 Jan 1970 00:00:00 +0000"],
    [1000, "Thu, 1 Jan 1970 00:00:01 +0000"],
    [Date.UTC(2024, 1, 29, 23, 59, 59), "Thu, 29 Feb 2024 23:59:59 +0000"],
    [Date.UTC(2024, 11, 31, 1, 2, 3), "Tue, 31 Dec 2024 01:02:03 +0000"],
    [0, "Thu, 1 Jan 1970 00:00:00 +0000"],
    [-1, "Wed, 31 Dec 1969 23:59:59 +0000"],
    [Date.UTC(2036, 5, 7, 12, 0, 0), "Sat, 7 Jun 2036 12:00:00 +0000"],
  ];
  for (const [moment, date] of rows) {
    assertEquals(formatDate(moment), date);
    assertEquals(Date.parse(date), Math.floor(moment / 1000) * 1000);
  }
});

Deno.test("Received as RFC 5321 4.4 wants it", () => {
  assertEquals(
    receivedField(FACTS),
    "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.org (Postern) with ESMTP id 01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n" +
      "\tfor <b@example.org>;\r\n\tMon, 5 Jan 2026 07:08:09 +0000\r\n",
  );
  const many = receivedField({ ...FACTS, recipient: null, ip: "2001:db8::1", protocol: "UTF8SMTP" });
  assert(!many.includes(" for ") && !many.includes("\tfor "));
  assertMatch(many, /^Received: from client\.example \(\[IPv6:2001:db8::1\]\)\r\n/);
  assertMatch(many, / with UTF8SMTP id 01ARZ3NDEKTSV4RRFFQ69G5FAV;\r\n/);
});

Deno.test("case 54: a hostile HELO stays inside its comment, and the field keeps its form", () => {
  const hostile = [
    ...[
      "",
      " ",
      "a b",
      "a)",
      "(a",
      "a\\",
      "a\\)",
      ")(",
      "a;b",
      "a\r\nBcc: x",
      "a\nb",
      "a\0b",
      "\u001b[31m",
      "\u2028",
      "ü.example",
    ],
    ...["[192.0.2.9]", "[IPv6:2001:db8::2]", "-a", "a-", ".", "a..b", '"', "<a@b>", "x".repeat(10_000), "\ud800"],
    ...["mx.example.org ([192.0.2.66]) by mx.example.org with ESMTPSA id X; Mon, 1 Jan 2024 00:00:00 +0000"],
  ];
  for (const helo of hostile) {
    const field = receivedField({ ...FACTS, helo });
    const lines = field.split("\r\n");
    assertEquals(lines.length, 5, JSON.stringify(helo));
    assertMatch(lines[0]!, /^Received: from (\S+ \(\[192\.0\.2\.1\]\)|\[192\.0\.2\.1\] \(HELO [!-'*-[\]-~]*\))$/);
    assertEquals(lines.slice(1), receivedField(FACTS).split("\r\n").slice(1));
    assertLess(lines[0]!.length, 400);
    assertMatch(field, /^[\t\r\n -~]*$/);
  }
});

Deno.test("RFC 8601 2.2: the authserv-id, with comments, folding and quotes, in lower case", () => {
  const rows: [value: string, id: string | null][] = [
    ["example.org; spf=pass", "example.org"],
    ["EXAMPLE.org 1; none", "example.org"],
    ["example.org", "example.org"],
    [" \t example.org\t;", "example.org"],
    ["example.org;none", "example.org"],
    ["example.org(c); none", "example.org"],
    ["(c) example.org; none", "example.org"],
    ["(a (b) c)(d)\t(e) example.org (f); none", "example.org"],
    ["(a \\) b) example.org; none", "example.org"],
    ["(a \\( b) example.org; none", "example.org"],
    ['"example.org"; none', "example.org"],
    ['"exam\\ple.org" 1; none', "example.org"],
    ['"a b;c"; none', "a b;c"],
    ['"never closed', "never closed"],
    ['"ends in \\', "ends in "],
    ["", null],
    [";", null],
    ["; spf=pass", null],
    ["(never closed example.org; none", null],
    ["(\\", null],
    [") example.org", null],
  ];
  for (const [value, id] of rows) assertEquals(authservId(value), id, JSON.stringify(value));
});

Deno.test("case 53: which fields are forged: ours and nobody's, also behind a line that is no field", () => {
  const AR = "Authentication-Results:";
  const rows: [name: string, header: string, forged: string[]][] = [
    ["none", "A: 1\r\n\r\n", []],
    ["another's", `${AR} other.example; x=pass\r\n\r\n`, []],
    ["ours, any case", `A: 1\r\n${AR.toUpperCase()} MX.example.ORG; x\r\nB: 2\r\n\r\n`, [
      `${AR.toUpperCase()} MX.example.ORG; x\r\n`,
    ]],
    ["folded", `${AR}\r\n mx.example.org;\r\n x\r\n\r\n`, [`${AR}\r\n mx.example.org;\r\n x\r\n`]],
    ["nobody's", `${AR}\r\n\r\n`, [`${AR}\r\n`]],
    ["two of three", `${AR} mx.example.org\r\n${AR} b\r\n${AR} mx.example.org\r\n`, [
      `${AR} mx.example.org\r\n`,
      `${AR} mx.example.org\r\n`,
    ]],
    ["in the body", `A: 1\r\n\r\n${AR} mx.example.org\r\n`, []],
    ["behind no field", `A: 1\r\njunk\r\n${AR} mx.example.org\r\nB: 2\r\n`, [`${AR} mx.example.org\r\n`]],
    ["at once behind it", `junk\r\n${AR} mx.example.org\r\n`, [`${AR} mx.example.org\r\n`]],
    ["behind two", `junk\r\nA: 1\r\nA junk\r\n\tmore\r\nauthentication-results: mx.example.org\r\n`, [
      "authentication-results: mx.example.org\r\n",
    ]],
    ["behind it, in the body", `junk\r\n\r\n${AR} mx.example.org\r\n`, []],
    ["cut at the end", `junk\r\n${AR} mx.example.org`, [`${AR} mx.example.org`]],
    ["LF alone", `junk\n${AR} mx.example.org\n\n${AR} mx.example.org\n`, [`${AR} mx.example.org\n`]],
  ];
  for (const [name, header, forged] of rows) {
    const ranges = forgedResults(new HeaderSection(octets(header)), "MX.example.org");
    assertEquals(ranges.map(([start, end]) => header.slice(start, end)), forged, name);
  }
});

Deno.test("case 33: hostile values and sections cost no more than their octets", () => {
  const size = 1_000_000;
  for (const char of ["(", ")", "\\", '"', " ", "(\\", "a", ";"]) {
    const value = char.repeat(size / char.length);
    const started = performance.now();
    authservId(value);
    assertLess(performance.now() - started, 1000, char);
  }
  for (const line of ["A junk\r\n", "junk\r\n", "a\n", "Authentication-Results: (\r\n", "A:\r\nA \0\r\n"]) {
    const section = new HeaderSection(octets(line.repeat(size / line.length)));
    const started = performance.now();
    forgedResults(section, "mx.example.org");
    assertLess(performance.now() - started, 2000, JSON.stringify(line));
  }
});
