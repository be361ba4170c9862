/**
 * One mail transaction as the host wants it, and the commands that it becomes with a given peer: MAIL and RCPT with the
 * parameters that the peer offers (RFC 5321 4.1.1.2, 4.1.1.3). Nothing that ends a line or a word gets into one: that is
 * looked at here, at the door. Non-job: what the peer lacks (needs.ts), what it answers (open_transaction.ts).
 */
import { type Address, formatAddress, parsePath } from "../../model/address.ts";
import type { BodyType, MailParameters, RcptParameters } from "../../model/envelope.ts";
import type { Line } from "./line.ts";
import type { PeerExtensions } from "./peer_extensions.ts";

export interface TransactionRecipient {
  readonly address: Address;
  readonly parameters: RcptParameters;
}

/** What the content is, as it will be handed over. */
export interface ContentFacts {
  /** Octets, before dots are doubled (RFC 1870 3). */
  readonly size: number;
  /** What is in it: 8BITMIME when it has octets above 127, BINARYMIME when it is no lines. */
  readonly body: BodyType;
  /** Its header has UTF-8 that means SMTPUTF8 (RFC 6532); raw octets of old programs do not. */
  readonly utf8Header: boolean;
}

/** Who sends, who receives, what is said of them. Immutable. */
export interface Envelope {
  readonly sender: Address | null;
  readonly recipients: readonly TransactionRecipient[];
  /** What is handed on of what MAIL said to us; SIZE, BODY and SMTPUTF8 come from the content instead. */
  readonly parameters: Pick<MailParameters, "ret" | "envid" | "auth" | "requireTls" | "deliverBy" | "priority">;
}

/** A message to some recipients. Immutable. */
export interface MailTransaction extends Envelope {
  readonly content: ContentFacts;
}
/** With null the recipients are only asked for, and no content follows. */
export type Inquiry = Envelope & { readonly content: ContentFacts | null };

const NON_ASCII = /[^\x00-\x7f]/;
// xtext of RFC 3461 4
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/;
// addr-type ";" xtext, or what RFC 6533 3 has for utf-8
const ORCPT = /^[A-Za-z0-9-]+;[!-<>-~\u00a0-\u{10ffff}]+$/u;
/** by-time has nine digits at most (RFC 2852 4). */
const LONGEST_BY = 999_999_999;

/** True when the address needs SMTPUTF8: its local part does, domains go as A-labels (SEMANTICS 20). */
export function isWide(address: Address | null): boolean {
  return address !== null && NON_ASCII.test(address.local);
}

/** Whole seconds till the message is late; never 0 with R, which has no such time (RFC 2852 4). */
export function secondsLeft(at: number, now: number): number {
  return Math.max(-LONGEST_BY, Math.min(LONGEST_BY, Math.floor((at - now) / 1000)));
}

/** MAIL with its CRLF. @throws {TypeError} when a part of it has what no command can. */
export function mailCommand(transaction: Inquiry, { peer, identified, options }: Line): string {
  const { sender, recipients, parameters, content } = transaction;
  const { ret, envid, auth, requireTls, deliverBy, priority } = parameters;
  let line = `MAIL FROM:${sender === null ? "<>" : path(sender)}`;
  if (content !== null) {
    if (peer.has("SIZE")) line += ` SIZE=${whole(content.size, "SIZE", 0, Number.MAX_SAFE_INTEGER)}`;
    if (content.body === "BINARYMIME" || content.body === "8BITMIME" && peer.has("8BITMIME")) {
      line += ` BODY=${content.body}`;
    }
  }
  const wide = content?.utf8Header === true || isWide(sender) || recipients.some((each) => isWide(each.address));
  if (wide && peer.has("SMTPUTF8")) line += " SMTPUTF8";
  if (peer.has("DSN")) {
    if (ret !== null) line += ` RET=${word(ret, "RET", /^(?:FULL|HDRS)$/)}`;
    if (envid !== null && envid !== "") line += ` ENVID=${word(envid, "ENVID", XTEXT)}`;
  }
  // Whose login wrote it is nobody's business but of those who know us                                  RFC 4954 5
  if (auth !== null && identified && peer.has("AUTH")) line += ` AUTH=${word(auth, "AUTH", XTEXT)}`;
  if (requireTls) line += " REQUIRETLS";
  if (deliverBy !== undefined && peer.has("DELIVERBY")) {
    const { at, mode, trace } = deliverBy, by = secondsLeft(at, options.now());
    line += ` BY=${whole(by, "BY", -LONGEST_BY, LONGEST_BY)};${word(mode, "BY", /^[NR]$/)}${trace ? "T" : ""}`;
  }
  if (priority !== undefined && peer.has("MT-PRIORITY")) {
    line += ` MT-PRIORITY=${whole(priority, "MT-PRIORITY", -9, 9)}`;
  }
  return `${line}\r\n`;
}

/** RCPT with its CRLF. @throws {TypeError} when a part of it has what no command can. */
export function rcptCommand(
  { address, parameters: { notify, orcpt } }: TransactionRecipient,
  peer: PeerExtensions,
): string {
  let line = `RCPT TO:${path(address)}`;
  if (peer.has("DSN")) {
    if (notify !== null && notify.length > 0) {
      line += ` NOTIFY=${word(notify.join(","), "NOTIFY", /^[A-Z]+(?:,[A-Z]+)*$/)}`;
    }
    if (orcpt !== null) line += ` ORCPT=${originalRecipient(word(orcpt, "ORCPT", ORCPT), peer)}`;
  }
  return `${line}\r\n`;
}

/** In ASCII where the peer takes no other: utf-8-addr-xtext of RFC 6533 3. */
function originalRecipient(orcpt: string, peer: PeerExtensions): string {
  if (peer.has("SMTPUTF8") || !NON_ASCII.test(orcpt)) return orcpt;
  return orcpt.replace(/[^\x00-\x7f]/gu, (char) => `\\x{${char.codePointAt(0)!.toString(16).toUpperCase()}}`);
}

/** The address as a path; what the grammar does not take is no address, wherever it came from (case 67). */
function path(address: Address): string {
  const text = `<${formatAddress(address)}>`;
  const read = parsePath(text, 0, { smtputf8: true });
  if (read.fault !== undefined || read.end !== text.length || text === "<>") {
    throw new TypeError(`no address: ${JSON.stringify(text.slice(0, 320))}`);
  }
  return text;
}

function word(value: string, name: string, grammar: RegExp): string {
  if (!grammar.test(value)) throw new TypeError(`no value of ${name}: ${JSON.stringify(value.slice(0, 200))}`);
  return value;
}

function whole(value: number, name: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) throw new TypeError(`no value of ${name}: ${value}`);
  return value;
}
