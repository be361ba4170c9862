/**
 * The name of a client as engines want to be told it: one that its address has and that points back. From the plugin
 * `fcrdns` where it has been asked, else from name service. Non-job: judging a client by it.
 */
import { canonicalDomain, type DataContext, isIPv4, isLoopback } from "../../core/pipeline/mod.ts";
import { FCRDNS } from "../identity/fcrdns/key.ts";

const MAX_NAMES = 3;

/** Lower case; null when there is none, or nobody could say. */
export async function clientName(ctx: Pick<DataContext, "client" | "dns" | "signal" | "get">): Promise<string | null> {
  const { client: { ip }, dns, signal } = ctx;
  const known = ctx.get(FCRDNS);
  if (known !== undefined) return known.name;
  if (isLoopback(ip)) return null;
  try {
    for (const each of (await dns.ptr(ip, { signal })).slice(0, MAX_NAMES)) {
      const name = canonicalDomain(each);
      if (name === null) continue;
      const addresses = isIPv4(ip) ? dns.a(name, { signal }) : dns.aaaa(name, { signal });
      if ((await addresses.catch((): readonly string[] => [])).includes(ip)) return name;
    }
  } catch { /* name service says nothing about the mail */ }
  return null;
}
