/**
 * A delivery status notification as a message: multipart/report with a part for people, one for machines and one that
 * holds the message it is about (RFC 3464, RFC 6522, RFC 6533; RFC 3834 for the header). It comes from nobody, has an id
 * of its own and names its parent (SEMANTICS 5). Memory is bounded by the size that is returned and the recipients.
 * Non-job: who gets one (notify.ts), sentences (wording.ts), sending it (the dispatcher, like any other message).
 */
import { type Address, formatAddress } from "../model/address.ts";
import type { MailParameters, RcptParameters } from "../model/envelope.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../model/envelope.ts";
import { HeaderSection } from "../model/headers.ts";
import { concat } from "../model/octets.ts";
import { formatDate } from "../model/trace.ts";
import type { NewMessage } from "../store/store.ts";
import type { ReportedMessage } from "./event.ts";
import type { Notification } from "./notify.ts";
import { formOf, holds, quotedPrintable } from "./octets.ts";
import { type Original, type Part, returnedPart } from "./returned.ts";
import { hasUnicode, statusFields } from "./status.ts";
import { field } from "./text.ts";
import { DISPLAY_NAME, PART_NAMES, subjectOf, textOf } from "./wording.ts";

export type { Original } from "./returned.ts";

/** A message is returned whole up to this size, octets. */
export const RETURN_SIZE = 50 * 1024;

export interface ReportOptions {
  /** The report's own identifier. */
  readonly id: string;
  /** Our name. */
  readonly host: string;
  /** Whom the reader may write to. */
  readonly contact: Address | null;
  readonly now: number;
  /** The largest message that is returned whole (default 50 KiB). */
  readonly returnSize?: number;
  /** The report may have 8-bit content (default true): it asks for 8BITMIME then. */
  readonly eightBit?: boolean;
}

/** A message to commit. It has no route yet: that is asked for as for any other recipient. */
export interface Report extends Pick<NewMessage, "id" | "parameters" | "summary"> {
  /** What it is about. */
  readonly parent: string;
  readonly sender: null;
  readonly to: Address;
  readonly recipient: RcptParameters;
  readonly content: Uint8Array<ArrayBuffer>;
}

const utf8 = new TextEncoder();

/**
 * Writes one report.
 *
 * @param original null when its octets are gone
 */
export async function report(
  notification: Notification,
  message: ReportedMessage,
  original: Original | null,
  options: ReportOptions,
): Promise<Report> {
  const { id, host, now, eightBit = true, returnSize = RETURN_SIZE } = options;
  const returned = original === null
    ? null
    : await returnedPart(notification, message, original, { returnSize, eightBit });
  const body = returned === null ? null : returned.type.includes("header") ? "header" : "message";
  const parts = [
    textPart(textOf(notification, message, { ...options, returned: body })),
    statusPart(notification, message, host, eightBit),
    ...returned === null ? [] : [returned],
  ];
  const wide = parts.some(({ coding }) => coding === "8bit");
  const boundary = boundaryFor(parts, id);
  const to = withDomain(notification.to, host), from = `${DISPLAY_NAME} <MAILER-DAEMON@${host}>`;
  const subject = subjectOf(notification);
  const head = field("From", from) +
    field("To", `<${formatAddress(to)}>`) +
    field("Subject", subject) +
    field("Date", formatDate(now)) +
    field("Message-ID", `<${id}@${host}>`) +
    references(original) +
    field("Auto-Submitted", "auto-replied") + //                                                     RFC 3834 5
    field("MIME-Version", "1.0") +
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n` + // RFC 6522 3
    (wide ? field("Content-Transfer-Encoding", "8bit") : "") +
    "\r\nThis is a report about the delivery of mail, in the format of MIME.\r\n";
  const chunks: Uint8Array[] = [utf8.encode(head)];
  for (const [place, part] of parts.entries()) {
    chunks.push(utf8.encode(`\r\n--${boundary}\r\n${partHead(part, place)}\r\n`), part.octets);
  }
  chunks.push(utf8.encode(`\r\n--${boundary}--\r\n`));
  return {
    id,
    parent: message.id,
    sender: null, //                                                                                   RFC 3461 6.1
    to,
    recipient: NO_RCPT_PARAMETERS,
    parameters: parametersOf(message, to, wide),
    content: concat(chunks),
    summary: { from, to: formatAddress(to), subject },
  };
}

function parametersOf({ parameters: { requireTls } }: ReportedMessage, to: Address, wide: boolean): MailParameters {
  return {
    ...NO_MAIL_PARAMETERS, // no RET                                                                   RFC 3461 6.1
    body: wide ? "8BITMIME" : "7BIT",
    smtputf8: /[^\x00-\x7f]/.test(to.local), // in RCPT and in To
    ...requireTls ? { requireTls } : {}, //                                                            RFC 8689 5
  };
}

function textPart(text: string): Part {
  const octets = utf8.encode(text.replaceAll("\n", "\r\n")), form = formOf(octets);
  return form === "7bit"
    ? { type: "text/plain; charset=utf-8", coding: "7bit", octets }
    : { type: "text/plain; charset=utf-8", coding: "quoted-printable", octets: quotedPrintable(octets) };
}

/** UTF-8 only for those who sent it: others may have no reader for it (RFC 6533 4). */
function statusPart({ events }: Notification, message: ReportedMessage, host: string, eightBit: boolean): Part {
  const wide = message.parameters.smtputf8 && hasUnicode(events);
  const octets = utf8.encode(statusFields(message, events, { host, wide }));
  if (!wide) return { type: "message/delivery-status", coding: "7bit", octets };
  const type = "message/global-delivery-status";
  return eightBit
    ? { type, coding: "8bit", octets }
    : { type, coding: "quoted-printable", octets: quotedPrintable(octets) };
}

function partHead({ type, coding }: Part, place: number): string {
  const name = place === 1 ? PART_NAMES.status : place === 2 ? PART_NAMES.returned : null;
  return field("Content-Type", type) + (name === null ? "" : field("Content-Description", name)) +
    (coding === "7bit" ? "" : field("Content-Transfer-Encoding", coding));
}

/** In no part, whoever wrote it (RFC 2046 5.1.1). "=_" never stands in quoted-printable. */
function boundaryFor(parts: readonly Part[], id: string): string {
  for (let n = 0;; n++) {
    const boundary = `=_${id}_${n}`;
    if (!parts.some(({ octets }) => holds(octets, boundary))) return boundary;
  }
}

/** A whole msg-id of the original, so that mail programs put the report beside it (RFC 3834 3.1.5). */
const MSG_ID = /^<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>$/;

function references(original: Original | null): string {
  if (original === null) return "";
  const section = new HeaderSection(original.head), found = section.named("Message-ID");
  const id = found.length === 1 ? section.value(found[0]!) : "";
  return MSG_ID.test(id) ? field("In-Reply-To", id) + field("References", id) : "";
}

/** `<Postmaster>` has no domain in the envelope; a header has to name one. */
function withDomain({ local, domain }: Address, host: string): Address {
  return { local, domain: domain === "" ? host : domain };
}
