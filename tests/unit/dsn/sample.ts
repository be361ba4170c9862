/** Messages and events to report about, and a reader for reports that shares nothing with their writer. */
import type { DeliveryEvent, ReportedMessage } from "../../../core/dsn/event.ts";
import { type Notification, notifications, type NotifyOptions } from "../../../core/dsn/notify.ts";
import { type Original, type Report, report, type ReportOptions } from "../../../core/dsn/report.ts";
import { type Address, parseAddress } from "../../../core/model/address.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS, type RcptParameters } from "../../../core/model/envelope.ts";
import { headerEnd } from "../../../core/model/headers.ts";
import { latin1, octets } from "../../support/bytes.ts";

export const address = (text: string): Address => parseAddress(text)!;
export const SENDER = address("alice@example.org"), BOB = address("bob@example.com");
export const POSTMASTER = address("ops@example.net");
export const RECEIVED = Date.UTC(2024, 0, 1, 10), NOW = Date.UTC(2024, 0, 1, 15), MINUTE = 60_000, HOUR = 3600_000;

/** Logged in, as whoever submits is. */
export const CLIENT: ReportedMessage["origin"] = {
  session: "s1",
  ip: "192.0.2.9",
  helo: "laptop.example.org",
  identity: "alice",
  protocol: "ESMTPSA",
  listener: "submission",
};
export const STRANGER: ReportedMessage["origin"] = { ...CLIENT, identity: null, protocol: "ESMTPS", listener: "mx" };

type Changes = Partial<Omit<ReportedMessage, "parameters">> & { parameters?: Partial<ReportedMessage["parameters"]> };

export function aMessage(changes: Changes = {}): ReportedMessage {
  return {
    id: "01HKXB6000ABCDEFGHJKMNPQRS",
    sender: SENDER,
    origin: CLIENT,
    receivedAt: RECEIVED,
    summary: { from: "Alice <alice@example.org>", to: "bob@example.com", subject: "Lunch" },
    ...changes,
    parameters: { ...NO_MAIL_PARAMETERS, ...changes.parameters },
  };
}

export function anEvent(
  changes: Partial<Omit<DeliveryEvent, "recipient">> & { to?: Address; original?: Address } & Partial<RcptParameters> =
    {},
): DeliveryEvent {
  const { to = BOB, original = to, notify = null, orcpt = null, ...rest } = changes;
  return {
    action: "failed",
    recipient: { address: to, original, parameters: { ...NO_RCPT_PARAMETERS, notify, orcpt } },
    status: "5.1.1",
    words: "550 5.1.1 <bob@example.com>: no such user",
    remote: { name: "mx.example.com", ip: "192.0.2.25" },
    at: NOW,
    ...rest,
  };
}

export const RULES: NotifyOptions = { doubleBounce: "postmaster", postmaster: POSTMASTER, success: "anyone" };
export const OPTIONS: ReportOptions = {
  id: "01HKXRBD80ZZZZZZZZZZZZZZZZ",
  host: "mail.example.net",
  contact: address("postmaster@example.net"),
  now: NOW,
};

export function anOriginal(content: Uint8Array<ArrayBuffer>, inMemory = true): Original {
  const end = headerEnd(content);
  return {
    size: content.length,
    memory: inMemory ? content : null,
    head: end < 0 ? content : content.slice(0, end),
    stream: () => new Blob([content]).stream(),
  };
}
/** A message of a few lines. */
export const LETTER = octets(
  "From: Alice <alice@example.org>\r\nTo: bob@example.com\r\nSubject: Lunch\r\nMessage-ID: <lunch.1@example.org>\r\n\r\n" +
    "Shall we?\r\n",
);

export function theNotification(events: readonly DeliveryEvent[], message = aMessage()): Notification {
  const [first] = notifications(message, events, RULES);
  if (first === undefined) throw new Error("nobody is told");
  return first;
}

/** The report about `events`, which must be of one kind. */
export function write(
  events: readonly DeliveryEvent[],
  { message = aMessage(), original = anOriginal(LETTER), options = {} }: {
    readonly message?: ReportedMessage;
    readonly original?: Original | null;
    readonly options?: Partial<ReportOptions>;
  } = {},
): Promise<Report> {
  return report(theNotification(events, message), message, original, { ...OPTIONS, ...options });
}

/** One octet is one character. */
export interface ReadPart {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly type: string;
  readonly coding: string;
  readonly raw: string;
  /** Quoted-printable undone. */
  readonly text: string;
}

function readFields(head: string): [string, string][] {
  return head.split(/\r\n(?![ \t])/).filter((line) => line !== "").map((line) => {
    const [, name, value] = /^([!-9;-~]+): ?([^]*)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`no field: ${JSON.stringify(line)}`);
    return [name, value!.replaceAll("\r\n", "")];
  });
}
export const valueOf = (fields: ReadPart["fields"], name: string): string | undefined =>
  fields.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1];

function readPart(content: string): ReadPart {
  const empty = content.startsWith("\r\n") ? 0 : content.indexOf("\r\n\r\n");
  if (empty < 0) throw new Error("a part without an empty line");
  const fields = readFields(content.slice(0, empty)), raw = content.slice(empty + (empty === 0 ? 2 : 4));
  const coding = valueOf(fields, "Content-Transfer-Encoding") ?? "7bit";
  return { fields, type: valueOf(fields, "Content-Type") ?? "", coding, raw, text: decode(raw, coding) };
}

function decode(raw: string, coding: string): string {
  if (coding !== "quoted-printable") return raw;
  if (/[^\x20-\x7e\t\r\n]|=(?!\r\n|[0-9A-F]{2})|[ \t]\r\n|[^\r\n]{77}/.test(raw)) {
    throw new Error("no quoted-printable");
  }
  return raw.replaceAll("=\r\n", "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** The message and its parts. @throws when it is no multipart/report. */
export function read(content: Uint8Array): ReadPart & { readonly parts: readonly ReadPart[] } {
  const whole = readPart(latin1(content));
  const boundary = /^multipart\/report; report-type=delivery-status; boundary="([^"]+)"$/.exec(whole.type)?.[1];
  if (boundary === undefined) throw new Error(whole.type);
  const delimited = `\r\n${whole.raw}`.split(`\r\n--${boundary}`);
  const last = delimited.pop();
  if (last !== "--\r\n") throw new Error(`the end is ${JSON.stringify(last)}`);
  return { ...whole, parts: delimited.slice(1).map((each) => readPart(each.slice(2))) };
}

/** The groups of fields of the part for machines. */
export function statusOf(part: ReadPart): (readonly (readonly [name: string, value: string])[])[] {
  return part.text.split("\r\n\r\n").map(readFields);
}
/** What was octets, as text. */
export const unicode = (text: string): string => new TextDecoder("utf-8", { fatal: true }).decode(octets(text));
