/** Header edits: fields as written, ranges left out, and the same result from memory and from any stream. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { HeaderEdits } from "../../../core/model/envelope.ts";
import {
  applyEdits,
  applyEditsToBytes,
  editedFields,
  formatField,
  prependField,
  removeField,
  replaceField,
  withReturnPath,
} from "../../../core/model/edits.ts";
import { HeaderSection } from "../../../core/model/headers.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const text = (octets: Uint8Array): string => new TextDecoder().decode(octets);
const NONE: HeaderEdits = { prepend: "", drop: [] };
const RECEIVED = bytes("Return-Path: <old@x>\r\nA: 1\r\n folded\r\nB: 2\r\nA: 3\r\n\r\nA: body\r\n");
const section = new HeaderSection(RECEIVED);

Deno.test("case 54, 67: nothing in a value begins a line of its own", () => {
  const rows: [value: string, written: string][] = [
    ["plain", "X: plain\r\n"],
    ["a\r\nBcc: b", "X: a Bcc: b\r\n"],
    ["a\n\n\r\r body", "X: a  body\r\n"],
    ["a\u0000\u001b[31mb\u2028c\u0085d", "X: a [31mb c d\r\n"],
    ["tab\tstays", "X: tab\tstays\r\n"],
    ["grüße 🙂", "X: grüße 🙂\r\n"],
    ["  around  ", "X: around\r\n"],
  ];
  for (const [value, written] of rows) assertEquals(formatField("X", value), written);
});

Deno.test("a name that is none is refused", () => {
  for (const name of ["", "a b", "a:", "ü", "a\r\nb", " a", "x".repeat(77)]) {
    assertThrows(() => formatField(name, "v"), TypeError, "no header field name");
  }
});

Deno.test("a long value is folded at spaces and unfolds to itself", () => {
  const words = fc.array(fc.string({ unit: fc.constantFrom("a", "é", "🙂", ";", "="), minLength: 1, maxLength: 200 }), {
    maxLength: 40,
  });
  fc.assert(fc.property(words, (list) => {
    const value = list.join(" "), written = formatField("X-Long", value);
    const lines = written.split("\r\n");
    assertEquals(lines.pop(), "");
    assert(lines.every((line) => line.trim() !== ""), "a line of spaces would end nothing, but looks like it");
    assert(lines.every((line) => line.length <= 78 || !line.trimStart().includes(" ", 8)), written);
    const read = new HeaderSection(bytes(written));
    assertEquals(read.fields.map((field) => [field.name, read.value(field)]), [["X-Long", value]]);
  }));
});

Deno.test("a word longer than a line may be is broken all the same (RFC 5322 2.1.1)", () => {
  for (const char of ["🙂", "漢", "x"]) {
    const written = formatField("X", char.repeat(5000));
    const octets = (line: string) => new TextEncoder().encode(line).length;
    assert(written.split("\r\n").every((line) => octets(line) <= 998 && line.isWellFormed()), char);
    assertEquals(written.replaceAll("\r\n ", ""), `X: ${char.repeat(5000)}\r\n`);
  }
});

Deno.test("fields are prepended in front of each other and removed by name, wherever they came from", () => {
  const one = prependField(prependField(NONE, "A", "new"), "C", "last");
  assertEquals(text(applyEditsToBytes(RECEIVED, one)), `C: last\r\nA: new\r\n${text(RECEIVED)}`);
  const without = removeField(one, section, "a");
  assertEquals(
    text(applyEditsToBytes(RECEIVED, without)),
    "C: last\r\nReturn-Path: <old@x>\r\nB: 2\r\n\r\nA: body\r\n",
  );
  assertEquals(removeField(without, section, "A"), without, "a second removal changes nothing");
});

Deno.test("a field is replaced where it stands, and the others of its name go", () => {
  const rows: [before: HeaderEdits, name: string, after: string][] = [
    [NONE, "A", "Return-Path: <old@x>\r\nA: new\r\nB: 2\r\n"],
    [NONE, "b", "Return-Path: <old@x>\r\nA: 1\r\n folded\r\nb: new\r\nA: 3\r\n"],
    [NONE, "C", "C: new\r\nReturn-Path: <old@x>\r\nA: 1\r\n folded\r\nB: 2\r\nA: 3\r\n"],
    [prependField(NONE, "A", "0"), "A", "A: new\r\nReturn-Path: <old@x>\r\nB: 2\r\n"],
    [
      prependField(removeField(NONE, section, "A"), "D", "1"),
      "A",
      "A: new\r\nD: 1\r\nReturn-Path: <old@x>\r\nB: 2\r\n",
    ],
    [replaceField(NONE, section, { name: "A", value: "once" }), "A", "Return-Path: <old@x>\r\nA: new\r\nB: 2\r\n"],
  ];
  for (const [before, name, after] of rows) {
    const edits = replaceField(before, section, { name, value: "new" });
    assertEquals(text(applyEditsToBytes(RECEIVED, edits)), `${after}\r\nA: body\r\n`);
  }
});

Deno.test("whatever is prepended, removed and replaced, the output reads as the edits say", async () => {
  const name = fc.constantFrom("A", "a", "B", "C", "Return-Path"),
    value = fc.constantFrom("1", "2", "ü", "x ".repeat(60));
  const field = fc.tuple(name, value);
  const change = fc.oneof(
    fc.record({ do: fc.constant("prepend" as const), name, value }),
    fc.record({ do: fc.constant("remove" as const), name, value }),
    fc.record({ do: fc.constant("replace" as const), name, value }),
    fc.record({ do: fc.constant("deliver" as const), name: fc.constant("Return-Path"), value: fc.constant("<>") }),
  );
  await fc.assert(fc.asyncProperty(
    fc.array(field, { maxLength: 6 }),
    fc.array(change, { maxLength: 8 }),
    fc.constantFrom("", "\r\n", "\r\nA: body\r\n"),
    fc.integer({ min: 1, max: 9 }),
    async (fields, changes, rest, cut) => {
      const octets = bytes(fields.map(([name, value]) => formatField(name, value)).join("") + rest);
      const received = new HeaderSection(octets);
      let edits = NONE;
      let expected = fields.map(([name, value]) => ({ name, value: value.trim() }));
      for (const { do: verb, name, value } of changes) {
        const is = (each: { name: string }) => each.name.toLowerCase() === name.toLowerCase();
        const made = { name, value: value.trim() };
        if (verb === "prepend") {
          edits = prependField(edits, name, value);
          expected = [made, ...expected];
        } else if (verb === "remove") {
          edits = removeField(edits, received, name);
          expected = expected.filter((each) => !is(each));
        } else if (verb === "deliver") {
          edits = withReturnPath(edits, received, null);
          expected = [made, ...expected.filter((each) => !is(each))];
        } else {
          edits = replaceField(edits, received, { name, value });
          const first = expected.findIndex(is);
          expected = expected.flatMap((each, at) => is(each) ? at === first ? [made] : [] : [each]);
          if (first < 0) expected = [made, ...expected];
        }
      }
      const written = applyEditsToBytes(octets, edits), read = new HeaderSection(written);
      assertEquals(read.fields.map((field) => ({ name: field.name, value: read.value(field) })), expected);
      assertEquals(editedFields(received, edits), expected);
      assert(text(written).endsWith(rest));
      const pieces = Array.from(
        { length: Math.ceil(octets.length / cut) },
        (_, i) => octets.slice(i * cut, (i + 1) * cut),
      );
      const streamed = await new Response(applyEdits(ReadableStream.from(pieces), edits)).arrayBuffer();
      assertEquals(new Uint8Array(streamed), written);
      assertEquals(JSON.parse(JSON.stringify(edits)), edits, "a row of the store holds it");
    },
  ));
});

Deno.test("final delivery: one Return-Path, in front (RFC 5321 4.4)", () => {
  const edits = prependField(prependField(NONE, "Return-Path", "<forged@x>"), "D", "1");
  const rows = [
    [null, "Return-Path: <>\r\n"],
    [{ local: "a b", domain: "x.org" }, 'Return-Path: <"a b"@x.org>\r\n'],
  ] as const;
  for (const [sender, first] of rows) {
    assertEquals(
      text(applyEditsToBytes(RECEIVED, withReturnPath(edits, section, sender))),
      `${first}D: 1\r\nA: 1\r\n folded\r\nB: 2\r\nA: 3\r\n\r\nA: body\r\n`,
    );
  }
});

Deno.test("a stream cut anywhere gives what the bytes give", async () => {
  const edits = fc.record({
    prepend: fc.constantFrom("", "X: ü\r\n"),
    drop: fc.uniqueArray(fc.nat(60), { maxLength: 8 }).map((cuts) => {
      const at = cuts.sort((a, b) => a - b), out: [number, number][] = [];
      for (let i = 0; i + 1 < at.length; i += 2) out.push([at[i]!, at[i + 1]!]);
      return out;
    }),
    insert: fc.array(fc.tuple(fc.nat(70), fc.constantFrom("I: 1\r\n", "J: ü\r\n")), { maxLength: 4 })
      .map((list) => list.sort((a, b) => a[0] - b[0])),
  });
  const pieces = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 8 });
  await fc.assert(fc.asyncProperty(pieces, edits, async (chunks, edit) => {
    const whole = new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
    const stream = ReadableStream.from(chunks.map((chunk) => new Uint8Array(chunk)));
    const streamed = new Uint8Array(await new Response(applyEdits(stream, edit)).arrayBuffer());
    assertEquals(streamed, applyEditsToBytes(whole, edit));
  }));
});

Deno.test("cancelling the written stream cancels the received one", async () => {
  let cancelled = "", read = 0;
  const received = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => (read++, controller.enqueue(bytes("A: 1\r\n"))),
    cancel: (reason) => void (cancelled = reason),
  }, { highWaterMark: 0 });
  const written = applyEdits(received, { prepend: "", drop: [[0, 2]] });
  await new Promise((done) => setTimeout(done));
  assertEquals(read, 0, "read before anybody asked");
  await written.cancel("enough");
  assertEquals(cancelled, "enough");
});
