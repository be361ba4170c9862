/** What a hook is, and what it is told. Values only. Non-job: keeping (spool.ts), sending (courier.ts). */
import type { DeliveryFacts, Event } from "../observe/events.ts";

/** Events that a hook can be told of. */
export const HOOK_EVENTS = [
  "accepted",
  "refused",
  "delivered",
  "deferred",
  "bounced",
  "held",
  "alert",
  "trouble",
  "notice",
  "audit",
] as const satisfies readonly HookEvent[];
/** One of them. */
export type HookEvent =
  | "accepted"
  | "refused"
  | "delivered"
  | "deferred"
  | "bounced"
  | "held"
  | "alert"
  | "trouble"
  | "notice"
  | "audit";

/** Somebody who wants to be told. */
export interface Hook {
  /** By which logs and the API know it. */
  readonly name: string;
  /** Where events are POSTed. */
  readonly url: string;
  /** What it is told of. */
  readonly events: readonly HookEvent[];
  /** Keys of 24 to 64 octets; one signature for each, so that a new one can come before the old one goes. */
  readonly secrets: readonly Uint8Array<ArrayBuffer>[];
  /** Milliseconds for one attempt. */
  readonly timeout: number;
  /** Events that wait at most; what comes then is dropped and counted. */
  readonly keep: number;
  /** Milliseconds after which an event is no news any more. */
  readonly expire: number;
}

/** Addresses that one event names. */
const MAX_NAMED = 100;

/** What a hook is told of an event, without the mail's own words: no subject, no body. Null: of this nobody is told. */
export function tidingsOf(event: Event): { readonly type: HookEvent; readonly data: Record<string, unknown> } | null {
  switch (event.type) {
    case "accepted": {
      const { transaction, session, ip, sender, recipients, size, held, messageId = null } = event;
      return tidings("accepted", {
        id: transaction,
        session,
        ip,
        from: sender,
        ...named(recipients),
        size,
        held,
        messageId,
      });
    }
    case "refused": {
      const { transaction, session, ip, command, reply, sender, recipients, plugin, reason } = event;
      const who = { id: transaction ?? session, session, ip, command, reply: reply.toString() };
      return tidings("refused", { ...who, from: sender, ...named(recipients), plugin, reason });
    }
    case "delivered":
      return tidings("delivered", attempt(event));
    case "deferred":
      return tidings("deferred", { ...attempt(event), next: new Date(event.next).toISOString() });
    case "bounced":
      return tidings("bounced", { ...attempt(event), expired: event.expired });
    case "held":
      return tidings("held", { id: event.transaction, recipient: event.recipient, reason: event.reason });
    case "alert":
      return tidings("alert", { where: event.where, subject: event.subject, message: event.message });
    case "trouble":
    case "notice":
      return tidings(event.type, { where: event.where, message: event.message });
    case "audit":
      return tidings("audit", { by: event.by, ip: event.ip, action: event.action, subject: event.subject });
    default:
      return null;
  }
}

function tidings(type: HookEvent, data: Record<string, unknown>) {
  return { type, data };
}
function named(recipients: readonly string[]): Record<string, unknown> {
  return { to: recipients.slice(0, MAX_NAMED), recipients: recipients.length };
}
function attempt(facts: DeliveryFacts): Record<string, unknown> {
  const { transaction, sender, recipient, relay, delay, attempts, status, reply, tls } = facts;
  return { id: transaction, from: sender, recipient, relay, delay, attempts, status, reply, tls };
}

/** A URL as it may be shown: some receivers take its path for a password. */
export function shownUrl(url: string): string {
  return new URL(url).origin;
}
