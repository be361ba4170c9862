/**
 * A day's counts as the report of RFC 8460: JSON (4), packed, as a mail (5.3) and as an HTTPS request (5.4).
 * Non-job: when, to whom, and the DKIM signature that RFC 8460 3 wants on the mail (a plugin of the phase deliver).
 */
import { formatAddress } from "../../model/address.ts";
import { formatDate } from "../../model/trace.ts";
import type { HttpFetch } from "./mta_sts_fetch.ts";
import type { DayCounts, PolicyCounts } from "./tlsrpt.ts";

export interface Reporter {
  /** Who reports, for people. */
  readonly organization: string;
  /** Our name: the domain of the From address. */
  readonly domain: string;
  /** Where questions go, and where the mail comes from: an address of `domain`. */
  readonly contact: string;
}

/** One report, ready to be sent anywhere. */
export interface TlsReport {
  readonly id: string;
  readonly domain: string;
  /** RFC 8460 5.1. */
  readonly fileName: string;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

/** The JSON of RFC 8460 4.4. */
export function tlsReportJson(counts: DayCounts, reporter: Reporter): Record<string, unknown> {
  const { day } = counts;
  return {
    "organization-name": reporter.organization,
    "date-range": { "start-datetime": `${day}T00:00:00Z`, "end-datetime": `${day}T23:59:59Z` },
    "contact-info": reporter.contact,
    "report-id": idOf(counts, reporter),
    "policies": counts.policies.map((each) => policyJson(each)),
  };
}

/** Packs it. */
export async function tlsReport(counts: DayCounts, reporter: Reporter): Promise<TlsReport> {
  const json = new Blob([JSON.stringify(tlsReportJson(counts, reporter))]);
  const packed = new Response(json.stream().pipeThrough(new CompressionStream("gzip")));
  const start = Date.parse(counts.day) / 1000, id = idOf(counts, reporter);
  return {
    id,
    domain: counts.domain,
    fileName: `${reporter.domain}!${counts.domain}!${start}!${start + 86_399}!${counts.day}.json.gz`,
    gzip: new Uint8Array(await packed.arrayBuffer()),
  };
}

/**
 * The mail (RFC 8460 5.3), CRLF, ASCII. Its envelope sender should be an address that takes bounces and sends none. It
 * says `TLS-Required: No`: a report must arrive where TLS is what is broken (RFC 8460 3, RFC 8689 5).
 */
export function tlsReportMail(
  report: TlsReport,
  reporter: Reporter,
  options: { readonly to: Parameters<typeof formatAddress>[0]; readonly now: number },
): string {
  const { id, domain, fileName } = report, boundary = `=_tlsrpt_${id.replace(/[^A-Za-z0-9]/g, "_").slice(0, 40)}`;
  const day = id.slice(0, 10);
  return [
    `From: <${reporter.contact}>`,
    `To: <${formatAddress(options.to)}>`,
    `Date: ${formatDate(options.now)}`,
    `Message-ID: <${id}>`,
    `Subject: Report Domain: ${domain}`, // folded: three names may be longer than a line               RFC 5322 2.2.3
    ` Submitter: ${reporter.domain}`,
    ` Report-ID: <${id}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${reporter.domain}`,
    "TLS-Required: No",
    "Auto-Submitted: auto-generated", //                                                                  RFC 3834 5
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type="tlsrpt";`,
    `\tboundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `This is a report about the TLS of mail from ${reporter.domain}`,
    `to ${domain} on ${day} (UTC), as RFC 8460 describes it.`,
    `Questions are welcome at ${reporter.contact}.`,
    "",
    `--${boundary}`,
    "Content-Type: application/tlsrpt+gzip",
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment;`,
    `\tfilename="${fileName}"`,
    "",
    ...report.gzip.toBase64().match(/.{1,76}/g) ?? [],
    `--${boundary}--`,
    "",
  ].join("\r\n");
}

/** Posts it (RFC 8460 5.4). @throws with what went wrong; another day's report may fare better. */
export async function postTlsReport(
  report: TlsReport,
  url: string,
  options: { readonly fetch: HttpFetch; readonly timeout?: number },
): Promise<void> {
  const response = await options.fetch(url, {
    method: "POST",
    headers: { "content-type": "application/tlsrpt+gzip" },
    body: report.gzip,
    redirect: "manual",
    signal: AbortSignal.timeout(options.timeout ?? 60_000),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`status ${response.status}`);
}

function idOf({ day, domain }: DayCounts, reporter: Reporter): string {
  return `${day}.${domain}@${reporter.domain}`;
}

function policyJson({ policy, successes, failures, details }: PolicyCounts): Record<string, unknown> {
  const { type, domain, text, mx } = policy;
  return {
    "policy": {
      "policy-type": type,
      ...text.length > 0 && { "policy-string": text },
      "policy-domain": domain,
      ...mx.length > 0 && { "mx-host": mx },
    },
    "summary": { "total-successful-session-count": successes, "total-failure-session-count": failures },
    ...details.length > 0 && {
      "failure-details": details.map((each) => ({
        "result-type": each.type,
        ...each.sendingIp !== null && { "sending-mta-ip": each.sendingIp },
        ...each.host !== "" && { "receiving-mx-hostname": each.host },
        ...each.receivingIp !== null && { "receiving-ip": each.receivingIp },
        "failed-session-count": each.sessions,
        ...each.text !== "" && { "failure-reason-code": each.text },
      })),
    },
  };
}
