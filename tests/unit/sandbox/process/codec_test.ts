/** Messages as text and octets: the same as structured clone for what messages have; hostile text is a CodecError, and no more. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CodecError, pack, unpack } from "../../../../core/sandbox/process/codec.ts";

function through(value: unknown): unknown {
  const { text, parts } = pack(value);
  return unpack({ text, parts: parts.map((each) => each.slice()) });
}

Deno.test("what structured clone knows comes back the same", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: false,
    withUnicodeString: true,
    key: fc.oneof(fc.string(), fc.constantFrom("~", "toJSON", "length", "constructor")),
  });
  fc.assert(
    fc.property(anything, (value) => {
      fc.pre(!JSON.stringify(pack(value).text).includes("__proto__"));
      assertEquals(through(value), structuredClone(value));
    }),
    { numRuns: 300 },
  );
});

Deno.test("values that JSON has not, text that UTF-8 has not", () => {
  const error = new RangeError("too long");
  const back = through(error) as Error;
  assert(back instanceof RangeError);
  assertEquals([back.message, back.name], ["too long", "RangeError"]);
  for (const value of [undefined, NaN, -0, Infinity, 10n ** 30n, "\ud800 alone", [undefined], { a: undefined }]) {
    assertEquals(through({ value }), { value });
  }
  class Point {
    constructor(readonly x: number) {}
    toJSON() {
      return "not this";
    }
  }
  assertEquals(through(new Point(3)), { x: 3 }); // its own fields, as structured clone has it
});

Deno.test("octets are parts, uncopied on the way out, and only those of the view", () => {
  const whole = new Uint8Array([1, 2, 3, 4]), { parts } = pack({ body: whole.subarray(1, 3) });
  assertEquals(parts.length, 1);
  assertStrictEquals(parts[0]!.buffer, whole.buffer);
  assertEquals([...parts[0]!], [2, 3]);
});

Deno.test("what cannot cross is a DataCloneError, as with postMessage", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [() => 1, Symbol("a"), Promise.resolve(), new WeakMap(), new ReadableStream(), /a/, cycle]) {
    const error = assertThrows(() => pack({ deep: [value] }), DOMException);
    assertEquals(error.name, "DataCloneError");
  }
});

Deno.test("hostile text: a CodecError or plain data, never a prototype, a copy of a long part, or a deep stack", () => {
  const parts = [new Uint8Array(8)];
  const bad = [
    "",
    "{",
    '{"__proto__":{"polluted":1}}',
    '{"a":{"__proto__":1}}',
    '{"~":["o",[["__proto__",{"polluted":1}]]]}',
    '{"~":["o",[1]]}',
    '{"~":1}',
    '{"~":["nothing"]}',
    '{"~":["b",1]}',
    '{"~":["b",-1]}',
    '{"~":["b","length"]}',
    '{"~":["b",0,"constructor"]}',
    '{"~":["b",0,"SharedArrayBuffer"]}',
    '[{"~":["b",0]},{"~":["b",0]}]',
    '{"~":["i","1e9"]}',
    `{"~":["i","${"9".repeat(500)}"]}`,
    '{"~":["n","toString"]}',
    '{"~":["m",3]}',
    '{"~":["s",{}]}',
    '{"~":["e",{"toString":1},"a","b"]}',
    "[".repeat(50_000) + "]".repeat(50_000),
    '{"a":'.repeat(50_000) + "1" + "}".repeat(50_000),
    '{"~":["m",['.repeat(20_000) + "]]}".repeat(20_000),
  ];
  for (const text of bad) assertThrows(() => unpack({ text, parts }), CodecError);
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
  const words = fc.constantFrom("u", "n", "i", "d", "b", "m", "s", "o", "e", "NaN", "0", "__proto__", "length");
  const tree = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "small" }, words, fc.integer(), fc.constant(null), tie("list"), tie("marked")),
    list: fc.array(tie("value"), { maxLength: 5 }),
    marked: tie("list").map((list) => ({ "~": list })),
  })).value;
  fc.assert(
    fc.property(tree, (value) => {
      try {
        unpack({ text: JSON.stringify(value), parts });
      } catch (error) {
        assert(error instanceof CodecError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
