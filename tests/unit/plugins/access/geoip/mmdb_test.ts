import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { factsOf } from "../../../../../plugins/access/geoip/facts.ts";
import { Mmdb, MmdbError } from "../../../../../plugins/access/geoip/mmdb.ts";
import { programOf, testWith } from "../../../../support/debian.ts";
import { mmdb, type MmdbInput } from "../../../../support/mmdb.ts";
import { TempFolder } from "../../../../support/temp.ts";

const NETWORKS: Readonly<Record<string, MmdbInput>> = {
  "192.0.2.0/24": { country: { iso_code: "CH", names: { en: "Switzerland", de: "Schweiz" } } },
  "192.0.2.128/25": { country: { iso_code: "DE", is_in_european_union: true } },
  "198.51.100.7/32": { autonomous_system_number: 64_500, autonomous_system_organization: "Example Networks" },
  "2001:db8::/32": { country: { iso_code: "FR" }, many: [1, 70_000, 2 ** 40, 0, -1.5] },
  "2001:db8:1::/48": { text: "x".repeat(300), long: "y".repeat(70_000 - 5000) },
};

Deno.test("mmdb: finds the smallest network in trees of every record size", () => {
  for (const recordSize of [24, 28, 32] as const) {
    for (const shared of [false, true]) {
      const found = new Mmdb(mmdb(NETWORKS, { recordSize, shared, type: "Test-Country" }));
      assertEquals([found.type, found.built], ["Test-Country", 1_767_225_600]);
      const country = (ip: string) => factsOf(found.get(ip)).country;
      const table: readonly [string, string | null][] = [
        ["192.0.2.1", "CH"],
        ["192.0.2.127", "CH"],
        ["192.0.2.128", "DE"],
        ["192.0.2.255", "DE"],
        ["192.0.3.0", null],
        ["198.51.100.7", null],
        ["198.51.100.8", null],
        ["2001:db8:2::1", "FR"],
        ["2001:db9::1", null],
        ["::1", null],
        ["255.255.255.255", null],
      ];
      for (const [ip, expected] of table) assertEquals(country(ip), expected, `${ip} ${recordSize}`);
      assertEquals(factsOf(found.get("198.51.100.7")), {
        country: null,
        asn: 64_500,
        organization: "Example Networks",
      });
      const { many } = found.get("2001:db8:2::1") as { many: unknown };
      assertEquals(many, [1, 70_000, 2 ** 40, 0, -1.5]);
    }
  }
});

Deno.test("mmdb: a tree of IPv4 knows no IPv6", () => {
  const found = new Mmdb(mmdb({ "192.0.2.0/24": { country: { iso_code: "CH" } } }, { ipVersion: 4, recordSize: 24 }));
  assertEquals([factsOf(found.get("192.0.2.9")).country, found.get("2001:db8::1")], ["CH", null]);
});

Deno.test("mmdb: whatever octets there are, a lookup ends in a record, in nothing or in an MmdbError", () => {
  const whole = mmdb(NETWORKS, { shared: true });
  const addresses = ["192.0.2.1", "192.0.2.200", "198.51.100.7", "2001:db8:2::1", "2001:db8:1::1", "203.0.113.1"];
  const survives = (octets: Uint8Array): boolean => {
    try {
      const found = new Mmdb(octets);
      for (const ip of addresses) found.get(ip);
      return true;
    } catch (error) {
      if (error instanceof MmdbError) return false;
      throw error;
    }
  };
  assert(!survives(new Uint8Array()));
  assert(!survives(new Uint8Array(200_000)));
  for (let length = 0; length < whole.length; length += 211) survives(whole.subarray(0, length));
  let state = 1; // every run the same
  const random = (below: number) => (state = state * 48_271 % 2_147_483_647) % below;
  let damaged = 0;
  for (let i = 0; i < 3000; i++) {
    const octets = whole.slice();
    // Where the sense is: the tree and the first values, or the metadata behind them
    const places = random(2) === 0 ? [0, 3000] as const : [octets.length - 260, 260] as const;
    for (let n = 0; n <= random(3); n++) octets[places[0] + random(places[1])] = random(256);
    if (!survives(octets)) damaged++;
  }
  assert(damaged > 100, `${damaged}`); // else nothing was tried
});

Deno.test("mmdb: records without end: circles, deep ones, wide ones", () => {
  /** A database of one record, which is these octets. */
  const around = (data: readonly number[]): Uint8Array => {
    const octets = mmdb({ "0.0.0.0/1": "x".repeat(200) }, { ipVersion: 4, recordSize: 24 });
    octets.set(data, 6 + 16); // one node, and the zeros behind it
    return octets;
  };
  const table: readonly [string, readonly number[], RegExp][] = [
    ["a list that holds itself", [0x01, 0x04, 0x20, 0x00], /no end/],
    ["a pointer to itself", [0x20, 0x00], /leads to a pointer/],
    ["a list of 16 million", [0x1f, 0x04, 0xff, 0xff, 0xff], /no end/],
    ["a map of 16 million", [0xff, 0xff, 0xff, 0xff], /no end/],
    ["lists of lists of themselves", [0x1d, 0x04, 0xff, ...Array(20).fill([0x20, 0x00]).flat()], /no end|pointer/],
    ["a key that is no text", [0xe1, 0xe0, 0xe0], /no text/],
    ["a number of 5 octets in 32 bits", [0xc5, 1, 2, 3, 4, 5], /type 6 has 5/],
    ["a type that there is not", [0x00, 0x20], /type 39/],
    ["a text beyond the end", [0x5f, 0xff, 0xff, 0xff], /too much text|too soon/],
  ];
  for (const [, data, message] of table) {
    const found = new Mmdb(around(data));
    assertMatch(assertThrows(() => found.get("10.0.0.1"), MmdbError).message, message);
  }
});

Deno.test("facts: other makers' records, and records that make no sense", () => {
  const nothing = { country: null, asn: null, organization: null };
  const table: readonly [MmdbInput, object][] = [
    [{ country: "ch", asn: "AS64500", as_name: "Example" }, { country: "CH", asn: 64_500, organization: "Example" }],
    [{ country: "Switzerland", country_code: "CH" }, { ...nothing, country: "CH" }],
    [{ registered_country: { iso_code: "AT" } }, { ...nothing, country: "AT" }],
    [{ country: {}, autonomous_system_number: 0 }, nothing],
    [{ country: { iso_code: 7 }, asn: "64500x", as_name: "" }, nothing],
    ["CH", nothing],
    [{ organization: `a\r\nb${"c".repeat(500)}` }, { ...nothing, organization: `a b${"c".repeat(196)}` }],
  ];
  for (const [record, expected] of table) {
    assertEquals(factsOf(new Mmdb(mmdb({ "0.0.0.0/0": "", "1.0.0.0/8": record })).get("1.2.3.4")), expected);
  }
});

testWith(["mmdblookup"], "mmdb: mmdblookup reads the same in the databases of the tests", async () => {
  await using folder = await TempFolder.make("postern-geoip-");
  for (const recordSize of [24, 28, 32] as const) {
    const octets = mmdb(NETWORKS, { recordSize, shared: true }), file = folder.at(`${recordSize}.mmdb`);
    await Deno.writeFile(file, octets);
    const ours = new Mmdb(octets);
    for (const ip of ["192.0.2.1", "192.0.2.130", "2001:db8:2::1", "203.0.113.1"]) {
      const { stdout } = await new Deno.Command(programOf("mmdblookup")!, {
        args: ["--file", file, "--ip", ip, "country", "iso_code"],
        stderr: "null",
      }).output();
      const theirs = /"(..)" <utf8_string>/.exec(new TextDecoder().decode(stdout))?.[1] ?? null;
      assertEquals(factsOf(ours.get(ip)).country, theirs, `${ip} ${recordSize}`);
    }
  }
});
