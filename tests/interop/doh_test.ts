/** Name service over HTTPS at a real validating resolver (Unbound before NSD), through the TLS of the runtime. */
import { assertEquals } from "@std/assert";
import type { Answer, RecordType } from "../../core/dns/answer.ts";
import { dohResolver } from "../../core/dns/doh.ts";
import { testWith } from "../support/debian.ts";
import { NAME_SERVERS, NameServers } from "../support/name_servers.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";

const told = ({ fault, records, authentic }: Answer) => `${fault ?? JSON.stringify(records)}${authentic ? " AD" : ""}`;
const key = `v=DKIM1; p=${"A".repeat(400)}`;

testWith([...NAME_SERVERS, ...MAKES_CERTIFICATES], "a real resolver over HTTPS (RFC 8484)", async (t) => {
  await using authority = await Authority.make();
  const pair = await authority.issue();
  await Deno.chmod(pair.keyFile, 0o644); // Unbound is somebody else when root starts it
  await using servers = await NameServers.start({
    "signed.example": {
      signed: true,
      records: `@ MX 10 mx\nmx A 192.0.2.1\ns1._domainkey TXT "${key.slice(0, 200)}" "${key.slice(200)}"`,
    },
    "bogus.example": {
      signed: true,
      records: "mx A 192.0.2.66",
      tamper: (file) => file.replace("192.0.2.66", "192.0.2.67"),
    },
    "plain.example": { records: "mx AAAA 2001:db8::1" },
  }, pair);
  using client = Deno.createHttpClient({ caCerts: [authority.ca] });
  const url = `https://127.0.0.1:${servers.https}/dns-query`;
  const dns = dohResolver({
    servers: [url],
    timeout: 10_000,
    fetch: (input, init) => fetch(input, { ...init, client }),
  });

  const table: readonly [string, RecordType, string][] = [
    ["signed.example", "MX", '[{"preference":10,"exchange":"mx.signed.example"}] AD'],
    ["mx.signed.example", "A", '["192.0.2.1"] AD'],
    ["s1._domainkey.signed.example", "TXT", `["${key}"] AD`],
    ["gone.signed.example", "A", "nxdomain AD"],
    ["mx.signed.example", "AAAA", "nodata AD"],
    ["mx.bogus.example", "A", "servfail"],
    ["mx.plain.example", "AAAA", '["2001:db8::1"]'],
  ];
  for (const [name, type, expected] of table) {
    await t.step(`${type} ${name}`, async () => assertEquals(told(await dns.lookup(name, type)), expected));
  }
  await t.step("one whose certificate nobody vouches for is not asked", async () => {
    assertEquals(
      told(await dohResolver({ servers: [url], timeout: 10_000 }).lookup("mx.signed.example", "A")),
      "servfail",
    );
  });
});
