import { assertEquals } from "@std/assert";
import { SimulatedCounters } from "../../../../../core/pipeline/mod.ts";
import { Bans, subjectIn } from "../../../../../plugins/access/ban/bans.ts";

const NOW = Date.UTC(2026, 0, 1);

Deno.test("bans: written, found by an address, listed in pages, removed, over", async () => {
  let now = NOW;
  const bans = new Bans(new SimulatedCounters(() => now), () => now);
  const until = NOW + 60_000;
  for (const subject of ["192.0.2.7", "198.51.100.0/24", "2001:db8::/64"]) {
    await bans.put({ subject, until, reason: "by\r\nhand" });
  }
  assertEquals(await bans.of("192.0.2.7"), { subject: "192.0.2.7", until, reason: "by hand" });
  assertEquals((await bans.of("198.51.100.9"))?.subject, "198.51.100.0/24");
  assertEquals((await bans.of("2001:db8::5"))?.subject, "2001:db8::/64");
  assertEquals(await bans.of("192.0.2.8"), null);
  const subjects = async (limit: number) => (await bans.list({ limit })).map(({ subject }) => subject);
  assertEquals(await subjects(10), ["192.0.2.7", "198.51.100.0/24", "2001:db8::/64"]);
  assertEquals(await subjects(2), ["192.0.2.7", "198.51.100.0/24"]);
  assertEquals([await bans.remove("192.0.2.7"), await bans.remove("192.0.2.7")], [true, false]);
  assertEquals(await subjects(2), ["198.51.100.0/24", "2001:db8::/64"]); // what was removed fills no page
  now = until;
  assertEquals([await bans.of("198.51.100.9"), await subjects(9)], [null, []]);
});

Deno.test("bans: what a person may name", () => {
  const table: readonly [string, string | null][] = [
    ["192.0.2.7", "192.0.2.7"],
    ["192.0.2.7/32", "192.0.2.7"],
    ["192.0.2.7/24", "192.0.2.0/24"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8::1", "2001:db8::/64"],
    ["2001:DB8:0:0::/64", "2001:db8::/64"],
    ["2001:db8:0:1ff::/56", "2001:db8:0:100::/56"],
    ["192.0.2.0/25", null],
    ["10.0.0.0/8", null],
    ["2001:db8::/48", null],
    ["192.0.2.7/24/24", null],
    ["example.net", null],
    ["", null],
  ];
  for (const [text, subject] of table) assertEquals(subjectIn(text), subject, text);
});
