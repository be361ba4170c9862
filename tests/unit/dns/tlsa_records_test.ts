import { assert, assertEquals } from "@std/assert";
import { hostAddresses } from "../../../core/dns/host_addresses.ts";
import { MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { tlsaRecords } from "../../../core/dns/tlsa_records.ts";

const RULE = { tlsa: [[3, 1, 1, "aa"]], authentic: true } as const;
const HOST = { a: ["192.0.2.1"], authentic: true } as const;
const PLAIN = { a: ["192.0.2.1"] } as const;

/** The base domain, "none" or the fault; and the questions beyond those for addresses. */
async function ask(zone: MemoryZone): Promise<[string, readonly string[]]> {
  const dns = new MemoryResolver(zone), host = await hostAddresses("mx.example", dns);
  assert(host.fault === undefined);
  const found = await tlsaRecords(host, 25, dns);
  const told = found.kind === "records" ? found.base : found.kind === "none" ? "none" : `${found.fault} ${found.query}`;
  return [told, dns.queries.filter((each) => !/^A/.test(each))];
}

Deno.test("case 68: the TLSA records of a mail host (RFC 7672 2.2.2)", async (t) => {
  const at = "TLSA _25._tcp.mx.example", atEnd = "TLSA _25._tcp.end.example", alias = "CNAME mx.example";
  const table: readonly [string, MemoryZone, string, readonly string[]][] = [
    ["there are some", { "mx.example": HOST, "_25._tcp.mx.example": RULE }, "mx.example", [at]],
    ["none for sure", { "mx.example": HOST }, "none", [at]],
    [
      "nobody vouches for the address, and nobody is asked",
      { "mx.example": PLAIN, "_25._tcp.mx.example": RULE },
      "none",
      [],
    ],
    [
      "nobody vouches for the records",
      {
        "mx.example": HOST,
        "_25._tcp.mx.example": { cname: "rules.example", authentic: true },
        "rules.example": { tlsa: [[3, 1, 1, "aa"]] },
      },
      "none",
      [at],
    ],
    [
      "by a CNAME",
      {
        "mx.example": HOST,
        "_25._tcp.mx.example": { cname: "rules.example", authentic: true },
        "rules.example": RULE,
      },
      "mx.example",
      [at],
    ],
    ["bogus is a fault, never none", { "mx.example": HOST, "_25._tcp.mx.example": "servfail" }, `servfail ${at}`, [at]],
    ["silence as well", { "mx.example": HOST, "_25._tcp.mx.example": "timeout" }, `timeout ${at}`, [at]],
    [
      "an alias: at its end",
      {
        "mx.example": { cname: "end.example", authentic: true },
        "end.example": HOST,
        "_25._tcp.end.example": RULE,
        "_25._tcp.mx.example": RULE,
      },
      "end.example",
      [atEnd],
    ],
    [
      "an alias: at its own name when there are none at its end",
      {
        "mx.example": { cname: "end.example", authentic: true },
        "end.example": HOST,
        "_25._tcp.mx.example": RULE,
      },
      "mx.example",
      [atEnd, at],
    ],
    [
      "an alias: a fault at its end is not passed over",
      {
        "mx.example": { cname: "end.example", authentic: true },
        "end.example": HOST,
        "_25._tcp.end.example": "servfail",
        "_25._tcp.mx.example": RULE,
      },
      `servfail ${atEnd}`,
      [atEnd],
    ],
    [
      "an authentic alias that points to a zone without signatures",
      {
        "mx.example": { cname: "end.example", authentic: true },
        "end.example": PLAIN,
        "_25._tcp.mx.example": RULE,
        "_25._tcp.end.example": RULE,
      },
      "mx.example",
      [alias, at],
    ],
    [
      "an alias that nobody vouches for",
      {
        "mx.example": { cname: "end.example" },
        "end.example": HOST,
        "_25._tcp.end.example": RULE,
      },
      "none",
      [alias],
    ],
  ];
  for (const [name, zone, expected, asked] of table) {
    await t.step(name, async () => assertEquals(await ask(zone), [expected, asked]));
  }
  await t.step("an alias whose own record nobody knows is a fault", async () => {
    const dns = new MemoryResolver({ "mx.example": "servfail" });
    const host = { host: "mx.example", name: "end.example", addresses: ["192.0.2.1"], authentic: false, ttl: 9 };
    assertEquals(await tlsaRecords(host, 25, dns), { kind: "fault", fault: "servfail", query: alias });
  });
  await t.step("an address literal has none", async () => {
    const dns = new MemoryResolver();
    const host = { host: "[192.0.2.1]", name: "[192.0.2.1]", addresses: ["192.0.2.1"], authentic: false, ttl: 9 };
    assertEquals(await tlsaRecords(host, 25, dns), { kind: "none", ttl: 9 });
    assertEquals(dns.queries, []);
  });
});
