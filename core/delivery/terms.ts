/**
 * The terms of the queue: how long a message is tried, when its sender is owed a word. Moments are milliseconds since
 * 1970. Pure. (RFC 5321 4.5.4.1, RFC 2852 4, RFC 4865 4.2; SEMANTICS 23.) Non-job: when the next attempt is
 * (core/queue/backoff.ts), who is told (core/dsn).
 */
import { delayNotice as noticeOf } from "../dsn/notify.ts";
import type { RcptParameters } from "../model/envelope.ts";
import { expired, nextAttempt } from "../queue/backoff.ts";
import type { StoredMessage } from "../store/store.ts";

export interface Terms {
  /** Waits before each further attempt; the last one repeats. */
  readonly retry: readonly number[];
  /** How long a message is tried, milliseconds. */
  readonly expire: number;
  /** The same for mail from nobody: nobody waits for it. */
  readonly nullSenderExpire: number;
  /** How long a message waits before its sender hears of it, milliseconds; null: he never does. */
  readonly delayNotice: number | null;
}
/** What the terms depend on. */
export type Timed = Pick<StoredMessage, "sender" | "parameters" | "receivedAt">;
export interface TimedRecipient {
  readonly parameters: RcptParameters;
  /** When its sender was told of a delay; null: not yet. */
  readonly told: number | null;
  readonly attempts: number;
  /** What `deadlineOf` said last, if anything. */
  readonly deadline?: number | null;
}

/** The time that counts begins when the sender lets it: what was parked has not waited. */
function beginning({ receivedAt, parameters }: Timed): number {
  return Math.max(receivedAt, parameters.holdUntil ?? 0);
}

function lifeOf({ sender }: Timed, { expire, nullSenderExpire }: Terms): number {
  return sender === null ? Math.min(expire, nullSenderExpire) : expire;
}

/** When the queue gives up. */
export function givenUpAt(message: Timed, terms: Terms): number {
  return beginning(message) + lifeOf(message, terms);
}

/** Whether the queue gives up now: by the clock and by the attempts, so that no clock alone ends mail (case 74). */
export function isGivenUp(message: Timed, attempts: number, now: number, terms: Terms): boolean {
  return expired({ receivedAt: beginning(message), attempts }, now, {
    expire: lifeOf(message, terms),
    schedule: terms.retry,
  });
}

/** The delay that the sender is to hear of now, or null. `overdue`: the moment of BY=...;N has passed (RFC 2852 4). */
export function delayToTell(
  message: Timed,
  recipient: TimedRecipient,
  { now, terms }: { readonly now: number; readonly terms: Terms },
): { readonly cause: "overdue" | null } | null {
  const { delayNotice, retry } = terms, { told, attempts } = recipient;
  const notice = noticeOf(message, recipient, { delayNotice, told });
  if (notice === null) return null;
  if (notice.cause === "overdue") return notice.at <= now ? { cause: "overdue" } : null;
  const waited = expired({ receivedAt: beginning(message), attempts }, now, { expire: delayNotice!, schedule: retry });
  return waited ? { cause: null } : null;
}

/**
 * The next moment at which the sender is owed a word though nothing happens; null: none that is known. Where the clock
 * says that one is owed already and the attempts do not, it is looked at again after the next step of the schedule:
 * behind a destination that nobody asks no attempt would ever do that.
 */
export function deadlineOf(
  message: Timed,
  recipient: TimedRecipient,
  { now, terms }: { readonly now: number; readonly terms: Terms },
): number | null {
  const { deliverBy } = message.parameters, { told, attempts } = recipient;
  const notice = noticeOf(message, recipient, { delayNotice: terms.delayNotice, told });
  const words = [notice?.at, givenUpAt(message, terms)].filter((each) => each !== undefined);
  const moments = deliverBy?.mode === "R" ? [...words, deliverBy.at] : words;
  const ahead = moments.filter((each) => each > now);
  if (words.some((each) => each <= now)) {
    const known = recipient.deadline ?? null; // one that is still to come is not put off
    ahead.push(known !== null && known > now ? known : nextAttempt(now, attempts, terms.retry, 0.5));
  }
  return ahead.length === 0 ? null : Math.min(...ahead);
}
