/**
 * A message of the store in memory: what is kept of it, whether a query means it, and what comes of an outcome. Non-job:
 * keeping them (memory.ts).
 */
import { idHead, idTime, shortId } from "../model/id.ts";
import { dueAt, folded } from "./rows.ts";
import type { DomainTotals, QueueItem, QueueQuery, RecipientOutcome, StoredMessage, StoredRecipient } from "./store.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export interface Recipient {
  facts: Mutable<StoredRecipient>;
  /** When a worker may take it: the next attempt, or the end of a lease. Null: not by itself. */
  due: number | null;
  /** The sender chose that moment. */
  appointed: boolean;
  owner: string | null;
}
export interface Message {
  readonly message: StoredMessage;
  readonly octets: Uint8Array<ArrayBuffer>;
  /** What was received, where that is not what goes on. */
  original?: Uint8Array<ArrayBuffer>;
  /** Until when it is in quarantine. */
  expires?: number;
  readonly recipients: Recipient[];
}
export function settleOne(recipient: Recipient, outcome: RecipientOutcome): void {
  const { facts } = recipient, { state, nextAttempt, lastReply, attempt = true } = outcome;
  recipient.appointed = outcome.appointed ?? false;
  facts.state = state;
  facts.released ||= state === "held";
  facts.attempts += attempt ? 1 : 0;
  facts.nextAttempt = nextAttempt ?? facts.nextAttempt;
  if (lastReply !== undefined) facts.lastReply = lastReply;
  if (outcome.destination !== undefined) facts.destination = outcome.destination;
  if (outcome.deadline !== undefined) facts.deadline = outcome.deadline;
  if (outcome.told !== undefined) facts.told = outcome.told;
  recipient.due = state === "ready" || state === "deferred" ? dueAt(facts.nextAttempt, facts.deadline) : null;
  recipient.owner = null;
}

export function matches({ message }: Message, { facts }: Recipient, query: QueueQuery): boolean {
  const { state, domain, ids, q, receivedBefore } = query;
  return (state === undefined || facts.state === state) && (domain === undefined || facts.address.domain === domain) &&
    (ids === undefined || ids.includes(message.id)) && (q === undefined || says(message, facts, folded(q))) &&
    (receivedBefore === undefined || message.id < idHead(receivedBefore));
}

function says({ id, sender }: Message["message"], { address, original }: StoredRecipient, q: string): boolean {
  const named = q.toUpperCase();
  return [address, original, sender].some((each) =>
    each !== null && folded(`${each.local}@${each.domain}`).includes(q)
  ) || id === named || shortId(id) === named;
}

/** When something of it that matches is tried next. */
export function nextOf(item: Message, query: QueueQuery): number {
  return Math.min(
    ...item.recipients.filter((each) => matches(item, each, query)).map(({ facts: { state, nextAttempt } }) =>
      state === "ready" || state === "active" || state === "deferred" ? nextAttempt : Infinity
    ),
  );
}

export function itemOf({ message, recipients }: Message): QueueItem {
  return { message, recipients: recipients.map(({ facts }) => structuredClone(facts)) };
}

/** Domains that something is for, those with the most recipients first. */
export function domainsOf(messages: Iterable<Message>, limit: number): readonly DomainTotals[] {
  const domains = new Map<string, Mutable<DomainTotals>>();
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
  return [...domains.values()].sort((a, b) => all(b) - all(a) || (a.domain < b.domain ? -1 : 1)).slice(0, limit);
}
