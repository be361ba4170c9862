/** The header section: which lines are fields, where it ends, and that hostile sections cost no more than their octets. */
import { assertEquals, assertLess } from "@std/assert";
import { HeaderSection } from "../../../core/model/headers.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
function read(text: string): { fields: string[][]; rest: string; malformed: boolean } {
  const section = new HeaderSection(bytes(text));
  return {
    fields: section.fields.map((field) => [field.name, section.value(field)]),
    rest: text.slice(section.bodyStart),
    malformed: section.malformedAt !== null,
  };
}

Deno.test("what is a field, a continuation, the end", () => {
  const rows: [name: string, text: string, fields: string[][], rest: string, malformed: boolean][] = [
    ["nothing", "", [], "", false],
    ["no header", "\r\nbody", [], "body", false],
    ["header only", "A: 1\r\n", [["A", "1"]], "", false],
    ["cut in a field", "A: 1", [["A", "1"]], "", false],
    ["two", "A: 1\r\nB:2\r\n\r\nC: 3\r\n", [["A", "1"], ["B", "2"]], "C: 3\r\n", false],
    ["folded by space and tab", "A: 1\r\n 2\r\n\t3\r\n\r\n", [["A", "1 2\t3"]], "", false],
    ["a folded line of spaces goes on", "A: 1\r\n \r\n 2\r\n\r\n", [["A", "1  2"]], "", false],
    ["empty value", "A:\r\n\r\n", [["A", ""]], "", false],
    ["case 52: obsolete space before the colon", "From : x\r\n\r\n", [["From", "x"]], "", false],
    ["case 52: NUL before the colon", "A: 1\r\nFr\0om: x\r\n\r\n", [["A", "1"]], "Fr\0om: x\r\n\r\n", true],
    ["case 52: 8-bit before the colon", "Fr\u00fcm: x\r\n\r\n", [], "Fr\u00fcm: x\r\n\r\n", true],
    ["case 52: no empty line before the body", "A: 1\r\nbody text\r\n", [["A", "1"]], "body text\r\n", true],
    ["mbox line", "From a@b Mon\r\nA: 1\r\n", [], "From a@b Mon\r\nA: 1\r\n", true],
    ["begins with a continuation", " x: 1\r\nA: 1\r\n", [], " x: 1\r\nA: 1\r\n", true],
    ["no name", ": x\r\n", [], ": x\r\n", true],
    ["colon in the value", "A: b: c\r\n\r\n", [["A", "b: c"]], "", false],
    ["LF alone", "A: 1\n 2\nB: 3\n\nbody", [["A", "1 2"], ["B", "3"]], "body", false],
    ["CR alone is text", "A: 1\rB: 2\r\n\r\n", [["A", "1\rB: 2"]], "", false],
    ["UTF-8", "A: gr\u00c3\u00bc\r\n\r\n", [["A", "grü"]], "", false],
    ["Latin-1, with the octets that windows-1252 renames", "A: \u00fc\u0080\r\n\r\n", [["A", "ü\u0080"]], "", false],
    ["NUL in a value is kept", "A: a\0\r\n\r\n", [["A", "a\0"]], "", false],
    ["a byte order mark is kept", "A: \u00ef\u00bb\u00bfx\r\n\r\n", [["A", "\ufeffx"]], "", false],
  ];
  for (const [name, text, fields, rest, malformed] of rows) assertEquals(read(text), { fields, rest, malformed }, name);
});

Deno.test("ranges cover the section without gaps", () => {
  const octets = bytes("A: 1\r\n 2\r\nB: 3\r\n\r\nx");
  const { fields, bodyStart } = new HeaderSection(octets);
  assertEquals(fields.map(({ start, value, end }) => [start, value, end]), [[0, 2, 10], [10, 12, 16]]);
  assertEquals(bodyStart, 18);
});

Deno.test("names are found in any case", () => {
  const section = new HeaderSection(bytes("Subject: a\r\nSUBJECT: b\r\nSubjects: c\r\n\r\n"));
  assertEquals(section.named("subject").map((field) => section.value(field)), ["a", "b"]);
  assertEquals(section.value(section.first("sUbJeCt")!), "a");
  assertEquals(section.first("x"), undefined);
});

Deno.test("case 31: 1e5 fields, one field of 10 MB, 10 MB of folding: linear", () => {
  const shapes: [string, Uint8Array][] = [
    ["fields", bytes("A: 1\r\n".repeat(100_000))],
    ["one field", bytes(`A: ${"x".repeat(10_000_000)}\r\n`)],
    ["folding", bytes(`A: x\r\n${" \r\n".repeat(3_000_000)}`)],
    ["a name", bytes("A".repeat(10_000_000))],
    ["obsolete space", bytes(`A${" ".repeat(10_000_000)}`)],
  ];
  for (const [name, octets] of shapes) {
    const start = performance.now();
    const section = new HeaderSection(octets);
    for (const field of section.fields.slice(0, 10)) section.value(field);
    assertLess(performance.now() - start, 3000, name); // quadratic work would take minutes
  }
});
