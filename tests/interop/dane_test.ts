/**
 * DANE with the server as its users have it: zones that NSD serves and Unbound validates, mail hosts whose certificates no
 * authority knows. Non-job: the rules one by one (tests/unit/delivery/tls/dane_test.ts).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { programOf, testUnless } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { NAME_SERVERS, type TestZones } from "../support/name_servers.ts";
import { PolicyHost, policyText, PORT_443_MISSING } from "../support/policy_host.ts";
import { Authority, type Pair } from "../support/tls.ts";
import { type Site, World } from "../support/world.ts";
import { run } from "./run.ts";

const MISSING = [...NAME_SERVERS, "openssl" as const].filter((each) => programOf(each) === null).join(", ") ||
  PORT_443_MISSING;

const OTHER = "00".repeat(32);

testUnless(MISSING, "DANE: the server keeps to TLSA records that DNSSEC vouches for", async (t) => {
  await using world = await World.make();
  await using authority = await Authority.make();
  await using stranger = await Authority.make("Authority of the signed zone");
  const mx = (name: string) => `mx.${name}.signed.example`;
  const ee = await stranger.issue({ names: ["another.example"], expired: true });
  const ta = await withChain(await stranger.issue({ names: [mx("ta")] }), stranger);
  const taNamed = await withChain(await stranger.issue({ names: ["another.example"] }), stranger);
  const web = await authority.issue({ names: [mx("both"), mx("mismatch")] });
  const anchor = digest(await der(stranger.own.certFile));

  /** The host's certificate, and its TLSA records. */
  const hosts: Readonly<Record<string, readonly [pair: Pair | null, ...records: string[]]>> = {
    ee: [ee, `3 1 1 ${digest(await publicKey(ee))}`],
    whole: [ee, `3 0 1 ${OTHER}`, `3 0 1 ${digest(await der(ee.certFile))}`],
    ta: [ta, `2 0 1 ${anchor}`],
    named: [taNamed, `2 0 1 ${anchor}`],
    mismatch: [web, `3 1 1 ${OTHER}`],
    clear: [null, `3 1 1 ${OTHER}`],
    unusable: [ee, `1 1 1 ${OTHER}`],
    unusableclear: [null, `1 1 1 ${OTHER}`],
    none: [ee],
    noneclear: [null],
    both: [ee, `3 1 1 ${digest(await publicKey(ee))}`],
    stsonly: [ee],
  };
  await using opened = new AsyncDisposableStack();
  const sinks = new Map<string, MailHost>();
  const lines: string[] = [];
  for (const [name, [pair, ...records]] of Object.entries(hosts)) {
    const number = sinks.size + 1;
    sinks.set(name, opened.use(await MailHost.open({ ...world.place(number), ...pair && { pair } })));
    lines.push(`${name} MX 10 mx.${name}`, `mx.${name} A ${world.ip(number)}`);
    for (const each of records) lines.push(`_${world.port}._tcp.mx.${name} TLSA ${each}`);
  }
  for (const name of ["both", "stsonly"]) {
    lines.push(`_mta-sts.${name} TXT "v=STSv1; id=1"`, `mta-sts.${name} A ${world.ip(101)}`);
  }
  const names = ["mta-sts.both.signed.example", "mta-sts.stsonly.signed.example"];
  await using policies = new PolicyHost(world.ip(101), await authority.issue({ names }));
  for (const name of names) {
    policies.policies.set(name.slice("mta-sts.".length), policyText("enforce", "mx.elsewhere.example"));
  }

  const bogus = [`@ MX 10 mx`, `mx A ${world.ip(1)}`, `_${world.port}._tcp.mx TLSA 3 1 1 ${OTHER}`];
  const zones: TestZones = {
    "signed.example": { signed: true, records: lines.join("\n") },
    "bogusrule.example": {
      signed: true,
      records: bogus.join("\n"),
      tamper: (file) => file.replace(new RegExp(`(TLSA\\t3 1 1) ${OTHER}`), `$1 ${"11".repeat(32)}`),
    },
    "bogusmx.example": {
      signed: true,
      records: bogus.join("\n"),
      tamper: (file) => file.replace(/(MX\t10) mx\.bogusmx\.example\./, "$1 mx.ee.signed.example."),
    },
  };
  await using _names = await world.nameServers(zones);
  const ca = authority.caFile;
  {
    await using site = await world.start({ ca });
    const table: readonly [what: string, domain: string, RegExp][] = [
      ["usage 3, the key: neither name nor date matter", "ee", /^delivered TLSv1\.3 verified$/],
      ["usage 3, the certificate, as one of two records", "whole", /^delivered TLSv1\.3 verified$/],
      ["usage 2: an authority that nobody else knows", "ta", /^delivered TLSv1\.3 verified$/],
      ["usage 2: the name matters", "named", /^deferred 4\.7\.5 .*is not for mx\.named\.signed\.example/],
      ["no record fits, though an authority of ours would", "mismatch", /^deferred 4\.7\.5 .*in its TLSA records$/],
      ["a host without STARTTLS", "clear", /^deferred 4\.7\.4 .*does not offer STARTTLS$/],
      ["records that cannot be used: TLS, unverified", "unusable", /^delivered TLSv1\.3 encrypted$/],
      ["records that cannot be used: but TLS", "unusableclear", /^deferred 4\.7\.4 /],
      ["no records: TLS when it can be had", "none", /^delivered TLSv1\.3 encrypted$/],
      ["no records: else in clear", "noneclear", /^delivered null$/],
      ["DANE comes before MTA-STS, whatever that says", "both", /^delivered TLSv1\.3 verified$/],
      ["without records MTA-STS is in force", "stsonly", /^deferred 4\.7\.5 .*is not in the MTA-STS policy/],
    ];
    for (const [what, name, expected] of table) {
      await t.step(`case 68: ${name}: ${what}`, async () => {
        assertMatch(await outcome(site, `${name}.signed.example`), expected);
        const { asked } = sinks.get(name)!;
        if (expected.source.startsWith("^deferred")) assertEquals(asked.filter((each) => each === "mail"), []);
      });
    }
    await t.step("case 68: a TLSA record that is bogus defers, though the host is there", async () => {
      assertMatch(
        await outcome(site, "bogusrule.example"),
        /^deferred 4\.7\.5 .*TLSA _\d+\._tcp\.mx\.bogusrule\.example: servfail$/,
      );
    });
    await t.step("case 68: an MX record that is bogus is followed by nobody", async () => {
      const { connections } = sinks.get("ee")!;
      assertMatch(await outcome(site, "bogusmx.example"), /^deferred 4\.4\.3 /);
      assertEquals(sinks.get("ee")!.connections, connections);
    });
  }
  await t.step("a resolver that does not validate vouches for nothing", async () => {
    await using site = await world.start({ ca, validating: false });
    assertEquals(await outcome(site, "mismatch.signed.example"), "delivered TLSv1.3 encrypted");
    assertMatch(await outcome(site, "both.signed.example"), /^deferred 4\.7\.5 .*is not in the MTA-STS policy/);
  });
  await t.step("a rule that ignores what is published", async () => {
    const tls = `  tls:\n    ca: ${JSON.stringify(ca)}\n    rules: { "*": { level: may, ignorePublished: true } }`;
    await using ignoring = await world.start({ delivery: tls });
    assertEquals(await outcome(ignoring, "mismatch.signed.example"), "delivered TLSv1.3 encrypted");
    assertEquals(await outcome(ignoring, "both.signed.example"), "delivered TLSv1.3 encrypted");
  });
});

async function outcome(site: Site, domain: string): Promise<string> {
  const id = await site.send({ to: [`you@${domain}`] });
  const { event, status, reply, tls } = await site.first(id);
  return event === "delivered" ? `delivered ${tls}` : `${event} ${status} ${reply}`;
}

/** A server that shows the authority too. */
async function withChain(pair: Pair, { own }: Authority): Promise<Pair> {
  const cert = `${pair.cert}${own.cert}`, certFile = pair.certFile.replace(/pem$/, "chain.pem");
  await Deno.writeTextFile(certFile, cert);
  return { ...pair, cert, certFile };
}

function digest(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest("hex");
}
async function der(certFile: string): Promise<Uint8Array> {
  return fromPem(await run("openssl", ["x509", "-in", certFile, "-outform", "PEM"]));
}
async function publicKey({ certFile }: Pair): Promise<Uint8Array> {
  return fromPem(await run("openssl", ["x509", "-in", certFile, "-pubkey", "-noout"]));
}
/** The first block. */
function fromPem(text: string): Uint8Array {
  return Uint8Array.fromBase64(/-----BEGIN [^-]+-----([^-]+)-----END/.exec(text)![1]!.replaceAll("\n", ""));
}
