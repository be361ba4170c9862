/** The table of address_map: the closest entry, one step, and every fault with its place. */
import { assertEquals, assertThrows } from "@std/assert";
import { formatAddress, parseAddress } from "postern";
import { buildMap } from "../../../../../plugins/accounts/address_map/map.ts";
import { fromValue, TablesError } from "../../../../../plugins/accounts/node.ts";

const map = (table: Record<string, unknown>, separator = "+") => buildMap(fromValue(table, ["map"]), separator);

Deno.test("the closest entry, once", () => {
  const table = map({
    "bob@a.example": "robert@b.example",
    "Eve@a.example": "eve@",
    "sales+eu@a.example": "eu@b.example",
    "sales@a.example": "@b.example",
    "root@": "ops@",
    "admin@": "admin@central.example",
    "@a.example": "@c.example",
    "@one.example": "all@b.example",
    "x@b.example": "y@b.example",
    "y@b.example": "x@b.example",
    "CASE@b.example": "case@b.example",
    '"a b"@a.example': '"c d"@a.example',
    "__proto__@a.example": "p@b.example",
  });
  const rows: [address: string, ours: boolean, found: string | null][] = [
    ["bob@a.example", false, "robert@b.example"],
    ["BOB@A.example", false, "robert@b.example"],
    ["bob+x@a.example", false, "robert+x@b.example"],
    ["sales+eu@a.example", false, "eu@b.example"],
    ["sales+us@a.example", false, "sales+us@b.example"],
    ["Eve@a.example", false, "eve@a.example"],
    ["eve@a.example", false, null],
    ["root@a.example", true, "ops@a.example"],
    ["root@a.example", false, "root@c.example"],
    ["root+x@z.example", true, "ops+x@z.example"],
    ["root@z.example", false, null],
    ["admin@z.example", true, "admin@central.example"],
    ["anybody@a.example", false, "anybody@c.example"],
    ["anybody@sub.a.example", false, null],
    ["anybody@one.example", false, "all@b.example"],
    ["x@b.example", false, "y@b.example"],
    ["y@b.example", false, "x@b.example"],
    ["case@b.example", false, null],
    ["Case@b.example", false, "case@b.example"],
    ['"a b"@a.example', false, '"c d"@a.example'],
    ["__proto__@a.example", false, "p@b.example"],
    ["constructor@z.example", true, null],
    [`bob+${"x".repeat(60)}@a.example`, false, null], // no address any more with the longer name
  ];
  for (const [text, ours, found] of rows) {
    const other = table.find(parseAddress(text)!, ours);
    assertEquals(other && formatAddress(other), found, text);
  }
  assertEquals(map({ "bob@a.example": "x@b.example" }, "").find({ local: "bob+x", domain: "a.example" }, false), null);
});

Deno.test("faults, all at once, each at its place", () => {
  const error = assertThrows(
    () =>
      map({
        "bob": "x@b.example",
        "a@b.example": "nobody",
        "@": "x@b.example",
        "A@b.example": "x@c.example",
        "q@b.example": ["x"],
      }),
    TablesError,
  ) as TablesError;
  assertEquals(error.faults.map(({ at, message }) => [(at as string[]).at(-1), message]), [
    ["bob", '"bob" is no address, name@ or @domain'],
    ["a@b.example", 'expected an address, name@ or @domain for "a@b.example"'],
    ["@", '"@" is no address, name@ or @domain'],
    ["q@b.example", 'expected an address, name@ or @domain for "q@b.example"'],
  ]);
  assertThrows(() => map({ "a@b.example": "x@", "A@B.example": "y@" }), TablesError, '"A@B.example" is there twice');
  assertThrows(() => buildMap(fromValue(["a@b.example"]), "+"), TablesError, "expected a table of addresses");
});
