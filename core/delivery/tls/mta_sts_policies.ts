/**
 * The MTA-STS policies that we know (RFC 8461 3.3, 5.1): looked up, fetched, kept until they end, also across a restart
 * and while DNS or the policy host fail; fetched anew when their id changes and once a day before that.
 * Non-job: reading them (mta_sts.ts), obeying them (policy.ts).
 */
import { DnsError, type Resolver } from "../../dns/resolver.ts";
import type { Counters } from "../../store/store.ts";
import type { TlsFailure } from "./failure.ts";
import { formatStsPolicy, readStsId, readStsPolicy, type StsPolicy } from "./mta_sts.ts";
import { fetchStsPolicy, type HttpFetch, StsFetchError } from "./mta_sts_fetch.ts";

export interface StsPoliciesOptions {
  readonly dns: Pick<Resolver, "txt">;
  readonly fetch: HttpFetch;
  readonly counters: Pick<Counters, "get" | "put">;
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds for one fetch (default a minute). */
  readonly timeout?: number;
  /** Domains in memory (default 10,000); the others are read back from the counters. */
  readonly limit?: number;
}

/** What holds for a domain now. */
export interface StsState {
  /** Null when the domain has none; mode `none` is null too. */
  readonly policy: StsPolicy | null;
  /** Why the policy could not be had or renewed, for TLSRPT. A kept one may be in force all the same. */
  readonly failure: TlsFailure | null;
}

interface Known {
  readonly id: string;
  readonly policy: StsPolicy;
  readonly fetched: number;
}
interface Failed {
  readonly id: string;
  readonly at: number;
  readonly failure: TlsFailure;
}

const DAY = 86_400_000;
/** A policy host that failed is left alone for so long (RFC 8461 3.3). */
const RETRY = 5 * 60_000;
/** A shorter max_age than this cannot be kept: each delivery would fetch. */
const SHORTEST_AGE = 5 * 60;

export class StsPolicies {
  readonly #options: StsPoliciesOptions;
  readonly #limit: number;
  /** Null: the counters have none either. */
  readonly #known = new Map<string, Known | null>();
  readonly #failed = new Map<string, Failed>();
  /** Fetches under way, by domain: many deliveries wait for one. */
  readonly #fetching = new Map<string, Promise<void>>();

  constructor(options: StsPoliciesOptions) {
    this.#options = options;
    this.#limit = options.limit ?? 10_000;
  }

  /** Asked before each delivery to the domain (canonical); never rejects. */
  async of(domain: string): Promise<StsState> {
    const [known, id] = await Promise.all([this.#load(domain), this.#id(domain)]);
    if (id !== null) {
      if (known === null || known.id !== id) await this.#fetch(domain, id);
      else if (this.#isDue(known)) void this.#fetch(domain, id); // good until it ends: nobody waits
    }
    const policy = this.#live(domain)?.policy ?? null;
    const failure = id === null ? null : this.#failed.get(domain)?.failure ?? null;
    return { policy: policy?.mode === "none" ? null : policy, failure };
  }

  /**
   * Renews what is due of all that is in memory, one after the other. Once a day, so that a policy of a domain that gets
   * little mail does not end for somebody to take away the next one (RFC 8461 3.3, 10.2).
   */
  async refresh(): Promise<void> {
    for (const [domain, known] of [...this.#known]) {
      if (known === null || !this.#isDue(known)) continue;
      await this.of(domain);
      await this.#fetching.get(domain);
    }
  }

  /** Resolves when no fetch is under way: for the end of the process, and for tests. */
  async idle(): Promise<void> {
    while (this.#fetching.size > 0) await Promise.all(this.#fetching.values());
  }

  /** Null when there is no record, or none that can be used; or nobody knows, and then what we have counts. */
  async #id(domain: string): Promise<string | null> {
    try {
      return readStsId(await this.#options.dns.txt(`_mta-sts.${domain}`));
    } catch (error) {
      if (error instanceof DnsError) return null; // does not end a policy that is kept                  RFC 8461 3.1
      throw error;
    }
  }

  /** Renewed once a day, and in any case in the second half of its life (RFC 8461 3.3). */
  #isDue({ policy, fetched }: Known): boolean {
    return this.#since(fetched) >= Math.min(DAY, ageOf(policy) / 2);
  }

  #fetch(domain: string, id: string): Promise<void> {
    const failed = this.#failed.get(domain);
    // The domain may have mended it under a new id, but whoever changes it each time does not get a fetch each time
    if (failed !== undefined && this.#since(failed.at) < (failed.id === id ? RETRY : RETRY / 5)) {
      return Promise.resolve();
    }
    let fetching = this.#fetching.get(domain);
    if (fetching === undefined) {
      fetching = this.#fetchNow(domain, id).finally(() => this.#fetching.delete(domain));
      this.#fetching.set(domain, fetching);
    }
    return fetching;
  }

  async #fetchNow(domain: string, id: string): Promise<void> {
    const { now, fetch, timeout, counters } = this.#options;
    try {
      const policy = await fetchStsPolicy(domain, { fetch, ...timeout !== undefined && { timeout } });
      const known: Known = { id, policy, fetched: now() };
      this.#remember(domain, known);
      this.#failed.delete(domain);
      const value = JSON.stringify([id, known.fetched, formatStsPolicy(policy).join("\n")]);
      // Memory has it; what the store cannot keep now is fetched again after a restart
      await counters.put(nameOf(domain), value, { seconds: Math.ceil(ageOf(policy) / 1000) }).catch(() => {});
    } catch (error) {
      const type = error instanceof StsFetchError ? error.type : "sts-policy-fetch-error";
      this.#failed.delete(domain);
      this.#failed.set(domain, { id, at: now(), failure: { type, text: (error as Error).message } });
      if (this.#failed.size > this.#limit) this.#failed.delete(this.#failed.keys().next().value!);
    }
  }

  async #load(domain: string): Promise<Known | null> {
    if (!this.#known.has(domain)) {
      const value = await this.#options.counters.get(nameOf(domain)).catch(() => undefined);
      // A fetch may have ended meanwhile
      if (!this.#known.has(domain)) this.#remember(domain, value === undefined ? null : read(value));
    }
    return this.#live(domain);
  }

  /** The one in memory, until it ends. */
  #live(domain: string): Known | null {
    const known = this.#known.get(domain);
    if (known === undefined || known === null) return null;
    return this.#since(known.fetched) < ageOf(known.policy) ? known : null;
  }

  /** A clock that was set back keeps nothing longer than one that was set forward (case 74). */
  #since(moment: number): number {
    return Math.abs(this.#options.now() - moment);
  }

  #remember(domain: string, known: Known | null): void {
    this.#known.delete(domain);
    this.#known.set(domain, known);
    if (this.#known.size > this.#limit) this.#known.delete(this.#known.keys().next().value!);
  }
}

/** The policy of a domain that was fetched last and is kept, for people; nobody is asked. Null: there is none. */
export async function keptStsPolicy(counters: Pick<Counters, "get">, domain: string): Promise<StsPolicy | null> {
  const value = await counters.get(nameOf(domain));
  return value === undefined ? null : read(value)?.policy ?? null;
}

/** Milliseconds that it may be kept. */
function ageOf({ maxAge }: StsPolicy): number {
  return Math.max(maxAge, SHORTEST_AGE) * 1000;
}

function nameOf(domain: string): string {
  return `tls:sts:${domain}`;
}

/** What an older or newer version of us wrote may be anything: then it is fetched again. */
function read(value: string): Known | null {
  try {
    const [id, fetched, lines] = JSON.parse(value) as unknown[];
    if (typeof id !== "string" || typeof fetched !== "number" || typeof lines !== "string") return null;
    return { id, fetched, policy: readStsPolicy(lines) };
  } catch {
    return null;
  }
}
