/**
 * What the ledger knows of one message, or of a session that brought none: as a row of a list, and as the whole story in
 * the order in which it happened. Plain data, as the API gives it out. Types only: words for people are in telling.ts.
 */

/**
 * What came of it. `refused` and `deferred`: the peer was told so, for all of it. `abandoned`: a transaction without a
 * message; `none`: a session without a transaction that nobody refused.
 */
export type Verdict = "accepted" | "held" | "refused" | "deferred" | "abandoned" | "none";
export const VERDICTS: readonly Verdict[] = ["accepted", "held", "refused", "deferred", "abandoned", "none"];

/** A row: a message, or a session that brought none. */
export interface Entry {
  /** The transaction's id; of a session that brought none, the session's (it begins with `s`). */
  readonly id: string;
  /** The session's id; of a letter of this site's own, its own id again. */
  readonly session: string;
  /** When it began, milliseconds since 1970. */
  readonly at: number;
  readonly verdict: Verdict;
  /** The peer's address; empty for a letter of this site's own. */
  readonly ip: string;
  /** What the peer called itself; empty before EHLO. */
  readonly helo: string;
  /** The listener's name. */
  readonly listener: string;
  readonly role: string;
  /** "TLSv1.3", or null in clear. */
  readonly tls: string | null;
  /** Who had logged in. */
  readonly identity: string | null;
  /** Empty for `<>`; null where no transaction began. */
  readonly sender: string | null;
  /** Those that were taken, and those that were refused; at most 50. */
  readonly recipients: readonly string[];
  /** How many there were. */
  readonly recipientCount: number;
  /** Octets, where a message came. */
  readonly size: number | null;
  readonly messageId: string | null;
  /** Who decided a refusal, a deferral or a hold; "core" for what no plugin decides; null when nobody had anything against it. */
  readonly plugin: string | null;
  /** The phase in which that was decided. */
  readonly phase: string | null;
  /**
   * The reply that tells the verdict, as it was given: "550 5.7.1 Refused as spam", "250 2.0.0 queued as ID" (LMTP: for
   * each recipient that was taken). Null where nobody was told anything: a letter of this site's own, no transaction.
   */
  readonly reply: string | null;
  /** In words for people, why; empty when there is nothing to say. */
  readonly reason: string;
  /** Own time of all plugins together, milliseconds. */
  readonly ms: number;
  /** Points of all plugins together. */
  readonly points: number;
  /** What plugins in mode observe would have done: the worst of it; null when nothing. */
  readonly observed: "refused" | "deferred" | "held" | null;
  /** What became of its recipients behind the 250, by outcome. */
  readonly deliveries: Readonly<Partial<Record<AttemptOutcome, number>>>;
}

/** One question to name service. */
export interface Lookup {
  /** "TXT example.org" */
  readonly question: string;
  /** Each record in words, cut to 255 characters; at most 8. Empty with `fault`. */
  readonly answers: readonly string[];
  readonly fault: string | null;
  readonly ms: number;
}
/** A plugin (or "core") in a phase. */
export interface Step {
  readonly phase: string;
  readonly plugin: string;
  /** In `rcpt`: about whom. */
  readonly recipient: string | null;
  readonly verdict: "accept" | "defer" | "reject" | "next" | "error";
  readonly observed: boolean;
  /** A reason, or what the plugin noted; may be empty. */
  readonly reason: string;
  /** Milliseconds from the story's beginning to the question. */
  readonly offset: number;
  /** Own time, milliseconds. */
  readonly ms: number;
  readonly points: readonly { readonly points: number; readonly reason: string }[];
  readonly facts: readonly (readonly [name: string, words: string])[];
  readonly dns: readonly Lookup[];
  /** In mode observe: the changes that it would have made, as plain data. */
  readonly held: readonly unknown[];
}
/** A refusal that the peer was told; one of several recipients may have its own. */
export interface Refusal {
  /** "RCPT", "message", "connect"... */
  readonly command: string;
  /** "550 5.1.1 No such user", as it was given; the peer saw `(ref XXXXXXXX)` behind it. */
  readonly reply: string;
  readonly recipients: readonly string[];
  readonly plugin: string | null;
  readonly reason: string | null;
  readonly delayedFrom: string | null;
  readonly offset: number;
}
/** Somebody tried to log in. */
export interface LoginTry {
  readonly mechanism: string;
  /** The account, or a keyed hash of what was typed. */
  readonly user: string;
  readonly ok: boolean;
  readonly reason: string;
  readonly offset: number;
}
export type AttemptOutcome = "delivered" | "deferred" | "bounced" | "expired" | "held";
/** What an attempt of the queue brought to one recipient. */
export interface Attempt {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly recipient: string;
  readonly outcome: AttemptOutcome;
  /** Who was asked, or null. */
  readonly relay: string | null;
  /** "250 2.0.0 ok", in the remote's words, or a reason of our own. */
  readonly reply: string;
  readonly status: string;
  readonly tls: string | null;
  /** How many attempts there were, this one included; 0 where none was made. */
  readonly attempts: number;
  /** When it is tried again, milliseconds since 1970. */
  readonly next: number | null;
}
/** What was done by a person through the site or its API. */
export interface AuditRow {
  readonly at: number;
  readonly by: string;
  readonly ip: string;
  readonly action: string;
  readonly subject: string;
}
/** All that is known. */
export interface Story extends Entry {
  /** How long the session lasted, seconds; null while it lasts. */
  readonly seconds: number | null;
  /** Why the session ended; null while it lasts. */
  readonly ended: string | null;
  /** "TLS_AES_256_GCM_SHA384", or null in clear. */
  readonly cipher: string | null;
  /** Who made the connection for the peer (XCLIENT), or null. */
  readonly proxy: string | null;
  /** Those of the session before the first transaction, and of this one. */
  readonly steps: readonly Step[];
  /** True when there were more steps than are kept. */
  readonly cut: boolean;
  readonly refusals: readonly Refusal[];
  readonly logins: readonly LoginTry[];
  readonly attempts: readonly Attempt[];
  /** Bodies that plugins put in the place of the received one. */
  readonly rewritten: readonly { readonly plugin: string; readonly reason: string }[];
  /** From the last octet to the 250, milliseconds. */
  readonly commitMs: number | null;
  /** Of a session that brought messages: those, the first 100; else empty. */
  readonly messages: readonly Entry[];
  /** Of a report (DSN): the message that it is about. */
  readonly parent: string | null;
  /** What people did to it. */
  readonly audit: readonly AuditRow[];
}
