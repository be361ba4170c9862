/**
 * Whether an address has a name that points back to it (RFC 8601 3, iprev; RFC 1912 2.1). Both families, at most ten
 * names. Non-job: judging a client by it (mod.ts).
 */
import { canonicalDomain, canonicalIp, DnsError, isIPv4, type Resolver } from "../../../core/pipeline/mod.ts";
import type { FcrdnsFinding } from "./key.ts";

/** RFC 7208 4.6.4 looks at no more either. */
const MAX_NAMES = 10;

export interface ConfirmOptions {
  readonly dns: Pick<Resolver, "a" | "aaaa" | "ptr">;
  readonly signal: AbortSignal;
}

/** Never rejects for what name service does. */
export async function confirm(ip: string, { dns, signal }: ConfirmOptions): Promise<FcrdnsFinding> {
  const found = (result: FcrdnsFinding["result"], names: readonly string[] = [], name: string | null = null) => ({
    result,
    name,
    names,
  });
  let pointers: readonly string[];
  try {
    pointers = await dns.ptr(ip, { signal });
  } catch (error) {
    if (!(error instanceof DnsError)) throw error;
    return found(error.temporary ? "temperror" : "none");
  }
  const names = [...new Set(pointers)].slice(0, MAX_NAMES),
    usable = names.filter((name) => canonicalDomain(name) !== null);
  if (usable.length === 0) return found("permerror", names);
  const family = isIPv4(ip) ? "a" : "aaaa";
  const answers = await Promise.all(usable.map(async (name) => {
    try {
      const addresses = await dns[family](name, { signal });
      return addresses.some((each) => canonicalIp(each) === ip);
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      return error.temporary ? null : false;
    }
  }));
  const at = answers.indexOf(true);
  if (at >= 0) return found("pass", names, canonicalDomain(usable[at]!));
  return found(answers.includes(null) ? "temperror" : "fail", names);
}
