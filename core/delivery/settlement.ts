/**
 * From what became of a recipient to what is written, told and logged: the outcome for its row, the event of a report if
 * its sender is owed one, the event for observers. Pure but for its clock. (SEMANTICS 3, 16, 17, 23.)
 * Non-job: writing it down (dispatcher.ts), whether the sender wants to know (core/dsn).
 */
import { formatAddress } from "../model/address.ts";
import type { DeliveryEvent } from "../dsn/event.ts";
import type { Event } from "../observe/events.ts";
import { nextAttempt, notAfter } from "../queue/backoff.ts";
import type { RecipientOutcome, StoredMessage, StoredRecipient } from "../store/store.ts";
import type { Result } from "./result.ts";
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

/** `destination`: where the row belongs by today's routes; `closedUntil`: when that destination is asked again. */
export interface Standing {
  readonly destination: string;
  readonly closedUntil?: number | null;
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
        if (result.expired || !this.#options.softBounce) {
          return this.#failed(message, recipient, result, { isExpired: result.expired === true });
        }
        return this.#deferred(message, recipient, { ...result, status: `4${result.status.slice(1)}` }, standing);
      case "deferred":
        return this.#deferred(message, recipient, result, standing);
    }
  }

  /** A word that is owed though nothing was tried: its destination is closed. Null when none is owed. */
  overdue(message: StoredMessage, recipient: StoredRecipient, standing: Standing): Settled | null {
    const { terms, now: clock } = this.#options, { index, attempts } = recipient, now = clock();
    const result: Result = {
      verdict: "deferred",
      status: statusIn(recipient.lastReply) ?? "4.4.1",
      words: recipient.lastReply ?? "its destination does not answer",
      remote: null,
      relay: null,
      tls: null,
    };
    if (isGivenUp(message, attempts, now, terms)) {
      return this.#failed(message, recipient, result, { isExpired: true, tried: false });
    }
    const delay = delayToTell(message, recipient, attempts, { now, terms });
    if (delay === null) return null;
    const told = { ...recipient, told: now };
    return {
      outcome: {
        index,
        state: "deferred",
        attempt: false,
        nextAttempt: Math.max(recipient.nextAttempt, standing.closedUntil ?? now),
        destination: standing.destination,
        deadline: deadlineOf(message, told, now, terms),
        told: now,
      },
      report: this.#delay(message, recipient, result, delay.cause),
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

  /** `tried`: it was an attempt that this came of. */
  #failed(
    message: StoredMessage,
    recipient: StoredRecipient,
    result: Result,
    { isExpired = false, tried = true } = {},
  ): Settled {
    const { index } = recipient, now = this.#options.now();
    return {
      outcome: {
        index,
        state: isExpired ? "expired" : "failed",
        lastReply: result.words,
        deadline: null,
        attempt: result.expired !== true && tried,
        told: now, // in the same write as the report: then nobody has to look after it
      },
      report: {
        action: "failed",
        recipient,
        status: result.status,
        words: result.words,
        remote: result.remote,
        at: now,
        ...isExpired && { cause: "expired" as const },
      },
      event: this.#event(message, recipient, result, { type: "bounced", expired: isExpired }),
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
    if (result.appointed) { //                                                                          RFC 4865 4.2
      const { index } = recipient, nextAttempt = result.postponed!;
      return {
        outcome: { index, state: "deferred", nextAttempt, appointed: true, attempt: false },
        report: null,
        event: null,
      };
    }
    const { terms, now: clock, random } = this.#options, now = clock();
    const { index } = recipient, counts = result.postponed === undefined;
    const attempts = recipient.attempts + (counts ? 1 : 0);
    if (counts && isGivenUp(message, attempts, now, terms)) {
      return this.#failed(message, recipient, result, { isExpired: true });
    }
    const delay = delayToTell(message, recipient, attempts, { now, terms });
    const told = delay === null ? recipient.told : now;
    const planned = result.postponed ?? nextAttempt(now, attempts, terms.retry, random());
    const next = notAfter(Math.max(planned, standing.closedUntil ?? 0), message.parameters);
    return {
      outcome: {
        index,
        state: "deferred",
        lastReply: result.words,
        nextAttempt: next,
        attempt: counts,
        destination: standing.destination,
        deadline: deadlineOf(message, { ...recipient, told }, now, terms),
        ...delay !== null && { told: now },
      },
      report: delay === null ? null : this.#delay(message, recipient, result, delay.cause),
      event: this.#event(message, recipient, result, { type: "deferred", next }),
    };
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
  ): Event {
    return {
      ...kind,
      transaction: message.id,
      sender: formatAddress(message.sender),
      recipient: formatAddress(recipient.address),
      identity: message.origin.identity,
      relay: result.relay,
      delay: Math.max(0, this.#options.now() - message.receivedAt),
      attempts: recipient.attempts + 1,
      status: result.status,
      reply: result.words,
      tls: result.tls,
    };
  }
}

/** The enhanced status in words as a row keeps them: "451 4.2.2 Mailbox full", "4.4.1 No connection". */
function statusIn(words: string | null): string | null {
  return /^(?:[45]\d\d )?([45]\.\d{1,3}\.\d{1,3}) /.exec(words ?? "")?.[1] ?? null;
}
