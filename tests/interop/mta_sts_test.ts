/**
 * MTA-STS and TLSRPT with the server as its users have it: policies from real web hosts, by a real name service, mail hosts
 * with good and bad certificates. Non-job: the rules one by one (tests/unit/delivery/tls).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { Clock, CLOCK_MISSING } from "../support/clock.ts";
import { programOf, testUnless } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { NAME_SERVERS, type TestZones } from "../support/name_servers.ts";
import { PolicyHost, policyText, PORT_443_MISSING } from "../support/policy_host.ts";
import { TempFolder } from "../support/temp.ts";
import { Authority } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";
import { type Attempt, type Site, World } from "../support/world.ts";

const MISSING = [...NAME_SERVERS, "openssl" as const].filter((each) => programOf(each) === null).join(", ") ||
  PORT_443_MISSING || CLOCK_MISSING;

/** Each is a domain below sts.example with an MX record for mx. below it. */
const DOMAINS = [
  "good",
  "named",
  "expired",
  "selfsigned",
  "clear",
  "testing",
  "unfetched",
  "badweb",
  "renewed",
] as const;
const domain = (name: string) => `${name}.sts.example`;
const mx = (name: string) => `mx.${domain(name)}`;
const MAIL = "mailto:tls@reports.sts.example", POST = "https://reports.sts.example/tls";
/** Who wants reports, and how. */
const REPORTS: Readonly<Record<string, string>> = {
  good: MAIL,
  named: `${MAIL},${POST}`,
  expired: POST,
  testing: MAIL,
  unfetched: MAIL,
};

function zones(world: World, hosts: ReadonlyMap<string, number>, policyHost: number, id: string): TestZones {
  const records = DOMAINS.map((name) =>
    `${name} MX 10 mx.${name}
mx.${name} A ${world.ip(hosts.get(name)!)}
_mta-sts.${name} TXT "v=STSv1; id=${name === "renewed" ? id : "1"};"
_smtp._tls.${name} TXT "v=TLSRPTv1; rua=${REPORTS[name] ?? ""}"
mta-sts.${name} A ${world.ip(name === "badweb" ? policyHost + 1 : policyHost)}`
  );
  const reports = `reports MX 10 ${mx("good")}.\nreports A ${world.ip(policyHost)}`;
  return { "sts.example": { records: [...records, reports].join("\n") } };
}

testUnless(MISSING, "MTA-STS: the server keeps to what domains publish, and counts what it met", async (t) => {
  await using world = await World.make();
  await using authority = await Authority.make();
  await using stranger = await Authority.make("Authority of nobody");
  const hosts = new Map(DOMAINS.map((name, index) => [name as string, index + 1]));
  const pairs = {
    named: await authority.issue({ names: [mx("named")] }),
    expired: await authority.issue({ names: [mx("expired")], expired: true }),
    selfsigned: await stranger.issue({ names: [mx("selfsigned")] }),
    testing: await stranger.issue({ names: [mx("testing")] }),
    clear: null,
  };
  const good = await authority.issue({ names: DOMAINS.map(mx) });
  await using mail = new AsyncDisposableStack();
  const sinks = new Map<string, MailHost>();
  for (const [name, number] of hosts) {
    const pair = name in pairs ? pairs[name as keyof typeof pairs] : good;
    const host = await MailHost.open({ ...world.place(number), name: mx(name), ...pair && { pair } });
    sinks.set(name, mail.use(host));
  }
  const names = ["reports.sts.example", ...DOMAINS.map((name) => `mta-sts.${domain(name)}`)];
  await using web = new PolicyHost(world.ip(101), await authority.issue({ names }));
  await using badWeb = new PolicyHost(world.ip(102), await stranger.issue({ names }));
  for (const name of DOMAINS) web.policies.set(domain(name), policyText("enforce", mx(name)));
  web.policies.set(domain("named"), policyText("enforce", "mx.elsewhere.example", `*.deeper.${mx("named")}`));
  web.policies.set(domain("testing"), policyText("testing", mx("testing")));
  web.policies.delete(domain("unfetched"));
  badWeb.policies.set(domain("badweb"), policyText("enforce", "mx.elsewhere.example"));

  const options = {
    retry: "2d",
    delivery: `  tls: { ca: ${JSON.stringify(authority.caFile)}, reports: { from: postmaster@home.example } }`,
  };
  const fetched = (name: string) => web.requests.filter((each) => each.includes(`.${domain(name)}/`)).length;
  await using folder = await TempFolder.make("postern-sts-");
  const data = folder.at("data");
  let attempts: readonly Attempt[];
  {
    await using _names = await world.nameServers(zones(world, hosts, 101, "1"));
    await using site = await world.start({ ...options, data });

    await t.step("enforce: the host that it names, with a certificate that proves it", async () => {
      assertEquals(await outcome(site, "good"), "delivered TLSv1.3 verified");
      assertEquals([sinks.get("good")!.taken[0]!.tls, fetched("good")], ["TLSv1.3", 1]);
      assertEquals(await outcome(site, "renewed"), "delivered TLSv1.3 verified");
    });
    const refused: readonly [string, RegExp][] = [
      ["named", /^deferred 4\.7\.5 .*is not in the MTA-STS policy of named\.sts\.example$/],
      ["expired", /^deferred 4\.7\.5 .*expired$/],
      ["selfsigned", /^deferred 4\.7\.5 .*no authority vouches for it/],
      ["clear", /^deferred 4\.7\.4 .*does not offer STARTTLS$/],
    ];
    for (const [name, expected] of refused) {
      await t.step(`case 68: enforce, ${name}: not delivered`, async () => {
        assertMatch(await outcome(site, name, "deferred"), expected);
        const { taken, asked } = sinks.get(name)!;
        assertEquals([taken, asked.filter((each) => each === "mail")], [[], []]);
      });
    }
    await t.step("testing: delivered all the same, and counted", async () => {
      assertEquals(await outcome(site, "testing"), "delivered TLSv1.3 encrypted");
    });
    await t.step("a policy that cannot be had is none, and that is counted", async () => {
      assertEquals(await outcome(site, "unfetched"), "delivered TLSv1.3 encrypted");
      assertEquals(await outcome(site, "badweb"), "delivered TLSv1.3 encrypted");
      assertEquals([fetched("unfetched"), badWeb.requests], [1, []]);
    });
    await t.step("one fetch serves all mail to a domain", async () => {
      await outcome(site, "good");
      assertEquals(fetched("good"), 1);
    });
    assertEquals((await site.server.stop()).code, 0);
    attempts = site.attempts();
  }

  // The day after: what was kept is in force, and the reports go out.
  const [refused] = attempts.filter(({ recipient }) => recipient === `you@${domain("selfsigned")}`);
  web.policies.delete(domain("good"));
  web.policies.set(domain("renewed"), policyText("enforce", "mx.elsewhere.example"));
  const before = { good: fetched("good"), renewed: fetched("renewed") };
  for (const host of sinks.values()) host.taken.length = 0;
  await using tomorrow = await Clock.make("+30h");
  await using _names = await world.nameServers(zones(world, hosts, 101, "2"));
  await using site = await world.start({ ...options, data, env: tomorrow.env });

  await t.step("case 68: a kept policy is in force though its host fails; a new id brings the new one", async () => {
    assertEquals(await outcome(site, "good"), "delivered TLSv1.3 verified");
    assertMatch(await outcome(site, "renewed", "deferred"), /is not in the MTA-STS policy of renewed/);
    assertEquals(fetched("renewed"), before.renewed + 1);
    await waitFor("an attempt to renew the policy of good", () => fetched("good") > before.good);
    assertEquals(await outcome(site, "good"), "delivered TLSv1.3 verified");
  });
  await t.step("TLSRPT: each domain gets the report that it asked for, by mail, by HTTPS", async () => {
    const mailed = await waitFor("four reports by mail", () => {
      const found = sinks.get("good")!.of("tls@reports.sts.example");
      return found.length >= 4 && found;
    });
    await waitFor("two reports by HTTPS", () => web.posted.length === 2);
    const byMail = await Promise.all(mailed.map(({ text }) => reportIn(text)));
    const byPost = await Promise.all(web.posted.map(unpacked));
    assertEquals(byMail.map(summary).sort(), ["good", "named", "testing", "unfetched"].map((name) => SUMMARIES[name]!));
    assertEquals(byPost.map(summary).sort(), ["expired", "named"].map((name) => SUMMARIES[name]!));
    const [{ "failure-details": [detail] = [] }] = byPost.find((each) => summary(each) === SUMMARIES.expired)!
      .policies as [
        Report["policies"][number],
      ];
    assertEquals([detail!["sending-mta-ip"], detail!["receiving-ip"]], ["127.0.0.1", world.ip(hosts.get("expired")!)]);
    for (const { sender, text } of mailed) {
      assertEquals(sender, "postmaster@home.example");
      assertMatch(text, /^TLS-Report-Submitter: home\.example\r$/m);
    }
  });
  await t.step("case 68: what was never taken is returned in the end, with the reason", async () => {
    await tomorrow.set("+6d");
    await waitFor("the end", async () => {
      await site.send({ to: [`kick@${domain("good")}`] });
      return site.attempts(refused!.transaction).find(({ event }) => event === "bounced");
    }, { every: 200 });
    const { expired, status } = await site.attempt("bounced", refused!.transaction);
    assertEquals([expired, status], [true, "4.7.5"]);
    const report = await site.letter("me", `Final-Recipient: rfc822; you@${domain("selfsigned")}`, "Action: failed");
    assertMatch(report, /^Status: 4\.7\.5\r$/m);
  });
});

interface Report {
  readonly "policies": readonly {
    readonly policy: {
      readonly "policy-type": string;
      readonly "policy-domain": string;
      readonly "mx-host"?: string[];
    };
    readonly summary: Readonly<Record<string, number>>;
    readonly "failure-details"?: readonly Readonly<Record<string, string | number>>[];
  }[];
}
/** What the first server met; how often depends on connections that were open still. */
const SUMMARIES: Readonly<Record<string, string>> = {
  good: "good sts well",
  named: `named sts never validation-failure ${mx("named")}`,
  expired: `expired sts never certificate-expired ${mx("expired")}`,
  testing: `testing sts never sts-webpki-invalid ${mx("testing")}`,
  unfetched: "unfetched sts never sts-policy-fetch-error -; unfetched no-policy-found well",
};

/** Domain, policy, whether a session went well, which went wrong. */
function summary({ policies }: Report): string {
  return policies.map(({ policy, summary, "failure-details": details = [] }) =>
    [
      policy["policy-domain"].split(".")[0],
      policy["policy-type"],
      summary["total-successful-session-count"]! > 0 ? "well" : "never",
      ...details.map((each) => `${each["result-type"]} ${each["receiving-mx-hostname"] ?? "-"}`),
    ].join(" ")
  ).join("; ");
}

async function reportIn(text: string): Promise<Report> {
  const coded = /Content-Type: application\/tlsrpt\+gzip[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+?)\r\n--/.exec(text)![1]!;
  return await unpacked(Uint8Array.fromBase64(coded.replaceAll("\r\n", "")));
}

async function unpacked(octets: Uint8Array<ArrayBuffer>): Promise<Report> {
  return await new Response(new Blob([octets]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

/** What became of a message to somebody at the domain. */
async function outcome(site: Site, name: string, event: "delivered" | "deferred" = "delivered"): Promise<string> {
  const id = await site.send({ to: [`you@${domain(name)}`] });
  const { status, reply, tls } = await site.attempt(event, id);
  return event === "delivered" ? `delivered ${tls}` : `deferred ${status} ${reply}`;
}
