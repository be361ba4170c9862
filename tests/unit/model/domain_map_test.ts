import { assertEquals, assertThrows } from "@std/assert";
import { DomainMap } from "../../../core/model/domain_map.ts";

Deno.test("the closest pattern counts, whatever the order", () => {
  const entries: readonly [string, string][] = [
    ["*", "all"],
    ["*.example.org", "below"],
    ["*.a.example.org", "far below"],
    ["Example.org", "itself"],
    ["x.a.example.org", "one"],
    ["*.bücher.example", "books"],
    ["[IPv6:2001:DB8::0:1]", "literal"],
  ];
  for (const given of [entries, entries.toReversed()]) {
    const map = new DomainMap(given);
    const table: readonly [string, string][] = [
      ["example.org", "itself"],
      ["b.example.org", "below"],
      ["a.example.org", "below"],
      ["y.a.example.org", "far below"],
      ["z.y.a.example.org", "far below"],
      ["x.a.example.org", "one"],
      ["notexample.org", "all"],
      ["org", "all"],
      ["x.xn--bcher-kva.example", "books"],
      ["[IPv6:2001:db8::1]", "literal"],
      ["", "all"],
    ];
    for (const [domain, value] of table) assertEquals(map.of(domain), value, domain);
  }
});

Deno.test("without a star others have no value, and falsy values are values", () => {
  const map = new DomainMap<number | null>([["*.example.org", 0], ["example.org", null]]);
  assertEquals([map.of("a.example.org"), map.of("example.org"), map.of("example.net")], [0, null, undefined]);
  assertThrows(() => new DomainMap([["a b", 1]]), TypeError, '"a b" is no domain');
});
