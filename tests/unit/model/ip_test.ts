/** IP addresses and networks. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { isIPv6 as nodeIsIPv6 } from "node:net";
import { canonicalIp, compactIPv6, isIPv4, isIPv6, isLoopback, networkOf, Networks } from "../../../core/model/ip.ts";

Deno.test("an address has one text", () => {
  const table: [string, string | null][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::", "::"],
    ["192.0.2.01", null],
    ["192.0.2", null],
    ["192.0.2.1.", null],
    ["0x7f.1", null],
    ["2130706433", null],
    ["1.2.3.4::", null],
    ["::1::", null],
    [":1:2:3:4:5:6:7", null],
    ["12345::", null],
    ["", null],
  ];
  for (const [text, canonical] of table) assertEquals(canonicalIp(text), canonical, text);
});

Deno.test("in an address literal :: stands for two groups at least", () => {
  const table: [string, string | null][] = [
    ["1:2:3:4:5:6::", "1:2:3:4:5:6::"],
    ["1:2:3:4:5:6:7::", null],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["1:2:3:4::192.0.2.1", "1:2:3:4::c000:201"],
    ["1:2:3:4:5::192.0.2.1", null],
    ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"],
  ];
  for (const [text, compact] of table) assertEquals(compactIPv6(text), compact, text);
});

Deno.test("networks hold what lies in them, in either form", () => {
  const networks = new Networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "[::1]"]);
  const table: [string, boolean][] = [
    ["10.255.255.255", true],
    ["11.0.0.0", false],
    ["::ffff:10.1.2.3", true],
    ["192.0.2.7", true],
    ["192.0.2.8", false],
    ["2001:db8:ffff::", true],
    ["2001:db9::", false],
    ["::1", true],
    ["::", false],
    ["::10.1.2.3", false],
    ["unknown", false],
  ];
  for (const [ip, has] of [...table, ...table]) assertEquals(networks.has(ip), has, ip);
  assert(new Networks(["0.0.0.0/0"]).has("203.0.113.9"));
  assert(!new Networks(["0.0.0.0/0"]).has("2001:db8::1"));
  assert(!new Networks([]).has("127.0.0.1"));
  for (const bad of ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "10/8", "::/129", "example.org"]) {
    assertThrows(() => new Networks([bad]), TypeError, bad);
  }
});

Deno.test("the network of a peer, and loopback", () => {
  assertEquals(networkOf("192.0.2.77", { v4: 24 }), "192.0.2.0/24");
  assertEquals(networkOf("192.0.2.77"), "192.0.2.77");
  assertEquals(networkOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assertEquals([isLoopback("127.9.9.9"), isLoopback("::1"), isLoopback("127.example"), isLoopback("128.0.0.1")], [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("property: what is an IPv6 address is what the system's parser takes", () => {
  const piece = fc.constantFrom(":", "::", "0", "1", "ffff", "fffff", "192.0.2.1", "g", "::ffff:", "1:2:3:4");
  fc.assert(
    fc.property(fc.oneof(fc.array(piece, { maxLength: 12 }).map((all) => all.join("")), fc.ipV6()), (text) => {
      assertEquals(isIPv6(text), nodeIsIPv6(text), text);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("property: a canonical address is its own canonical form, and lies in its own network only", () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.oneof(fc.ipV4(), fc.ipV6()), (one, other) => {
    const a = canonicalIp(one), b = canonicalIp(other);
    if (a === null || b === null) return;
    assertEquals(canonicalIp(a), a);
    assertEquals(new Networks([a]).has(b), a === b);
    assert(isIPv4(a) !== isIPv6(a));
  }));
});
