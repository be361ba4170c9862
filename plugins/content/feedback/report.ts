/**
 * What a delivery status notification says of each recipient: the machine's part of RFC 3464, else the sentences of qmail
 * and of old Exims, as far as they name an address and a status beside it. Pure, bounded, linear. Nothing that it says is
 * believed here. Non-job: whether it is about mail of ours, what follows from it (mod.ts).
 */
import type { Address } from "../../../core/pipeline/mod.ts";
import { type Fields, groupsIn, plainAddress, typedAddress } from "./fields.ts";

/** RFC 3464 2.3.3. */
export type ReportAction = "failed" | "delayed" | "delivered" | "relayed" | "expanded";

/** One recipient in a report. */
export interface ReportedStatus {
  /** Where the reporting host tried; may be another address than the sender named. */
  readonly final: Address | null;
  /** What the sender named (RFC 3461 4.2), where the report says. */
  readonly original: Address | null;
  readonly action: ReportAction;
  /** RFC 3463, and the most telling there is: that of the diagnostic where Status says no more than the class. */
  readonly status: string;
}

const ACTIONS: ReadonlySet<string> = new Set(["failed", "delayed", "delivered", "relayed", "expanded"]);
const STATUS = /^\s*([245]\.\d{1,3}\.\d{1,3})(?![.\d])/;
/** An enhanced code that stands where a reply has one: behind its code, or as qmail writes it. */
const IN_TEXT = /(?:\b[45]\d\d[ -]#?|\(#)([45]\.\d{1,3}\.\d{1,3})(?![.\d])/;
const MOST_RECIPIENTS = 100;

/** The recipients of a message/delivery-status. Empty when it is none. */
export function parseDeliveryStatus(octets: Uint8Array): readonly ReportedStatus[] {
  const found: ReportedStatus[] = [];
  for (const group of groupsIn(octets)) {
    const one = recipientOf(group);
    if (one !== null) found.push(one);
    if (found.length === MOST_RECIPIENTS) break;
  }
  return found;
}

function recipientOf(group: Fields): ReportedStatus | null {
  const final = typedAddress(group.value("Final-Recipient")),
    original = typedAddress(group.value("Original-Recipient"));
  const action = group.value("Action")?.trim().toLowerCase().split(/[\s(;]/, 1)[0] ?? "";
  const said = STATUS.exec(group.value("Status") ?? "")?.[1];
  if (final === null && original === null || !ACTIONS.has(action) || said === undefined) return null;
  const told = said.endsWith(".0.0") ? IN_TEXT.exec(group.value("Diagnostic-Code") ?? "")?.[1] : undefined;
  return {
    final,
    original,
    action: action as ReportAction,
    status: told !== undefined && told[0] === said[0] ? told : said,
  };
}

const MOST_LINES = 2000;

/**
 * The recipients in a text of qmail-send (its bounce message format) or of Exim before 4.87. Only an address with an
 * enhanced status code near it is one that failed.
 */
export function parseBounceText(octets: Uint8Array): readonly ReportedStatus[] {
  const text = new TextDecoder().decode(octets), lines = text.split(/\r?\n/, MOST_LINES);
  const first = lines.find((line) => line.trim() !== "") ?? "";
  if (first.startsWith("Hi. This is the ")) return qmail(lines);
  return first.startsWith("This message was created automatically by mail delivery software") ? exim(lines) : [];
}

/** A paragraph for each recipient, `<address>:` in front; one that begins with a dash is the last. */
function qmail(lines: readonly string[]): readonly ReportedStatus[] {
  const found: ReportedStatus[] = [];
  let address: Address | null = null, words = "";
  const end = () => {
    const status = IN_TEXT.exec(words)?.[1];
    if (address !== null && status !== undefined) found.push(failed(address, status));
    address = null;
    words = "";
  };
  for (const line of lines) {
    if (line.trim() === "") end();
    else if (address === null && line.startsWith("-")) break;
    else if (address === null && line.startsWith("<") && line.endsWith(">:")) address = plainAddress(line.slice(0, -1));
    else if (address !== null) words += ` ${line.slice(0, 500)}`;
    if (found.length === MOST_RECIPIENTS) return found;
  }
  end();
  return found;
}

/** An indented address for each recipient, and lines behind it that are indented more; a line of dashes is the last. */
function exim(lines: readonly string[]): readonly ReportedStatus[] {
  if (!lines.some((line) => line.startsWith("recipients. This is a permanent error."))) return [];
  const found: ReportedStatus[] = [];
  let address: Address | null = null, words = "";
  const end = () => {
    const status = IN_TEXT.exec(words)?.[1];
    if (address !== null && status !== undefined && status.startsWith("5")) found.push(failed(address, status));
    address = null;
    words = "";
  };
  for (const line of lines) {
    if (line.startsWith("------")) break;
    if (/^ {2}\S/.test(line)) {
      end();
      address = plainAddress(line);
    } else if (/^ {4,}\S/.test(line)) words += ` ${line.slice(0, 500).trim()}`;
    else end();
    if (found.length === MOST_RECIPIENTS) return found;
  }
  end();
  return found;
}

function failed(address: Address, status: string): ReportedStatus {
  return { final: address, original: null, action: "failed", status };
}

/** What a failure says of the address: that it is not there, that it may come back, or nothing (RFC 3463 3). */
export function severityOf({ action, status }: ReportedStatus): "hard" | "soft" | null {
  if (action !== "failed") return null;
  if (HARD.test(status)) return "hard";
  return SOFT.test(status) ? "soft" : null;
}
// Nobody of that name, no such domain, no address, moved, takes no mail (RFC 7505), closed
const HARD = /^5\.(?:1\.(?:1|2|3|6|10)|2\.1)$/;
// Addresses of another kind, a mailbox that is full or waits, hosts that could not be reached. 5.1.7 to 5.1.9 are about
// the sender, 5.2.3 and 5.3.4 about the size, 5.6 about the content, 5.7 about policy: no fault of the address
const SOFT = /^(?:[45]\.1\.[04]|4\.1\.[1236]|[45]\.2\.[02]|4\.2\.[1]|[45]\.4\.[0-9]{1,3})$/;
