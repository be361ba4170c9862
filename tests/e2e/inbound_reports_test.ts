/**
 * A day of DMARC in a running server whose clock is set to the next one: the report about it leaves through the queue,
 * signed, and the command reads it. Non-job: what a report has to hold (tests/unit/plugins/identity/dmarc), other readers
 * of it (tests/interop/dmarc_reports_test.ts).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { verify } from "../../core/dkim/mod.ts";
import { Clock, CLOCK_MISSING } from "../support/clock.ts";
import { testUnless } from "../support/debian.ts";
import { fieldsOf, INBOUND_MISSING, InboundSite, KEY, KEY_PEM, keyRecord, signedBy } from "../support/inbound_site.ts";
import { MailHost } from "../support/mail_host.ts";
import { waitFor } from "../support/wait.ts";
import { content, door, zoneOf } from "../unit/dkim/crafted.ts";

const ZONE = `
good TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.good TXT "v=DMARC1; p=reject; rua=mailto:dmarc@good.example"
quiet TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.quiet TXT "v=DMARC1; p=none"
${await keyRecord("good.example")}
`;
const PLUGINS = `  - spf
  - dkim
  - dmarc: { reject: reject, reports: { from: dmarc@home.example, organization: Home } }
  - relay
  - recipients: { accounts: { me: inbox, dmarc: inbox } }
  - inbox
  - dkim_sign: { keys: [{ domain: home.example, selector: s1, key: "\${POSTERN_TEST_KEY}" }] }`;
const message = (domain: string) =>
  `From: Amy <amy@${domain}>\nTo: me@home.example\nSubject: x\nMessage-ID: <1@${domain}>\n\nHello\n`;
const DAY = 86_400;

testUnless(
  INBOUND_MISSING ?? CLOCK_MISSING,
  "dmarc: when the day is over, its report leaves through the queue, signed, and the command reads it",
  async () => {
    // From noon to noon: no midnight comes in between
    const now = Math.floor(Date.now() / 1000), toNoon = DAY / 2 - now % DAY;
    const signed = (seconds: number) => `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}`;
    await using clock = await Clock.make(signed(toNoon));
    await using host = await MailHost.open();
    await using site = await InboundSite.start({
      plugins: PLUGINS,
      zone: ZONE,
      next: host.port,
      env: { ...clock.env, POSTERN_TEST_KEY: KEY_PEM },
    });
    const amy = { ip: "192.0.2.1", from: "amy@good.example", to: "me@home.example" };
    const good = await signedBy("good.example", message("good.example"), { now: (now - DAY) * 1000 });
    await site.take({ ...amy, message: good });
    await site.take({ ...amy, message: good });
    await site.take({ ...amy, from: "amy@quiet.example", message: message("quiet.example") });
    const forged = { ip: "192.0.2.66", from: "x@spam.example", to: "me@home.example" };
    assertEquals((await site.says({ ...forged, message: message("good.example") })).code, 550);

    await clock.set(signed(toNoon + DAY));
    // A job is looked at every half minute
    const report = await waitFor("the report", () => host.taken[0], { deadline: 90_000 });
    assertEquals([report.sender, report.recipients[0]!.address], ["dmarc@home.example", "dmarc@good.example"]);
    assertMatch(fieldsOf(report.text, "Subject")[0]!, /^Report Domain: good\.example Submitter: home\.example /);
    const zone = await zoneOf({ domain: "home.example", selector: "s1", key: KEY });
    const later = { ...door(zone), now: (now + toNoon + 2 * DAY) * 1000 };
    const { signatures } = await verify(content(Uint8Array.from(report.content)), later);
    assertEquals(signatures.map(({ result, domain }) => [result, domain]), [["pass", "home.example"]]);

    const file = site.folder.at("report.eml");
    await Deno.writeFile(file, report.content);
    const { reports: [read] } = JSON.parse((await site.read("dmarc", file, "--json")).out);
    assertEquals([read.organization, read.policy.domain, read.policy.p], ["Home", "good.example", "reject"]);
    assertEquals([read.end + 1 - read.begin, read.begin % DAY], [DAY, 0]);
    const rows = read.rows.map(({ ip, count, disposition, dkim, spf }: Record<string, unknown>) => [
      ip,
      count,
      disposition,
      dkim,
      spf,
    ]);
    assertEquals(rows.sort(), [["192.0.2.1", 2, "pass", "pass", "pass"], ["192.0.2.66", 1, "reject", "fail", "fail"]]);
    assertMatch((await site.read("dmarc", file)).out, /^good\.example as Home saw it, .*: 3 messages; p=reject/);
    assertEquals(host.taken.length, 1); // quiet.example asked for none
    await waitFor("an empty queue", async () => (await site.server.api.queue()).total === 0);
  },
);
