/**
 * What happens, as values that are told and decide nothing: the log, metrics and the ledger are observers of these.
 * Non-job: delivering them (bus.ts), wording them (log.ts).
 */
import type { Address } from "../model/address.ts";
import type { Reply } from "../model/reply.ts";

/** The phases of a session in their order, and `deliver` for the way out. */
export type Phase = "connect" | "helo" | "auth" | "mail" | "rcpt" | "data" | "queue" | "deliver";

/** One question to name service, and what came of it. */
export interface Asked {
  /** The record type: "TXT". */
  readonly type: string;
  /** What was asked about: a name, or for PTR an address. */
  readonly name: string;
  /** Records as the resolver gave them, or null with `fault`. */
  readonly records: readonly unknown[] | null;
  /** Why there are none: "nxdomain", "nodata", "servfail", "timeout". */
  readonly fault: string | null;
  /** How long it took, milliseconds; next to nothing when it was known already. */
  readonly ms: number;
  /** When it was asked, monotonic milliseconds, as `Decision.began`. */
  readonly began?: number;
}
/** What a plugin left for others under a key that can be told: the key's name, the value in words. */
export type Fact = readonly [name: string, words: string];

/** A plugin (or "core") made up its mind in a phase. */
export interface Decision {
  /** Tells the events apart. */
  readonly type: "decision";
  /** Session id. */
  readonly session: string;
  /** Transaction id, when there is one. */
  readonly transaction: string | null;
  /** Where it was asked. */
  readonly phase: Phase;
  /** Its name in the configuration (`as`), or "core". */
  readonly plugin: string;
  /** `next`: had nothing against it. `error`: threw, was late or broke a rule of the pipeline. */
  readonly verdict: "accept" | "defer" | "reject" | "next" | "error";
  /** In words for people: a refusal's `reason`, else its text; an error's message; else what the plugin noted. */
  readonly reason: string;
  /** Own time in milliseconds, without what ran behind next(). */
  readonly ms: number;
  /** When it was asked, monotonic milliseconds: what counts is the distance to others of the session. */
  readonly began?: number;
  /** In `rcpt`: about whom. */
  readonly recipient?: Address;
  /** What it left for others. */
  readonly facts?: readonly Fact[];
  /** What it asked name service, at most 64 questions. */
  readonly asked?: readonly Asked[];
  /** In mode observe: the changes it would have made, as plain data. Keys are facts and did apply. */
  readonly held?: readonly unknown[];
  /** In mode observe nothing of it counted. */
  readonly observed?: true;
}
/** A connection was taken. */
export interface SessionOpened {
  /** Tells the events apart. */
  readonly type: "session-opened";
  /** Session id. */
  readonly session: string;
  /** The peer's address. */
  readonly ip: string;
  /** The listener's name. */
  readonly listener: string;
  /** What the listener is for. */
  readonly role: string;
}
/** The client said who it is. */
export interface SessionGreeted {
  /** Tells the events apart. */
  readonly type: "session-greeted";
  /** Session id. */
  readonly session: string;
  /** How: EHLO asks for extensions, LHLO is LMTP's. */
  readonly verb: "HELO" | "EHLO" | "LHLO";
  /** What it calls itself; nobody has checked it. */
  readonly helo: string;
}
/** A TLS handshake succeeded. */
export interface SessionSecured {
  /** Tells the events apart. */
  readonly type: "session-secured";
  /** Session id. */
  readonly session: string;
  /** The peer's address. */
  readonly ip: string;
  /** "TLSv1.2" or "TLSv1.3". */
  readonly version: string;
  /** The cipher suite. */
  readonly cipher: string;
  /** An earlier session was resumed. */
  readonly resumed: boolean;
  /** Why a certificate that the client showed does not count; null: it showed none, or a good one. */
  readonly distrust: string | null;
}
/** A trusted proxy said who is really there (XCLIENT); from here on the session is that peer's. */
export interface SessionProxied {
  /** Tells the events apart. */
  readonly type: "session-proxied";
  /** Session id. */
  readonly session: string;
  /** The address that the proxy told. */
  readonly ip: string;
  /** The proxy's. */
  readonly by: string;
}
/** Somebody tried to log in. Never holds a secret. */
export interface Login {
  /** Tells the events apart. */
  readonly type: "login";
  /** Session id. */
  readonly session: string;
  /** The peer's address. */
  readonly ip: string;
  /** The SASL mechanism. */
  readonly mechanism: string;
  /** The account; for a failure only when the account exists, else a keyed hash: people type passwords there. */
  readonly user: string;
  /** Whether it is logged in now. */
  readonly ok: boolean;
  /** Why not, in words for people; empty when it is. */
  readonly reason: string;
}
/** Something that a person should look at: an account under attack, or sending as if it were stolen. */
export interface Alert {
  /** Tells the events apart. */
  readonly type: "alert";
  /** The part of the server, or the plugin. */
  readonly where: string;
  /** Whom or what it is about: an account, a network. */
  readonly subject: string;
  /** What happened, in a sentence. */
  readonly message: string;
}
/** A plugin gave points. */
export interface Scored {
  /** Tells the events apart. */
  readonly type: "scored";
  /** Session id. */
  readonly session: string;
  /** Transaction id. */
  readonly transaction: string;
  /** Who gave them. */
  readonly plugin: string;
  /** More is worse. */
  readonly points: number;
  /** For what. */
  readonly reason: string;
}
/** A plugin put another body in the place of the received one: what was signed is broken now. */
export interface Rewritten {
  /** Tells the events apart. */
  readonly type: "rewritten";
  /** Session id. */
  readonly session: string;
  /** Transaction id. */
  readonly transaction: string;
  /** Who did it. */
  readonly plugin: string;
  /** Why. */
  readonly reason: string;
  /** Octets of the message before and after. */
  readonly sizes: readonly [before: number, after: number];
}
/** A connection is over. */
export interface SessionClosed {
  /** Tells the events apart. */
  readonly type: "session-closed";
  /** Session id. */
  readonly session: string;
  /** The peer's address. */
  readonly ip: string;
  /** Why, in a few words: "quit", "peer left in DATA", "timeout", "http on the smtp port". */
  readonly reason: string;
  /** Messages that were accepted. */
  readonly messages: number;
  /** How long it lasted. */
  readonly seconds: number;
}
/** A refusal that the peer was told, whoever gave it: core, the grammar or a plugin. */
export interface Refused {
  /** Tells the events apart. */
  readonly type: "refused";
  /** Session id; empty when the connection was refused before there was a session. */
  readonly session: string;
  /** Transaction id, when there is one. */
  readonly transaction: string | null;
  /** The peer's address. */
  readonly ip: string;
  /** The command or phase that was refused: "RCPT", "message". */
  readonly command: string;
  /** As it was given; the peer saw its text with a reference behind it. */
  readonly reply: Reply;
  /** The sender, empty for `<>`; null before MAIL. */
  readonly sender: string | null;
  /** Whom it hit. */
  readonly recipients: readonly string[];
  /** The plugin that refused, or "core" for the end of a phase; null when no plugin was asked. */
  readonly plugin: string | null;
  /** In words for people, where the reply itself gives no reason. */
  readonly reason: string | null;
  /** The phase in which it was decided, when it was spoken later (SEMANTICS 11). */
  readonly delayedFrom: Phase | null;
}
/** A transaction ended without a message: RSET, another EHLO, a client that left. */
export interface Abandoned {
  /** Tells the events apart. */
  readonly type: "abandoned";
  /** Session id. */
  readonly session: string;
  /** Transaction id. */
  readonly transaction: string;
  /** The sender, empty for `<>`. */
  readonly sender: string;
  /** Those that were taken. */
  readonly recipients: readonly string[];
  /** Why, in a few words: "reset", or why the session ended. */
  readonly reason: string;
}
/** Somebody used the site or its API to look at a body or to change something. */
export interface Audit {
  /** Tells the events apart. */
  readonly type: "audit";
  /** Whose token, by its name. */
  readonly by: string;
  /** From where. */
  readonly ip: string;
  /** What was done: "read", "delete", "retry", "send", "reload"... */
  readonly action: string;
  /** To what: an id, an address, a filter. */
  readonly subject: string;
}
/** A message has its 250. */
export interface Accepted {
  /** Tells the events apart. */
  readonly type: "accepted";
  /** Session id. */
  readonly session: string;
  /** Transaction id: the `queued as`. */
  readonly transaction: string;
  /** The peer's address. */
  readonly ip: string;
  /** The sender, empty for `<>`. */
  readonly sender: string;
  /** The accepted ones, aliases expanded. */
  readonly recipients: readonly string[];
  /** Octets received. */
  readonly size: number;
  /** From the last octet to the 250. */
  readonly ms: number;
  /** Why it is held, or null. */
  readonly held: string | null;
  /** The plugin that held it. */
  readonly heldBy?: string | null;
  /** Its Message-ID as it stands there, or null. */
  readonly messageId?: string | null;
}
/** An attempt of the queue at one recipient, and what is known of it. */
export interface DeliveryFacts {
  /** Transaction id. */
  readonly transaction: string;
  /** The session that brought the message. Of a report: the id of the message that it is about; of another letter of this site: empty. */
  readonly session?: string;
  /** The sender, empty for `<>`. */
  readonly sender: string;
  /** Whose copy. */
  readonly recipient: string;
  /** Who had logged in to send it, else null. */
  readonly identity: string | null;
  /** Who was asked: `mx.example.net[192.0.2.1]:25`, a storage plugin's name, a URL's origin; null when nobody was. */
  readonly relay: string | null;
  /** Milliseconds since the message was received. */
  readonly delay: number;
  /** Attempts, this one included. */
  readonly attempts: number;
  /** The enhanced status code (RFC 3463). */
  readonly status: string;
  /** What was said, in one line: the reply as it came, or a reason of our own. */
  readonly reply: string;
  /** `TLSv1.3 verified`, or null without TLS. */
  readonly tls: string | null;
  /** When the attempt that this came of began, monotonic milliseconds; absent where none was made. */
  readonly began?: number;
  /** How long it took, milliseconds. */
  readonly ms?: number;
}
/** A copy has found its place, or the host that takes it from here. */
export interface Delivered extends DeliveryFacts {
  /** Tells the events apart. */
  readonly type: "delivered";
}
/** Not now: it is tried again. */
export interface Deferred extends DeliveryFacts {
  /** Tells the events apart. */
  readonly type: "deferred";
  /** When, milliseconds since 1970. */
  readonly next: number;
}
/** Never: refused for good, or given up. */
export interface Bounced extends DeliveryFacts {
  /** Tells the events apart. */
  readonly type: "bounced";
  /** Its time was over. */
  readonly expired: boolean;
}
/** A recipient waits for a person. */
export interface Held {
  /** Tells the events apart. */
  readonly type: "held";
  /** Transaction id. */
  readonly transaction: string;
  /** Whose copy. */
  readonly recipient: string;
  /** Why. */
  readonly reason: string;
}
/** Something went as it should, and somebody may want to know: a certificate was replaced. */
export interface Notice {
  /** Tells the events apart. */
  readonly type: "notice";
  /** The part of the server, or the plugin. */
  readonly where: string;
  /** What happened, in a sentence. */
  readonly message: string;
}
/** Something is wrong with the server, not with a mail. */
export interface Trouble {
  /** Tells the events apart. */
  readonly type: "trouble";
  /** The part of the server, or the plugin. */
  readonly where: string;
  /** What is wrong, in a sentence. */
  readonly message: string;
}
/**
 * Everything that observers are told.
 *
 * @example
 * ```ts
 * import { type Event, on, reject, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * const told = (event: Event) => event.type === "decision" ? `${event.plugin} ${event.verdict}: ${event.reason}` : event.type;
 * const closed = on("mail", () => reject("5.7.1", "Closed"), { name: "closed" });
 * const { events } = await simulate([closed], { to: "bob@example.org" });
 * assertEquals(events.map(told)[0], "closed reject: Closed");
 * ```
 */
export type Event =
  | Decision
  | SessionOpened
  | SessionGreeted
  | SessionSecured
  | SessionProxied
  | Login
  | Alert
  | Scored
  | Rewritten
  | SessionClosed
  | Refused
  | Accepted
  | Abandoned
  | Audit
  | Delivered
  | Deferred
  | Bounced
  | Held
  | Notice
  | Trouble;

/** Told of everything; must not throw and cannot decide. */
export type Observer = (event: Event) => void;
