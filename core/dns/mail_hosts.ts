/**
 * Which hosts take the mail of a domain, in the order to try them (RFC 5321 5.1), with their addresses; or the reply that
 * says why none does. Pure but for its questions to name service.
 * Non-job: connecting, TLSA (tlsa_records.ts), local domains and next hops that somebody configured (delivery).
 */
import { canonicalDomain, canonicalLiteral } from "../model/domain.ts";
import { canonicalIp, isIPv4 } from "../model/ip.ts";
import { defer, reject, type Reply } from "../model/reply.ts";
import type { AnswerOrigin } from "./answer.ts";
import { type HostAddresses, hostAddresses, shuffle } from "./host_addresses.ts";
import { isHostName } from "./name.ts";
import type { DnsFault, LookupOptions, Mx, Resolver } from "./resolver.ts";

/** A `Set`, a `DomainSet`, `Networks`. */
export interface Membership {
  has(text: string): boolean;
}
/** This host, as others may name it. */
export interface Own {
  /** Of host names, lower case. */
  readonly names: Membership;
  /** Of canonical addresses: those of `THIS_HOST` and every one that mail is taken on. */
  readonly addresses: Membership;
}
/** Networks where nobody but this host is: for `Own.addresses`. */
export const THIS_HOST: readonly string[] = ["127.0.0.0/8", "0.0.0.0/8", "::1", "::"];

export interface MailHostsOptions extends LookupOptions {
  readonly dns: Pick<Resolver, "lookup">;
  readonly own: Own;
  /** From 0 up to and without 1. */
  random(): number;
  /** The best so many are looked at (default 10). */
  readonly maxHosts?: number;
}

export interface MailHost extends HostAddresses {
  /** Of its MX record; 0 for a domain that is its own host. */
  readonly preference: number;
  /** Nobody but the domain can have named it: its MX is authentic, or it is the domain itself (RFC 7672 2.2.1). */
  readonly named: boolean;
}
/** Why no host takes the mail. */
export type NoMailHosts = "null-mx" | "no-domain" | "no-host" | "loop" | "name-service";
export type MailHosts =
  | {
    /** In this order, at least one. */
    readonly hosts: readonly MailHost[];
    /** The domain at the end of its CNAMEs: certificates may name it too (RFC 7672 3.2.2). */
    readonly name: string;
    /** A validating resolver vouches for the MX records, or that there are none. */
    readonly authentic: boolean;
    /** Seconds that all of this holds for. */
    readonly ttl: number;
    readonly fault?: undefined;
  }
  | { readonly fault: NoMailHosts; readonly reply: Reply<"defer" | "reject">; readonly ttl: number };

const MAX_HOSTS = 10;

/**
 * The hosts for a domain of the envelope: a name, or an address literal in brackets. Never rejects.
 * Hosts as good as this one and worse are left out: mail must come nearer (RFC 5321 5.1).
 */
export async function mailHosts(domain: string, options: MailHostsOptions): Promise<MailHosts> {
  if (domain.startsWith("[")) return literal(domain, options);
  const name = canonicalDomain(domain);
  if (name === null) return none("no-domain", domain, ALWAYS);
  const mx = await options.dns.lookup(name, "MX", options);
  switch (mx.fault) {
    case undefined:
      return await exchangers(name, mx, options);
    case "nodata": // the domain is its own host                                                        RFC 5321 5.1
      return await itself(name, mx, options);
    case "nxdomain":
      return none("no-domain", name, mx.ttl);
    default:
      return none("name-service", name, mx.ttl);
  }
}

async function exchangers(
  domain: string,
  mx: AnswerOrigin & { readonly records: readonly Mx[] },
  options: MailHostsOptions,
) {
  const { dns, own, random, maxHosts = MAX_HOSTS } = options;
  if (mx.records.every(({ exchange }) => exchange === "")) return none("null-mx", domain, mx.ttl); // RFC 7505 3
  const records = [...mx.records];
  shuffle(records, random); // the load of equals is spread                                               RFC 5321 5.1
  records.sort((a, b) => a.preference - b.preference);
  // Of preference: from here on it is us, or farther away than we are
  let limit = records.find(({ exchange }) => own.names.has(exchange))?.preference ?? Infinity;
  const wanted = new Map<string, number>();
  for (const { exchange, preference } of records) {
    if (preference >= limit || wanted.size === maxHosts) break;
    if (isExchange(exchange) && !wanted.has(exchange)) wanted.set(exchange, preference);
  }
  const asked = await Promise.all([...wanted].map(async ([exchange, preference]) => ({
    preference,
    found: await hostAddresses(exchange, dns, options),
  })));
  for (const { preference, found } of asked) {
    if (found.fault === undefined && isOwn(found, own)) limit = Math.min(limit, preference);
  }
  const hosts: MailHost[] = [];
  let unknown: DnsFault | undefined, ttl = mx.ttl;
  for (const { preference, found } of asked) {
    if (preference >= limit) continue;
    if (found.fault === undefined) hosts.push({ ...found, preference, named: mx.authentic });
    else if (found.fault === "servfail" || found.fault === "timeout") unknown = found.fault;
    ttl = Math.min(ttl, found.ttl);
  }
  if (hosts.length > 0) return { hosts, name: mx.name, authentic: mx.authentic, ttl };
  if (unknown !== undefined) return none("name-service", domain, ttl);
  return none(limit < Infinity ? "loop" : "no-host", domain, ttl); // no use of the domain's own address  RFC 5321 5.1
}

async function itself(domain: string, mx: AnswerOrigin, options: MailHostsOptions): Promise<MailHosts> {
  const { dns, own } = options;
  if (own.names.has(domain)) return none("loop", domain, mx.ttl);
  const found = await hostAddresses(domain, dns, options);
  const ttl = Math.min(mx.ttl, found.ttl);
  if (found.fault === "servfail" || found.fault === "timeout") return none("name-service", domain, ttl);
  if (found.fault !== undefined) return none("no-host", domain, ttl);
  if (isOwn(found, own)) return none("loop", domain, ttl);
  return { hosts: [{ ...found, preference: 0, named: true }], name: mx.name, authentic: mx.authentic, ttl };
}

/** `[192.0.2.1]`, `[IPv6:2001:db8::1]`: nothing to ask. */
function literal(domain: string, { own }: MailHostsOptions): MailHosts {
  const host = canonicalLiteral(domain), address = canonicalIp(host?.slice(1, -1).replace("IPv6:", "") ?? "");
  if (host === null || address === null) return none("no-domain", domain, ALWAYS);
  if (own.addresses.has(address)) return none("loop", domain, ALWAYS);
  const origin = { name: host, authentic: false, ttl: ALWAYS };
  return { hosts: [{ host, addresses: [address], preference: 0, named: true, ...origin }], ...origin };
}
const ALWAYS = 86_400; // seconds; nobody looks it up again

function isOwn({ addresses }: HostAddresses, own: Own): boolean {
  return addresses.some((each) => own.addresses.has(each));
}

/** An exchange is a name (RFC 5321 5.1): the root and an address that somebody wrote there are not. */
function isExchange(name: string): boolean {
  return name !== "" && isHostName(name) && !isIPv4(name);
}

/** What the sender is told, unless the fault passes. */
function none(fault: NoMailHosts, domain: string, ttl: number): MailHosts {
  return { fault, reply: reply(fault, domain), ttl };
}

function reply(fault: NoMailHosts, domain: string): Reply<"defer" | "reject"> {
  switch (fault) {
    case "null-mx":
      return reject("5.1.10", `${domain} takes no mail (null MX)`, { code: 556 }); //                   RFC 7505 4.1
    case "no-domain":
      return reject("5.1.2", `The domain ${domain} does not exist`);
    case "no-host":
      return reject("5.4.4", `The domain ${domain} has no host that takes mail`); //                    RFC 3463 3.5
    case "loop":
      return reject("5.4.6", `Mail for ${domain} would come back here: this host is its best`, { code: 554 });
    case "name-service":
      return defer("4.4.3", `Name service failed for ${domain}`);
  }
}
