import { assertEquals } from "@std/assert";
import { canonicalName, isHostName, reverseName } from "../../../core/dns/name.ts";

Deno.test("case 59: what can be asked for, and what never reaches the wire", () => {
  const long = `${"a".repeat(63)}.`.repeat(3);
  const table: readonly [string, string | null][] = [
    ["Example.ORG", "example.org"],
    ["example.org.", "example.org"],
    ["_spf.example.org", "_spf.example.org"],
    ["a b+c=d.example.org", "a b+c=d.example.org"],
    ["org", "org"],
    ["", null],
    [".", null],
    ["a..b", null],
    [".a", null],
    ["a..", null],
    ["a\0b.org", null],
    ["a\r\nb.org", null],
    ["a\x7f.org", null],
    ["caf\u00e9.org", null],
    ["a".repeat(63), "a".repeat(63)],
    ["a".repeat(64), null],
    [long + "a".repeat(61), long + "a".repeat(61)],
    [long + "a".repeat(62), null],
  ];
  for (const [text, expected] of table) assertEquals(canonicalName(text), expected, JSON.stringify(text));
});

Deno.test("names for addresses", () => {
  assertEquals(reverseName("192.0.2.1"), "1.2.0.192.in-addr.arpa");
  assertEquals(reverseName("::ffff:192.0.2.1"), "1.2.0.192.in-addr.arpa");
  assertEquals(
    reverseName("2001:db8::1"),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
  );
  assertEquals(reverseName("mail.example.org"), null);
});

Deno.test("host names", () => {
  for (const name of ["a", "a-b_c.d9", "xn--caf-dma.org"]) assertEquals(isHostName(name), true, name);
  for (const name of ["", "a..b", "a b", "a%b", "a;b", "A", "a\n"]) assertEquals(isHostName(name), false, name);
});
