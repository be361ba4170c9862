/**
 * Aggregate reports of others, read as leniently as they are written: of RFC 9990, of RFC 7489 and of neither. Order and
 * namespace do not matter, a number that is none is 0. Non-job: XML (xml.ts), files and mails (unpack.ts).
 */
import type { AggregateReport, ReportRow } from "./report.ts";
import { parseXml, type XmlElement, XmlError } from "./xml.ts";

/**
 * Reads the XML of a report.
 *
 * @throws {XmlError} when it is no report.
 */
export function parseReport(document: string): AggregateReport {
  const root = parseXml(document);
  if (root.name !== "feedback") throw new XmlError("it is no DMARC report: the first element is no <feedback>");
  const about = child(root, "report_metadata"), policy = child(root, "policy_published");
  if (about === null || policy === null) throw new XmlError("it says neither who reports nor about what policy");
  const range = child(about, "date_range");
  return {
    organization: text(about, "org_name") ?? "",
    email: text(about, "email") ?? "",
    contact: text(about, "extra_contact_info"),
    id: text(about, "report_id") ?? "",
    begin: number(range, "begin"),
    end: number(range, "end"),
    errors: all(about, "error").map((each) => each.text).filter((each) => each !== ""),
    generator: text(about, "generator"),
    policy: {
      domain: text(policy, "domain") ?? "",
      p: text(policy, "p") ?? "",
      sp: text(policy, "sp"),
      np: text(policy, "np"),
      adkim: text(policy, "adkim"),
      aspf: text(policy, "aspf"),
      fo: text(policy, "fo"),
      testing: text(policy, "testing"),
      discovery: text(policy, "discovery_method"),
    },
    rows: all(root, "record").map(rowOf),
  };
}

function rowOf(record: XmlElement): ReportRow {
  const row = child(record, "row"), evaluated = child(row, "policy_evaluated");
  const names = child(record, "identifiers"), results = child(record, "auth_results");
  return {
    ip: text(row, "source_ip") ?? "",
    count: number(row, "count"),
    disposition: text(evaluated, "disposition") ?? "",
    dkim: text(evaluated, "dkim") ?? "",
    spf: text(evaluated, "spf") ?? "",
    reasons: all(evaluated, "reason").map((each) => ({
      type: text(each, "type") ?? "",
      comment: text(each, "comment") ?? "",
    })),
    headerFrom: text(names, "header_from") ?? "",
    envelopeFrom: text(names, "envelope_from"),
    envelopeTo: text(names, "envelope_to"),
    signatures: all(results, "dkim").map((each) => ({
      domain: text(each, "domain") ?? "",
      selector: text(each, "selector") ?? "",
      result: text(each, "result") ?? "",
    })),
    senders: all(results, "spf").map((each) => ({
      domain: text(each, "domain") ?? "",
      scope: text(each, "scope") ?? "",
      result: text(each, "result") ?? "",
    })),
  };
}

function all(element: XmlElement | null, name: string): readonly XmlElement[] {
  return element?.children.filter((each) => each.name === name) ?? [];
}
function child(element: XmlElement | null, name: string): XmlElement | null {
  return element?.children.find((each) => each.name === name) ?? null;
}
/** Null when there is no such element. */
function text(element: XmlElement | null, name: string): string | null {
  return child(element, name)?.text ?? null;
}
function number(element: XmlElement | null, name: string): number {
  const digits = text(element, name) ?? "";
  return /^[0-9]{1,15}$/.test(digits) ? Number(digits) : 0;
}
