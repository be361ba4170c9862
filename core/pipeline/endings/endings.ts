/**
 * How a phase ends when no plugin answered, what a 2xx of any plugin must have earned, and what an error is worth there.
 * So an early accept() can neither open a relay nor lose a message. SEMANTICS 1, 11; RFC 5321 3.1, 3.6.2; RFC 4954 6.
 */
import { DomainSet } from "../../model/domain.ts";
import { accept, defer, reject, type Reply } from "../../model/reply.ts";
import type { Host } from "../contexts/contexts.ts";
import type { TransactionContext } from "../contexts/transaction_context.ts";
import type { Phase } from "../plugin.ts";

/** Core's own yes: one value, so that a phase nobody handles makes nothing. */
export const YES: Reply<"accept"> = accept();

const ERROR = defer("4.3.0", "Local error in processing");
const FAILURES: { readonly [P in Phase]?: Reply<"defer"> } = {
  connect: defer("4.3.0", "Local error in processing", { code: 421 }), // 451 is no greeting          RFC 5321 4.2.4.2
  auth: defer("4.7.0", "Temporary authentication failure", { code: 454 }), // RFC 4954 6
};

/** What a throw, a deadline or a wrong answer is worth. */
export function failure(phase: Phase): Reply<"defer"> {
  return FAILURES[phase] ?? ERROR;
}

/** BY=...;R, and it is not at its place (RFC 2852 4). */
export const OVERDUE: Reply<"reject"> = reject("5.4.7", "Delivery time expired", { reason: "BY" });

export interface Ending {
  end(ctx: TransactionContext): Reply;
  /** Why an acceptance is not earned yet, or null. `stores`: who stores mail here; null when that is not known. */
  owes(ctx: TransactionContext, stores: ReadonlySet<string> | null): string | null;
}

const nothing = (): null => null;
const yes: Ending = { end: () => YES, owes: nothing };
const routed = (ctx: TransactionContext): boolean => ctx.recipient!.route !== null || ctx.members !== null;
const LOGIN_FAILED = reject("5.7.8", "Authentication failed", { code: 535, reason: "nobody vouched for it" });
const NO_USER = reject("5.1.1", "No such user here", { reason: "no route" });
const NO_RELAY = reject("5.7.1", "Relaying denied", { reason: "no route" });

/** `queue` ends with a commit (settlement.ts), `deliver` with an attempt (attempt.ts). */
export const ENDINGS: { readonly [P in Exclude<Phase, "queue" | "deliver">]: Ending } = {
  connect: yes,
  helo: yes,
  mail: yes,
  data: yes,
  auth: {
    end: (ctx) => ctx.client.identity === null ? LOGIN_FAILED : YES,
    owes: (ctx) => ctx.client.identity === null ? "accepted without an identity" : null,
  },
  rcpt: {
    // Existence for our own domains, authority for all others                                        SEMANTICS 1
    end: (ctx) => routed(ctx) ? YES : isLocal(ctx.host, ctx.recipient!.address.domain) ? NO_USER : NO_RELAY,
    owes: (ctx, stores) => {
      if (!routed(ctx)) return "accepted without a route";
      const { route } = ctx.recipient!;
      // A 250 here for mail that nobody will ever store would lose it days later
      if (ctx.members !== null || route!.to !== "local" || stores === null || stores.has(route!.plugin)) return null;
      return `no plugin named "${route!.plugin}" stores mail here`;
    },
  },
};

/** True for a domain of this site, and for the `<Postmaster>` without one (RFC 5321 4.5.1). */
export function isLocal(host: Host, domain: string): boolean {
  return domain === "" || DomainSet.of(host.domains).has(domain);
}
