/** `postern dmarc`: reports as a table and as JSON, and what is none. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../../../cli/main.ts";
import { type AggregateReport, formatReport } from "../../../plugins/identity/dmarc/report.ts";
import { TempFolder } from "../../support/temp.ts";
import { FakeTerminal } from "./fake_terminal.ts";

const REPORT: AggregateReport = {
  organization: "Example",
  email: "a@example.org",
  contact: null,
  id: "1@example.org",
  begin: 1773446400,
  end: 1773532799,
  errors: ["5 messages are not here"],
  generator: null,
  policy: {
    domain: "example.com",
    p: "reject",
    sp: null,
    np: "none",
    adkim: "r",
    aspf: "r",
    fo: "0",
    testing: "n",
    discovery: "treewalk",
  },
  rows: ["pass", "fail"].map((result, at) => ({
    ip: `192.0.2.${at}`,
    count: at * 10 + 1,
    disposition: "none",
    dkim: result,
    spf: "fail",
    reasons: at === 0 ? [] : [{ type: "mailing_list", comment: "" }],
    headerFrom: "example.com\u001b[31m",
    envelopeFrom: "example.net",
    envelopeTo: null,
    signatures: [{ domain: "example.com", selector: "s", result }],
    senders: [{ domain: "example.net", scope: "mfrom", result: "pass" }],
  })),
};

async function dmarc(folder: TempFolder, args: string) {
  const terminal = new FakeTerminal({ cwd: folder.path });
  const code = await run(["dmarc", ...args.split(" ")], terminal);
  return { code, text: terminal.text, complaints: terminal.complaints };
}

Deno.test("a table, the most messages first, in which nobody's words are a terminal's", async () => {
  await using folder = await TempFolder.make();
  await folder.file("r.xml", formatReport(REPORT).replace("example.com\ufffd", "example.com\u009b"));
  const { code, text, complaints } = await dmarc(folder, "r.xml");
  assertEquals([code, complaints], [0, []]);
  const lines = text.split("\n");
  assertMatch(
    lines[0]!,
    /^example\.com as Example saw it, 2026-03-14T00:00Z to 2026-03-14T23:59Z: 12 messages; p=reject np=none/,
  );
  assertEquals(lines[1], "  5 messages are not here");
  assertMatch(lines[2]!, /^ {2}COUNT +IP +DONE +DKIM +SPF +FROM +SIGNED BY +SENDER +WHY$/);
  assertMatch(
    lines[3]!,
    /^ {2}11 +192\.0\.2\.1 +none +fail +fail .* example\.com\/s=fail +example\.net=pass +mailing_list$/,
  );
  assertMatch(lines[4]!, /^ {2}1 +192\.0\.2\.0 +none +pass +fail .* example\.com\/s=pass +example\.net=pass +-$/);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(text));
});

Deno.test("JSON of several files, and a sentence for each that is no report", async () => {
  await using folder = await TempFolder.make();
  await folder.file("a.xml", formatReport(REPORT));
  const packed = new Blob([formatReport(REPORT)]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(folder.at("b.xml.gz"), new Uint8Array(await new Response(packed).arrayBuffer()));
  await folder.file("bomb.xml", '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feedback>&b;</feedback>');
  await folder.file("other.xml", "<html/>");
  await folder.file("text.eml", "Subject: x\n\nHello\n");
  const { code, text, complaints } = await dmarc(folder, "a.xml bomb.xml b.xml.gz other.xml text.eml gone.xml --json");
  const { reports } = JSON.parse(text) as { reports: (AggregateReport & { file: string })[] };
  assertEquals([code, reports.map(({ file }) => file)], [1, ["a.xml", "b.xml.gz"]]);
  assertEquals(reports[0]!.rows.map(({ count }) => count), [1, 11]);
  assertEquals(complaints.slice(0, 3), [
    "postern: bomb.xml: it has a document type: entities of one's own are not read",
    "postern: other.xml: it is no DMARC report: the first element is no <feedback>",
    "postern: text.eml: it is no XML, no gzip, no zip, and no mail that has one of these",
  ]);
  assertMatch(complaints[3]!, /^postern: gone\.xml: /);
});

Deno.test("without a file it says how it is used", async () => {
  const terminal = new FakeTerminal();
  assertEquals(await run(["dmarc"], terminal), 2);
});
