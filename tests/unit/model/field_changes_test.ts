/** Changes of single fields by place: what is written, and that it is what `editedFields` shows. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { applyEditsToBytes, editedFields, prependField, removeField } from "../../../core/model/edits.ts";
import type { HeaderEdits } from "../../../core/model/envelope.ts";
import { changeFields, type FieldChange, formatFoldedField } from "../../../core/model/field_changes.ts";
import { HeaderSection } from "../../../core/model/headers.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const text = (octets: Uint8Array): string => new TextDecoder().decode(octets);
const NONE: HeaderEdits = { prepend: "", drop: [] };
const RECEIVED = bytes("A: 1\r\n folded\r\nB:2\r\nA: 3\r\n\r\nA: body\r\n");
const section = new HeaderSection(RECEIVED);

function written(edits: HeaderEdits, ...changes: FieldChange[]): string {
  return text(applyEditsToBytes(RECEIVED, changeFields(edits, section, changes))).replace("\r\n\r\nA: body\r\n", "");
}

Deno.test("fields change, go and come at their places, all places counted before", () => {
  const rows: [changes: FieldChange[], written: string][] = [
    [[], "A: 1\r\n folded\r\nB:2\r\nA: 3"],
    [[{ at: 0, value: "new" }], "A: new\r\nB:2\r\nA: 3"],
    [[{ at: 2, value: null }, { at: 1, value: "x" }], "A: 1\r\n folded\r\nB: x"],
    [[{ before: 0, name: "C", value: "c" }], "C: c\r\nA: 1\r\n folded\r\nB:2\r\nA: 3"],
    [
      [{ before: 1, name: "C", value: "c" }, { before: 1, name: "D", value: "d" }],
      "A: 1\r\n folded\r\nC: c\r\nD: d\r\nB:2\r\nA: 3",
    ],
    [
      [{ before: 3, name: "C", value: "c" }, { before: 99, name: "D", value: "d" }],
      "A: 1\r\n folded\r\nB:2\r\nA: 3\r\nC: c\r\nD: d",
    ],
    [
      [{ at: 0, value: null }, { at: 1, value: null }, { at: 2, value: null }, { before: 1, name: "C", value: "c" }],
      "C: c",
    ],
    [[{ at: 1, value: "a" }, { at: 1, value: "b" }, { at: 7, value: "nowhere" }], "A: 1\r\n folded\r\nB: b\r\nA: 3"],
  ];
  for (const [changes, expected] of rows) assertEquals(written(NONE, ...changes), expected);
});

Deno.test("what plugins before have changed is counted as it stands", () => {
  const before = removeField(prependField(prependField(NONE, "P", "1"), "Q", "2"), section, "B");
  assertEquals(
    written(before, { at: 0, value: null }, { at: 1, value: "p" }, { at: 3, value: "three" }, {
      before: 2,
      name: "N",
      value: "n",
    }),
    "P: p\r\nN: n\r\nA: 1\r\n folded\r\nA: three",
  );
  const twice = changeFields(before, section, [{ before: 3, name: "M", value: "m" }, { at: 2, value: "first" }]);
  assertEquals(written(twice, { at: 3, value: "mm" }, { at: 2, value: null }), "Q: 2\r\nP: 1\r\nM: mm\r\nA: 3");
});

Deno.test("a message without a header gets one", () => {
  const empty = bytes("\r\nbody");
  const edits = changeFields(NONE, new HeaderSection(empty), [{ before: 0, name: "A", value: "1" }]);
  assertEquals(text(applyEditsToBytes(empty, edits)), "A: 1\r\n\r\nbody");
});

Deno.test("any changes give the section that a list of fields would, one after the other too", () => {
  const change = fc.oneof(
    fc.record({ at: fc.nat(8), value: fc.option(fc.constantFrom("x", "y z", "long ".repeat(30).trim())) }),
    fc.record({ before: fc.nat(8), name: fc.constantFrom("N", "A"), value: fc.constantFrom("n", "m") }),
  );
  fc.assert(fc.property(fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 4 }), (rounds) => {
    let edits = NONE, model = [["A", "1 folded"], ["B", "2"], ["A", "3"]];
    for (const changes of rounds) {
      edits = changeFields(edits, section, changes);
      const values = new Map<number, string | null>();
      for (const each of changes) if ("at" in each) values.set(each.at, each.value);
      const at = (place: number) =>
        changes.flatMap((each) =>
          "before" in each && Math.min(each.before, model.length) === place ? [[each.name, each.value]] : []
        );
      model = [
        ...model.flatMap(([name, value], place) => {
          const now = values.has(place) ? values.get(place)! : value!;
          return [...at(place), ...(now === null ? [] : [[name!, now]])];
        }),
        ...at(model.length),
      ];
    }
    assertEquals(editedFields(section, edits).map(({ name, value }) => [name, value]), model);
    const read = new HeaderSection(applyEditsToBytes(RECEIVED, edits));
    assertEquals(read.fields.map((field) => [field.name, read.value(field)]), model);
    assertEquals(text(read.octets.subarray(read.bodyStart)), "A: body\r\n");
  }));
});

Deno.test("folds stand, and nothing else begins a line (case 54)", () => {
  const rows: [value: string, written: string][] = [
    ["plain", "X: plain\r\n"],
    ["a;\n\tb;\r\n  c", "X: a;\r\n\tb;\r\n  c\r\n"],
    ["\n\tb", "X:\r\n\tb\r\n"],
    [" \r\n b", "X:\r\n b\r\n"],
    ["a\nBcc: b", "X: a Bcc: b\r\n"],
    ["a\r\n\r\nbody", "X: a body\r\n"],
    ["a\r\n \r\n b", "X: a\r\n b\r\n"],
    ["a\r\r\n\tb\0c", "X: a\r\n\tb c\r\n"],
    ["a\n\t", "X: a\r\n"],
  ];
  for (const [value, expected] of rows) {
    const field = formatFoldedField("X", value);
    assertEquals(field, expected, JSON.stringify(value));
    const read = new HeaderSection(bytes(`${field}\r\n`));
    assertEquals([read.fields.length, read.malformedAt, read.bodyStart], [1, null, field.length + 2]);
  }
  assertThrows(() => formatFoldedField("a b", "x\n y"), TypeError, "no header field name");
  const long = formatFoldedField("X", `${"y".repeat(2000)}\n z`);
  assertEquals(long.split("\r\n").every((line) => line.length <= 998), true);
});

Deno.test("1e5 fields and as many changes in one pass", () => {
  const many = new HeaderSection(bytes("X: y\r\n".repeat(100_000)));
  const changes: FieldChange[] = many.fields.map((_, at) => ({ at, value: "z" }));
  const edits = changeFields(NONE, many, changes);
  assertEquals([edits.drop.length, edits.insert?.length], [1, 100_000]);
});
