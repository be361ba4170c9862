/**
 * What a day was like, as values: gathered from the ledger, the queue and what observers were told, and what of it wants
 * a person. Non-job: words (letter.ts), when it is sent (summary.ts).
 */
import type { Ledger, PluginCount, RatePoint } from "../ledger/ledger.ts";
import type { QuarantineTotal, QueueTotals, Store } from "../store/store.ts";

/** Where it is gathered. */
export interface DayHouse {
  readonly store: Pick<Store, "totals" | "oldest" | "quarantine" | "health">;
  /** Null: nobody keeps one. */
  readonly ledger: Ledger | null;
  /** Destinations with mail in memory, and those that are left alone for a while. */
  destinations(): readonly {
    readonly destination: string;
    readonly waiting: number;
    readonly closedUntil: number | null;
    readonly reason: string | null;
  }[];
  certificates(): readonly { readonly path: string; readonly names: readonly string[]; readonly notAfter: number }[];
  /** What `postern check` says of the configuration. */
  readonly warnings: readonly string[];
  /** Octets that stay free, and octets of the quarantine. */
  readonly limits: { readonly diskReserve: number; readonly quarantine: number };
}

/** Sums of some steps. */
export type Traffic = Readonly<
  Record<
    "sessions" | "accepted" | "held" | "refused" | "deferred" | "octets" | "delivered" | "postponed" | "bounced",
    number
  >
>;
/** Something that was said, and how often. */
export interface Said {
  readonly words: string;
  readonly times: number;
}
export interface Day {
  readonly from: number;
  readonly until: number;
  /** Null without a ledger. */
  readonly traffic: { readonly now: Traffic; readonly before: Traffic } | null;
  readonly plugins: readonly PluginCount[];
  /** Why mail was refused, most often first; of the newest 500 refusals. */
  readonly refusals: readonly Said[];
  readonly queue: QueueTotals;
  /** Age of the oldest message that is not delivered, milliseconds. */
  readonly oldest: number | null;
  readonly quarantine: QuarantineTotal;
  readonly destinations: ReturnType<DayHouse["destinations"]>;
  readonly certificates: ReturnType<DayHouse["certificates"]>;
  readonly freeBytes: number;
  readonly alerts: readonly Said[];
  readonly troubles: readonly Said[];
  readonly warnings: readonly string[];
  /** What wants a person, a sentence each; empty: nothing. */
  readonly findings: readonly string[];
}

const DAY = 86_400_000, HOUR = 3_600_000;
/** The queue is no cause for concern before; a certificate is renewed when there are so many days left. */
const LONG = 4 * HOUR, SOON = 14 * DAY;
const MOST = 10;

export async function gather(
  house: DayHouse,
  { until, alerts, troubles }: {
    readonly until: number;
    readonly alerts: readonly Said[];
    readonly troubles: readonly Said[];
  },
): Promise<Day> {
  const { store, ledger } = house, from = until - DAY;
  const [queue, received, quarantine] = await Promise.all([store.totals({}), store.oldest(), store.quarantine.total()]);
  const rates = await ledger?.rates({ since: from - DAY, until, step: HOUR }) ?? null;
  const refused = await ledger?.search({ verdict: "refused", since: from, until, limit: 500 });
  const day = {
    from,
    until,
    traffic: rates &&
      { now: sum(rates.filter(({ at }) => at >= from)), before: sum(rates.filter(({ at }) => at < from)) },
    plugins: await ledger?.plugins(from) ?? [],
    refusals: mostSaid(
      refused?.entries.map(({ plugin, reply, reason }) => `${plugin ?? "core"}: ${reason || reply}`) ?? [],
    ),
    queue,
    oldest: received === null ? null : Math.max(0, until - received),
    quarantine,
    destinations: house.destinations().filter(({ waiting, closedUntil }) => waiting > 0 || closedUntil !== null)
      .toSorted((a, b) => b.waiting - a.waiting).slice(0, MOST),
    certificates: house.certificates(),
    freeBytes: store.health().freeBytes,
    alerts,
    troubles,
    warnings: house.warnings,
  };
  return { ...day, findings: findingsOf(day, house.limits) };
}

function findingsOf(day: Omit<Day, "findings">, limits: DayHouse["limits"]): string[] {
  const found: string[] = [];
  if (day.oldest !== null && day.oldest > LONG) {
    found.push(
      `Mail has waited for ${
        Math.floor(day.oldest / HOUR)
      } hours: see what for with "postern queue list", or on the page Queue.`,
    );
  }
  for (const { path, notAfter } of day.certificates) {
    const left = Math.floor((notAfter - day.until) / DAY);
    if (left < 0) found.push(`The certificate ${path} has ended: clients that check it do not send any more.`);
    else if (notAfter - day.until < SOON) {
      found.push(`The certificate ${path} ends in ${left} days: renew it, the new file is taken up by itself.`);
    }
  }
  if (day.freeBytes > 0 && day.freeBytes < 2 * limits.diskReserve) {
    found.push("The disk is almost full: soon mail is refused with 452.");
  }
  if (day.quarantine.octets > limits.quarantine * 0.8) {
    found.push("The quarantine is almost full: what is to be held is refused with 452 then.");
  }
  const broken = day.plugins.filter(({ errors }) => errors > 0);
  if (broken.length > 0) {
    found.push(
      `Plugins threw, were late or broke a rule: ${broken.map(({ plugin }) => plugin).join(", ")}; see the log.`,
    );
  }
  if (day.alerts.length > 0) found.push("There were alerts.");
  if (day.troubles.length > 0) found.push("Things were wrong with the server.");
  return found;
}

/** The words that were said most often, with how often. */
export function mostSaid(all: readonly string[]): readonly Said[] {
  const times = new Map<string, number>();
  for (const words of all) times.set(words, (times.get(words) ?? 0) + 1);
  return [...times].map(([words, times]) => ({ words, times })).toSorted((a, b) => b.times - a.times).slice(0, MOST);
}

function sum(points: readonly RatePoint[]): Traffic {
  const all = {
    sessions: 0,
    accepted: 0,
    held: 0,
    refused: 0,
    deferred: 0,
    octets: 0,
    delivered: 0,
    postponed: 0,
    bounced: 0,
  };
  for (const point of points) for (const name of Object.keys(all) as (keyof Traffic)[]) all[name] += point[name];
  return all;
}
