/** What of the queue is looked at, or changed: a filter, an order, a page; as a path and as fields of a form. */
import type { QueueOrder, QueueQuery, QueueState } from "../../../store/store.ts";
import { type Html, markup } from "../html.ts";

/** How old what is looked for is at least, as the query has it, in milliseconds. */
export const AGES = { "10m": 600_000, "1h": 3_600_000, "6h": 21_600_000, "1d": 86_400_000, "3d": 259_200_000 } as const;
export type Age = keyof typeof AGES;

export interface QueueFilter {
  readonly state?: QueueState | undefined;
  readonly domain?: string | undefined;
  readonly q?: string | undefined;
}
export interface QueueView extends QueueFilter {
  readonly older?: Age | undefined;
  readonly order?: QueueOrder | undefined;
  /** From 1. */
  readonly page?: number | undefined;
}

/** True when it shows less than all. */
export function isFiltered({ state, domain, q, older }: QueueView): boolean {
  return state !== undefined || domain !== undefined || q !== undefined || older !== undefined;
}

/** `/queue` for a view. */
export function queuePath({ state, domain, q, older, order, page = 1 }: QueueView): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ state, domain, q, older, order })) {
    if (value !== undefined && value !== "newest") query.set(name, value);
  }
  if (page > 1) query.set("page", String(page));
  return `/queue${query.size > 0 ? `?${query}` : ""}`;
}

/** Where a change of all that match is asked about. */
export function askPath(verb: string, query: QueueQuery): string {
  return `/queue/${verb}?${new URLSearchParams(pairsOf(query))}`;
}

/** The fields of a form that changes all that match. */
export function filterFields(query: QueueQuery): Html {
  return markup`${
    pairsOf(query).map(([name, value]) => markup`<input type="hidden" name="${name}" value="${value}">`)
  }`;
}

function pairsOf({ state, domain, q, receivedBefore, ids = [] }: QueueQuery): [string, string][] {
  const before = receivedBefore === undefined ? undefined : new Date(receivedBefore).toISOString();
  return [
    ...Object.entries({ state, domain, q, before }).filter((each): each is [string, string] => each[1] !== undefined),
    ...ids.map((id): [string, string] => ["id", id]),
  ];
}
