/**
 * The TLSA records that hold for a host which mail goes to, found as RFC 7672 2.2.2 says, through its CNAMEs.
 * Non-job: which of them are usable, what a certificate must be then (delivery); whether the host's own name is known for
 * sure: ask for one that an authentic MX names, or that somebody configured (RFC 7672 2.2.1).
 */
import type { HostAddresses } from "./host_addresses.ts";
import type { DnsFault, LookupOptions, Resolver, Tlsa } from "./resolver.ts";

/**
 * `records`: TLS is a must, by these rules, at least one. `none`: there are none for sure, or nobody vouches for the name.
 * `fault`: nobody knows, and the host is not to be used now; an attacker may be why (RFC 7672 2.1.2).
 */
export type TlsaFinding =
  | {
    readonly kind: "records";
    /** The TLSA base domain: the first name that the certificate may have (RFC 7672 3.2.2). */
    readonly base: string;
    readonly records: readonly Tlsa[];
    /** Seconds. */
    readonly ttl: number;
  }
  | { readonly kind: "none"; readonly ttl: number }
  | { readonly kind: "fault"; readonly fault: DnsFault; readonly query: string };

/** Never rejects. */
export async function tlsaRecords(
  host: HostAddresses,
  port: number,
  dns: Pick<Resolver, "lookup">,
  options?: LookupOptions,
): Promise<TlsaFinding> {
  let ttl = host.ttl;
  if (host.host.startsWith("[")) return { kind: "none", ttl }; // an address has no name to put them at
  const isAlias = host.name !== host.host;
  // The end of the CNAMEs first, the name itself if there is nothing.                                   RFC 7672 2.2.2
  const bases = isAlias ? [host.name, host.host] : [host.host];
  if (!host.authentic) {
    // No question below a zone that is not signed: the answer would count for nothing, and servers exist that fail it.
    if (!isAlias) return { kind: "none", ttl };
    // The CNAME itself may stand in a signed zone and point out of it.                                RFC 7672 2.2.2
    const alias = await dns.lookup(host.host, "CNAME", options);
    if (alias.fault === "servfail" || alias.fault === "timeout") return fault(alias.fault, "CNAME", host.host);
    if (alias.fault !== undefined || !alias.authentic) return { kind: "none", ttl: Math.min(ttl, alias.ttl) };
    bases.shift();
  }
  for (const base of bases) {
    const name = `_${port}._tcp.${base}`; //                                                             RFC 6698 3
    const answer = await dns.lookup(name, "TLSA", options);
    if (answer.fault === "servfail" || answer.fault === "timeout") return fault(answer.fault, "TLSA", name);
    ttl = Math.min(ttl, answer.ttl);
    if (answer.fault === undefined && answer.authentic) return { kind: "records", base, records: answer.records, ttl };
  }
  return { kind: "none", ttl };
}

function fault(fault: DnsFault, type: string, name: string): TlsaFinding {
  return { kind: "fault", fault, query: `${type} ${name}` };
}
