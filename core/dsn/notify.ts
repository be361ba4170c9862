/**
 * Who is told what: from what happened to recipients of one message to the reports that are owed, at most one of each kind
 * (RFC 3461 4.1, 5.2; RFC 2852 4.1; SEMANTICS 3, 8, 15, 16, 17). Pure. Non-job: writing a report (report.ts).
 */
import { type Address, sameAddress } from "../model/address.ts";
import type { MailParameters, Notify, RcptParameters } from "../model/envelope.ts";
import type { DeliveryEvent, ReportedMessage, ReportedRecipient } from "./event.ts";

export interface NotifyOptions {
  /** What happens to mail from the null sender that failed; `drop` where there is no postmaster. */
  readonly doubleBounce: "postmaster" | "drop";
  readonly postmaster: Address | null;
  /** Who gets the reports of success that were asked for: `known` are clients that had logged in (SEMANTICS 22). */
  readonly success: "anyone" | "known";
}

/** A report that is owed. */
export interface Notification {
  readonly kind: "failure" | "delay" | "success";
  readonly to: Address;
  /** The sender cannot be told, for there is none: it goes to the postmaster. */
  readonly double: boolean;
  /** One at least. */
  readonly events: readonly DeliveryEvent[];
}

/**
 * The reports that `events` call for, all of one message. Who need not be told is left out (RFC 3461 5.2.8).
 *
 * @example
 * ```ts
 * import { notifications } from "./notify.ts";
 * import { assertEquals } from "@std/assert";
 * const address = { local: "bob", domain: "example.org" };
 * const recipient = { address, original: address, parameters: { notify: ["NEVER" as const], orcpt: null } };
 * const event = { action: "failed" as const, recipient, status: "5.1.1", words: null, remote: null, at: 0 };
 * const options = { doubleBounce: "drop", postmaster: null, success: "anyone" } as const;
 * const parameters = { size: null, body: "7BIT" as const, smtputf8: false, ret: null, envid: null, auth: null };
 * const origin = { session: "", ip: "::1", helo: "", identity: null, protocol: "SMTP", listener: "mx" };
 * const message = { id: "1", sender: address, parameters, origin, receivedAt: 0, summary: { from: "", to: "", subject: "" } };
 * assertEquals(notifications(message, [event], options), []);
 * ```
 */
export function notifications(
  message: ReportedMessage,
  events: readonly DeliveryEvent[],
  options: NotifyOptions,
): readonly Notification[] {
  const owed = events.filter((each) => isOwed(message, each, options));
  const { sender } = message;
  if (sender === null) return doubleBounce(owed, options);
  const found: Notification[] = [];
  for (const kind of KINDS) {
    const these = owed.filter(({ action }) => KIND[action] === kind);
    if (these.length > 0) found.push({ kind, to: sender, double: false, events: these });
  }
  return found;
}

const KINDS = ["failure", "delay", "success"] as const;
const KIND = {
  failed: "failure",
  delayed: "delay",
  delivered: "success",
  relayed: "success",
  expanded: "success",
} as const;

function isOwed(message: ReportedMessage, event: DeliveryEvent, options: NotifyOptions): boolean {
  const { notify } = event.recipient.parameters;
  const { deliverBy } = message.parameters;
  const known = isKnown(message);
  switch (event.action) {
    case "failed": //                                                                                 RFC 3461 5.2.6
      return wants(notify, "FAILURE") && (known || event.refused !== true);
    case "delayed": //                                                           RFC 3461 5.2.5, as RFC 2852 4.1.3 has it
      return wants(notify, "DELAY");
    case "delivered": //                                                                              RFC 3461 5.2.3
    case "expanded": //                                                                           RFC 3461 5.2.7.3 (c)
      return asked(notify, "SUCCESS") && (known || options.success === "anyone");
    case "relayed": {
      if (asked(notify, "NEVER") || !known && options.success === "known") return false;
      if (asked(notify, "SUCCESS") && event.peer?.dsn !== true) return true; // RFC 3461 5.2.2 (b), 5.2.4 (b)
      if (deliverBy === undefined) return false;
      return deliverBy.trace || deliverBy.mode === "N" && event.peer?.deliverBy !== true; // RFC 2852 4.1.4, 4.1.4.2
    }
  }
}

/** The server chooses for those who said nothing: failure and delay (RFC 3461 4.1). NEVER stands alone. */
function wants(notify: readonly Notify[] | null, what: "FAILURE" | "DELAY"): boolean {
  return notify === null || notify.includes(what);
}
function asked(notify: readonly Notify[] | null, what: Notify): boolean {
  return notify !== null && notify.includes(what);
}

/**
 * Whether the client had logged in. A stranger's sender is whoever a stranger wrote there: of a copy that was refused
 * behind the 250 it is not told; the copy is held for a person instead (SEMANTICS 8).
 */
export function isKnown({ origin }: Pick<ReportedMessage, "origin">): boolean {
  return origin.identity !== null;
}

/** A report about a report goes to nobody but the postmaster, and one about a report to the postmaster to nobody. */
function doubleBounce(owed: readonly DeliveryEvent[], options: NotifyOptions): readonly Notification[] {
  const { postmaster } = options;
  if (options.doubleBounce === "drop" || postmaster === null) return [];
  const events = owed.filter(({ action, recipient: { address, original } }) =>
    action === "failed" && !sameAddress(address, postmaster) && !sameAddress(original, postmaster)
  );
  return events.length > 0 ? [{ kind: "failure", to: postmaster, double: true, events }] : [];
}

/** The next notice of delay that a waiting recipient's sender is owed. */
export interface DelayNotice {
  /** From when on, milliseconds since 1970. */
  readonly at: number;
  /** For the event: the moment that the sender named has passed, or only time. */
  readonly cause: "overdue" | null;
}

/**
 * When the sender is to hear that a recipient still waits; null: not any more, or never. Once after `delayNotice`
 * milliseconds, and at the moment of BY=...;N (RFC 2852 4).
 *
 * @param options.told when the sender was told last, null: not yet
 */
export function delayNotice(
  message: Pick<ReportedMessage, "sender" | "parameters" | "receivedAt">,
  recipient: Pick<ReportedRecipient, "parameters">,
  options: { readonly delayNotice: number | null; readonly told: number | null },
): DelayNotice | null {
  const { told } = options, { deliverBy, holdUntil } = message.parameters;
  if (message.sender === null || !wants(recipient.parameters.notify, "DELAY")) return null;
  let notice: DelayNotice | null = null;
  if (options.delayNotice !== null && told === null) { // what was parked has not waited               RFC 4865 4.2
    notice = { at: Math.max(message.receivedAt, holdUntil ?? 0) + options.delayNotice, cause: null };
  }
  if (deliverBy?.mode === "N" && (told === null || told < deliverBy.at)) {
    if (notice === null || deliverBy.at <= notice.at) notice = { at: deliverBy.at, cause: "overdue" };
  }
  return notice;
}

/**
 * NOTIFY for a next hop that knows DSN. Where it does not know DELIVERBY, it has to tell of a delay for us: DELAY is added
 * unless the answer was NEVER (RFC 2852 4.1.4.2).
 */
export function notifyFor(
  { notify }: RcptParameters,
  { deliverBy }: Pick<MailParameters, "deliverBy">,
  peer: { readonly deliverBy: boolean },
): readonly Notify[] | null {
  if (deliverBy?.mode !== "N" || peer.deliverBy) return notify;
  if (notify === null) return ["FAILURE", "DELAY"];
  return notify.includes("NEVER") || notify.includes("DELAY") ? notify : [...notify, "DELAY"];
}
