/**
 * TLSRPT (RFC 8460) as values: where a domain wants reports about the TLS of mail to it, and what is counted for them.
 * Non-job: counting (tlsrpt_counts.ts), writing the report (tlsrpt_report.ts).
 */
import { type Address, parseAddress } from "../../model/address.ts";
import { canonicalDomain } from "../../model/domain.ts";
import type { TlsFailure, TlsFailureType } from "./failure.ts";
import type { ReportedPolicy } from "./policy.ts";

/** Where a report goes. */
export type TlsrptTarget =
  | { readonly kind: "mail"; readonly address: Address }
  | { readonly kind: "https"; readonly url: string };

/** One session with a mail host, for better or worse. */
export interface TlsSession {
  readonly reported: ReportedPolicy;
  /** Null: TLS as the policy wants it. */
  readonly failure: TlsFailure | null;
  readonly host: string;
  /** The addresses of both ends; null where no connection came about. */
  readonly receivingIp: string | null;
  readonly sendingIp: string | null;
}

/** Failures of one kind (RFC 8460 4.4). */
export interface FailureDetail {
  readonly type: TlsFailureType;
  readonly host: string;
  readonly receivingIp: string | null;
  readonly sendingIp: string | null;
  readonly text: string;
  sessions: number;
}
export interface PolicyCounts {
  readonly policy: ReportedPolicy;
  successes: number;
  failures: number;
  /** Bounded: what finds no place is in `failures` all the same. */
  readonly details: FailureDetail[];
}
/** What happened to mail for a domain on one day. */
export interface DayCounts {
  /** "2016-04-01", UTC. */
  readonly day: string;
  readonly domain: string;
  readonly targets: readonly TlsrptTarget[];
  readonly policies: PolicyCounts[];
}

// tlsrpt-record = "v=TLSRPTv1" 1*(*WSP ";" *WSP field) [*WSP ";" *WSP]                      RFC 8460 3
const VERSION = "v=TLSRPTv1";
const EXTENSION = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]*$/;
/** More targets would make us a lever for whoever publishes them. */
const MOST_TARGETS = 4;

/**
 * The targets that the TXT records of `_smtp._tls.` name; empty when no report is wanted or none can be sent. Records of
 * other kinds do not count, of our kind there must be exactly one (RFC 8460 3).
 */
export function readTlsrptTargets(records: readonly string[]): readonly TlsrptTarget[] {
  const [record, second] = records.filter((each) => /^v=TLSRPTv1[ \t]*;/.test(each));
  if (record === undefined || second !== undefined || record.length > 4096) return [];
  const fields = record.slice(VERSION.length).split(";").map((field) => field.replace(/^[ \t]+|[ \t]+$/g, ""));
  fields.shift();
  if (fields.at(-1) === "") fields.pop();
  let rua: string | null = null;
  for (const field of fields) {
    if (field.startsWith("rua=")) rua ??= field.slice(4);
    else if (!EXTENSION.test(field)) return [];
  }
  const targets: TlsrptTarget[] = [];
  for (const text of rua?.split(",") ?? []) {
    const target = targetOf(text.trim());
    if (target !== null && targets.length < MOST_TARGETS) targets.push(target);
  }
  return targets;
}

function targetOf(text: string): TlsrptTarget | null {
  if (/^mailto:/i.test(text)) {
    const question = text.indexOf("?");
    let plain: string;
    try {
      plain = decodeURIComponent(text.slice(7, question < 0 ? undefined : question)); //                 RFC 6068 2
    } catch {
      return null;
    }
    const address = parseAddress(plain);
    return address === null ? null : { kind: "mail", address };
  }
  if (!/^https:\/\//i.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  // A name of the public kind, and no port of something else: a report must not become a knock at the neighbour's door
  const named = canonicalDomain(url.hostname) === url.hostname && /[a-z]$/.test(url.hostname) &&
    url.hostname.includes(".");
  if (!named || url.port !== "" || url.username !== "" || url.password !== "") return null;
  url.hash = "";
  return { kind: "https", url: url.href };
}

/** The day of a moment (milliseconds since 1970), UTC. */
export function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}
