/**
 * DANE for SMTP (RFC 7672, RFC 6698, RFC 7671): which TLSA records there are for a host, and whether its certificates
 * satisfy them. Non-job: whether MX and addresses are authentic (the caller knows), what follows from it (policy.ts).
 */
import { createHash } from "node:crypto";
import type { HostAddresses } from "../../dns/host_addresses.ts";
import type { LookupOptions, Resolver } from "../../dns/resolver.ts";
import { tlsaRecords } from "../../dns/tlsa_records.ts";
import { type Certificate, publicKeyOf, readCertificate } from "../../net/tls/certificate.ts";
import { pathFault } from "../../net/tls/certification_path.ts";
import { isExpectedName, namesIn } from "../../net/tls/reference_name.ts";
import type { TlsFailure } from "./failure.ts";

/** One TLSA record (RFC 6698 2.1). */
export interface TlsaRecord {
  /** 2 DANE-TA, 3 DANE-EE; 0 and 1 mean nothing between mail servers. */
  readonly usage: number;
  /** 0 the whole certificate, 1 its public key. */
  readonly selector: number;
  /** 0 as it is, 1 SHA-256, 2 SHA-512. */
  readonly matching: number;
  readonly data: Uint8Array;
}

/**
 * What DNS says of a host's certificate. `usable` may be empty: then there must be TLS, and nobody is verified
 * (RFC 7672 2.2). `unknown`: servers failed, or DNSSEC is bogus; who goes on without an answer can be made to
 * (RFC 7672 2.1.2, 2.2).
 */
export type TlsaAnswer =
  | { readonly kind: "none" }
  | { readonly kind: "unknown"; readonly text: string }
  | { readonly kind: "records"; readonly base: string; readonly usable: readonly TlsaRecord[] };

/** Records beyond are left out: nobody publishes so many. */
const MOST_RECORDS = 32;

/** Looks them up, through the host's CNAMEs (RFC 7672 2.2.2). Never rejects. */
export async function tlsaOf(
  host: HostAddresses,
  port: number,
  options: LookupOptions & { readonly dns: Pick<Resolver, "lookup"> },
): Promise<TlsaAnswer> {
  const found = await tlsaRecords(host, port, options.dns, options);
  switch (found.kind) {
    case "none":
      return { kind: "none" };
    case "fault":
      return { kind: "unknown", text: `${found.query}: ${found.fault}` };
    case "records":
      return { kind: "records", base: found.base, usable: found.records.filter(isUsable).slice(0, MOST_RECORDS) };
  }
}

/** RFC 7672 3.1: usages 2 and 3 with selectors and matchings that are known, and a digest as long as such a digest is. */
export function isUsable({ usage, selector, matching, data }: TlsaRecord): boolean {
  if (usage !== 2 && usage !== 3 || selector > 1 || matching > 2) return false; //                RFC 7672 3.1.1 to 3.1.3
  return matching === 0 ? data.length > 0 : data.length === (matching === 1 ? 32 : 64);
}

export interface DaneCheck {
  readonly records: readonly TlsaRecord[];
  /** Names that a certificate of usage 2 may have: the TLSA base, the next hop's domain (RFC 7672 3.2.2). */
  readonly names: readonly string[];
}

/** Null when the chain, the server's own certificate first, satisfies one of the records. */
export function daneFailure(
  chain: readonly Uint8Array<ArrayBuffer>[],
  check: DaneCheck,
  now: number,
): TlsFailure | null {
  const [own] = chain;
  if (own === undefined) return { type: "validation-failure", text: "the server's certificate cannot be read" };
  const records = strongest(check.records);
  // Usage 3: names, dates and whatever else is in it do not matter                      RFC 7672 3.1.1, RFC 7671 5.1
  if (records.some((record) => record.usage === 3 && isMatch(record, own))) return null;
  const anchors = records.filter(({ usage }) => usage === 2);
  if (anchors.length === 0) return MISMATCH;
  const bare = anchors.filter(({ matching }) => matching === 0);
  const fault = pathFault(chain, {
    accepts: ({ octets }) => anchors.some((record) => isMatch(record, octets)),
    certificates: bare.filter(({ selector }) => selector === 0).map(({ data }) => new Uint8Array(data)),
    publicKeys: bare.filter(({ selector }) => selector === 1).map(({ data }) => new Uint8Array(data)),
  }, now);
  if (fault === "untrusted") return MISMATCH;
  if (fault === "expired") return { type: "certificate-expired", text: "a certificate of the chain has expired" };
  let certificate: Certificate;
  try {
    certificate = readCertificate(own);
  } catch {
    return MISMATCH;
  }
  const names = namesIn(certificate, { commonName: true }); //                                          RFC 7672 3.2.3
  if (isExpectedName(names, check.names)) return null;
  return { type: "certificate-host-mismatch", text: `the certificate is not for ${check.names.join(" or ")}` };
}

/** As RFC 6698 2.2 writes the data of one. */
export function formatTlsa({ usage, selector, matching, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matching} ${new Uint8Array(data).toHex().toUpperCase()}`;
}

/** Of digests for the same usage and selector only SHA-512 counts, where there is one (RFC 7671 9). */
function strongest(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const strong = new Set<number>();
  for (const { usage, selector, matching } of records) if (matching === 2) strong.add(usage * 2 + selector);
  return records.filter(({ usage, selector, matching }) => matching !== 1 || !strong.has(usage * 2 + selector));
}

function isMatch({ selector, matching, data }: TlsaRecord, octets: Uint8Array<ArrayBuffer>): boolean {
  let part: Uint8Array;
  try {
    part = selector === 0 ? octets : publicKeyOf(octets);
  } catch {
    return false; // no certificate
  }
  if (matching !== 0) part = createHash(matching === 1 ? "sha256" : "sha512").update(part).digest();
  return part.length === data.length && part.every((octet, at) => octet === data[at]);
}

const MISMATCH: TlsFailure = {
  type: "validation-failure",
  text: "no certificate of the server is in its TLSA records",
};
