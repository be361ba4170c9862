/**
 * What the store in memory keeps of a message: made of one that comes from another store, told as it is, and changed by
 * what became of a recipient. Values only. Non-job: which messages there are (memory.ts).
 */
import { dueAt, ROW_VERSION } from "./rows.ts";
import type { QueueItem, RecipientOutcome, StoredMessage, StoredRecipient, WholeItem } from "./store.ts";

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
/** Writes what became of a recipient. */
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

/** As people see it. */
export function itemOf({ message, recipients }: Message): QueueItem {
  return { message, recipients: recipients.map(({ facts }) => structuredClone(facts)) };
}

/** With all that another store has to know. */
export function wholeOf(item: Message): WholeItem {
  const { message, recipients, expires = null, original } = item;
  return {
    message,
    recipients: recipients.map(({ facts, appointed }) => ({
      ...structuredClone(facts),
      ...appointed && { appointed: true },
    })),
    expires,
    receivedSize: original?.length ?? null,
  };
}

/** A message that comes from another store. */
export function adopted(
  item: WholeItem,
  octets: Uint8Array<ArrayBuffer>,
  original?: Uint8Array<ArrayBuffer>,
): Message {
  const { message, recipients, expires } = structuredClone(item) as WholeItem;
  return {
    message: { ...message, size: octets.length, version: ROW_VERSION },
    octets,
    ...original && { original },
    ...expires !== null && { expires },
    recipients: recipients.map(({ appointed = false, ...facts }) => {
      const state = facts.state === "active" ? "ready" : facts.state;
      const waits = state === "ready" || state === "deferred";
      return {
        facts: { ...facts, state },
        due: waits ? dueAt(facts.nextAttempt, facts.deadline) : null,
        appointed: waits && appointed,
        owner: null,
      };
    }),
  };
}
