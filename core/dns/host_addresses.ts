/**
 * The addresses of one host: A and AAAA at once, as one answer (RFC 5321 5.1). And in which order to try them: the families
 * take turns, so that one of them being broken costs one step (RFC 8305 4).
 * Non-job: which hosts (mail_hosts.ts), connecting (race_connect.ts).
 */
import { canonicalIp, isIPv4 } from "../model/ip.ts";
import type { DnsFault, LookupOptions, Resolver } from "./resolver.ts";

/** A host that has addresses. */
export interface HostAddresses {
  /** As it was asked for: what a certificate must name. An address literal keeps its brackets. */
  readonly host: string;
  /** At the end of its CNAMEs. */
  readonly name: string;
  /** Canonical, each once. */
  readonly addresses: readonly string[];
  /** A validating resolver vouches for every one of them, and for the CNAMEs on the way. */
  readonly authentic: boolean;
  /** Seconds. */
  readonly ttl: number;
  readonly fault?: undefined;
}
/** Why there are none. */
export interface NoAddresses {
  readonly fault: DnsFault;
  readonly ttl: number;
}

const MAX_PER_FAMILY = 16; // nobody tries more of them in one attempt

/** Never rejects. One family failing does not hide what the other has. */
export async function hostAddresses(
  host: string,
  dns: Pick<Resolver, "lookup">,
  options?: LookupOptions,
): Promise<HostAddresses | NoAddresses> {
  const [six, four] = await Promise.all([dns.lookup(host, "AAAA", options), dns.lookup(host, "A", options)]);
  const addresses = new Set<string>();
  for (const { records = [] } of [six, four]) {
    for (const record of records.slice(0, MAX_PER_FAMILY)) {
      const address = canonicalIp(record); // ::ffff:127.0.0.1 is 127.0.0.1, and goes where that goes
      if (address !== null && isUnicast(address)) addresses.add(address);
    }
  }
  const found = [six, four].filter((each) => each.records !== undefined);
  if (addresses.size > 0) {
    return {
      host,
      name: found[0]!.name,
      addresses: [...addresses],
      authentic: found.every((each) => each.authentic),
      ttl: Math.min(...found.map((each) => each.ttl)),
    };
  }
  // Nobody knows, as long as one of the two does not
  const faults = [six.fault, four.fault];
  const fault = (["servfail", "timeout", "nxdomain"] as const).find((each) => faults.includes(each)) ?? "nodata";
  return { fault, ttl: Math.min(six.ttl, four.ttl) };
}

/** Mail goes to one host: multicast, reserved and broadcast addresses are none. */
function isUnicast(ip: string): boolean {
  return isIPv4(ip) ? Number(ip.slice(0, ip.indexOf("."))) < 224 : !/^ff..:/.test(ip); // 224.0.0.0/3, ff00::/8
}

/** IPv4 or IPv6. */
export type Family = 4 | 6;

/** The family of an address in canonical form. */
export function familyOf(ip: string): Family {
  return ip.includes(":") ? 6 : 4;
}

export interface OrderOptions {
  /** The family that begins (default 6, RFC 8305 4). */
  readonly prefer?: Family;
  /** From 0 up to and without 1. Spreads the load within a family; the order of the answer counts without it. */
  readonly random?: () => number;
}

/** Both families in turns; what one has more of comes last. */
export function orderAddresses(addresses: readonly string[], options: OrderOptions = {}): string[] {
  const { prefer = 6, random } = options;
  const first = addresses.filter((each) => familyOf(each) === prefer);
  const second = addresses.filter((each) => familyOf(each) !== prefer);
  if (random !== undefined) {
    shuffle(first, random);
    shuffle(second, random);
  }
  const turns: string[] = [];
  for (let i = 0; i < first.length || i < second.length; i++) {
    if (i < first.length) turns.push(first[i]!);
    if (i < second.length) turns.push(second[i]!);
  }
  return turns;
}

/** In place; every order is as likely as any other. */
export function shuffle<T>(list: T[], random: () => number): void {
  for (let end = list.length - 1; end > 0; end--) {
    const other = Math.floor(random() * (end + 1));
    [list[end], list[other]] = [list[other]!, list[end]!];
  }
}
