/**
 * What the store in memory finds of its queue: whether a recipient matches, in which order, how much for each domain.
 * Values only. Non-job: changing any of it (memory.ts).
 */
import type { Address } from "../model/address.ts";
import { idHead, idTime, shortId } from "../model/id.ts";
import { named } from "./queue_filter.ts";
import { folded } from "./rows.ts";
import {
  type DomainTotals,
  QUEUE_STATES,
  type QueueListQuery,
  type QueueQuery,
  type QueueTotals,
  type StoredMessage,
  type StoredRecipient,
} from "./store.ts";

/** A recipient as the store has it. */
export interface ListedRecipient {
  readonly facts: StoredRecipient;
}
/** A message as the store has it. */
export interface Listed {
  readonly message: StoredMessage;
  readonly recipients: readonly ListedRecipient[];
}

/** Whether all of a question holds for that recipient. */
export function matches({ message }: Listed, { facts }: ListedRecipient, query: QueueQuery): boolean {
  const { state, domain, ids, q, from, to, receivedBefore } = query;
  return (state === undefined || facts.state === state) && (domain === undefined || facts.address.domain === domain) &&
    (ids === undefined || ids.includes(message.id)) && (q === undefined || says(message, facts, folded(q))) &&
    (from === undefined || isNamed(message.sender, named(from))) &&
    (to === undefined || isNamed(facts.address, named(to)) || isNamed(facts.original, named(to))) &&
    (receivedBefore === undefined || message.id < idHead(receivedBefore));
}

/** `name` is folded. */
function isNamed(address: Address | null, name: string): boolean {
  if (address === null) return name === "";
  const domain = folded(`@${address.domain}`);
  return domain === name || folded(address.local) + domain === name;
}

function says({ id, sender }: StoredMessage, { address, original }: StoredRecipient, q: string): boolean {
  const named = q.toUpperCase();
  return [address, original, sender].some((each) =>
    each !== null && folded(`${each.local}@${each.domain}`).includes(q)
  ) || id === named || shortId(id) === named;
}

/** When something of it that matches is tried next. */
function nextOf(item: Listed, query: QueueQuery): number {
  return Math.min(
    ...item.recipients.filter((each) => matches(item, each, query)).map(({ facts: { state, nextAttempt } }) =>
      state === "ready" || state === "active" || state === "deferred" ? nextAttempt : Infinity
    ),
  );
}

/** `found` comes newest first. */
export function inOrder<T extends Listed>(found: readonly T[], query: QueueListQuery): readonly T[] {
  const { order = "newest" } = query;
  if (order === "newest") return found;
  if (order === "oldest") return found.toReversed();
  const next = new Map(found.map((each) => [each, nextOf(each, query)]));
  return found.toSorted((a, b) => next.get(a)! - next.get(b)! || (a.message.id < b.message.id ? -1 : 1));
}

/** Those with the most recipients first. */
export function domainsOf(messages: Iterable<Listed>): readonly DomainTotals[] {
  const domains = new Map<string, { -readonly [K in keyof DomainTotals]: DomainTotals[K] }>();
  for (const { message, recipients } of messages) {
    for (const { facts: { state, address: { domain } } } of recipients) {
      if (state !== "ready" && state !== "active" && state !== "deferred" && state !== "held") continue;
      const oldest = idTime(message.id);
      const row = domains.get(domain) ?? { domain, ready: 0, active: 0, deferred: 0, held: 0, oldest };
      row[state]++;
      row.oldest = Math.min(row.oldest, oldest);
      domains.set(domain, row);
    }
  }
  const all = ({ ready, active, deferred, held }: DomainTotals) => ready + active + deferred + held;
  return [...domains.values()].sort((a, b) => all(b) - all(a) || (a.domain < b.domain ? -1 : 1));
}

/** How many messages have a recipient in each state. */
export function totalsOf(messages: readonly Listed[], { domain }: Pick<QueueQuery, "domain">): QueueTotals {
  const counted = QUEUE_STATES.map((state) => {
    const query = { state, ...domain !== undefined && { domain } };
    return [state, messages.filter((each) => each.recipients.some((one) => matches(each, one, query))).length] as const;
  });
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}
