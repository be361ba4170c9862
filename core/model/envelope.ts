/**
 * The envelope: who sends, to whom, under which promises (RFC 5321 2.3.1), and where each recipient's copy goes.
 * Values only. Non-job: parsing the parameters (core/smtp/params.ts), deciding a route (plugins).
 */
import type { Reply } from "./reply.ts";

/** How the content may be coded: RFC 6152, RFC 3030. */
export type BodyType = "7BIT" | "8BITMIME" | "BINARYMIME";

/** What MAIL said besides the address, kept for the next hop. */
export interface MailParameters {
  /** SIZE, octets (RFC 1870). */
  readonly size: number | null;
  /** BODY; 7BIT unless it was said. */
  readonly body: BodyType;
  /** Addresses and header fields may hold UTF-8 (RFC 6531). */
  readonly smtputf8: boolean;
  /** RET (RFC 3461 4.3). */
  readonly ret: "FULL" | "HDRS" | null;
  /** ENVID as it stood on the wire, xtext (RFC 3461 4.4). */
  readonly envid: string | null;
  /** AUTH= as it stood on the wire (RFC 4954 5). */
  readonly auth: string | null;
  /** REQUIRETLS: onwards only over TLS that was verified (RFC 8689). */
  readonly requireTls?: true;
  /** FUTURERELEASE: not before this moment, milliseconds since 1970 (RFC 4865). */
  readonly holdUntil?: number;
  /** DELIVERBY (RFC 2852). */
  readonly deliverBy?: DeliverBy;
  /** MT-PRIORITY, -9 to 9 (RFC 6710). */
  readonly priority?: number;
}
/** BY= of MAIL (RFC 2852 4). */
export interface DeliverBy {
  /** Milliseconds since 1970; may have passed. */
  readonly at: number;
  /** R: return it then. N: notify and go on. */
  readonly mode: "R" | "N";
  /** A relayed DSN is wanted from each relay that lacks the extension. */
  readonly trace: boolean;
}
export const NO_MAIL_PARAMETERS: MailParameters = {
  size: null,
  body: "7BIT",
  smtputf8: false,
  ret: null,
  envid: null,
  auth: null,
};

/** True while a message waits for the moment that its sender appointed (RFC 4865). */
export function isParked({ holdUntil }: MailParameters, now: number): boolean {
  return holdUntil !== undefined && holdUntil > now;
}
/** True when a message is to be returned because its time is over (RFC 2852 4). */
export function isOverdue({ deliverBy }: MailParameters, now: number): boolean {
  return deliverBy?.mode === "R" && deliverBy.at <= now;
}

/** When the sender wants to hear of it (RFC 3461 4.1). */
export type Notify = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";
/** What RCPT said besides the address (RFC 3461 4.1, 4.2). */
export interface RcptParameters {
  /** Null: what the server thinks best. */
  readonly notify: readonly Notify[] | null;
  /** ORCPT as it stood on the wire: address type, semicolon, xtext. */
  readonly orcpt: string | null;
}
export const NO_RCPT_PARAMETERS: RcptParameters = { notify: null, orcpt: null };

/** A route that a plugin may give. `local` names the storage plugin whose `queue` handler stores it. */
export type PluginRoute =
  | { readonly to: "local"; readonly plugin: string }
  | { readonly to: "remote"; readonly via?: string };
/**
 * Where a recipient's copy goes. With `report` nothing is delivered and the sender is told: that its copy was refused
 * behind the 250, or that the recipient was a list of several (RFC 3461 5.2.7.3). Only core routes so.
 */
export type Route =
  | PluginRoute
  | { readonly to: "report"; readonly action: "failed" | "expanded"; readonly reason: string };

/**
 * What became of a recipient: a copy is durable at its place (`stored`), was dropped on purpose (`discarded`), is a row
 * of the queue (`queued`), was taken by another host (`relayed`), or was refused.
 */
export type Result = "stored" | "discarded" | "queued" | "relayed" | Reply<"defer" | "reject">;

/** The peer of a transaction as the queue, the ledger and the trace remember it. */
export interface Origin {
  /** Session id. */
  readonly session: string;
  /** Its address; empty for what this server wrote itself. */
  readonly ip: string;
  /** What it called itself. */
  readonly helo: string;
  /** Who had logged in, else null. */
  readonly identity: string | null;
  /** The `with` word of Received (RFC 3848): SMTP, ESMTP, ESMTPS, LMTP ... */
  readonly protocol: string;
  /** The listener's name. */
  readonly listener: string;
}

/**
 * Changes to the header that are made when the message is written, never before: `prepend` goes in front, the octet
 * ranges of `drop` (half open, ascending, apart) are left out of the received octets, the texts of `insert` stand between
 * them. A field that is replaced where it stands is dropped and its successor inserted.
 */
export interface HeaderEdits {
  /** Whole fields with their line ends. */
  readonly prepend: string;
  /** Ranges of the received octets. */
  readonly drop: readonly (readonly [start: number, end: number])[];
  /** One whole field each, before the received octet of that index, also where that is dropped; ascending. */
  readonly insert?: readonly (readonly [at: number, field: string])[];
}
export const NO_EDITS: HeaderEdits = { prepend: "", drop: [] };
