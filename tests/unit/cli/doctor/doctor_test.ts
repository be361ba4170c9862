/** The doctor on zones as literal data: a domain in good health, and each illness by itself. */
import { assert, assertEquals } from "@std/assert";
import { doctorCommand, type DoctorServices } from "../../../../cli/doctor/command.ts";
import type { Finding } from "../../../../cli/doctor/finding.ts";
import { MemoryResolver, type MemoryZone } from "../../../../core/dns/memory_resolver.ts";
import { FakeTerminal } from "../fake_terminal.ts";

// RFC 8463 A.2 and a key of 1024 bits that nobody has any more
const ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const SHORT =
  "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";

const HEALTHY: MemoryZone = {
  "example.org": { mx: [[10, "mx.example.org"]], txt: ["v=spf1 ip4:198.51.100.7 -all"] },
  "mx.example.org": { a: ["198.51.100.7"] },
  "198.51.100.7": { ptr: ["mx.example.org"] },
  "s1._domainkey.example.org": { txt: [ED25519] },
  "_dmarc.example.org": { txt: ["v=DMARC1; p=reject; rua=mailto:reports@example.org"] },
  "_mta-sts.example.org": { txt: ["v=STSv1; id=1"] },
  "_smtp._tls.example.org": { txt: ["v=TLSRPTv1; rua=mailto:tls@example.org"] },
  // Its data matches nobody: there is no certificate to compare here
  "_25._tcp.mx.example.org": { tlsa: [[3, 1, 1, "00".repeat(32)]] },
};
const SIGNED: MemoryZone = Object.fromEntries(
  Object.entries(HEALTHY).map(([name, records]) => [
    name,
    typeof records === "string" ? records : { ...records, authentic: true },
  ]),
);
const POLICY = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 604800\n";
const policy = (text: string): NonNullable<DoctorServices["fetch"]> => () =>
  Promise.resolve(new Response(text, { headers: { "content-type": "text/plain" } }));

interface Diagnosis {
  readonly code: number;
  readonly findings: readonly Finding[];
}

async function examine(
  zone: MemoryZone,
  args: readonly string[] = [],
  services: DoctorServices = {},
): Promise<Diagnosis> {
  const terminal = new FakeTerminal();
  let code = -1;
  const command = doctorCommand(terminal, (result) => void (code = result), {
    dns: new MemoryResolver(zone),
    fetch: policy(POLICY),
    ...services,
  });
  await command.parseAsync(["example.org", "--json", "--selector", "s1", "--ip", "198.51.100.7", ...args], {
    from: "user",
  });
  return { code, findings: JSON.parse(terminal.text).findings };
}

Deno.test("a domain in good health has no other finding than well", async () => {
  const { code, findings } = await examine(SIGNED);
  assertEquals(findings.filter(({ level }) => level !== "well"), []);
  assertEquals(code, 0);
  const topics = new Set(findings.map(({ topic }) => topic));
  assertEquals([...topics], ["MX", "Addresses", "SPF", "DKIM", "DMARC", "MTA-STS", "TLSRPT", "DANE"]);
});

/** One change of the healthy zone, and what must be found then. */
interface Illness {
  readonly name: string;
  readonly zone?: MemoryZone;
  readonly policy?: string;
  readonly args?: readonly string[];
  readonly topic: string;
  readonly level: Finding["level"];
  readonly says: RegExp;
  /** The record that is proposed. */
  readonly publish?: string;
}

const many = (count: number) => Array.from({ length: count }, (_, at) => at);
const ILLNESSES: readonly Illness[] = [
  {
    name: "no MX",
    zone: { "example.org": { a: ["198.51.100.7"], txt: ["v=spf1 ip4:198.51.100.7 -all"] } },
    topic: "MX",
    level: "warning",
    says: /no MX record/,
    publish: "example.org MX 10 mail.example.org.",
  },
  {
    name: "an MX that is an alias",
    zone: { "mx.example.org": { cname: "host.example.org" }, "host.example.org": { a: ["198.51.100.7"] } },
    topic: "MX",
    level: "wrong",
    says: /mx\.example\.org is an alias/,
  },
  {
    name: "an MX that is an address",
    zone: { "example.org": { mx: [[10, "198.51.100.7"]], txt: ["v=spf1 ip4:198.51.100.7 -all"] } },
    topic: "MX",
    level: "wrong",
    says: /must name a host, not an address/,
  },
  {
    name: "an MX without an address",
    zone: { "mx.example.org": {} },
    topic: "MX",
    level: "wrong",
    says: /has no address/,
  },
  {
    name: "an MX at a private address",
    zone: { "mx.example.org": { a: ["10.0.0.1"] } },
    topic: "MX",
    level: "wrong",
    says: /10\.0\.0\.1, which nobody else can reach/,
  },
  {
    name: "a null MX beside others",
    zone: { "example.org": { mx: [[0, ""], [10, "mx.example.org"]], txt: ["v=spf1 ip4:198.51.100.7 -all"] } },
    topic: "MX",
    level: "wrong",
    says: /null MX stands beside/,
  },
  {
    name: "a name server that fails",
    zone: { "mx.example.org": "servfail" },
    topic: "MX",
    level: "unknown",
    says: /servfail/,
  },
  {
    name: "no PTR",
    zone: { "198.51.100.7": "nxdomain" },
    topic: "Addresses",
    level: "wrong",
    says: /has no name/,
    publish: "7.100.51.198.in-addr.arpa PTR mx.example.org.",
  },
  {
    name: "a PTR that does not point back",
    zone: { "198.51.100.7": { ptr: ["other.example.net"] } },
    topic: "Addresses",
    level: "wrong",
    says: /does not point back/,
  },
  {
    name: "no SPF record",
    zone: { "example.org": { mx: [[10, "mx.example.org"]] } },
    topic: "SPF",
    level: "wrong",
    says: /no SPF record/,
    publish: "example.org TXT v=spf1 ip4:198.51.100.7 -all",
  },
  ...[
    ["two SPF records", ["v=spf1 -all", "v=spf1 mx -all"], "wrong", /2 SPF records/],
    ["a wrong term", ["v=spf1 ip4:198.51.100.700 -all"], "wrong", /cannot be read.*wrong term/],
    ["+all", ["v=spf1 +all"], "wrong", /every host of the world/],
    ["?all", ["v=spf1 ip4:198.51.100.7 ?all"], "warning", /forbids nobody/],
    ["no end", ["v=spf1 ip4:198.51.100.7"], "warning", /has no end/],
    ["ptr", ["v=spf1 ip4:198.51.100.7 ptr -all"], "warning", /ptr is slow/],
    ["a long record", [`v=spf1 ip4:198.51.100.7 ${"ip4:203.0.113.255 ".repeat(30)}-all`], "warning", /octets/],
    [
      "names that are not there",
      ["v=spf1 ip4:198.51.100.7 a:x1.example.org mx:x2.example.org exists:x3.example.org -all"],
      "wrong",
      /3 of its names/,
    ],
    [
      "an include of nothing",
      ["v=spf1 ip4:198.51.100.7 include:none.example.org -all"],
      "wrong",
      /none\.example\.org, which has no SPF/,
    ],
    ["an include of itself", ["v=spf1 ip4:198.51.100.7 include:example.org -all"], "wrong", /takes 50 or more lookups/],
  ].map(([name, txt, level, says]): Illness => ({
    name: `SPF: ${name}`,
    zone: { "example.org": { mx: [[10, "mx.example.org"]], txt: txt as string[] } },
    topic: "SPF",
    level: level as Finding["level"],
    says: says as RegExp,
  })),
  {
    name: "SPF: eleven lookups",
    zone: {
      "example.org": {
        mx: [[10, "mx.example.org"]],
        txt: [`v=spf1 ip4:198.51.100.7 ${many(11).map((at) => `include:i${at}.example.org`).join(" ")} -all`],
      },
      ...Object.fromEntries(many(11).map((at) => [`i${at}.example.org`, { txt: ["v=spf1 ip4:203.0.113.1 -all"] }])),
    },
    topic: "SPF",
    level: "wrong",
    says: /takes 11 lookups/,
  },
  {
    name: "SPF: our address does not pass",
    args: ["--ip", "203.0.113.9"],
    topic: "SPF",
    level: "wrong",
    says: /203\.0\.113\.9 does not pass: fail/,
    publish: "example.org TXT v=spf1 ip4:203.0.113.9 ip4:198.51.100.7 -all",
  },
  {
    name: "no DKIM record",
    zone: { "s1._domainkey.example.org": {} },
    topic: "DKIM",
    level: "wrong",
    says: /has no record/,
  },
  {
    name: "a DKIM key that was revoked",
    zone: { "s1._domainkey.example.org": { txt: ["v=DKIM1; p="] } },
    topic: "DKIM",
    level: "wrong",
    says: /revoked/,
  },
  {
    name: "a short DKIM key",
    zone: { "s1._domainkey.example.org": { txt: [SHORT] } },
    topic: "DKIM",
    level: "warning",
    says: /should have 2048 bits/,
  },
  {
    name: "a DKIM key on trial",
    zone: { "s1._domainkey.example.org": { txt: [`${ED25519}; t=y`] } },
    topic: "DKIM",
    level: "warning",
    says: /t=y/,
  },
  {
    name: "no DMARC record",
    zone: { "_dmarc.example.org": {} },
    topic: "DMARC",
    level: "wrong",
    says: /No DMARC record speaks/,
    publish: "_dmarc.example.org TXT v=DMARC1; p=none; rua=mailto:postmaster@example.org",
  },
  {
    name: "DMARC without a policy that binds",
    zone: { "_dmarc.example.org": { txt: ["v=DMARC1; p=none"] } },
    topic: "DMARC",
    level: "warning",
    says: /policy is none/,
  },
  {
    name: "a DMARC record that is none",
    zone: { "_dmarc.example.org": { txt: ["v=dmarc1 p=reject"] } },
    topic: "DMARC",
    level: "wrong",
    says: /is no DMARC record/,
  },
  {
    name: "DMARC reports to who does not take them",
    zone: { "_dmarc.example.org": { txt: ["v=DMARC1; p=reject; rua=mailto:d@reports.example"] } },
    topic: "DMARC",
    level: "wrong",
    says: /may not go to d@reports\.example/,
    publish: "example.org._report._dmarc.reports.example TXT v=DMARC1",
  },
  {
    name: "no MTA-STS",
    zone: { "_mta-sts.example.org": {} },
    topic: "MTA-STS",
    level: "warning",
    says: /There is no policy/,
  },
  {
    name: "a wrong MTA-STS record",
    zone: { "_mta-sts.example.org": { txt: ["v=STSv1; id=a b"] } },
    topic: "MTA-STS",
    level: "wrong",
    says: /cannot be used/,
  },
  {
    name: "an MTA-STS policy for other hosts",
    policy: POLICY.replace("mx.example.org", "other.example.org"),
    topic: "MTA-STS",
    level: "wrong",
    says: /does not name mx\.example\.org/,
  },
  { name: "an MTA-STS policy that is none", policy: "hello", topic: "MTA-STS", level: "wrong", says: /cannot be had/ },
  {
    name: "MTA-STS on trial",
    policy: POLICY.replace("enforce", "testing"),
    topic: "MTA-STS",
    level: "warning",
    says: /testing/,
  },
  {
    name: "no TLSRPT",
    zone: { "_smtp._tls.example.org": {} },
    topic: "TLSRPT",
    level: "warning",
    says: /Nobody tells you/,
    publish: "_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:postmaster@example.org",
  },
  {
    name: "TLSA records without DNSSEC",
    zone: {
      "mx.example.org": { a: ["198.51.100.7"] },
      "_25._tcp.mx.example.org": { tlsa: [[3, 1, 1, "00".repeat(32)]] },
    },
    topic: "DANE",
    level: "warning",
    says: /nobody vouches/,
  },
  {
    name: "TLSA records of no use",
    zone: { "_25._tcp.mx.example.org": { tlsa: [[1, 1, 1, "00".repeat(32)]], authentic: true } },
    topic: "DANE",
    level: "wrong",
    says: /None of the TLSA records/,
  },
  {
    name: "TLSA records that fail",
    zone: { "_25._tcp.mx.example.org": "servfail" },
    topic: "DANE",
    level: "wrong",
    says: /send nothing to mx\.example\.org/,
  },
  {
    name: "a list that lists us",
    zone: { "7.100.51.198.bl.example.net": { a: ["127.0.0.2"] } },
    args: ["--list", "bl.example.net"],
    topic: "Lists",
    level: "wrong",
    says: /bl\.example\.net lists 198\.51\.100\.7/,
  },
  {
    name: "a list that does not answer us",
    zone: { "7.100.51.198.bl.example.net": { a: ["127.255.255.254"] } },
    args: ["--list", "bl.example.net"],
    topic: "Lists",
    level: "unknown",
    says: /does not answer this resolver/,
  },
];

for (const { name, zone = {}, policy: text = POLICY, args, topic, level, says, publish } of ILLNESSES) {
  Deno.test(`illness: ${name}`, async () => {
    const { code, findings } = await examine({ ...SIGNED, ...zone }, args, { fetch: policy(text) });
    const here = findings.filter((each) => each.topic === topic);
    const found = here.find((each) => each.level === level && says.test(each.says));
    assert(found !== undefined, JSON.stringify(here, null, 2));
    if (publish !== undefined) {
      assertEquals(found.publish.map((each) => `${each.name} ${each.type} ${each.value}`), [publish]);
    }
    if (level === "wrong" || level === "unknown") assertEquals(code, 1);
  });
}

Deno.test("a domain that takes no mail needs neither MTA-STS nor TLSRPT", async () => {
  const { findings } = await examine({ "example.org": { mx: [[0, ""]] } });
  assert(findings.some(({ says }) => /takes no mail/.test(says)));
  assertEquals(findings.filter(({ topic }) => topic === "MTA-STS" || topic === "TLSRPT"), []);
  const spf = findings.find(({ topic }) => topic === "SPF");
  assertEquals(spf?.publish[0]?.value, "v=spf1 -all");
});

Deno.test("records without end end the examination, and it says so", async () => {
  const includes = many(10_000).map((at) => `include:i${at}.example.org`).join(" ");
  const dns = new MemoryResolver({
    ...SIGNED,
    "example.org": { mx: many(1000).map((at) => [at, `h${at}.example.org`] as const), txt: [`v=spf1 ${includes}`] },
    "s1._domainkey.example.org": { txt: ["x".repeat(1_000_000)] },
    "_dmarc.example.org": { txt: ["v=DMARC1;".repeat(100_000)] },
  });
  const { code, findings } = await examine({}, [], { dns });
  assertEquals(code, 1);
  assert(dns.queries.length <= 500, String(dns.queries.length));
  assert(findings.every(({ says }) => says.length < 1000));
});

Deno.test("for people: a group for each topic, the line of the zone file, a sum at the end", async () => {
  const terminal = new FakeTerminal();
  const command = doctorCommand(terminal, () => {}, {
    dns: new MemoryResolver({ ...SIGNED, "_dmarc.example.org": {} }),
    fetch: policy(POLICY),
  });
  await command.parseAsync(["example.org", "--selector", "s1"], { from: "user" });
  const text = terminal.text;
  assert(/^DMARC\n {2}WRONG {4}No DMARC record speaks for example\.org: .*\(RFC 9989 4\.10\)$/m.test(text), text);
  assert(text.includes('_dmarc.example.org. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.org"'), text);
  assert(/^1 wrong, 1 warning$/m.test(text), text);
});

Deno.test("what a stranger's record says brings no control character to the terminal", async () => {
  const { findings } = await examine({
    ...SIGNED,
    "example.org": { mx: [[10, "mx.example.org"]], txt: ["v=spf1 \x1b[2J -all"] },
  });
  assert(!JSON.stringify(findings).includes("\\u001b"), "escape");
});
