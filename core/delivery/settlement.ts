/**
 * From what became of a recipient to what is written, told and logged: the outcome for its row, the event of a report if
 * its sender is owed one, the event for observers. Pure but for its clock. (SEMANTICS 3, 16, 17, 23.)
 * Non-job: writing it down (dispatcher.ts), whether the sender wants to know (core/dsn).
 */
import { formatAddress } from "../model/address.ts";
import type { DeliveryEvent } from "../dsn/event.ts";
import type { Event } from "../observe/events.ts";
import { isOverdue } from "../model/envelope.ts";
import { OVERDUE } from "../pipeline/endings/endings.ts";
import { longestWait, nextAttempt, notAfter } from "../queue/backoff.ts";
import type { RecipientOutcome, StoredMessage, StoredRecipient } from "../store/store.ts";
import { ours, type Result } from "./result.ts";
import { deadlineOf, delayToTell, givenUpAt, isGivenUp, type Terms } from "./terms.ts";

export interface SettlementOptions {
  readonly terms: Terms;
  /** Nothing is refused for good: a rejection waits and is tried again, for the days of a migration. */
  readonly softBounce: boolean;
  now(): number;
  random(): number;
}

/** One recipient's part of a settlement. */
export interface Settled {
  readonly outcome: RecipientOutcome;
  /** What its sender may have to be told. */
  readonly report: DeliveryEvent | null;
  /** For observers; null where nothing happened. */
  readonly event: Event | null;
}

/**
 * `destination`: where the row belongs by today's routes; `closedUntil`: when that destination is asked again; `jitter`:
 * from 0 to 1, one for all who go together, so that they come back together and share a transaction again.
 */
export interface Standing {
  readonly destination: string;
  readonly closedUntil?: number | null;
  readonly jitter?: number;
}

export class Settlement {
  readonly #options: SettlementOptions;

  constructor(options: SettlementOptions) {
    this.#options = options;
  }

  of(message: StoredMessage, recipient: StoredRecipient, result: Result, standing: Standing): Settled {
    const { index } = recipient;
    switch (result.verdict) {
      case "untouched":
        return {
          outcome: { index, state: "ready", attempt: false, destination: standing.destination },
          report: null,
          event: null,
        };
      case "held":
        return this.#held(message, recipient, result);
      case "delivered":
        return this.#delivered(message, recipient, result);
      case "rejected":
        if (result.expired || result.decided || !this.#options.softBounce) {
          return this.#failed(message, recipient, result, { attempt: result.expired !== true });
        }
        return this.#deferred(message, recipient, { ...result, status: `4${result.status.slice(1)}` }, standing);
      case "deferred":
        return this.#deferred(message, recipient, result, standing);
    }
  }

  /**
   * It goes back untried: its destination is closed, or it was not its turn. A word that its sender is owed is said all
   * the same.
   */
  untried(message: StoredMessage, recipient: StoredRecipient, standing: Standing): Settled {
    const { terms, now: clock } = this.#options, { index, lastReply } = recipient, now = clock();
    // A turn that does not come when a word is owed is time that passes: else what nobody asks for would wait for ever
    const attempt = isOwed(recipient, now) && recipient.nextAttempt <= now;
    const older = { ...recipient, attempts: recipient.attempts + (attempt ? 1 : 0) };
    if (isOverdue(message.parameters, now)) return this.#failed(message, recipient, LATE, { attempt });
    const words = lastReply ?? "its destination does not answer";
    const result: Result = ours("deferred", statusIn(lastReply) ?? "4.4.1", words);
    if (isGivenUp(message, older.attempts, now, terms)) {
      return this.#failed(message, recipient, { ...result, expired: true }, { attempt });
    }
    const delay = delayToTell(message, older, { now, terms });
    const told = delay === null ? recipient.told : now;
    const closed = standing.closedUntil ?? null;
    const next = closed === null ? recipient.nextAttempt : this.#atLast(Math.max(recipient.nextAttempt, closed), now);
    return {
      outcome: {
        index,
        ...closed === null && next <= now ? { state: "ready" } : { state: "deferred", nextAttempt: next },
        attempt,
        destination: standing.destination,
        deadline: deadlineOf(message, { ...older, told }, { now, terms }),
        ...delay !== null && { told: now },
      },
      report: delay === null ? null : this.#delay(message, recipient, result, delay.cause),
      event: null,
    };
  }

  #delivered(message: StoredMessage, recipient: StoredRecipient, result: Result): Settled {
    const { index } = recipient, { deposits, relayed, silent, expanded } = result;
    const action = expanded ? "expanded" : relayed ? "relayed" : "delivered";
    return {
      outcome: { index, state: "delivered", lastReply: null, ...deposits && { deposits } },
      report: silent ? null : {
        action,
        recipient,
        status: result.status,
        words: result.words === "" ? null : result.words,
        remote: result.remote,
        at: this.#options.now(),
        ...relayed && { peer: relayed },
      },
      event: expanded ? null : this.#event(message, recipient, result, { type: "delivered" }),
    };
  }

  /** `attempt`: it was one that this came of. */
  #failed(
    message: StoredMessage,
    recipient: StoredRecipient,
    result: Result,
    { attempt }: { readonly attempt: boolean },
  ): Settled {
    const { index } = recipient, now = this.#options.now(), isExpired = result.expired === true;
    return {
      outcome: {
        index,
        state: isExpired ? "expired" : "failed",
        lastReply: result.words,
        deadline: null,
        attempt,
        told: now, // in the same write as the report: then nobody has to look after it
      },
      report: {
        action: "failed",
        recipient,
        status: result.status,
        words: result.words,
        remote: result.remote,
        at: now,
        ...isExpired && { cause: result.overdue ? "overdue" as const : "expired" as const },
      },
      event: this.#event(message, recipient, result, { type: "bounced", expired: isExpired }, attempt),
    };
  }

  #held(message: StoredMessage, recipient: StoredRecipient, { words }: Result): Settled {
    return {
      outcome: { index: recipient.index, state: "held", lastReply: words, deadline: null, attempt: false },
      report: null,
      event: { type: "held", transaction: message.id, recipient: formatAddress(recipient.address), reason: words },
    };
  }

  #deferred(message: StoredMessage, recipient: StoredRecipient, result: Result, standing: Standing): Settled {
    const { terms, now: clock, random } = this.#options, now = clock();
    const { index } = recipient, { postponed, appointed } = result;
    // Who is put off again and again grows old by it, once his sender is owed a word
    const attempt = postponed === undefined || !appointed && isOwed(recipient, now);
    const older = { ...recipient, attempts: recipient.attempts + (attempt ? 1 : 0) };
    if (isOverdue(message.parameters, now)) return this.#failed(message, recipient, LATE, { attempt });
    if (attempt && isGivenUp(message, older.attempts, now, terms)) {
      return this.#failed(message, recipient, { ...result, expired: true }, { attempt });
    }
    const delay = delayToTell(message, older, { now, terms });
    const told = delay === null ? recipient.told : now;
    const { jitter = random() } = standing;
    const planned = postponed ?? nextAttempt(now, older.attempts, terms.retry, jitter);
    const next = appointed //                                                                            RFC 4865 4.2
      ? postponed!
      : notAfter(this.#atLast(Math.max(planned, standing.closedUntil ?? 0), now), message.parameters);
    return {
      outcome: {
        index,
        state: "deferred",
        ...appointed ? { appointed } : { lastReply: result.words, destination: standing.destination },
        nextAttempt: next,
        attempt,
        deadline: deadlineOf(message, { ...older, told }, { now, terms }),
        ...delay !== null && { told: now },
      },
      report: delay === null ? null : this.#delay(message, recipient, result, delay.cause),
      event: appointed ? null : this.#event(message, recipient, result, { type: "deferred", next }, attempt),
    };
  }

  /** Nothing is planned further away than the store believes (case 74): who has to wait longer is asked on the way. */
  #atLast(moment: number, now: number): number {
    return Math.min(moment, Math.floor(now + longestWait(this.#options.terms.retry)));
  }

  #delay(
    message: StoredMessage,
    recipient: StoredRecipient,
    { status, words, remote }: Result,
    cause: "overdue" | null,
  ): DeliveryEvent {
    const { now, terms } = this.#options;
    return {
      action: "delayed",
      recipient,
      status,
      words,
      remote,
      at: now(),
      retryUntil: givenUpAt(message, terms),
      ...cause !== null && { cause },
    };
  }

  #event(
    message: StoredMessage,
    recipient: StoredRecipient,
    result: Result,
    kind: { type: "delivered" } | { type: "deferred"; next: number } | { type: "bounced"; expired: boolean },
    attempt = true,
  ): Event {
    return {
      ...kind,
      transaction: message.id,
      session: message.origin.session,
      sender: formatAddress(message.sender),
      recipient: formatAddress(recipient.address),
      identity: message.origin.identity,
      relay: result.relay,
      delay: Math.max(0, this.#options.now() - message.receivedAt),
      attempts: recipient.attempts + (attempt ? 1 : 0),
      status: result.status,
      reply: result.words,
      tls: result.tls,
    };
  }
}

const LATE: Result = { ...ours("rejected", OVERDUE.status, OVERDUE.toString()), expired: true, overdue: true }; // RFC 2852 4

/** The moment has come at which its sender is owed a word. */
function isOwed({ deadline }: StoredRecipient, now: number): boolean {
  return deadline !== null && deadline <= now;
}

/** The enhanced status in words as a row keeps them: "451 4.2.2 Mailbox full", "4.4.1 No connection". */
function statusIn(words: string | null): string | null {
  return /^(?:[45]\d\d )?([45]\.\d{1,3}\.\d{1,3}) /.exec(words ?? "")?.[1] ?? null;
}
