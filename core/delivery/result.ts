/**
 * What became of one recipient in one attempt, whoever made it: a mail server, a storage plugin, a web hook, a rule of the
 * operator's. Values. Non-job: what it means for the row, the sender and the log (settlement.ts).
 */
import type { Remote } from "../dsn/event.ts";
import type { Outcome } from "../smtp/client/mod.ts";
import type { NewDeposit } from "../store/store.ts";

export interface Result {
  /** `held` waits for a person. `untouched`: it was not tried after all, and this was no attempt. */
  readonly verdict: "delivered" | "deferred" | "rejected" | "held" | "untouched";
  /** RFC 3463. */
  readonly status: string;
  /** The reply as it came, in one line, or a reason of our own. */
  readonly words: string;
  /** Whose words they are; null: ours. */
  readonly remote: Remote | null;
  /** Who was asked, for the log; null when nobody was. */
  readonly relay: string | null;
  /** TLS on the way, such as "TLSv1.3 verified"; null without. */
  readonly tls: string | null;
  /** With `delivered`: it went to who tells no more of it, and what he offered (RFC 3464 2.3.3 "relayed"). */
  readonly relayed?: { readonly dsn: boolean; readonly deliverBy: boolean };
  /** With `delivered`: copies for the dev inbox that become durable together with the row's end. */
  readonly deposits?: readonly NewDeposit[];
  /** With `delivered`: there is nothing to tell anybody about. */
  readonly silent?: true;
  /** With `delivered`: it was an alias, whose members are recipients of their own (RFC 3461 5.2.7.3). */
  readonly expanded?: true;
  /** With `rejected`: it was decided before, and another attempt would not ask anybody. */
  readonly decided?: true;
  /** With `rejected`: its time is over, whatever was said. */
  readonly expired?: true;
  /** With `expired`: not ours, but the time that the sender gave it (RFC 2852). */
  readonly overdue?: true;
  /** With `deferred`: not again before this moment, milliseconds since 1970, and this was no attempt. */
  readonly postponed?: number;
  /** With `postponed`: the sender appointed that moment (RFC 4865). */
  readonly appointed?: true;
}

const OURS = { remote: null, relay: null, tls: null } as const;

/** Nobody was asked: we know it ourselves. */
export function ours(verdict: Result["verdict"], status: string, words: string): Result {
  return { verdict, status, words, ...OURS };
}

export const UNTOUCHED: Result = ours("untouched", "4.3.2", "not tried");

/** Where an outcome was met: the host, and what the log and reports call it. */
export interface Place {
  readonly remote: Remote | null;
  readonly relay: string | null;
  readonly tls: string | null;
}

/** What a peer said, or what we found out about it. */
export function resultOf({ verdict, status, text, reply }: Outcome, place: Place): Result {
  return {
    ...place,
    verdict: verdict === "accept" ? "delivered" : verdict === "reject" ? "rejected" : "deferred",
    status,
    words: reply === null ? `${status} ${text}` : reply.toString(),
    remote: reply === null ? null : place.remote,
  };
}
