/** Aggregate reports between Postern and programs that share nothing with it: dmarc-cat reads ours, we read Mail::DMARC's. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SimulatedCounters } from "../../core/pipeline/mod.ts";
import { count } from "../../plugins/identity/dmarc/counts.ts";
import { parseRecord } from "../../plugins/identity/dmarc/record.ts";
import { parseReport } from "../../plugins/identity/dmarc/report_reader.ts";
import { sendReports } from "../../plugins/identity/dmarc/reporter.ts";
import { testWith, testWithPerl } from "../support/debian.ts";
import { TempFolder } from "../support/temp.ts";
import { houseAt } from "../unit/plugins/identity/dmarc/house.ts";
import { run } from "./run.ts";

const NOON = Date.parse("2026-03-14T12:00:00Z"), NEXT = Date.parse("2026-03-15T01:00:00Z");

testWith(["dmarc-cat", "python3"], "dmarc-cat reads the file that Python finds in our mail", async () => {
  const store = new SimulatedCounters(() => NOON);
  const published = { domain: "example.com", record: parseRecord("v=DMARC1; p=reject; rua=mailto:d@example.com") };
  const message = {
    ip: "192.0.2.1",
    disposition: "quarantine",
    dkim: false,
    spf: true,
    override: { type: "local_policy", comment: "a & <b>" },
    headerFrom: "a.example.com",
    envelopeFrom: "bounces.example.com",
    signatures: [{ domain: "lists.net", selector: "s", result: "fail" }],
    sender: { domain: "bounces.example.com", result: "pass" },
  } as const;
  for (let n = 0; n < 7; n++) await count(store, message, { published, now: NOON });
  const house = houseAt(() => NEXT, { store });
  await sendReports(house, {
    from: { local: "dmarc", domain: "example.org" },
    organization: "Ex & <Sons>",
    contact: "ops@example.org",
    limit: 1,
  });
  await using folder = await TempFolder.make();
  await Deno.writeFile(folder.at("mail.eml"), house.sent[0]!.content);
  const script = `
import email, email.policy, sys
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTP)
part = [each for each in mail.iter_attachments()][0]
assert part.get_content_type() == "application/gzip" and not any(each.defects for each in mail.walk())
open(sys.argv[1] + "/" + part.get_filename(), "wb").write(part.get_content())
print(part.get_filename())`;
  const name = (await run("python3", ["-c", script, folder.path], { input: folder.at("mail.eml") })).trim();
  assertEquals(name, "example.org!example.com!1773446400!1773532799.xml.gz");
  const shown = await run("dmarc-cat", ["-N", folder.at(name)]);
  assertMatch(shown, /^Reporting by: Ex & <Sons> — ops@example\.org$/m);
  assertMatch(shown, /^Domain: example\.com$/m);
  assertMatch(shown, /^Policy: p=reject; dkim=r; spf=r$/m);
  assertMatch(shown, /^192\.0\.2\.1 +7 +a\.example\.com +lists\.net +fail +pass *$/m);
});

const PERL = `
use Mail::DMARC::Policy;
use Mail::DMARC::Report::Aggregate;
use Mail::DMARC::Report::Aggregate::Record;
my $report = Mail::DMARC::Report::Aggregate->new;
my $about = $report->metadata;
$about->org_name("Tools & Co"); $about->email('dmarc@tools.example'); $about->report_id("42"); $about->uuid("42");
$about->begin(1773446400); $about->end(1773532799); $about->error("one thing");
my $policy = Mail::DMARC::Policy->new("v=DMARC1; p=reject; sp=none; adkim=s");
$policy->domain("example.com");
$report->policy_published($policy);
$report->record(Mail::DMARC::Report::Aggregate::Record->new(
  row => { source_ip => "2001:db8::1", count => 3, policy_evaluated => { disposition => "none", dkim => "fail", spf => "fail",
    reason => [ { type => "mailing_list", comment => "a <list>" } ] } },
  identifiers => { header_from => "example.com", envelope_from => "lists.example.net", envelope_to => "example.org" },
  auth_results => { spf => [ { domain => "lists.example.net", scope => "mfrom", result => "pass" } ],
    dkim => [ { domain => "example.com", selector => "s1", result => "fail", human_result => "body" } ] }));
print $report->as_xml;
`;

testWithPerl("Mail::DMARC", "a report that Mail::DMARC wrote says what it was told", async () => {
  const report = parseReport(await run("perl", ["-e", PERL]));
  const { policy, rows, ...about } = report;
  assertEquals(about, {
    organization: "Tools & Co",
    email: "dmarc@tools.example",
    contact: null,
    id: "42",
    begin: 1773446400,
    end: 1773532799,
    errors: ["one thing"],
    generator: null,
  });
  assertEquals([policy.domain, policy.p, policy.sp, policy.adkim], ["example.com", "reject", "none", "s"]);
  assert(policy.np === null && policy.testing === null);
  assertEquals(rows, [{
    ip: "2001:db8::1",
    count: 3,
    disposition: "none",
    dkim: "fail",
    spf: "fail",
    reasons: [{ type: "mailing_list", comment: "a <list>" }],
    headerFrom: "example.com",
    envelopeFrom: "lists.example.net",
    envelopeTo: "example.org",
    signatures: [{ domain: "example.com", selector: "s1", result: "fail" }],
    senders: [{ domain: "lists.example.net", scope: "mfrom", result: "pass" }],
  }]);
});
