/** TLSRPT: whom to tell, what is counted, and the report as others read it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { ReportedPolicy } from "../../../../core/delivery/tls/policy.ts";
import { type DayCounts, dayOf, readTlsrptTargets, type TlsSession } from "../../../../core/delivery/tls/tlsrpt.ts";
import { TlsrptCounts } from "../../../../core/delivery/tls/tlsrpt_counts.ts";
import {
  postTlsReport,
  type Reporter,
  tlsReport,
  tlsReportJson,
  tlsReportMail,
} from "../../../../core/delivery/tls/tlsrpt_report.ts";
import { DnsError } from "../../../../core/dns/resolver.ts";
import { programOf, testWith } from "../../../support/debian.ts";
import { Authority } from "../../../support/tls.ts";
import { Web } from "../../../support/web.ts";
import { Clock, PlainCounters } from "./fixture.ts";

const DAY = 86_400_000;

Deno.test("where a domain wants reports (RFC 8460 3)", () => {
  const table: readonly [readonly string[], ...string[]][] = [
    [["reports@example.com"], "v=TLSRPTv1;rua=mailto:reports@example.com"], // the RFC's examples
    [["https://reporting.example.com/v1/tlsrpt"], "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"],
    [["a@example.com", "https://r.example.com/"], "v=TLSRPTv1; rua=mailto:a@example.com , https://r.example.com/ ;"],
    [["a@example.com"], "v=TLSRPTv1 ;\trua=MAILTO:a@Example.COM?subject=x; ext=1"],
    [["a+b@example.com"], "v=TLSRPTv1; rua=mailto:a%2Bb@example.com"],
    [["a@example.com"], "v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@example.com"],
    [["a@example.com"], "v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com"],
    [["a@example.com"], "v=TLSRPTv1; rua=ftp://example.com/, mailto:a@example.com"],
    [
      ["1@d.example", "2@d.example", "3@d.example", "4@d.example"],
      `v=TLSRPTv1; rua=${[1, 2, 3, 4, 5, 6].map((n) => `mailto:${n}@d.example`).join(",")}`,
    ],
    [[]],
    [[], "v=TLSRPTv1"],
    [[], "v=TLSRPTv1;"],
    [[], "v=TLSRPTv1; rua="],
    [[], "v=tlsrptv1; rua=mailto:a@example.com"],
    [[], "v=TLSRPTv10; rua=mailto:a@example.com"],
    [[], "v=TLSRPTv1; rua=mailto:a@example.com", "v=TLSRPTv1; rua=mailto:b@example.com"],
    [[], "v=TLSRPTv1; rua=mailto:a@example.com; no field"],
    [[], "v=TLSRPTv1; rua=mailto:"],
    [[], "v=TLSRPTv1; rua=mailto:no address"],
    [[], "v=TLSRPTv1; rua=mailto:a@example.com%0D%0ABcc:%20b@example.com"],
    [[], "v=TLSRPTv1; rua=mailto:%zz@example.com"],
    [[], "v=TLSRPTv1; rua=http://example.com/"],
    // Nobody's neighbours
    [
      [],
      "v=TLSRPTv1; rua=https://127.0.0.1/, https://[::1]/, https://localhost/, https://2130706433/, https://0x7f.1/",
    ],
    [[], "v=TLSRPTv1; rua=https://example.com:25/, https://u:p@example.com/, https://"],
  ];
  for (const [expected, ...records] of table) {
    const found = readTlsrptTargets(records).map((target) =>
      target.kind === "mail" ? `${target.address.local}@${target.address.domain}` : target.url
    );
    assertEquals(found, expected, JSON.stringify(records));
  }
  fc.assert(fc.property(fc.array(fc.string()), (records) => {
    readTlsrptTargets(records.map((each) => `v=TLSRPTv1; rua=${each}`));
  }));
});

const STS: ReportedPolicy = {
  type: "sts",
  domain: "company-y.example",
  text: ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
  mx: ["*.mail.company-y.example"],
};
const REPORTER: Reporter = {
  organization: "Company-X",
  domain: "company-x.example",
  contact: "sts-reporting@company-x.example",
};
const session = (given: Partial<TlsSession> = {}): TlsSession => ({
  reported: STS,
  failure: null,
  host: "mx1.mail.company-y.example",
  receivingIp: "203.0.113.58",
  sendingIp: "2001:db8:abcd:12::1",
  ...given,
});

/** A day of mail, and processes that count it. */
class Office {
  readonly clock = new Clock();
  readonly counters = new PlainCounters(this.clock);
  record: string | null = "v=TLSRPTv1; rua=mailto:reports@company-y.example";
  fault: "nxdomain" | "servfail" = "nxdomain";
  questions = 0;
  counts = this.start();

  start(limit = 100): TlsrptCounts {
    return this.counts = new TlsrptCounts({
      dns: {
        txt: (name) => {
          this.questions++;
          return this.record === null
            ? Promise.reject(new DnsError(this.fault, `TXT ${name}`))
            : Promise.resolve([this.record]);
        },
      },
      counters: this.counters,
      now: this.clock.read,
      limit,
    });
  }
  async due(): Promise<DayCounts[]> {
    return await Array.fromAsync(this.counts.due());
  }
}

/** Past the end of the day, when every report is due. */
function nextDay(clock: Clock): void {
  clock.now = Date.parse(dayOf(clock.now)) + DAY + 4 * 3_600_000;
}

Deno.test("sessions are counted per day, domain, policy and failure, over a restart, and due once", async () => {
  const office = new Office();
  const expired = { type: "certificate-expired", text: "the certificate has expired" } as const;
  const none: ReportedPolicy = { type: "no-policy-found", domain: "company-y.example", text: [], mx: [] };
  for (let n = 0; n < 3; n++) await office.counts.count(session());
  await office.counts.save();
  office.start();
  await office.counts.count(session({ failure: expired }));
  await office.counts.count(session({ failure: expired }));
  await office.counts.count(session({ failure: expired, host: "mx2.mail.company-y.example" }));
  await office.counts.count(session({ reported: none }));
  assertEquals(await office.due(), [], "not today");
  assertEquals(office.questions, 1);
  nextDay(office.clock);
  await office.counts.count(session()); // the next day's
  const [first, ...more] = await office.due();
  assertEquals(more, []);
  assertEquals([first!.day, first!.domain], ["2026-04-01", "company-y.example"]);
  assertEquals(first!.policies.map(({ successes, failures }) => [successes, failures]), [[3, 3], [1, 0]]);
  assertEquals(first!.policies[0]!.details.map(({ host, sessions }) => [host, sessions]), [
    ["mx1.mail.company-y.example", 2],
    ["mx2.mail.company-y.example", 1],
  ]);
  assertEquals((await office.due()).length, 1, "again, until it is said to be sent");
  await office.counts.sent(first!);
  assertEquals(await office.due(), []);
  office.start();
  assertEquals(await office.due(), []);
  nextDay(office.clock);
  assertEquals((await office.due()).map(({ day }) => day), ["2026-04-02"]);
  office.clock.now += 2 * DAY;
  assertEquals(await office.due(), [], "too late");
});

Deno.test("two nodes count in one report, in any order, and one of them has its turn to send it", async () => {
  const office = new Office(), one = office.counts, two = office.start(); // two that live at the same time
  const failure = { type: "certificate-expired", text: "the certificate has expired" } as const;
  await Promise.all([one.count(session()), two.count(session())]);
  for (const each of [one, two, one, two, two]) {
    await each.count(session({ failure }));
    await each.save();
  }
  nextDay(office.clock);
  const [[counts, ...more], [same]] = [await office.due(), await Array.fromAsync(one.due())];
  assertEquals([counts, more], [same, []]);
  const { successes, failures, details } = counts!.policies[0]!;
  assertEquals([successes, failures, details.map(({ sessions }) => sessions)], [2, 5, [5]]);

  assertEquals((await Promise.all([one.claim(counts!), two.claim(counts!)])).filter((each) => each).length, 1);
  await one.release(counts!);
  assertEquals([await two.claim(counts!), await one.claim(counts!)], [true, false]);
  await two.sent(counts!);
  assertEquals(await Array.fromAsync(one.due()), []);
});

Deno.test("each domain has its moment in the first four hours after the day", async () => {
  const office = new Office();
  for (let n = 0; n < 40; n++) {
    await office.counts.count(session({ reported: { ...STS, domain: `d${n}.example` } }));
  }
  office.clock.now = Date.parse("2026-04-02");
  const due: number[] = [];
  for (let hour = 0; hour <= 4; hour++, office.clock.now += 3_600_000) due.push((await office.due()).length);
  assertEquals(due[4], 40);
  assert(due[0]! < 5 && due[1]! > 2 && due[2]! > due[1]! && due[3]! > due[2]!, due.join());
});

Deno.test("who publishes no address is not counted; who cannot be asked is asked again", async () => {
  const office = new Office();
  office.record = null;
  await office.counts.count(session());
  await office.counts.count(session());
  assertEquals(office.questions, 1);
  office.start();
  office.fault = "servfail";
  await office.counts.count(session());
  office.record = "v=TLSRPTv1; rua=https://reports.company-y.example/";
  await office.counts.count(session());
  assertEquals(office.questions, 3);
  nextDay(office.clock);
  assertEquals((await office.due()).map(({ policies }) => policies[0]!.successes), [1]);
});

Deno.test("counting is bounded: domains in memory, policies and failures of a domain, their texts", async () => {
  const office = new Office();
  office.start(5);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20; n++) {
      await office.counts.count(session({ reported: { ...STS, domain: `d${n}.example` } }));
    }
  }
  for (let n = 0; n < 500; n++) {
    const failure = { type: "validation-failure", text: "x".repeat(10_000) } as const;
    const reported = { ...STS, text: [`id: ${n % 20}`] };
    await office.counts.count(session({ reported, failure, host: `mx${n}.example` }));
  }
  nextDay(office.clock);
  const due = await office.due();
  assertEquals(due.length, 21);
  for (const { domain, policies } of due) {
    const sum = policies.reduce((all, { successes, failures }) => all + successes + failures, 0);
    assertEquals(sum, domain.startsWith("d") ? 3 : 500, domain);
    assert(policies.length <= 8 && policies.every(({ details }) => details.length <= 64));
  }
  assert(Math.max(...[...office.counters.rows.values()].map(({ value }) => value.length)) < 200_000);
});

Deno.test("a store that fails costs statistics and nothing else", async () => {
  const clock = new Clock();
  const fail = () => Promise.reject(new Error("disk"));
  const counts = new TlsrptCounts({
    dns: { txt: () => Promise.resolve(["v=TLSRPTv1; rua=mailto:a@example.com"]) },
    counters: { get: fail, put: fail, add: fail, list: fail },
    now: clock.read,
  });
  await counts.count(session());
  await counts.save();
});

const COUNTS: DayCounts = {
  day: "2016-04-01",
  domain: "company-y.example",
  targets: [],
  policies: [{
    policy: STS,
    successes: 5326,
    failures: 303,
    details: [{
      type: "certificate-expired",
      host: "mx1.mail.company-y.example",
      receivingIp: null,
      sendingIp: "2001:db8:abcd:0012::1",
      text: "",
      sessions: 100,
    }, {
      type: "starttls-not-supported",
      host: "mx2.mail.company-y.example",
      receivingIp: "203.0.113.56",
      sendingIp: "2001:db8:abcd:0013::1",
      text: "mx2.mail.company-y.example does not offer STARTTLS",
      sessions: 200,
    }],
  }],
};

Deno.test("the JSON is that of RFC 8460, appendix B", () => {
  assertEquals(tlsReportJson(COUNTS, REPORTER), {
    "organization-name": "Company-X",
    "date-range": { "start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z" },
    "contact-info": "sts-reporting@company-x.example",
    "report-id": "2016-04-01.company-y.example@company-x.example",
    "policies": [{
      "policy": {
        "policy-type": "sts",
        "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
        "policy-domain": "company-y.example",
        "mx-host": ["*.mail.company-y.example"],
      },
      "summary": { "total-successful-session-count": 5326, "total-failure-session-count": 303 },
      "failure-details": [{
        "result-type": "certificate-expired",
        "sending-mta-ip": "2001:db8:abcd:0012::1",
        "receiving-mx-hostname": "mx1.mail.company-y.example",
        "failed-session-count": 100,
      }, {
        "result-type": "starttls-not-supported",
        "sending-mta-ip": "2001:db8:abcd:0013::1",
        "receiving-mx-hostname": "mx2.mail.company-y.example",
        "receiving-ip": "203.0.113.56",
        "failed-session-count": 200,
        "failure-reason-code": "mx2.mail.company-y.example does not offer STARTTLS",
      }],
    }],
  });
  const bare = tlsReportJson({
    ...COUNTS,
    policies: [{
      policy: { type: "no-policy-found", domain: "company-y.example", text: [], mx: [] },
      successes: 1,
      failures: 0,
      details: [],
    }],
  }, REPORTER);
  assertEquals(bare.policies, [{
    "policy": { "policy-type": "no-policy-found", "policy-domain": "company-y.example" },
    "summary": { "total-successful-session-count": 1, "total-failure-session-count": 0 },
  }]);
});

/** What Python's parser makes of the mail, as JSON; any defect that it finds is an error. */
const READER = `
import email, email.policy, gzip, json, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.SMTP)
text, report = mail.iter_parts()
assert not any(part.defects for part in mail.walk()), [part.defects for part in mail.walk()]
print(json.dumps({
  "headers": {name: str(mail[name]) for name in ["From", "To", "Subject", "TLS-Report-Domain", "TLS-Report-Submitter",
    "TLS-Required", "Auto-Submitted", "Message-ID", "Date"]},
  "type": mail.get_content_type(), "kind": mail.get_param("report-type"),
  "text": text.get_content(), "file": report.get_filename(), "reportType": report.get_content_type(),
  "report": json.loads(gzip.decompress(report.get_payload(decode=True)))}))
`;

testWith(["python3"], "the mail is what Python's parser reads as RFC 8460 5.3 has it", async () => {
  for (const domain of ["company-y.example", `${"long-label.".repeat(20)}example`]) {
    const counts = { ...COUNTS, domain };
    const report = await tlsReport(counts, REPORTER);
    const mail = tlsReportMail(report, REPORTER, {
      to: { local: "a b", domain: "company-y.example" },
      now: Date.UTC(2016, 3, 2, 1),
    });
    assert(/^[\x20-\x7e\t\r\n]*$/.test(mail) && !/[^\r]\n|\r[^\n]/.test(mail));
    assert(mail.split("\r\n").every((line) => line.length <= 998));
    const reader = new Deno.Command(programOf("python3")!, {
      args: ["-c", READER],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const input = reader.stdin.getWriter();
    await input.write(new TextEncoder().encode(mail));
    await input.close();
    const { success, stdout, stderr } = await reader.output();
    assert(success, new TextDecoder().decode(stderr));
    const read = JSON.parse(new TextDecoder().decode(stdout));
    const id = `2016-04-01.${domain}@company-x.example`;
    assertEquals(read.headers, {
      "From": "sts-reporting@company-x.example",
      "To": '"a b"@company-y.example',
      "Subject": `Report Domain: ${domain} Submitter: company-x.example Report-ID: <${id}>`,
      "TLS-Report-Domain": domain,
      "TLS-Report-Submitter": "company-x.example",
      "TLS-Required": "No",
      "Auto-Submitted": "auto-generated",
      "Message-ID": `<${id}>`,
      "Date": "Sat, 02 Apr 2016 01:00:00 +0000",
    });
    assertEquals([read.type, read.kind], ["multipart/report", "tlsrpt"]);
    assert(read.text.includes(`to ${domain} on 2016-04-01`));
    assertEquals(read.reportType, "application/tlsrpt+gzip");
    assertEquals(read.file, `company-x.example!${domain}!1459468800!1459555199!2016-04-01.json.gz`);
    assertEquals(read.report, JSON.parse(JSON.stringify(tlsReportJson(counts, REPORTER))));
  }
});

testWith(
  ["openssl"],
  "a report is posted as application/tlsrpt+gzip; a redirect or a refusal is no delivery",
  async () => {
    await using authority = await Authority.make();
    const pair = await authority.issue({ names: ["reports.company-y.example"] });
    let seen: unknown, type: string | null = null, status = 201;
    await using web = await Web.start(authority, pair, async (request) => {
      type = request.headers.get("content-type");
      seen = await new Response(request.body!.pipeThrough(new DecompressionStream("gzip"))).json();
      return new Response(null, { status, headers: { location: "https://company-z.example/" } });
    });
    const report = await tlsReport(COUNTS, REPORTER), url = "https://reports.company-y.example/v1";
    await postTlsReport(report, url, { fetch: web.fetch });
    assertEquals(type, "application/tlsrpt+gzip");
    assertEquals(seen, JSON.parse(JSON.stringify(tlsReportJson(COUNTS, REPORTER))));
    for (status of [302, 404, 500]) {
      await assertRejects(() => postTlsReport(report, url, { fetch: web.fetch }), Error, String(status));
    }
    assertEquals(web.requests, Array(4).fill("POST https://reports.company-y.example/v1"));
  },
);
