import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { GoodFamilies } from "../../../core/dns/good_families.ts";
import { familyOf, hostAddresses, orderAddresses } from "../../../core/dns/host_addresses.ts";
import { type MemoryRecords, MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";

Deno.test("the addresses of a host, or why there are none", async (t) => {
  const table: readonly [string, MemoryRecords, readonly string[] | string][] = [
    ["both families", { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] }, ["2001:db8::1", "192.0.2.1"]],
    ["one", { a: ["192.0.2.1", "192.0.2.2"] }, ["192.0.2.1", "192.0.2.2"]],
    ["one in two spellings", { a: ["192.0.2.1"], aaaa: ["::ffff:c000:201", "2001:DB8:0::1", "2001:db8::1"] }, [
      "192.0.2.1",
      "2001:db8::1",
    ]],
    ["one failed", { a: ["192.0.2.1"], aaaa: "timeout" }, ["192.0.2.1"]],
    ["neither", {}, "nodata"],
    ["multicast only", { a: ["239.0.0.1"], aaaa: ["ff05::1"] }, "nodata"],
    ["one failed, the other is not there", { aaaa: "servfail" }, "servfail"],
    ["nobody answered for one", { a: "timeout" }, "timeout"],
    ["no such name", { a: "nxdomain", aaaa: "nxdomain" }, "nxdomain"],
  ];
  for (const [name, records, expected] of table) {
    await t.step(name, async () => {
      const found = await hostAddresses("a.example", new MemoryResolver({ "a.example": records }));
      assertEquals(found.fault ?? found.addresses, expected);
    });
  }
  await t.step("16 of each family are kept", async () => {
    const a = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`), aaaa = a.map((_, i) => `2001:db8::${i + 1}`);
    const found = await hostAddresses("a.example", new MemoryResolver({ "a.example": { a, aaaa } }));
    assertEquals(found.fault ?? found.addresses.length, 32);
  });
  await t.step("they are authentic when every one is", async () => {
    const found = async (zone: MemoryZone) => {
      const said = await hostAddresses("a.example", new MemoryResolver(zone));
      return said.fault ?? [said.name, said.authentic];
    };
    const signed = { a: ["192.0.2.1"], aaaa: ["2001:db8::1"], authentic: true };
    assertEquals(await found({ "a.example": signed }), ["a.example", true]);
    assertEquals(await found({ "a.example": { cname: "b.example" }, "b.example": signed }), ["b.example", false]);
    const alias = { cname: "b.example", authentic: true };
    assertEquals(await found({ "a.example": alias, "b.example": signed }), ["b.example", true]);
    assertEquals(await found({ "a.example": alias, "b.example": { a: ["192.0.2.1"] } }), ["b.example", false]);
    const memory = new MemoryResolver({ "a.example": signed });
    const half = await hostAddresses("a.example", {
      lookup: async (name, type) => ({ ...await memory.lookup(name, type), authentic: type === "A" }),
    });
    assertEquals(half.fault ?? half.authentic, false);
  });
});

Deno.test("RFC 8305: the families take turns", () => {
  const table: readonly [string[], 4 | 6 | undefined, string[]][] = [
    [["192.0.2.1", "2001:db8::1"], undefined, ["2001:db8::1", "192.0.2.1"]],
    [["192.0.2.1", "2001:db8::1"], 4, ["192.0.2.1", "2001:db8::1"]],
    [["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"], undefined, [
      "2001:db8::1",
      "192.0.2.1",
      "192.0.2.2",
      "192.0.2.3",
    ]],
    [["::1", "::2", "192.0.2.1"], 4, ["192.0.2.1", "::1", "::2"]],
    [[], 4, []],
  ];
  for (const [addresses, prefer, expected] of table) {
    assertEquals(orderAddresses(addresses, prefer === undefined ? {} : { prefer }), expected);
  }
});

Deno.test("any order keeps every address, begins with the preferred family and alternates while it can", () => {
  const address = fc.oneof(fc.nat(255).map((n) => `192.0.2.${n}`), fc.nat(255).map((n) => `2001:db8::${n + 1}`));
  const random = fc.option(fc.constant(Math.random), { nil: undefined });
  fc.assert(
    fc.property(fc.uniqueArray(address), fc.constantFrom<4 | 6>(4, 6), random, (addresses, prefer, random) => {
      const order = orderAddresses(addresses, { prefer, ...(random ? { random } : {}) });
      assertEquals([...order].sort(), [...addresses].sort());
      const families = order.map(familyOf), first = families.filter((each) => each === prefer).length;
      const turns = 2 * Math.min(first, families.length - first);
      for (let i = 0; i < turns; i++) assertEquals(families[i] === prefer, i % 2 === 0);
    }),
  );
});

Deno.test("the family that a host was last reached by is tried first, for ten minutes, for so many hosts", () => {
  let now = 0;
  const families = new GoodFamilies({ now: () => now, maxHosts: 2 });
  assertEquals(families.of("a.example"), undefined);
  families.note("a.example", "192.0.2.1");
  assertEquals(families.of("a.example"), 4);
  families.note("a.example", "2001:db8::1");
  assertEquals(families.of("a.example"), 6);
  families.note("b.example", "192.0.2.1");
  families.note("a.example", "2001:db8::1");
  families.note("c.example", "192.0.2.1");
  assertEquals([families.size, families.of("a.example"), families.of("b.example")], [2, 6, undefined]);
  now = 10 * 60_000 - 1;
  assertEquals(families.of("c.example"), 4);
  now++;
  assertEquals([families.of("c.example"), families.size], [undefined, 1]);
});
