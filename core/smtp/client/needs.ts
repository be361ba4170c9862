/**
 * What a message needs and a peer lacks, found before MAIL is said: never is 8-bit sent to who takes 7, nor REQUIRETLS to
 * who would not keep it (RFC 6531 3.4, RFC 6152 3, RFC 1870 6, RFC 8689 4, RFC 2852 4). Non-job: converting the content
 * for this peer, which the host may do before.
 */
import { found, type Outcome } from "./outcome.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import { type Inquiry, isWide, secondsLeft, type TransactionRecipient } from "./transaction.ts";

const lacks = (status: string, text: string): Outcome => found("reject", status, text, "envelope");

const NO_TLS = lacks("5.7.30", "The sender asks for REQUIRETLS, and this server does not offer it in TLS");
const WIDE_SENDER = lacks("5.6.7", "The sender's address has characters that this server does not take");
const WIDE_RECIPIENT = lacks("5.6.7", "The recipient's address has characters that this server does not take");
const WIDE_HEADER = lacks("5.6.9", "The header has characters that this server does not take");
const EIGHT_BIT = lacks("5.6.3", "The message is not 7-bit, and this server takes no other");
const BINARY = lacks("5.6.3", "The message is binary, and this server takes lines only");
const NO_DELIVER_BY = lacks("5.3.3", "The message is to be returned when it is late, and this server does not do that");
const LATE = lacks("5.4.7", "The time that the sender gave the message is over");

/** Why no recipient can have it from this peer, or null. `secure`: TLS is on. */
export function unmet(
  { sender, parameters, content }: Inquiry,
  peer: PeerExtensions,
  { secure, now }: { readonly secure: boolean; readonly now: number },
): Outcome | null {
  if (parameters.requireTls && !(secure && peer.has("REQUIRETLS"))) return NO_TLS; //                   RFC 8689 4.2.1
  if (!peer.has("SMTPUTF8")) {
    if (isWide(sender)) return WIDE_SENDER;
    if (content?.utf8Header === true) return WIDE_HEADER;
  }
  if (content?.body === "BINARYMIME" && !peer.has("BINARYMIME")) return BINARY; //                         RFC 3030 3
  if (content?.body === "8BITMIME" && !peer.has("8BITMIME")) return EIGHT_BIT; //                          RFC 6152 3
  if (content !== null && content.size > peer.size) { //                                                                      RFC 1870 6.1
    return lacks("5.3.4", `The message has ${content.size} octets, and this server takes ${peer.size}`);
  }
  if (parameters.deliverBy?.mode === "R") {
    if (!peer.has("DELIVERBY")) return NO_DELIVER_BY;
    if (secondsLeft(parameters.deliverBy.at, now) <= 0) return LATE;
  }
  return null;
}

/** Why this recipient alone cannot have it, or null (SEMANTICS 20). */
export function unmetFor({ address }: TransactionRecipient, peer: PeerExtensions): Outcome | null {
  return !peer.has("SMTPUTF8") && isWide(address) ? WIDE_RECIPIENT : null;
}
