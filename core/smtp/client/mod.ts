/**
 * The client side of SMTP and LMTP: one engine without I/O, which a host gives octets, requests and time. Web-standard
 * APIs only. Non-job: which host, when, how often (delivery).
 */
export { ClientSession } from "./session.ts";
export type { ClientOptions } from "./line.ts";
export type { ClientEvent } from "./events.ts";
export type { ContentSink } from "./content.ts";
export type { LoginOptions, SecuredChannel } from "./login.ts";
export { found, type Outcome, type Phase } from "./outcome.ts";
export { PeerExtensions, type PeerLimits } from "./peer_extensions.ts";
export { PeerReply } from "./peer_reply.ts";
export type { Step, Wait } from "./steps.ts";
export type { ContentFacts, Envelope, MailTransaction, TransactionRecipient } from "./transaction.ts";
