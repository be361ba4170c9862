import { assertEquals } from "@std/assert";
import { kindOf, parseCodeFilter } from "../../../../../plugins/access/dnsbl/codes.ts";
import { queryName } from "../../../../../plugins/access/dnsbl/query_name.ts";

Deno.test("codes: which answers a filter lets count", () => {
  const table: readonly [filter: string, counts: readonly string[], not: readonly string[]][] = [
    ["127.0.0.2", ["127.0.0.2"], ["127.0.0.3", "127.0.1.2", "127.0.0.20"]],
    ["127.0.0.4-11", ["127.0.0.4", "127.0.0.9", "127.0.0.11"], ["127.0.0.3", "127.0.0.12", "127.0.1.5"]],
    ["127.0.0.250-127.0.1.3", ["127.0.0.250", "127.0.0.255", "127.0.1.0", "127.0.1.3"], ["127.0.0.249", "127.0.1.4"]],
    ["127.0.0.16/28", ["127.0.0.16", "127.0.0.31"], ["127.0.0.15", "127.0.0.32"]],
    ["&0.0.0.6", ["127.0.0.2", "127.0.0.4", "127.0.0.7"], ["127.0.0.1", "127.0.0.8"]],
    ["&0.1.0.0", ["127.1.0.2", "127.3.0.0"], ["127.2.0.1"]],
  ];
  for (const [filter, counts, not] of table) {
    const test = parseCodeFilter(filter)!;
    assertEquals(counts.filter((code) => !test(code)), [], filter);
    assertEquals(not.filter((code) => test(code)), [], filter);
  }
});

Deno.test("codes: what is no filter", () => {
  for (
    const text of [
      "",
      "2",
      "127.0.0",
      "127.0.0.256",
      "127.0.0.4-3",
      "127.0.0.4-",
      "127.0.0.4-256",
      "127.0.0.9-127.0.0.8",
      "127.0.0.1-2-3",
      "127.0.0.0/33",
      "::1",
      "::/8",
      "&",
      "&0.0.0.0",
      "&6",
      " 127.0.0.2",
      "bl.example",
    ]
  ) assertEquals(parseCodeFilter(text), null, text);
});

Deno.test("codes: an answer of a list, of a list that refuses to serve, of nobody's list", () => {
  const table = [
    ["127.0.0.2", "code"],
    ["127.255.254.1", "code"],
    ["127.255.255.252", "refused"],
    ["127.255.255.254", "refused"],
    ["203.0.113.7", "wild"],
    ["1.127.0.2", "wild"],
  ] as const;
  for (const [answer, kind] of table) assertEquals(kindOf(answer), kind, answer);
});

Deno.test("query names: octets and nibbles backwards (the examples of RFC 5782 2.1 and 2.4)", () => {
  assertEquals(queryName("192.0.2.99", "bad.example.com"), "99.2.0.192.bad.example.com");
  assertEquals(
    queryName("2001:db8:1:2:3:4:567:89ab", "ugly.example.com"),
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com",
  );
  assertEquals(queryName("::ffff:7f00:2", "x.example").split(".").slice(0, 8).join("."), "2.0.0.0.0.0.f.7");
});
