/**
 * The part of a report that machines read: message/delivery-status (RFC 3464 2, RFC 3461 6.3), or in UTF-8
 * message/global-delivery-status (RFC 6533 4). Non-job: what people read (wording.ts), the message around it (report.ts).
 */
import { canonicalDomain, canonicalLiteral } from "../model/domain.ts";
import { formatDate } from "../model/trace.ts";
import { type DeliveryEvent, type ReportedMessage, statusOf } from "./event.ts";
import { field, quotable } from "./text.ts";
import { decodeXtext, escapeUnicode, finalRecipient, isAscii, originalRecipient } from "./typed.ts";

/** The longest reply that is told in full, characters. */
export const MAX_WORDS = 1000;

/**
 * Groups of fields, apart by an empty line: about the message, then about each recipient.
 *
 * @param wide UTF-8 may stand in it
 */
export function statusFields(
  message: ReportedMessage,
  events: readonly DeliveryEvent[],
  options: { readonly host: string; readonly wide: boolean },
): string {
  const { wide } = options;
  let out = aboutMessage(message, options.host);
  for (const event of events) out += `\r\n${aboutRecipient(event, message.id, wide)}`;
  return out;
}

function aboutMessage({ parameters, origin, receivedAt }: ReportedMessage, host: string): string {
  const { envid, deliverBy } = parameters;
  let out = envid === null ? "" : field("Original-Envelope-Id", escapeUnicode(decodeXtext(envid))); //            RFC 3461 6.3 (a)
  // Without a name in the DNS the type is another                                                 RFC 3461 6.3 (b)
  out += field("Reporting-MTA", `${canonicalDomain(host)?.includes(".") ? "dns" : "x-local-hostname"}; ${host}`);
  const from = origin.helo.startsWith("[") ? canonicalLiteral(origin.helo) : canonicalDomain(origin.helo);
  if (from !== null) out += field("Received-From-MTA", `dns; ${from}`); // as it named itself        RFC 3464 2.2.4
  out += field("Arrival-Date", formatDate(receivedAt));
  if (deliverBy !== undefined) out += field("Deliver-By-Date", formatDate(deliverBy.at)); //        RFC 2852 5
  return out;
}

function aboutRecipient(event: DeliveryEvent, id: string, wide: boolean): string {
  const { recipient: { address, parameters: { orcpt } }, action, remote, words, retryUntil } = event;
  // Only what the sender named itself                                                             RFC 3461 6.3 (d)
  let out = orcpt === null ? "" : field("Original-Recipient", originalRecipient(orcpt, wide));
  out += field("Final-Recipient", finalRecipient(address, wide));
  out += field("Action", action) + field("Status", statusOf(event));
  if (remote !== null) {
    const name = escapeUnicode(quotable(remote.name, 255)) || "unknown";
    const isKnown = remote.ip !== null || remote.name.includes("."); // else it is a word of the operator's
    out += field("Remote-MTA", `${isKnown ? "dns" : "x-local-hostname"}; ${name}`);
  }
  if (words !== null) {
    const told = quotable(words, MAX_WORDS), type = remote === null ? "x-postern" : "smtp"; //     RFC 3461 9.2
    out += field("Diagnostic-Code", `${type}; ${wide ? told : escapeUnicode(told)}`);
  }
  out += field("Last-Attempt-Date", formatDate(event.at));
  if (action === "delayed" && retryUntil !== undefined) out += field("Will-Retry-Until", formatDate(retryUntil));
  return out + field("Final-Log-ID", id);
}

/** True when a field would be UTF-8 if it may. */
export function hasUnicode(events: readonly DeliveryEvent[]): boolean {
  return events.some(({ recipient: { address, parameters: { orcpt } }, words }) =>
    !isAscii(`${address.local}${words ?? ""}`) ||
    orcpt !== null && !isAscii(originalRecipient(orcpt, true))
  );
}
