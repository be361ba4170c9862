import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { examine, type ExamineOptions } from "../../../../../plugins/content/headers/examine.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-05-01T12:00:00Z");
const OPTIONS: ExamineOptions = { now: NOW, future: 2 * DAY, past: 30 * DAY, smtputf8: false };
const FROM = "From: a@b.example\r\n", DATE = "Date: Fri, 01 May 2026 12:00:00 +0000\r\n";

/** `rule:line` for each fault, `rule` alone where there is no line. */
function faults(text: string, options: Partial<ExamineOptions> = {}): string[] {
  const octets = Uint8Array.from(text, (char) => char.charCodeAt(0));
  return examine(octets, { ...OPTIONS, ...options }).map(({ rule, line }) => line === null ? rule : `${rule}:${line}`);
}

Deno.test("case 52: each fault of a header is found, with its line", () => {
  const table: [header: string, faults: string[]][] = [
    [FROM + DATE, []],
    [DATE, ["missingFrom"]],
    [FROM, ["missingDate"]],
    ["", ["missingFrom", "missingDate"]],
    [FROM + DATE + FROM, ["duplicateFrom:3"]],
    [FROM + DATE + "FROM: c@d\r\n" + FROM, ["duplicateFrom:3"]],
    [FROM + DATE + DATE, ["duplicateDate:3"]],
    [FROM + DATE + "Subject: a\r\nsubject: b\r\n", ["duplicate:4"]],
    [FROM + DATE + "Received: a\r\nReceived: b\r\nX: c\r\nX: d\r\n", []],
    ["From: Joe\r\n" + DATE, ["invalidFrom:1"]],
    ["From:\r\n" + DATE, ["invalidFrom:1"]],
    ["From: =?utf-8?b?YUBi?=\r\n" + DATE, ["invalidFrom:1"]],
    ["From: a@b, c@d\r\n" + DATE, ["severalFrom:1"]],
    ["From: a@b, c@d\r\nSender: a@b\r\n" + DATE, []],
    ["From: a@b,\r\n c@d\r\n" + DATE, ["severalFrom:1"]],
    ["From: a@b c\r\n" + DATE, ["malformedFrom:1"]],
    ["From : a@b\r\n" + DATE, ["fieldName:1"]], // and it is a From
    [FROM + DATE + "From : c@d\r\n", ["duplicateFrom:3", "fieldName:3"]],
    ["Subject: x\r\n From: a@b\r\n" + DATE, ["missingFrom"]], // a From in a continuation is none
    [FROM + DATE + "X Y: z\r\n", ["fieldName:3"]],
    [FROM + DATE + "\xfcber: z\r\n", ["fieldName:3", "rawEightBit:3"]],
    ["Fr\0om: c@d\r\n" + FROM + DATE, ["fieldName:1", "nul:1"]],
    [": x\r\n" + FROM + DATE, ["fieldName:1"]],
    [FROM + DATE + "no field\r\n", ["notAField:3"]],
    [" folded\r\n" + FROM + DATE, ["missingFrom", "missingDate", "notAField:1"]],
    ["From a@b Fri May  1 12:00:00 2026\r\n" + FROM + DATE, ["fieldName:1"]], // an mbox line
    [FROM + DATE + "X: a\0b\r\n", ["nul:3"]],
    [FROM + DATE + "X: a\rb\r\n", ["bareEnding:3"]],
    [FROM + DATE + "X: a\nFrom: c@d\r\n", ["duplicateFrom:4", "bareEnding:3"]], // RFC 3030 lets it through
    [FROM + DATE + "Subject: \xe4\r\n", ["rawEightBit:3"]],
    [FROM + DATE + "X: " + "x".repeat(995) + "\r\n", []],
    [FROM + DATE + "X: " + "x".repeat(996) + "\r\n", ["longLine:3"]],
    [FROM + "Date: tomorrow\r\n", ["invalidDate:2"]],
    [FROM + "Date: 3 May 2026 11:59:59 +0000\r\n", []],
    [FROM + "Date: 3 May 2026 12:00:01 +0000\r\n", ["futureDate:2"]],
    [FROM + "Date: 1 Apr 2026 12:00:00 +0000\r\n", []],
    [FROM + "Date: 1 Apr 2026 11:59:59 +0000\r\n", ["pastDate:2"]],
  ];
  for (const [header, expected] of table) {
    assertEquals(faults(`${header}\r\nFrom: body@text\r\n`), expected, JSON.stringify(header));
  }
});

Deno.test("case 52: a header without its empty line", () => {
  assertEquals(faults(FROM + DATE), ["noBlankLine:2"]);
  assertEquals(faults(FROM + DATE + "Hello Joe,\r\nFrom: c@d\r\n"), ["notAField:3"]);
  assertEquals(faults(FROM + DATE + "X: cut in the mid"), ["noBlankLine:3"]);
  assertEquals(faults(FROM + DATE + "X: cut in the mid", { cut: true }), ["tooLarge:3"]);
  assertEquals(faults(FROM + DATE + "Hello\r\n", { cut: true }), ["notAField:3"]);
});

Deno.test("octets above 127 are right with SMTPUTF8", () => {
  assertEquals(faults(FROM + DATE + "Subject: \xc3\xa4\r\n\r\n", { smtputf8: true }), []);
});

Deno.test("case 31: a hundred thousand fields, one field of 10 MB, 10 MB of folding are linear", () => {
  const headers: [text: string, faults: string[]][] = [
    [FROM + DATE + "X: y\r\n".repeat(1e5) + "\r\n", []],
    [FROM.repeat(1e5) + DATE + "\r\n", ["duplicateFrom:2"]],
    [FROM + DATE + "X: " + "y".repeat(1e7) + "\r\n\r\n", ["longLine:3"]],
    [FROM + DATE + "X: y\r\n" + " z\r\n".repeat(2.5e6) + "\r\n", []],
    [FROM + DATE + ":".repeat(1e7), ["fieldName:3", "noBlankLine:3", "longLine:3"]],
    [FROM + DATE + "x".repeat(1e7), ["notAField:3"]],
    ["From: a@b" + ",\r\n c@d".repeat(1e6) + "\r\n" + DATE + "\r\n", ["severalFrom:1"]],
  ];
  for (const [text, expected] of headers) {
    const octets = new TextEncoder().encode(text);
    const started = performance.now();
    const found = examine(octets, OPTIONS).map(({ rule, line }) => `${rule}:${line}`);
    assert(performance.now() - started < 3000, `took ${performance.now() - started} ms`);
    assertEquals(found, expected);
  }
});

Deno.test("property: any octets give an answer, and what follows the empty line never matters", () => {
  const line = fc.constantFrom("From: a@b", "From:", "Date: x", "Sender: a@b", " f", ":", "x", "\0", "\x80: y", "a\rb");
  const header = fc.array(fc.tuple(line, fc.constantFrom("\r\n", "\n"))).map((all) => all.flat().join(""));
  fc.assert(fc.property(header, fc.string(), (text, body) => {
    assertEquals(faults(`${text}\r\n${body}`), faults(`${text}\r\n`));
  }));
});
