/** Our stub resolver, and what is above it, at a real validating resolver (Unbound) before real zones (NSD). */
import { assert, assertEquals } from "@std/assert";
import type { Answer, RecordType } from "../../core/dns/answer.ts";
import { Cache } from "../../core/dns/cache.ts";
import { hostAddresses } from "../../core/dns/host_addresses.ts";
import { mailHosts, THIS_HOST } from "../../core/dns/mail_hosts.ts";
import { NameResolver } from "../../core/dns/name_resolver.ts";
import { Stub } from "../../core/dns/stub.ts";
import { tlsaRecords } from "../../core/dns/tlsa_records.ts";
import { Networks } from "../../core/model/ip.ts";
import { testWith } from "../support/debian.ts";
import { NAME_SERVERS, NameServers, type TestZones } from "../support/name_servers.ts";

const LONG = Array.from({ length: 40 }, (_, i) => `big TXT "${String(i).padStart(3, "0").padEnd(200, "x")}"`).join(
  "\n",
);

const ZONES: TestZones = {
  "signed.example": {
    signed: true,
    records: `@ MX 20 mx2
@ MX 10 mx
@ MX 30 out
mx A 192.0.2.1
mx AAAA 2001:db8::1
_25._tcp.mx TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
mx2 CNAME real
real A 192.0.2.2
_25._tcp.real CNAME rules
rules TLSA 2 0 2 ab
out CNAME mx.plain.example.
_25._tcp.out TLSA 3 1 1 cd
chain CNAME chain2
chain2 60 CNAME chain3
chain3 A 192.0.2.3
null MX 0 .
nothing TXT "no host"
back MX 10 here
here A 127.0.0.1
broken MX 10 mx.bogus.example.
loop CNAME loop2
loop2 CNAME loop
*.wild A 192.0.2.4
${LONG}`,
  },
  "bogus.example": {
    signed: true,
    records: `@ MX 10 mx\nmx A 192.0.2.66\n_25._tcp.mx TLSA 3 1 1 ee`,
    tamper: (file) => file.replace("192.0.2.66", "203.0.113.66").replace(/(TLSA\t3 1 1) ee/, "$1 ff"),
  },
  "plain.example": { records: `@ MX 10 mx\nmx A 192.0.2.5\n_25._tcp.mx TLSA 3 1 1 ff` },
  "2.0.192.in-addr.arpa": { records: `1 PTR mx.signed.example.\n2 PTR mx.signed.example.` },
};
const OWN = { names: new Set(["mx.postern.example"]), addresses: new Networks(THIS_HOST) };
const KEEP = () => 0.999999;

/** A resolver that asks the server on this port, as systemResolver makes them. */
const resolverAt = (port: number) =>
  new NameResolver(new Cache(new Stub({ servers: [{ address: "127.0.0.1", port }], timeout: 5000 })));
const told = ({ fault, records, name, authentic }: Answer) =>
  `${fault ?? JSON.stringify(records)} ${name} ${authentic ? "authentic" : "not authentic"}`;

testWith(NAME_SERVERS, "a real validating resolver: what is authentic, what is not, what is bogus", async (t) => {
  await using servers = await NameServers.start(ZONES);
  const dns = resolverAt(servers.port);

  const table: readonly [string, RecordType, string][] = [
    ["signed.example", "TXT", "nodata signed.example authentic"],
    ["mx.signed.example", "A", '["192.0.2.1"] mx.signed.example authentic'],
    ["mx.signed.example", "AAAA", '["2001:db8::1"] mx.signed.example authentic'],
    ["gone.signed.example", "A", "nxdomain gone.signed.example authentic"],
    ["a.wild.signed.example", "A", '["192.0.2.4"] a.wild.signed.example authentic'],
    ["chain.signed.example", "A", '["192.0.2.3"] chain3.signed.example authentic'],
    ["chain.signed.example", "CNAME", '["chain2.signed.example"] chain.signed.example authentic'],
    ["chain.signed.example", "MX", "nodata chain3.signed.example authentic"],
    ["out.signed.example", "A", '["192.0.2.5"] mx.plain.example not authentic'],
    ["out.signed.example", "CNAME", '["mx.plain.example"] out.signed.example authentic'],
    ["mx.plain.example", "A", '["192.0.2.5"] mx.plain.example not authentic'],
    ["gone.plain.example", "A", "nxdomain gone.plain.example not authentic"],
    ["mx.bogus.example", "A", "servfail mx.bogus.example not authentic"],
    ["_25._tcp.mx.bogus.example", "TLSA", "servfail _25._tcp.mx.bogus.example not authentic"],
    ["bogus.example", "MX", '[{"preference":10,"exchange":"mx.bogus.example"}] bogus.example authentic'],
  ];
  for (const [name, type, expected] of table) {
    await t.step(`case 68: ${type} ${name}`, async () => assertEquals(told(await dns.lookup(name, type)), expected));
  }
  await t.step("a chain lives as long as its shortest link", async () => {
    const { ttl } = await dns.lookup("chain.signed.example", "A");
    assert(ttl > 0 && ttl <= 60, String(ttl));
  });
  await t.step("case 59: a loop of aliases is a failure", async () => {
    const { fault } = await dns.lookup("loop.signed.example", "A");
    assertEquals(fault, "servfail");
  });
  await t.step("an answer too long for UDP comes by TCP, and is authentic", async () => {
    const { records, authentic } = await dns.lookup("big.signed.example", "TXT");
    assertEquals([records?.length, authentic], [40, true]);
  });
  await t.step("a server that does not check makes nothing authentic", async () => {
    const plain = resolverAt(servers.authoritative);
    assertEquals(told(await plain.lookup("mx.signed.example", "A")), '["192.0.2.1"] mx.signed.example not authentic');
    assertEquals(told(await plain.lookup("mx.bogus.example", "A")), '["203.0.113.66"] mx.bogus.example not authentic');
  });
});

testWith(NAME_SERVERS, "a real validating resolver: the hosts of a domain and their TLSA records", async (t) => {
  await using servers = await NameServers.start(ZONES);
  const dns = resolverAt(servers.port);
  const walk = (domain: string) => mailHosts(domain, { dns, own: OWN, random: KEEP });

  await t.step("case 68: by preference, each with its own rules", async () => {
    const said = await walk("signed.example");
    assert(said.fault === undefined);
    assertEquals(said.authentic, true);
    const seen = [];
    for (const host of said.hosts) {
      const tlsa = await tlsaRecords(host, 25, dns);
      const rule = tlsa.kind === "records"
        ? `${tlsa.base} ${tlsa.records.map((each) => each.data.toHex())}`
        : tlsa.kind;
      seen.push(`${host.preference} ${host.host} ${host.addresses} ${host.authentic} ${rule}`);
    }
    assertEquals(seen, [
      `10 mx.signed.example 2001:db8::1,192.0.2.1 true mx.signed.example ${
        "00112233445566778899aabbccddeeff".repeat(2)
      }`,
      "20 mx2.signed.example 192.0.2.2 true real.signed.example ab",
      "30 out.signed.example 192.0.2.5 false out.signed.example cd",
    ]);
  });
  await t.step("case 68: nobody vouches for a zone without signatures", async () => {
    const said = await walk("plain.example");
    assert(said.fault === undefined);
    assertEquals([said.authentic, said.hosts[0]!.named, said.hosts[0]!.authentic], [false, false, false]);
    assertEquals((await tlsaRecords(said.hosts[0]!, 25, dns)).kind, "none");
  });
  await t.step("case 68: a bogus rule is a fault", async () => {
    const host = { host: "mx.bogus.example", name: "mx.bogus.example", addresses: [], authentic: true, ttl: 60 };
    const query = "TLSA _25._tcp.mx.bogus.example";
    assertEquals(await tlsaRecords(host, 25, dns), { kind: "fault", fault: "servfail", query });
    assertEquals((await hostAddresses("mx.bogus.example", dns)).fault, "servfail");
  });
  const refusals: readonly [string, string, string][] = [
    ["case 27: null MX", "null.signed.example", "556 5.1.10"],
    ["case 60: the MX is this host", "back.signed.example", "554 5.4.6"],
    ["case 68: the MX is bogus", "broken.signed.example", "451 4.4.3"],
    ["no such domain", "gone.signed.example", "550 5.1.2"],
    ["no host", "nothing.signed.example", "550 5.4.4"],
    ["a loop of aliases", "loop.signed.example", "451 4.4.3"],
  ];
  for (const [name, domain, expected] of refusals) {
    await t.step(name, async () => {
      const said = await walk(domain);
      assert(said.fault !== undefined);
      assertEquals(`${said.reply.code} ${said.reply.status}`, expected);
    });
  }
  await t.step("no MX", async () => {
    const said = await walk("chain.signed.example");
    assert(said.fault === undefined);
    assertEquals([said.hosts[0]!.host, said.hosts[0]!.addresses], ["chain.signed.example", ["192.0.2.3"]]);
  });
});
