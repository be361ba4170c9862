/**
 * Where an aggregate report may go: to the organization that asked for it, and to others only where they agree, by a
 * record of their own (RFC 9990 4). Without it anybody could have a stranger flooded. Non-job: sending.
 */
import { type Address, DnsError, type Resolver } from "../../../core/pipeline/mod.ts";
import { isDmarcRecord, parseRecord } from "./record.ts";
import { TreeWalk } from "./tree_walk.ts";

/** DNS's own limit of a name without its last dot. */
const MAX_NAME = 253;

/**
 * The addresses that the report about `domain` goes to, each once, in their order.
 *
 * @throws {DnsError} as a rejection, where name service failed: try again later (RFC 9990 4, step 5).
 */
export async function destinationsOf(
  domain: string,
  rua: readonly Address[],
  { dns, signal }: { readonly dns: Pick<Resolver, "txt">; readonly signal: AbortSignal },
): Promise<readonly Address[]> {
  const walk = new TreeWalk(dns, signal), found = new Map<string, Address>();
  const add = (address: Address) => found.set(`${address.local}@${address.domain}`, address);
  const organization = await walk.organization(domain);
  for (const address of rua) {
    const host = address.domain;
    if (host === domain || await walk.organization(host) === organization) add(address);
    else for (const each of await agreed(address, domain, { dns, signal })) add(each);
  }
  return [...found.values()];
}

/** What a stranger says of reports about `domain`: the address as it was asked for, others of the same host, or none. */
async function agreed(
  address: Address,
  domain: string,
  { dns, signal }: { readonly dns: Pick<Resolver, "txt">; readonly signal: AbortSignal },
): Promise<readonly Address[]> {
  const host = address.domain, name = `${domain}._report._dmarc.${host}`;
  if (name.length > MAX_NAME) return []; // step 4
  let records: readonly string[];
  try {
    records = (await dns.txt(name, { signal })).filter(isDmarcRecord);
  } catch (error) {
    if (error instanceof DnsError && !error.temporary) return []; // step 7
    throw error;
  }
  if (records.length === 0) return [];
  const instead = records.flatMap((record) => parseRecord(record).rua);
  if (instead.length === 0) return [address]; // step 8
  return instead.every((each) => each.domain === host) ? instead : []; // step 9: neither the one nor the other
}
