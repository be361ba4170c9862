/**
 * Which record speaks for a domain, and whose organization it belongs to, found by a walk up the name space
 * (RFC 9989 4.10). At most eight questions a walk, and none twice within one message. Rejects with a DnsError where name
 * service failed: nobody knows then. Non-job: what a record says (record.ts), alignment (evaluate.ts).
 */
import { DnsError, type Resolver } from "../../../core/pipeline/mod.ts";
import { type DmarcRecord, isDmarcRecord, parseRecord } from "./record.ts";

/** A record and the domain that it was found at. */
export interface Published {
  readonly domain: string;
  readonly record: DmarcRecord;
}

/** RFC 9989 4.10, step 4: names of more labels are cut, so that no walk asks more than eight times. */
const MAX_LABELS = 7;
/** DNS's own limit of a name without its last dot. */
const MAX_NAME = 253;

/** The walks of one message, which share what they learned. */
export class TreeWalk {
  readonly #records = new Map<string, Promise<DmarcRecord | null>>();
  readonly #walks = new Map<string, Promise<readonly Published[]>>();

  constructor(readonly dns: Pick<Resolver, "txt">, readonly signal: AbortSignal) {}

  /** The record at that very domain; null when there is none, or several (RFC 9989 4.10, step 2). */
  record(domain: string): Promise<DmarcRecord | null> {
    let found = this.#records.get(domain);
    if (found === undefined) this.#records.set(domain, found = this.#ask(domain));
    return found;
  }

  /** What speaks for the author's domain (RFC 9989 4.10.1): its own record, its organization's, its public suffix's. */
  async policy(domain: string): Promise<Published | null> {
    const own = await this.record(domain);
    if (own !== null) return { domain, record: own };
    const found = await this.#walk(domain);
    const organization = organizationIn(domain, found);
    return found.find((each) => each.domain === organization) ?? found.find(({ record }) => record.psd === "y") ?? null;
  }

  /** The organizational domain (RFC 9989 4.10.2); the domain itself where nothing says otherwise. */
  async organization(domain: string): Promise<string> {
    return organizationIn(domain, await this.#walk(domain));
  }

  #walk(domain: string): Promise<readonly Published[]> {
    let walk = this.#walks.get(domain);
    if (walk === undefined) this.#walks.set(domain, walk = this.#climb(domain));
    return walk;
  }

  /** Every record on the way up, the longest name first. */
  async #climb(domain: string): Promise<readonly Published[]> {
    const found: Published[] = [];
    for (const name of namesAbove(domain)) {
      const record = await this.record(name);
      if (record === null) continue;
      found.push({ domain: name, record });
      if (record.psd !== "u") break; // steps 2 and 6
    }
    return found;
  }

  async #ask(domain: string): Promise<DmarcRecord | null> {
    const name = `_dmarc.${domain}`;
    if (name.length > MAX_NAME) return null; // nothing can be published there
    try {
      const records = (await this.dns.txt(name, { signal: this.signal })).filter(isDmarcRecord);
      return records.length === 1 ? parseRecord(records[0]!) : null;
    } catch (error) {
      if (error instanceof DnsError && !error.temporary) return null;
      throw error;
    }
  }
}

/** The names that a walk asks about, the domain itself first. */
export function namesAbove(domain: string): string[] {
  const labels = domain.split("."), names = [domain];
  for (let count = Math.min(labels.length - 1, MAX_LABELS); count > 0; count--) {
    names.push(labels.slice(-count).join("."));
  }
  return names;
}

/** Selects from the records of a walk that began at `domain`. */
function organizationIn(domain: string, found: readonly Published[]): string {
  for (const { domain: name, record } of found) {
    if (record.psd === "n") return name;
    if (record.psd === "y" && name !== domain) { // one label below, where another organization begins
      const below = domain.slice(0, -name.length - 1);
      return `${below.slice(below.lastIndexOf(".") + 1)}.${name}`;
    }
  }
  return found.at(-1)?.domain ?? domain;
}
