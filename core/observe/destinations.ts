/**
 * How deliveries to each domain fare: counts of the last hour and day, what was heard last, how long mail takes. It is an
 * observer that keeps some thousand domains in memory, the ones least lately tried go first; a restart begins anew.
 * Non-job: what waits (the store), what rests and why (core/delivery).
 */
import type { Bounced, Deferred, Delivered, Event, Observer } from "./events.ts";

/** Recipients by what attempts brought them. */
export interface Outcomes {
  readonly delivered: number;
  readonly deferred: number;
  readonly bounced: number;
}
/** A recipients' domain. */
export interface DomainHealth {
  readonly domain: string;
  /** Of the last 45 to 60 minutes. */
  readonly hour: Outcomes;
  /** Of the last 24 hours, or since the start. */
  readonly day: Outcomes;
  /** The last attempt. */
  readonly last: LastAttempt;
  /** Half of the last deliveries took no longer from the last octet on, milliseconds; null: there was none in a day. */
  readonly delay: number | null;
}
export interface LastAttempt {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly outcome: "delivered" | "deferred" | "bounced";
  /** In one line: the remote's words, or a reason of our own. */
  readonly reply: string;
  /** Who was asked; null when nobody was. */
  readonly relay: string | null;
  /** `TLSv1.3 verified`, or null in clear. */
  readonly tls: string | null;
}

const QUARTER = 15 * 60_000, HOUR = 4, DAY = 96; // in quarters of an hour
const KINDS = ["delivered", "deferred", "bounced"] as const;
const DELAYS = 32;
const LONGEST_REPLY = 500;

class Domain {
  readonly #counts = new Uint32Array(DAY * KINDS.length);
  readonly #delays: { readonly at: number; readonly delay: number }[] = [];
  #newest = -Infinity;
  last!: LastAttempt;

  add(event: Delivered | Deferred | Bounced, now: number): void {
    const quarter = Math.floor(now / QUARTER);
    this.#forget(quarter);
    this.#counts[placeOf(quarter) + KINDS.indexOf(event.type)]!++;
    const { type: outcome, reply, relay, tls } = event;
    this.last = { at: now, outcome, reply: reply.slice(0, LONGEST_REPLY), relay, tls };
    if (outcome !== "delivered") return;
    this.#delays.push({ at: now, delay: event.delay });
    if (this.#delays.length > DELAYS) this.#delays.shift();
  }

  health(domain: string, now: number): DomainHealth {
    const quarter = Math.floor(now / QUARTER), { last } = this;
    this.#forget(quarter);
    const recent = this.#delays.filter(({ at }) => now - at < DAY * QUARTER).map(({ delay }) => delay)
      .sort((a, b) => a - b);
    const delay = recent[recent.length >> 1] ?? null;
    return { domain, hour: this.#sum(quarter, HOUR), day: this.#sum(quarter, DAY), last, delay };
  }

  /** Clears the quarters that went by without an event. A clock that was set back counts on in the newest. */
  #forget(quarter: number): void {
    for (let at = Math.max(this.#newest + 1, quarter - DAY + 1); at <= quarter; at++) {
      this.#counts.fill(0, placeOf(at), placeOf(at) + KINDS.length);
    }
    this.#newest = Math.max(this.#newest, quarter);
  }

  #sum(quarter: number, quarters: number): Outcomes {
    const sums = KINDS.map((_, kind) => {
      let sum = 0;
      for (let back = 0; back < quarters; back++) sum += this.#counts[placeOf(quarter - back) + kind]!;
      return sum;
    });
    return { delivered: sums[0]!, deferred: sums[1]!, bounced: sums[2]! };
  }
}

function placeOf(quarter: number): number {
  return (((quarter % DAY) + DAY) % DAY) * KINDS.length;
}

export class Destinations {
  readonly #domains = new Map<string, Domain>();
  readonly #now: () => number;
  readonly #most: number;

  /** `most`: domains in memory, some 2 KiB each (default 1000). */
  constructor({ now = Date.now, most = 1000 }: { now?(): number; readonly most?: number } = {}) {
    this.#now = now;
    this.#most = most;
  }

  /** Subscribe it to the bus. */
  readonly observe: Observer = (event: Event) => {
    if (event.type !== "delivered" && event.type !== "deferred" && event.type !== "bounced") return;
    const name = event.recipient.slice(event.recipient.lastIndexOf("@") + 1).toLowerCase();
    const domain = this.#domains.get(name) ?? new Domain();
    this.#domains.delete(name); // to the young end
    this.#domains.set(name, domain);
    domain.add(event, this.#now());
    if (this.#domains.size > this.#most) this.#domains.delete(this.#domains.keys().next().value!);
  };

  /** Null when nothing was tried there since the start, or too long ago. */
  get(domain: string): DomainHealth | null {
    return this.#domains.get(domain)?.health(domain, this.#now()) ?? null;
  }

  /** The one that was tried last comes first. */
  list(): readonly DomainHealth[] {
    return [...this.#domains].reverse().map(([name, domain]) => domain.health(name, this.#now()));
  }
}
