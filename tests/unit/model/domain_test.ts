/** Domain names, address literals and sets of domains. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { canonicalDomain, canonicalLiteral, DomainSet } from "../../../core/model/domain.ts";

Deno.test("a domain has one text", () => {
  const table: [string, string | null][] = [
    ["Example.ORG", "example.org"],
    ["a", "a"],
    ["1.2", "1.2"],
    ["ab--cd.example", "ab--cd.example"],
    ["XN--BCHER-KVA.example", "xn--bcher-kva.example"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["BÜCHER.example", "xn--bcher-kva.example"],
    ["bu\u0308cher.example", "xn--bcher-kva.example"],
    ["faß.example", "xn--fa-hia.example"], // not "fass": UTS 46 non-transitional, as RFC 5891
    ["ｅxample\u3002org", "example.org"],
    ["d".repeat(63), "d".repeat(63)],
    ["d".repeat(64), null],
    ["", null],
    [".", null],
    ["a.", null],
    [".a", null],
    ["a..b", null],
    ["-a", null],
    ["a-", null],
    ["a_b", null],
    ["a b", null],
    ["[192.0.2.1]", null],
    ["a/b", null],
    ["a:25", null],
    ["é@b", null],
    ["é%41", null],
    ["é/b", null],
    ["é\tb", null],
    ["é\u3002", null],
  ];
  for (const [text, canonical] of table) assertEquals(canonicalDomain(text), canonical, text);
});

Deno.test("case 24: broken A-labels, bidi, joiners and unassigned code points are no domain", () => {
  const table = [
    "xn--a",
    "xn--",
    "xn--bcher-kvb.example",
    "1א.example",
    "\u0378.example",
    "a\u200db.example",
    "é-.example",
  ];
  for (const text of table) assertEquals(canonicalDomain(text), null, text);
  for (const text of ["１２７.1", "０x7f.1", "１９２.0.2.1"]) assertEquals(canonicalDomain(text), null, text);
});

Deno.test("an address literal has one text", () => {
  const table: [string, string | null][] = [
    ["[192.0.2.1]", "[192.0.2.1]"],
    ["[192.0.2.01]", null],
    ["[192.0.2]", null],
    ["[192.0.2.256]", null],
    ["[IPv6:::1]", "[IPv6:::1]"],
    ["[IPV6:0:0:0:0:0:0:0:1]", "[IPv6:::1]"],
    ["[ipv6:2001:DB8::A]", "[IPv6:2001:db8::a]"],
    ["[IPv6:::ffff:192.0.2.1]", "[IPv6:::ffff:c000:201]"],
    ["[IPv6:1:2:3:4:5:6:7::]", null],
    ["[::1]", null],
    ["[IPv6:192.0.2.1]", null],
    ["[IPv6:fe80::1%eth0]", null],
    ["[x-tag:1]", null],
    ["[]", null],
  ];
  for (const [text, canonical] of table) assertEquals(canonicalLiteral(text), canonical, text);
});

Deno.test("a set of domains knows names and what lies below a name", () => {
  const set = new DomainSet(["Example.org", "*.lists.example.org", "bücher.example", "[192.0.2.1]"]);
  const table: [string, boolean][] = [
    ["example.org", true],
    ["www.example.org", false],
    ["lists.example.org", false],
    ["a.lists.example.org", true],
    ["b.a.lists.example.org", true],
    ["xlists.example.org", false],
    ["xn--bcher-kva.example", true],
    ["[192.0.2.1]", true],
    ["[192.0.2.2]", false],
    ["example.org.evil.example", false],
    ["org", false],
    ["", false],
  ];
  for (const [domain, has] of table) assertEquals(set.has(domain), has, domain);
  assertEquals([...set.names], ["example.org", "xn--bcher-kva.example", "[192.0.2.1]"]);
  assert(new DomainSet(["*"]).has("anything.example"));
  assert(!new DomainSet([]).has("a"));
  for (const bad of ["", "a b", "*.*", "a.*", "**", "[]"]) {
    assertThrows(() => new DomainSet([bad]), TypeError, "no domain");
  }
});

Deno.test("the set of a list is made once", () => {
  const names = ["example.org"];
  assertStrictEquals(DomainSet.of(names), DomainSet.of(names));
  assert(DomainSet.of(names) !== DomainSet.of(["example.org"]));
});

Deno.test("property: a canonical domain is its own canonical form, plain and short", () => {
  const unit = fc.constantFrom(..."abZ09.-_é\u3002ßא\u200d \0".split(""), "xn--", "bcher-kva");
  fc.assert(fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
    const domain = canonicalDomain(text);
    if (domain === null) return;
    assertEquals(canonicalDomain(domain), domain);
    assert(/^[a-z0-9.-]{1,255}$/.test(domain));
  }));
});
