/**
 * Whether an address of ours has a name that points back to it (RFC 1912 2.1, RFC 8499 "forward-confirmed"): large sites
 * refuse IPv6 without one, and then IPv4 is the better family to begin with. Non-job: judging peers by theirs.
 */
import { canonicalIp } from "../model/ip.ts";
import { hostAddresses } from "./host_addresses.ts";
import { canonicalName, reverseName } from "./name.ts";
import type { LookupOptions, Resolver } from "./resolver.ts";

const MAX_NAMES = 10; // RFC 7208 4.6.4 looks at no more either

/** True or false; null when name service failed and nobody knows. Never rejects. */
export async function hasReverse(
  ip: string,
  dns: Pick<Resolver, "lookup">,
  options?: LookupOptions,
): Promise<boolean | null> {
  const address = canonicalIp(ip), reverse = reverseName(ip);
  if (address === null || reverse === null) return false;
  const pointers = await dns.lookup(reverse, "PTR", options);
  if (pointers.fault !== undefined) return pointers.fault === "nxdomain" || pointers.fault === "nodata" ? false : null;
  const names = pointers.records.slice(0, MAX_NAMES).filter((name) => canonicalName(name) !== null);
  const hosts = await Promise.all(names.map((name) => hostAddresses(name, dns, options)));
  if (hosts.some((host) => host.fault === undefined && host.addresses.includes(address))) return true;
  return hosts.some(({ fault }) => fault === "servfail" || fault === "timeout") ? null : false;
}
