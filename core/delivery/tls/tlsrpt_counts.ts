/**
 * Counts sessions per day, domain and policy for those domains that want to know (RFC 8460 4), in bounded space, kept in
 * the counters so that a restart loses a few seconds of them. Each process writes what it counted under a name of its own,
 * so that nodes take nothing from each other; one report is made of all of it. Says once a day which reports are due.
 * Non-job: writing a report (tlsrpt_report.ts), sending it.
 */
import { DnsError, type Resolver } from "../../dns/resolver.ts";
import type { Counters } from "../../store/store.ts";
import type { ReportedPolicy } from "./policy.ts";
import {
  type DayCounts,
  dayOf,
  type FailureDetail,
  type PolicyCounts,
  readTlsrptTargets,
  type TlsrptTarget,
  type TlsSession,
} from "./tlsrpt.ts";

export interface TlsrptCountsOptions {
  readonly dns: Pick<Resolver, "txt">;
  readonly counters: Counters;
  /** Milliseconds since 1970. */
  now(): number;
  /** Domains in memory (default 10,000). */
  readonly limit?: number;
}

interface Entry {
  readonly counts: DayCounts;
  /** When it was written last, and whether something came since. */
  saved: number;
  dirty: boolean;
}

const DAY = 86_400_000, HOUR = 3_600_000;
/** Reports can be sent for so long. */
const KEPT_SECONDS = 3 * 86_400;
/** A crash loses at most so many milliseconds of counting. */
const SAVE_EVERY = 5000;
/** Seconds that who sends a report has for it, before another node may. */
const TURN = 3000;
/** Processes whose counts of a day go into a report: more were not started in a day. */
const MOST_WRITERS = 200;
const MOST_DOMAINS = 50_000, MOST_POLICIES = 8, MOST_DETAILS = 64, LONGEST_TEXT = 200;

export class TlsrptCounts {
  readonly #options: TlsrptCountsOptions;
  readonly #limit: number;
  /** Of this process. */
  readonly #writer = crypto.randomUUID().slice(0, 8);
  #day = "";
  /** Of `#day`. Null: no report is wanted, and that will do until tomorrow. */
  #entries = new Map<string, Promise<Entry | null>>();

  constructor(options: TlsrptCountsOptions) {
    this.#options = options;
    this.#limit = options.limit ?? 10_000;
  }

  /** Never rejects: nobody's mail waits for statistics. */
  async count(session: TlsSession): Promise<void> {
    try {
      const now = this.#options.now(), day = dayOf(now), { domain } = session.reported;
      if (day !== this.#day) {
        const old = this.#entries;
        this.#day = day;
        this.#entries = new Map();
        await this.#saveAll(old);
      }
      const entries = this.#entries;
      let opening = entries.get(domain);
      if (opening === undefined) {
        entries.set(domain, opening = this.#open(day, domain));
        opening.catch(() => entries.delete(domain)); // asked again at the next session
        if (entries.size > this.#limit) this.#evict(entries);
      }
      const entry = await opening;
      if (entry === null) return;
      add(entry.counts, session);
      entry.dirty = true;
      if (Math.abs(now - entry.saved) >= SAVE_EVERY) await this.#save(entry);
    } catch { /* the store or DNS is out of order, and says so where it matters */ }
  }

  /** Writes what was counted: at the end of the process, and once in a while. */
  save(): Promise<void> {
    return this.#saveAll(this.#entries);
  }

  /**
   * The reports that should go now: of whole days, each domain at its own moment of the first four hours after the day
   * (RFC 8460 4.1: not all senders at once). Say `sent` for each, else it comes again for two days.
   */
  async *due(): AsyncGenerator<DayCounts> {
    await this.save();
    const { counters, now } = this.#options;
    for (const back of [2, 1]) {
      const day = dayOf(now() - back * DAY);
      const domains = Number(await counters.get(`tls:rpt:${day}`) ?? 0);
      for (let place = 1; place <= domains; place++) {
        const domain = await counters.get(`tls:rpt:${day}:${place}`);
        if (domain === undefined || now() < Date.parse(day) + DAY + delayOf(domain)) continue;
        const targets = targetsIn(await counters.get(`tls:rpt:${day}:to:${domain}`));
        if (targets !== null) yield { day, domain, targets, policies: await this.#all(day, domain) };
      }
    }
  }

  /** Whether the report is this node's to send now. Of all that ask one has it, until `release`, or for an hour. */
  async claim(counts: DayCounts): Promise<boolean> {
    const name = turnOf(counts), { counters } = this.#options;
    if (await counters.add(name, 1, { seconds: TURN }) === 1) return true;
    await counters.add(name, -1, { seconds: TURN });
    return false;
  }
  /** It was not sent, or not to all: whoever looks next may try. */
  async release(counts: DayCounts): Promise<void> {
    await this.#options.counters.add(turnOf(counts), -1, { seconds: TURN });
  }

  /** It is on its way, or nobody can be sent it: it is not due again, but for the targets that are `left`. */
  async sent({ day, domain }: DayCounts, left: readonly TlsrptTarget[] = []): Promise<void> {
    const value = left.length === 0 ? "" : JSON.stringify(left);
    await this.#options.counters.put(`tls:rpt:${day}:to:${domain}`, value, { seconds: KEPT_SECONDS, durable: true });
  }

  /** What all processes counted. */
  async #all(day: string, domain: string): Promise<PolicyCounts[]> {
    const all: DayCounts = { day, domain, targets: [], policies: [] };
    const entries = await this.#options.counters.list({ prefix: `${nameOf(day, domain)}:`, limit: MOST_WRITERS });
    for (const { value } of entries) for (const each of read(value)) merge(all, each);
    return all.policies;
  }

  async #open(day: string, domain: string): Promise<Entry | null> {
    const { counters, now } = this.#options, options = { seconds: KEPT_SECONDS };
    const [own, to] = await Promise.all([
      counters.get(`${nameOf(day, domain)}:${this.#writer}`),
      counters.get(`tls:rpt:${day}:to:${domain}`),
    ]);
    if (to !== undefined) {
      const targets = targetsIn(to), policies = own === undefined ? [] : read(own);
      return targets && { counts: { day, domain, targets, policies }, saved: now(), dirty: false };
    }
    const targets = await this.#targets(domain);
    if (targets.length === 0) return null;
    if (await counters.add(`tls:rpt:${day}:known:${domain}`, 1, options) === 1) { // of several nodes one gives it a place
      const place = await counters.add(`tls:rpt:${day}`, 1, options);
      if (place > MOST_DOMAINS) return null;
      await counters.put(`tls:rpt:${day}:${place}`, domain, options);
    } else if (Number(await counters.get(`tls:rpt:${day}`) ?? 0) > MOST_DOMAINS) return null;
    await counters.put(`tls:rpt:${day}:to:${domain}`, JSON.stringify(targets), options);
    return { counts: { day, domain, targets, policies: [] }, saved: -Infinity, dirty: true };
  }

  /** Empty: no report is wanted. */
  async #targets(domain: string): Promise<readonly TlsrptTarget[]> {
    try {
      return readTlsrptTargets(await this.#options.dns.txt(`_smtp._tls.${domain}`));
    } catch (error) {
      if (error instanceof DnsError && !error.temporary) return [];
      throw error;
    }
  }

  async #saveAll(entries: ReadonlyMap<string, Promise<Entry | null>>): Promise<void> {
    for (const opening of entries.values()) {
      const entry = await opening.catch(() => null);
      if (entry?.dirty === true) await this.#save(entry).catch(() => {});
    }
  }

  #save(entry: Entry): Promise<void> {
    entry.dirty = false;
    entry.saved = this.#options.now();
    const { counts: { day, domain, policies } } = entry;
    const name = `${nameOf(day, domain)}:${this.#writer}`;
    return this.#options.counters.put(name, JSON.stringify(policies), { seconds: KEPT_SECONDS });
  }

  /** The oldest goes; what it counted is read back when its domain comes again. */
  #evict(entries: Map<string, Promise<Entry | null>>): void {
    const [domain, opening] = entries.entries().next().value!;
    entries.delete(domain);
    void this.#saveAll(new Map([[domain, opening]]));
  }
}

function add(counts: DayCounts, { reported, failure, host, receivingIp, sendingIp }: TlsSession): void {
  const found = policyOf(counts, reported);
  if (failure === null) return void found.successes++;
  found.failures++;
  const text = failure.text.slice(0, LONGEST_TEXT), { type } = failure;
  addDetail(found, { type, host, receivingIp, sendingIp, text, sessions: 1 });
}

function addDetail({ details }: PolicyCounts, detail: FailureDetail): void {
  const { type, host, receivingIp, sendingIp, sessions } = detail;
  const same = details.find((each) =>
    each.type === type && each.host === host && each.receivingIp === receivingIp && each.sendingIp === sendingIp
  );
  if (same !== undefined) same.sessions += sessions;
  else if (details.length < MOST_DETAILS) details.push({ ...detail });
}

/** What another process counted beside what is there. */
function merge(counts: DayCounts, { policy, successes, failures, details }: PolicyCounts): void {
  const found = policyOf(counts, policy);
  found.successes += successes;
  found.failures += failures;
  for (const each of details) addDetail(found, each);
}

function policyOf({ policies }: DayCounts, policy: ReportedPolicy): PolicyCounts {
  const wanted = policy.text.join("\n");
  const found = policies.find((each) => each.policy.type === policy.type && each.policy.text.join("\n") === wanted);
  if (found !== undefined) return found;
  const made = { policy, successes: 0, failures: 0, details: [] };
  if (policies.length < MOST_POLICIES) policies.push(made);
  else return policies.at(-1)!; // who changes his policy ten times a day has them counted together
  return made;
}

/** The same at each start, and another for each domain (FNV-1a). */
function delayOf(domain: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < domain.length; at++) hash = Math.imul(hash ^ domain.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % (4 * HOUR);
}

function nameOf(day: string, domain: string): string {
  return `tls:rpt:${day}:of:${domain}`;
}

function turnOf({ day, domain }: DayCounts): string {
  return `tls:rpt:${day}:turn:${domain}`;
}

function read(value: string): PolicyCounts[] {
  return listIn(value) as PolicyCounts[] | null ?? [];
}
/** Null: nothing was counted, or the report is sent. */
function targetsIn(value: string | undefined): readonly TlsrptTarget[] | null {
  return listIn(value) as TlsrptTarget[] | null;
}
function listIn(value: string | undefined): unknown[] | null {
  if (value === undefined || value === "") return null;
  try {
    const list = JSON.parse(value) as unknown;
    return Array.isArray(list) ? list : null;
  } catch {
    return null;
  }
}
