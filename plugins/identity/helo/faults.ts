/**
 * What is odd about a HELO name: by itself (RFC 5321 4.1.1.1, 4.1.3), and by what name service says of it (2.3.5, 4.1.4).
 * Pure but for the questions. Non-job: what is done about it (mod.ts).
 */
import {
  canonicalDomain,
  canonicalIp,
  DnsError,
  DomainSet,
  type Host,
  isIPv4,
  isIPv6,
  type Resolver,
} from "../../../core/pipeline/mod.ts";
import type { HeloFault } from "./key.ts";

/** What a host calls itself among its own processes, and nowhere else (RFC 6761 6.3). */
const LOCAL = new Set(["localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6"]);

/** Odd by itself, or not; then `domain` is what name service may be asked about, null for the client's own address. */
export type FirstLook = { readonly fault: HeloFault } | { readonly fault: null; readonly domain: string | null };

/** What the name says without a question. */
export function firstLook(name: string, { ip, host }: { readonly ip: string; readonly host: Host }): FirstLook {
  if (name.startsWith("[") && name.endsWith("]")) {
    const inside = name.slice(1, -1), six = /^ipv6:/i.test(inside);
    const address = six ? inside.slice(5) : inside;
    if (six ? !isIPv6(address) : !isIPv4(address)) return { fault: "invalid" };
    return canonicalIp(address) === ip ? { fault: null, domain: null } : { fault: "literal" };
  }
  if (isIPv4(name) || isIPv6(name)) return { fault: "ip" };
  const domain = canonicalDomain(name.endsWith(".") ? name.slice(0, -1) : name);
  if (domain === null || /^[0-9.]+$/.test(domain)) return { fault: "invalid" };
  if (LOCAL.has(domain) || domain === canonicalDomain(host.name) || ours(host.domains).has(domain)) {
    return { fault: "own" };
  }
  return domain.includes(".") ? { fault: null, domain } : { fault: "dot" };
}

/** The domains that are named: a server for every domain there is (`*`) is not impersonated by all of them. */
function ours(domains: readonly string[]): DomainSet {
  let set = named.get(domains);
  if (set === undefined) named.set(domains, set = new DomainSet(domains.filter((each) => each !== "*")));
  return set;
}
const named = new WeakMap<readonly string[], DomainSet>();

/** Whether the name has addresses or mail hosts, and the client's address among them. Null: nobody knows. */
export async function resolve(
  name: string,
  { ip, dns, signal }: { readonly ip: string; readonly dns: Resolver; readonly signal: AbortSignal },
): Promise<{ readonly resolves: boolean | null; readonly confirmed: boolean | null }> {
  const [four, six, mx] = await Promise.all([
    answered(dns.a(name, { signal })),
    answered(dns.aaaa(name, { signal })),
    answered(dns.mx(name, { signal })),
  ]);
  const addresses = [...four ?? [], ...six ?? []];
  const unknown = (isIPv4(ip) ? four : six) === null;
  const confirmed = addresses.some((each) => canonicalIp(each) === ip) ? true : unknown ? null : false;
  const some = addresses.length > 0 || (mx?.length ?? 0) > 0;
  return { resolves: some || (four === null || six === null || mx === null ? null : false), confirmed };
}

/** Null: name service failed. */
async function answered<T>(question: Promise<readonly T[]>): Promise<readonly T[] | null> {
  try {
    return await question;
  } catch (error) {
    if (!(error instanceof DnsError)) throw error;
    return error.temporary ? null : [];
  }
}
