/**
 * What is looked for among sessions: read from a query string, written back as a path, said in words, and asked of the
 * ledger. Pure. Non-job: what a wrong value is answered with (sessions_pages.ts).
 */
import type { LedgerQuery } from "../../../ledger/ledger.ts";
import { VERDICTS } from "../../../ledger/story.ts";
import { canonicalIp, isNetwork } from "../../../model/ip.ts";
import { foreign } from "../foreign.ts";

/** Spans of time that are offered, by the word in the query string. */
export const SPANS: Readonly<Record<string, readonly [words: string, milliseconds: number]>> = {
  "1h": ["last hour", 3_600_000],
  "24h": ["last 24 h", 86_400_000],
  "7d": ["last 7 days", 7 * 86_400_000],
  "30d": ["last 30 days", 30 * 86_400_000],
};

/** The filters in their order, each with its word. */
export const FILTER_WORDS = {
  q: "has",
  when: "when",
  verdict: "verdict",
  from: "from",
  to: "to",
  ip: "client",
  plugin: "decided by",
  observed: "observed",
  since: "since",
  until: "until",
} as const;
export type FilterName = keyof typeof FILTER_WORDS;
export const FILTER_NAMES = Object.keys(FILTER_WORDS) as readonly FilterName[];
/** As they stand in the query string; none is empty. */
export type Filters = Readonly<Partial<Record<FilterName, string>>>;

const MAX: Readonly<Partial<Record<FilterName, number>>> = { q: 200, from: 320, to: 320, plugin: 64, ip: 64 };
const HINTS: Readonly<Partial<Record<FilterName, string>>> = {
  when: `when is one of ${Object.keys(SPANS).join(", ")}.`,
  verdict: `verdict is one of ${VERDICTS.join(", ")}.`,
  ip: "ip is an address like 192.0.2.7, or a network: IPv4 with /8, /16 or /24, IPv6 with /32, /48 or /64.",
  since: "since is a time in UTC like 2026-11-22T09:40.",
  until: "until is a time in UTC like 2026-11-22T09:40.",
};

/** Reads them; a string says which value is wrong and what would be right. */
export function readFilters(get: (name: string) => string | undefined): Filters | string {
  const filters: Partial<Record<FilterName, string>> = {};
  for (const name of FILTER_NAMES) {
    const text = get(name)?.trim() ?? "";
    if (text === "") continue;
    if (text.length > (MAX[name] ?? 40)) return `${name} has at most ${MAX[name] ?? 40} characters.`;
    const value = name === "ip" ? network(text) : text;
    if (value === null || !valid(name, text)) return HINTS[name] ?? `${name} is wrong.`;
    filters[name] = value;
  }
  return filters;
}

function valid(name: FilterName, text: string): boolean {
  if (name === "when") return Object.hasOwn(SPANS, text);
  if (name === "verdict") return VERDICTS.some((each) => each === text);
  return name !== "since" && name !== "until" || moment(text) !== null;
}

function network(text: string): string | null {
  const slash = text.indexOf("/");
  if (slash < 0) return canonicalIp(text);
  const ip = canonicalIp(text.slice(0, slash)), bits = text.slice(slash + 1);
  const known = ip?.includes(":") ? ["32", "48", "64"] : ["8", "16", "24"];
  return ip !== null && isNetwork(text) && known.includes(bits) ? `${ip}/${bits}` : null;
}

function moment(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?$/.test(text)) return null;
  const at = Date.parse(text.length === 10 ? `${text}T00:00Z` : `${text}Z`);
  return Number.isNaN(at) ? null : at;
}

/** What is asked of the ledger. */
export function ledgerQuery(filters: Filters, now: number): LedgerQuery {
  const { q, verdict, from, to, ip, plugin, observed, when, since, until } = filters;
  const span = when === undefined ? undefined : SPANS[when]![1];
  const begins = [span === undefined ? null : now - span, since === undefined ? null : moment(since)]
    .filter((each) => each !== null);
  return {
    ...q !== undefined && { q },
    ...verdict !== undefined && { verdict: VERDICTS.find((each) => each === verdict)! },
    ...from !== undefined && { from },
    ...to !== undefined && { to },
    ...ip !== undefined && { ip },
    ...plugin !== undefined && { plugin },
    ...observed !== undefined && { observed: true },
    ...begins.length > 0 && { since: Math.max(...begins) },
    ...until !== undefined && { until: moment(until)! },
  };
}

/** The page that shows what `filters` find. */
export function sessionsPath(filters: Filters & { readonly before?: string }, page = "/sessions"): string {
  const search = new URLSearchParams();
  for (const name of FILTER_NAMES) if (filters[name] !== undefined) search.set(name, filters[name]);
  if (filters.before !== undefined) search.set("before", filters.before);
  return search.size === 0 ? page : `${page}?${search}`;
}

export function without(filters: Filters, name: FilterName): Filters {
  const { [name]: _, ...rest } = filters;
  return rest;
}

/** A filter's value in words. */
export function filterValue(filters: Filters, name: FilterName): string {
  const value = filters[name] ?? "";
  if (name === "when") return SPANS[value]![0];
  if (name === "observed") return "a plugin that only watches would have acted";
  if (name === "since" || name === "until") return `${value.replace("T", " ")} UTC`;
  return foreign(value, 80);
}
