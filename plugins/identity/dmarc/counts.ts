/**
 * What is remembered of the messages of a day for its reports: a counter for each row that a report will have, whose name
 * is the row; it needs no second write that could be lost, and threads add to it at once. Bounded: a domain has so many rows
 * a day, a site so many in all. Non-job: what a report looks like (report.ts), when it goes (reporter.ts).
 */
import {
  type Address,
  type Counters,
  formatAddress,
  parseAddress,
  registrableDomain,
} from "../../../core/pipeline/mod.ts";
import type { DmarcOverride, DmarcPolicy } from "./key.ts";
import type { PublishedPolicy, ReportRow } from "./report.ts";
import type { Published } from "./tree_walk.ts";

/** One message that was evaluated. */
export interface Counted {
  readonly ip: string;
  readonly disposition: DmarcPolicy | "pass";
  readonly dkim: boolean;
  readonly spf: boolean;
  readonly override: { readonly type: DmarcOverride; readonly comment: string } | null;
  readonly headerFrom: string;
  /** Empty for the null sender. */
  readonly envelopeFrom: string;
  readonly signatures: readonly { readonly domain: string; readonly selector: string; readonly result: string }[];
  readonly sender: { readonly domain: string; readonly result: string } | null;
}
/** A domain's day. */
export interface Day {
  /** As in 2026-01-31, UTC. */
  readonly day: string;
  readonly domain: string;
}
/** What there is to report. */
export interface DayCounts extends Day {
  readonly policy: PublishedPolicy;
  readonly rua: readonly Address[];
  readonly rows: readonly ReportRow[];
  /** Messages that found no room. */
  readonly left: number;
}

/** Rows of a domain a day, and of all domains. */
export const MAX_ROWS = 1_000, MAX_ROWS_OF_ALL = 20_000;
/** Policy domains below one that was registered: whoever has one has any number of names below it. */
export const MAX_DOMAINS = 50;
/** A report that cannot be made or sent is tried again until its day is so many seconds old. */
const KEEP = 4 * 86_400;
/** Signatures of a row (RFC 9990 3.1.3 allows 100), and characters of a name that a peer chose. */
const MAX_SIGNATURES = 5, MAX_NAME = 255;

/** Counts it. Never more than a few operations of the store, whatever the message. */
export async function count(
  store: Counters,
  message: Counted,
  { published, now }: { readonly published: Published; readonly now: number },
): Promise<void> {
  const day = dayOf(now), { domain, record } = published, options = { seconds: KEEP };
  const name = `row:${day}:${domain}:${JSON.stringify(rowOf(message))}`;
  if (await store.get(name) === undefined && !await hasRoom(store, { day, domain })) return;
  await store.add(name, 1, options);
  // The last configuration that was seen is the one that is reported                                    RFC 9990 3.1
  const { rua, p, sp, np, adkim, aspf, fo, testing } = record;
  const policy = JSON.stringify([p, sp, np, adkim, aspf, fo, testing ? "y" : "n", rua.map(formatAddress)]);
  if (await store.get(`policy:${day}:${domain}`) !== policy) {
    await store.put(`policy:${day}:${domain}`, policy, options);
  }
}

/** Room for one row more. Where a domain has none, not even its name is remembered, unless it has some already. */
async function hasRoom(store: Counters, { day, domain }: Day): Promise<boolean> {
  const options = { seconds: KEEP };
  const full = Number(await store.get(`all:${day}`) ?? 0) >= MAX_ROWS_OF_ALL;
  const isNew = await store.get(`policy:${day}:${domain}`) === undefined;
  if (isNew) {
    if (full) return false;
    const registered = registrableDomain(domain) ?? domain;
    if (await store.add(`domains:${day}:${registered}`, 1, options) > MAX_DOMAINS) return false;
  }
  if (!full && await store.add(`rows:${day}:${domain}`, 1, options) <= MAX_ROWS) {
    await store.add(`all:${day}`, 1, options);
    return true;
  }
  if (!isNew) await store.add(`left:${day}:${domain}`, 1, options);
  return false;
}

type Row = readonly [
  ip: string,
  disposition: string,
  dkim: 0 | 1,
  spf: 0 | 1,
  override: string,
  comment: string,
  headerFrom: string,
  envelopeFrom: string,
  signatures: readonly (readonly [domain: string, selector: string, result: string])[],
  sender: readonly [domain: string, result: string] | null,
];

function rowOf(message: Counted): Row {
  const { override, sender } = message;
  return [
    message.ip,
    message.disposition,
    message.dkim ? 1 : 0,
    message.spf ? 1 : 0,
    override?.type ?? "",
    override?.comment.slice(0, MAX_NAME) ?? "",
    message.headerFrom.slice(0, MAX_NAME),
    message.envelopeFrom.slice(0, MAX_NAME),
    preferred(message).map(({ domain, selector, result }) => [cut(domain), cut(selector), result] as const),
    sender && [cut(sender.domain), sender.result],
  ];
}
const cut = (text: string): string => text.slice(0, MAX_NAME);

/** Those that say most: a pass of the author's domain, of one near it, any pass, the others (RFC 9990 3.1.3). */
function preferred({ signatures, headerFrom }: Counted): Counted["signatures"] {
  if (signatures.length <= MAX_SIGNATURES) return signatures;
  const near = (domain: string) => domain.endsWith(`.${headerFrom}`) || headerFrom.endsWith(`.${domain}`);
  const rank = ({ domain, result }: Counted["signatures"][number]): number =>
    result !== "pass" ? 3 : domain === headerFrom ? 0 : near(domain) ? 1 : 2;
  return signatures.toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_SIGNATURES);
}

/** Days of domains that are over and have not been `reported`, the oldest first. */
export async function* due(store: Counters, { before }: { readonly before: number }): AsyncGenerator<Day> {
  for (let after = "";;) {
    const page = await store.list({ prefix: "policy:", limit: 100, after });
    for (const { name } of page) {
      const [, day = "", domain = ""] = name.split(":");
      if (day >= dayOf(before)) return; // in order of the day
      if (await store.get(`sent:${day}:${domain}`) === undefined) yield { day, domain };
    }
    if (page.length < 100) return;
    after = page.at(-1)!.name;
  }
}

/** Null when nothing is there any more. */
export async function countsOf(store: Counters, { day, domain }: Day): Promise<DayCounts | null> {
  const policy = await store.get(`policy:${day}:${domain}`);
  if (policy === undefined) return null;
  const [p, sp, np, adkim, aspf, fo, testing, rua] = JSON.parse(policy) as [
    string,
    string | null,
    string | null,
    string,
    string,
    string,
    string,
    string[],
  ];
  const prefix = `row:${day}:${domain}:`;
  const rows = (await store.list({ prefix, limit: MAX_ROWS })).map(({ name, value }) =>
    readRow(JSON.parse(name.slice(prefix.length)) as Row, Number(value))
  );
  return {
    day,
    domain,
    policy: { domain, p, sp, np, adkim, aspf, fo, testing, discovery: "treewalk" },
    rua: rua.map(parseAddress).filter((each) => each !== null),
    rows,
    left: Number(await store.get(`left:${day}:${domain}`) ?? 0),
  };
}

function readRow(row: Row, count: number): ReportRow {
  const [ip, disposition, dkim, spf, type, comment, headerFrom, envelopeFrom, signatures, sender] = row;
  return {
    ip,
    count,
    disposition,
    dkim: dkim === 1 ? "pass" : "fail",
    spf: spf === 1 ? "pass" : "fail",
    reasons: type === "" ? [] : [{ type, comment }],
    headerFrom,
    envelopeFrom,
    envelopeTo: null, // it would tell what nobody needs to know
    signatures: signatures.map(([domain, selector, result]) => ({ domain, selector, result })),
    senders: sender === null ? [] : [{ domain: sender[0], scope: "mfrom", result: sender[1] }],
  };
}

/** It need not be tried again. */
export async function reported(store: Counters, { day, domain }: Day): Promise<void> {
  await store.put(`sent:${day}:${domain}`, "1", { seconds: KEEP, durable: true });
}

/** The day in UTC that a moment falls into (RFC 9990 3.1.1.4). */
export function dayOf(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}
