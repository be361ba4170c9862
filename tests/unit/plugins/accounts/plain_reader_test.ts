/** Our reader of plain lines against the whole YAML parser: where it reads at all, it reads the same. */
import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import fc from "fast-check";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import { FaultError, type Node } from "../../../../plugins/accounts/node.ts";
import { readPlain } from "../../../../plugins/accounts/plain_reader.ts";
import { position, readTables } from "../../../../plugins/accounts/reader.ts";

/** A tree without its places, tables as pairs. */
function bare(node: Node): unknown {
  if (node.kind === "text") return node.text;
  if (node.kind === "list") return node.items.map(bare);
  return { table: node.entries.map(({ key, value }) => [key, bare(value)]) };
}
/** The same of what the whole parser read. */
function bareYaml(node: unknown): unknown {
  if (isMap(node)) return { table: node.items.map(({ key, value }) => [bareYaml(key), bareYaml(value)]) };
  if (isSeq(node)) return node.items.map(bareYaml);
  return isScalar(node) ? String(node.value ?? "") : "";
}
function whole(text: string): unknown {
  const document = parseDocument(text, { schema: "failsafe", uniqueKeys: false });
  if (document.errors.length > 0) return document.errors[0]!.message;
  return document.contents === null ? { table: [] } : bareYaml(document.contents);
}

Deno.test("what tables of names are written in is read without the whole parser", () => {
  const text = `# who is here
accounts:
  alice:            # the default store
  bob: inbox
  "c d@example.org": { store: { to: remote, via: dovecot } }
  'e': {store: maildir}   # no spaces
aliases:

  info: [ alice, "bob" ]
  007: no
  team:
  - alice
  - carol@foreign.example
  # in between
  next:
      - bob
  "@example.net": "@example.org"
  josé: []
virtual:
  shop.example:
    accounts: [bob]
    catchAll: bob
catchAll:
`;
  for (const form of [text, text.replaceAll("\n", "\r\n"), text.trimEnd()]) {
    const tree = readPlain(form);
    assert(tree !== null);
    assertEquals(bare(tree), whole(form));
  }
  assertEquals(readPlain("")!.kind, "table");
});

Deno.test("anything more is left to the whole parser", () => {
  const table = [
    "a: &x b\nc: *x",
    "a: |\n  text",
    "a: >\n  text",
    "? a\n: b",
    "a: b c",
    "a: b: c",
    "a:b",
    "- a: b",
    "- - a",
  ];
  table.push(
    "---\na: b",
    "a: !!str b",
    "a: [b,\n c]",
    'a: "\\x41"',
    "a: 'it''s'",
    "a:\tb",
    "\ta: b",
    "a: [b: c]",
    "a: [b,]",
  );
  table.push(
    "a: b\n  c: d",
    "a: b\n  c",
    "a:\n    b: c\n  d: e",
    "a: @b",
    "a: b#c: d",
    "a: <<",
    "%TAG ! x",
    "a: b\n- c",
    "a",
  );
  for (const text of table) assertEquals(readPlain(text), null, text);
  assertEquals(bare(readTables("a: >\n  long\n  text\nb: it's")), { table: [["a", "long text\n"], ["b", "it's"]] });
});

Deno.test("property: plain lines mean what YAML says they mean", () => {
  const word = fc.constantFrom(
    "a",
    "b@c.d",
    "x+y",
    '"q r"',
    "'s'",
    "0x1F",
    "no",
    "null",
    "é",
    "-",
    "#c",
    ":",
    "",
    "a-",
    "it's",
  );
  const value = fc.oneof(
    word,
    fc.array(word, { maxLength: 3 }).map((words) => `[${words.join(", ")}]`),
    fc.tuple(word, word).map(([key, inner]) => `{ ${key}: ${inner} }`),
    fc.constantFrom("{}", "[]", "b # c", "b #", "b  ", "[a,b]", "{ a: [b, { c: d }] }", "{a: b}", "[ a , b ]"),
  );
  const line = fc.tuple(fc.constantFrom("", "  ", "    ", " "), fc.constantFrom("key", "- ", "none", "#"), word, value)
    .map(
      ([indent, form, key, value]) =>
        form === "key"
          ? `${indent}${key}: ${value}`
          : form === "none"
          ? `${indent}${key}:`
          : `${indent}${form}${value}`,
    );
  const end = fc.constantFrom("\n", "\r\n", "\n\n");
  let read = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(line, end), { minLength: 1, maxLength: 5 }), (lines) => {
      const text = lines.flat().join(""), tree = readPlain(text);
      if (tree === null) return;
      read++;
      assertEquals(bare(tree), whole(text), text);
    }),
    { numRuns: 5000 },
  );
  assertGreater(read, 200);
});

Deno.test("property: no text hurts, and a fault has a place in it", () => {
  const piece = fc.constantFrom(..."ab:-[]{},#&*!|>'\"%@ \n\t".split(""), ": ", "- ", "\n  ");
  fc.assert(fc.property(fc.string({ unit: piece, maxLength: 40 }), (text) => {
    try {
      readTables(text);
    } catch (error) {
      assert(error instanceof FaultError, String(error));
      assert(Number(error.fault.at) <= text.length);
    }
  }));
});

Deno.test("faults of the text have line and column", () => {
  const at = (text: string) => {
    const { fault } = assertThrows(() => readTables(text), FaultError) as FaultError;
    return `${position(text, Number(fault.at))}: ${fault.message}`;
  };
  assertEquals(at("a: &x b\nb: *x\n"), "2:4: anchors are not read here: write the value again");
  assertEquals(at("a:\n  ? [b]\n  : c\n"), "2:5: a name has to be a text");
  assertEquals(at("a: b\nc: \ufffd\n"), "2:4: this is no UTF-8 text");
  assertEquals(at('a: b\nc: "d\n').split(":")[0], "3");
  assertEquals(at(`a: |\n${" b\n".repeat(2 ** 21)}`).includes("4 MiB"), true);
});

Deno.test("a million lines are read in seconds, also hostile ones", () => {
  const start = performance.now();
  const names = Array.from({ length: 1_000_000 }, (_, i) => `  user${i}@example.org: maildir\n`).join("");
  assert(readPlain(`accounts:\n${names}`) !== null);
  for (const char of [" ", "#", "\n", "a", '"', "[", "-", "{ a: "]) {
    const text = char.repeat(1 << 21);
    readPlain(text);
    readPlain(`a: ${text}`);
    readPlain(`a: b${text}c`);
  }
  assertLess(performance.now() - start, 20_000); // quadratic work would take hours
});
