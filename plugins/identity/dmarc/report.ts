/**
 * An aggregate report as a value, and as the XML of RFC 9990 3.1.1. What peers chose (domains, selectors, comments) is
 * text in it and nothing else, cut. Pure. Non-job: reading reports (report_reader.ts), what is counted (counts.ts).
 */
import type { DmarcPolicy } from "./key.ts";

/** One report: what one receiver saw of one policy domain in one period. */
export interface AggregateReport {
  /** Who reports. */
  readonly organization: string;
  /** Where questions go. */
  readonly email: string;
  /** More about that, or null. */
  readonly contact: string | null;
  readonly id: string;
  /** Of the period, seconds since 1970. */
  readonly begin: number;
  readonly end: number;
  /** What the reporter has to say about the record or the report. */
  readonly errors: readonly string[];
  readonly generator: string | null;
  readonly policy: PublishedPolicy;
  readonly rows: readonly ReportRow[];
}
/** The record as the reporter read it; texts, because reports of others may hold anything. */
export interface PublishedPolicy {
  readonly domain: string;
  readonly p: string;
  readonly sp: string | null;
  readonly np: string | null;
  readonly adkim: string | null;
  readonly aspf: string | null;
  readonly fo: string | null;
  readonly testing: string | null;
  /** `treewalk`, or `psl` of RFC 7489. */
  readonly discovery: string | null;
}
/** Messages that have all of this in common. */
export interface ReportRow {
  readonly ip: string;
  readonly count: number;
  /** What was done: `none`, `pass`, `quarantine`, `reject`. */
  readonly disposition: DmarcPolicy | "pass" | string;
  /** Aligned and passed: `pass` or `fail`. */
  readonly dkim: string;
  readonly spf: string;
  readonly reasons: readonly { readonly type: string; readonly comment: string }[];
  readonly headerFrom: string;
  /** The domain of MAIL FROM; empty for the null sender. Null: not said. */
  readonly envelopeFrom: string | null;
  readonly envelopeTo: string | null;
  /** What the checks themselves came to. */
  readonly signatures: readonly { readonly domain: string; readonly selector: string; readonly result: string }[];
  readonly senders: readonly { readonly domain: string; readonly scope: string; readonly result: string }[];
}

/** RFC 9990 6, Appendix A. */
export const NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0";
const MAX_TEXT = 400; // characters of anything that a report says

/** The whole document. */
export function formatReport(report: AggregateReport): string {
  const { policy } = report, xml = new Writer();
  xml.line('<?xml version="1.0" encoding="UTF-8"?>');
  xml.open("feedback", ` xmlns="${NAMESPACE}"`);
  xml.text("version", "1.0");
  xml.open("report_metadata");
  xml.text("org_name", report.organization);
  xml.text("email", report.email);
  xml.text("extra_contact_info", report.contact);
  xml.text("report_id", report.id);
  xml.open("date_range");
  xml.text("begin", report.begin);
  xml.text("end", report.end);
  xml.close("date_range");
  xml.text("error", report.errors.length === 0 ? null : report.errors.join("; "));
  xml.text("generator", report.generator);
  xml.close("report_metadata");
  xml.open("policy_published");
  xml.text("domain", policy.domain);
  xml.text("discovery_method", policy.discovery);
  xml.text("p", policy.p);
  xml.text("sp", policy.sp);
  xml.text("np", policy.np);
  xml.text("fo", policy.fo);
  xml.text("adkim", policy.adkim);
  xml.text("aspf", policy.aspf);
  xml.text("testing", policy.testing);
  xml.close("policy_published");
  for (const row of report.rows) formatRow(xml, row);
  xml.close("feedback");
  return xml.document;
}

function formatRow(xml: Writer, row: ReportRow): void {
  xml.open("record");
  xml.open("row");
  xml.text("source_ip", row.ip);
  xml.text("count", row.count);
  xml.open("policy_evaluated");
  xml.text("disposition", row.disposition);
  xml.text("dkim", row.dkim);
  xml.text("spf", row.spf);
  for (const { type, comment } of row.reasons) {
    xml.open("reason");
    xml.text("type", type);
    xml.text("comment", comment === "" ? null : comment);
    xml.close("reason");
  }
  xml.close("policy_evaluated");
  xml.close("row");
  xml.open("identifiers");
  xml.text("header_from", row.headerFrom);
  xml.text("envelope_from", row.envelopeFrom);
  xml.text("envelope_to", row.envelopeTo);
  xml.close("identifiers");
  xml.open("auth_results");
  for (const { domain, selector, result } of row.signatures) {
    xml.open("dkim");
    xml.text("domain", domain);
    xml.text("selector", selector);
    xml.text("result", result);
    xml.close("dkim");
  }
  for (const { domain, scope, result } of row.senders) {
    xml.open("spf");
    xml.text("domain", domain);
    xml.text("scope", scope === "" ? null : scope);
    xml.text("result", result);
    xml.close("spf");
  }
  xml.close("auth_results");
  xml.close("record");
}

/** Elements and texts, indented. */
class Writer {
  #parts: string[] = [];
  #depth = 0;

  get document(): string {
    return this.#parts.join("");
  }
  line(text: string): void {
    this.#parts.push(`${"  ".repeat(this.#depth)}${text}\n`);
  }
  open(name: string, attributes = ""): void {
    this.line(`<${name}${attributes}>`);
    this.#depth++;
  }
  close(name: string): void {
    this.#depth--;
    this.line(`</${name}>`);
  }
  /** Null: no such element. */
  text(name: string, value: string | number | null): void {
    if (value !== null) this.line(`<${name}>${escape(String(value))}</${name}>`);
  }
}

/** Character data (XML 1.0 2.2, 2.4): what it cannot hold, controls and halves of pairs, becomes U+FFFD. */
function escape(text: string): string {
  return text.slice(0, MAX_TEXT).toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>]/g, (char) => char === "&" ? "&amp;" : char === "<" ? "&lt;" : "&gt;");
}
