/**
 * The daily reports of a site: what each policy domain of a day that is over asked for, as a mail (RFC 9990 3.5). What
 * cannot be sent now keeps its counts and is tried again at the next look. Non-job: the queue, the signature on the mail,
 * which must pass DMARC itself (dkim_sign).
 */
import { type Address, DnsError, formatAddress, formatDate, type JobHouse } from "../../../core/pipeline/mod.ts";
import { countsOf, type Day, type DayCounts, due, MAX_ROWS, reported } from "./counts.ts";
import { destinationsOf } from "./destinations.ts";
import { type AggregateReport, formatReport } from "./report.ts";

export interface Reporter {
  /** Where the mail comes from, and where bounces go. Its domain is who reports. */
  readonly from: Address;
  /** Who reports, for people. */
  readonly organization: string;
  /** Where questions go. */
  readonly contact: string;
  /** Reports in a day, at most. */
  readonly limit: number;
}

/** A report as it goes out. */
export interface PackedReport {
  readonly id: string;
  readonly domain: string;
  readonly day: string;
  /** RFC 9990 3.5.2. */
  readonly fileName: string;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

/** A day is looked at when it has been over for so long: what other threads counted at its end is there by then. */
const REST = 10 * 60_000;
const DAY = 86_400, DNS_TIME = 20_000;

/** Sends what is due. Rejects with the last trouble that kept a report here, when it has seen to all others. */
export async function sendReports(house: JobHouse, reporter: Reporter): Promise<void> {
  const now = house.now(), today = new Date(now).toISOString().slice(0, 10);
  let trouble: Error | null = null;
  for await (const day of due(house.store, { before: now - REST })) {
    if (house.signal.aborted) return;
    try {
      if (!await sendReport(day, { house, reporter, today })) return; // no more today
    } catch (error) {
      if (!(error instanceof DnsError)) trouble = error instanceof Error ? error : new Error(String(error));
    }
  }
  if (trouble !== null) throw trouble;
}

/** False: the day's number of reports is reached. */
async function sendReport(
  day: Day,
  { house, reporter, today }: { readonly house: JobHouse; readonly reporter: Reporter; readonly today: string },
): Promise<boolean> {
  const counts = await countsOf(house.store, day);
  if (counts === null || counts.rows.length === 0) return true;
  const signal = AbortSignal.any([house.signal, AbortSignal.timeout(DNS_TIME)]);
  const to = (await destinationsOf(day.domain, counts.rua, { dns: house.dns, signal }))
    .filter((each) => formatAddress(each) !== formatAddress(reporter.from)); // a report to ourselves is none
  if (to.length > 0) {
    const options = { seconds: 2 * DAY };
    if (Number(await house.store.get(`reports:${today}`) ?? 0) >= reporter.limit) return false;
    const report = await pack(reportOf(counts, reporter));
    await house.send({ from: reporter.from, to, content: mailOf(report, reporter, { to, now: house.now() }) });
    await house.store.add(`reports:${today}`, 1, options);
  }
  await reported(house.store, day);
  return true;
}

/** The counts of a day as a report. Made again it is the same, its name and id too (RFC 9990 3.5.1, 3.5.2). */
export function reportOf(counts: DayCounts, reporter: Reporter): AggregateReport {
  const begin = Date.parse(counts.day) / 1000;
  return {
    organization: reporter.organization,
    email: reporter.contact,
    contact: null,
    id: `${counts.day}.${counts.domain}@${reporter.from.domain}`,
    begin,
    end: begin + DAY - 1,
    errors: counts.left === 0 ? [] : [`${counts.left} messages are not in this report: more than ${MAX_ROWS} rows`],
    generator: "Postern",
    policy: counts.policy,
    rows: counts.rows,
  };
}

/** The XML, packed. */
export async function pack(report: AggregateReport): Promise<PackedReport> {
  const stream = new Blob([formatReport(report)]).stream().pipeThrough(new CompressionStream("gzip"));
  const { id, policy: { domain }, begin, end } = report, receiver = id.slice(id.indexOf("@") + 1);
  return {
    id,
    domain,
    day: new Date(begin * 1000).toISOString().slice(0, 10),
    fileName: `${receiver}!${domain}!${begin}!${end}.xml.gz`,
    gzip: new Uint8Array(await new Response(stream).arrayBuffer()),
  };
}

/** The mail that carries it (RFC 9990 3.5.2): CRLF, and ASCII but for local parts that are not. */
export function mailOf(
  { id, domain, day, fileName, gzip }: PackedReport,
  { from, contact }: Reporter,
  { to, now }: { readonly to: readonly Address[]; readonly now: number },
): Uint8Array<ArrayBuffer> {
  const boundary = "=_dmarc_report"; // base64 and our own words cannot have it
  return new TextEncoder().encode([
    `From: <${formatAddress(from)}>`,
    `To: ${to.map((each) => `<${formatAddress(each)}>`).join(",\r\n ")}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <${id}>`,
    `Subject: Report Domain: ${domain}`, // folded: three names may be longer than a line               RFC 5322 2.2.3
    ` Submitter: ${from.domain}`,
    ` Report-ID: <${id}>`,
    "Auto-Submitted: auto-generated", //                                                                  RFC 3834 5
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `This is a DMARC aggregate report (RFC 9990) from ${from.domain}`,
    `about mail in the name of ${domain} on ${day} (UTC).`,
    `Questions are welcome at ${contact}.`,
    "",
    `--${boundary}`,
    "Content-Type: application/gzip",
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment;",
    ` filename="${fileName}"`,
    "",
    ...gzip.toBase64().match(/.{1,76}/g) ?? [],
    `--${boundary}--`,
    "",
  ].join("\r\n"));
}
