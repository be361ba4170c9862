/**
 * What TLS a delivery must have: the strictest of what the sender asks (RFC 8689), what the operator's rules say, and
 * what the other side publishes by DANE (RFC 7672) or MTA-STS (RFC 8461); else opportunistic (RFC 7435). Pure.
 * Non-job: whether a handshake satisfied it (verdict.ts), looking anything up (dane.ts, mta_sts_policies.ts).
 */
import { defer, reject, type Reply } from "../../model/reply.ts";
import type { TlsWish } from "../../model/tls_wish.ts";
import { formatTlsa, type TlsaAnswer, type TlsaRecord } from "./dane.ts";
import type { TlsFailure } from "./failure.ts";
import { formatStsPolicy, isStsHost, type StsPolicy } from "./mta_sts.ts";
import type { StsState } from "./mta_sts_policies.ts";
import type { TlsRule } from "./rules.ts";

/** Where a delivery goes. */
export interface NextHop {
  /** The recipient's domain, or the host that the operator named. Canonical. */
  readonly domain: string;
  /** False: its name is the operator's own, and needs nobody to vouch for it. */
  readonly byMx: boolean;
  /** The MX answer, "there is none" too, is authentic. */
  readonly authentic: boolean;
  /** From `StsPolicies.of`; null where MX is not asked, or for what the operator named. */
  readonly sts: StsState | null;
}

/** One host of it. */
export interface HopHost {
  /** Canonical; an address literal with its brackets. */
  readonly host: string;
  /** From `tlsaOf`, asked when `wantsTlsa` says so; else null. */
  readonly tlsa: TlsaAnswer | null;
}

/** Something that the server's certificate must be. */
export type CertificateCheck =
  & (
    | { readonly kind: "web"; readonly names: readonly string[] }
    | { readonly kind: "dane"; readonly records: readonly TlsaRecord[]; readonly names: readonly string[] }
    | { readonly kind: "fingerprint"; readonly fingerprints: readonly string[] }
  )
  & {
    /** Its failure is counted and told, and the message goes all the same. */
    readonly lenient: boolean;
    /** The failure of a web certificate is one of MTA-STS. */
    readonly sts: boolean;
  };

/** What a host must show before a message may go to it. */
export interface TlsDemand {
  /** `never`: no STARTTLS. `may`: try it, and go without where it fails. `must`. */
  readonly tls: "never" | "may" | "must";
  /** What to ask for in the ClientHello; null where the host is an address. */
  readonly serverName: string | null;
  /** All of them. Empty: whoever answers. */
  readonly checks: readonly CertificateCheck[];
  /** The host must offer REQUIRETLS inside TLS, and MAIL say it. */
  readonly requireTls: boolean;
  /** What sessions with this demand are counted under (RFC 8460 4.4). */
  readonly reported: ReportedPolicy;
  /** Equal for demands that one connection satisfies at once. */
  readonly key: string;
}

/** A policy as reports name it. */
export interface ReportedPolicy {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  readonly domain: string;
  /** The policy itself: TLSA data, or the lines of the policy file. */
  readonly text: readonly string[];
  /** The hosts of an MTA-STS policy. */
  readonly mx: readonly string[];
}

/** Not to this host: try the next one. After the last the reply stands for the attempt. */
export interface HostRefusal {
  readonly refused: true;
  readonly reply: Reply;
  readonly failure: TlsFailure;
  readonly reported: ReportedPolicy;
}

export interface Delivery {
  readonly wish: TlsWish;
  readonly rule: TlsRule | null;
  readonly hop: NextHop;
}

/** False: TLSA records could change nothing, or nobody could believe them, so that none are asked for (RFC 7672 2.1.3). */
export function wantsTlsa({ wish, rule, hop }: Delivery, hostAuthentic: boolean): boolean {
  if (!hostAuthentic || hop.byMx && !hop.authentic) return false; //                            RFC 7672 2.2.1, 2.2.2
  const level = rule?.level ?? "may";
  if (level === "none") return false;
  return level === "dane" || level === "dane-only" || wish === "required" || rule?.ignorePublished !== true;
}

/** What the host must show, or why no message of this kind may go to it. */
export function demandOf(delivery: Delivery, { host, tlsa }: HopHost): TlsDemand | HostRefusal {
  const { wish, rule, hop } = delivery;
  const level = rule?.level ?? "may", obey = rule?.ignorePublished !== true;
  const optional = wish === "optional", required = wish === "required";
  const literal = host.startsWith("["), checks: CertificateCheck[] = [];
  let must = false, serverName = literal ? null : host;

  const dane = obey || level === "dane" || level === "dane-only" || required ? tlsa : null;
  const sts = obey && hop.byMx && hop.sts !== null ? hop.sts.policy : null;
  const reported = reportedOf(hop, dane, sts);
  const refuse = (reply: Reply, failure: TlsFailure): HostRefusal => ({ refused: true, reply, failure, reported });

  // ---- The operator: nothing lifts what he says but REQUIRETLS over `none`
  if (level === "none") {
    if (required) return refuse(reject("5.7.30", `REQUIRETLS, but no TLS is used with ${hop.domain}`), UNVERIFIABLE);
    return demand("never", null);
  }
  if (level !== "may" && level !== "dane") must = true;
  if (level === "secure") add({ kind: "web", names: rule?.names ?? [hop.domain, `*.${hop.domain}`] });
  if (level === "fingerprint") add({ kind: "fingerprint", fingerprints: rule?.fingerprints ?? [] });
  if (level === "dane-only" && (tlsa?.kind !== "records" || tlsa.usable.length === 0)) {
    const text = tlsa?.kind === "unknown" ? tlsa.text : `no usable TLSA records that are authentic for ${host}`;
    return refuse(defer("4.7.5", text), { type: "dane-required", text });
  }

  // ---- DANE, which comes before MTA-STS: who publishes both is held to DANE                          RFC 8461 2
  const strict = level === "dane-only" || !optional; // TLS-Required: No lifts what is published         RFC 8689 5
  let verified = false;
  if (dane?.kind === "unknown" && strict) {
    return refuse(defer("4.7.5", dane.text), { type: "dnssec-invalid", text: dane.text }); //          RFC 7672 2.2
  }
  if (dane?.kind === "records") {
    must ||= strict; // with no record that is usable too: TLS then, and nobody is verified             RFC 7672 2.2
    if (dane.usable.length > 0) {
      serverName = dane.base; //                                                                      RFC 7672 8.1
      add({ kind: "dane", records: dane.usable, names: [...new Set([dane.base, host, hop.domain])] }, !strict);
      verified = true;
    }
  }

  // ---- MTA-STS
  if (sts !== null && !verified) {
    const lenient = optional || sts.mode !== "enforce"; //                                               RFC 8461 5
    if (isStsHost(sts, host)) add({ kind: "web", names: [host] }, lenient, true); //                   RFC 8461 4.2
    else {
      const text = `${host} is not in the MTA-STS policy of ${hop.domain}`;
      if (!lenient) return refuse(defer("4.7.5", text), { type: "validation-failure", text });
      // A name that no certificate has: the session is counted as failed, and goes on
      add({ kind: "web", names: [] }, true, true);
    }
    must ||= !lenient;
  }

  // ---- REQUIRETLS: a host that somebody vouches for, a certificate that proves it to be that one     RFC 8689 4.2.1
  if (required) {
    const known = !hop.byMx || hop.authentic || sts !== null && isStsHost(sts, host);
    if (!known || literal) {
      const text = `REQUIRETLS, and nobody vouches for ${host} being a mail host of ${hop.domain}`;
      return refuse(reject("5.7.30", text), UNVERIFIABLE);
    }
    if (!checks.some(({ lenient }) => !lenient)) add({ kind: "web", names: [host] });
    must = true;
  }
  return demand(must ? "must" : "may", serverName);

  type Kind<C = CertificateCheck> = C extends CertificateCheck ? Omit<C, "lenient" | "sts"> : never;
  function add(check: Kind, lenient = false, sts = false): void {
    checks.push({ ...check, lenient, sts });
  }
  function demand(tls: TlsDemand["tls"], serverName: string | null): TlsDemand {
    return { tls, serverName, checks, requireTls: required, reported, key: keyOf(tls, required, checks) };
  }
}

function reportedOf(hop: NextHop, dane: TlsaAnswer | null, sts: StsPolicy | null): ReportedPolicy {
  const domain = hop.domain;
  if (dane?.kind === "records" && (dane.usable.length > 0 || sts === null)) {
    return { type: "tlsa", domain, text: dane.usable.map(formatTlsa), mx: [] };
  }
  if (sts !== null) return { type: "sts", domain, text: formatStsPolicy(sts), mx: sts.mx };
  return { type: "no-policy-found", domain, text: [], mx: [] };
}

function keyOf(tls: string, requireTls: boolean, checks: readonly CertificateCheck[]): string {
  let key = requireTls ? `${tls}+` : tls;
  for (const check of checks) {
    const of = check.kind === "dane"
      ? [...check.records.map(formatTlsa), ...check.names]
      : check.kind === "web"
      ? check.names
      : check.fingerprints;
    key += `;${check.kind}${check.lenient ? "?" : ""}${check.sts ? "s" : ""} ${of.join(",")}`;
  }
  return key;
}

const UNVERIFIABLE: TlsFailure = { type: "validation-failure", text: "the host cannot be verified" };
