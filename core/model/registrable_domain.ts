/**
 * The part of a name that somebody registered, one label below a public suffix: what reputation and lists of hosts in
 * texts go by. Reads the Public Suffix List through tldts. Non-job: DMARC, which asks name service (RFC 9989 4.10).
 */
import { getDomain } from "tldts";
import { canonicalDomain } from "./domain.ts";

/**
 * With the list's private part: two customers of github.io are two parties, who must not share a reputation. Our names
 * are checked already: nothing of a URL is looked for in them.
 */
const READING = { allowPrivateDomains: true, extractHostname: false, detectIp: false, validateHostname: false };

/**
 * The registrable domain of a name, in lower case and A-labels; null for a public suffix itself, an IP address and what
 * is no domain name. A dot at the end is the root's and is left out.
 *
 * @example
 * ```ts
 * import { registrableDomain } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(registrableDomain("www.shop.Example.CO.UK"), "example.co.uk");
 * assertEquals(registrableDomain("ann.github.io"), "ann.github.io");
 * assertEquals(registrableDomain("co.uk"), null);
 * ```
 */
export function registrableDomain(name: string): string | null {
  const domain = canonicalDomain(name.endsWith(".") ? name.slice(0, -1) : name);
  if (domain === null || /(?:^|\.)\d+$/.test(domain)) return null; // a top label of digits is an address's end
  return getDomain(domain, READING);
}
