/**
 * Where messages, mailboxes of the dev inbox and counters live. The interface assumes nothing of one process or one
 * machine: what a worker holds it holds by a lease with an end. Implementations: sqlite.ts, memory.ts; all pass
 * tests/unit/store/contract.ts. Non-job: when to try again and where to (core/queue, core/delivery).
 */
import type { Lines } from "./lines.ts";
import type { Address } from "../model/address.ts";
import type { HeaderEdits, MailParameters, Origin, RcptParameters, Route } from "../model/envelope.ts";
import type { Counters } from "./counting.ts";

export type { CounterEntry, CounterOptions, CounterQuery, Counters } from "./counting.ts";

// ---- Bodies ----------------------------------------------------------------------------------------------------------

/**
 * The received octets of one message, complete, not yet durable. In memory, or in a spool file once it grew past the
 * limit or the budget that all bodies share. Give it to `commit`, or `discard` it: one of the two, exactly once.
 */
export interface Body {
  /** Octets, dots unstuffed, CRLF kept. */
  readonly size: number;
  /** All octets when they are in memory, else null. */
  readonly memory: Uint8Array<ArrayBuffer> | null;
  /** The first octets, at least the whole header section (which core/smtp bounds), wherever the rest is. */
  readonly head: Uint8Array<ArrayBuffer>;
  /** A fresh stream each time. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  discard(): void;
}

/** Takes the octets of a message as they come. */
export interface BodyWriter {
  /**
   * Copies `chunk` (the caller's buffer is reused). A promise means: wait before the next one, the disk or the budget
   * is behind. After it rejected with a StoreError the writer swallows what follows, and `finish` rejects likewise.
   */
  write(chunk: Uint8Array): void | Promise<void>;
  finish(): Body | Promise<Body>;
  /** Forget everything, remove the file. Safe at any time, any number of times. */
  abort(): void;
}

// ---- What is committed -----------------------------------------------------------------------------------------------

export type QueueState = "ready" | "active" | "deferred" | "held" | "corrupt" | "delivered" | "failed" | "expired";
/** All of them. */
export const QUEUE_STATES: readonly QueueState[] = [
  "ready",
  "active",
  "deferred",
  "held",
  "corrupt",
  "delivered",
  "failed",
  "expired",
];
/** States in which nothing more will happen. */
export const FINAL_STATES: readonly QueueState[] = ["delivered", "failed", "expired"];

export interface NewRecipient {
  readonly address: Address;
  readonly original: Address;
  readonly parameters: RcptParameters;
  readonly route: Route;
  /** Who shares one is leased, postponed and woken together: `mx:DOMAIN`, `via:NAME`, `local:PLUGIN`, `report`. */
  readonly destination: string;
  /** The moment, milliseconds since 1970, at which its sender is owed a word, whatever happens. Null: none. */
  readonly deadline: number | null;
  /** `held` waits for a person, `deferred` for `nextAttempt`, `ready` for a worker. */
  readonly state: "ready" | "deferred" | "held";
  /** Milliseconds since 1970. */
  readonly nextAttempt: number;
  /** With `deferred`: the sender appointed that moment (RFC 4865), however far away it is. */
  readonly appointed?: true;
  /** The reply or reason that brought it here, if any. */
  readonly lastReply: string | null;
}
/** A copy for a mailbox of the dev inbox: durable with the queue rows, in one write. */
export interface NewDeposit {
  readonly inbox: string;
  readonly address: Address;
  readonly original: Address;
}
export interface NewMessage {
  readonly id: string;
  readonly sender: Address | null;
  readonly parameters: MailParameters;
  readonly origin: Origin;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly edits: HeaderEdits;
  /** Decoded From, To and Subject for lists; empty strings when unknown. */
  readonly summary: { readonly from: string; readonly to: string; readonly subject: string };
  readonly recipients: readonly NewRecipient[];
  readonly deposits: readonly NewDeposit[];
}

// ---- What comes back -------------------------------------------------------------------------------------------------

/** A message as it lies in the store. `version` is the row format's. */
export interface StoredMessage extends Omit<NewMessage, "recipients" | "deposits"> {
  readonly size: number;
  readonly version: number;
}
export interface StoredRecipient extends Omit<NewRecipient, "state" | "appointed"> {
  /** Place in the message, from 0; names the recipient for good. */
  readonly index: number;
  readonly state: QueueState;
  readonly attempts: number;
  /** When its sender was told of a delay or of its end, milliseconds since 1970. */
  readonly told: number | null;
  /**
   * A person released it, or will: he or a rule holds it since it came, not a plugin of `data`. What holds mail does not
   * hold it again, and it does not leave with what is in quarantine.
   */
  readonly released: boolean;
}
export interface QueueItem {
  readonly message: StoredMessage;
  readonly recipients: readonly StoredRecipient[];
}
/** A message with everything that is known of it, on its way from one store to another: `whole` tells it, `adopt` takes it. */
export interface WholeItem {
  readonly message: StoredMessage;
  /** Not necessarily all that it ever had: who is settled may be gone, and the others keep their places. */
  readonly recipients: readonly (StoredRecipient & Pick<NewRecipient, "appointed">)[];
  /** Until when it is in quarantine (CommitOptions.expires), or null. */
  readonly expires: number | null;
  /** Octets of what was received, where another body goes on in its place (CommitOptions.received); else null. */
  readonly receivedSize: number | null;
}
/** What a worker may try until `until`; then somebody else may. It is one destination's part of one message. */
export interface Lease {
  readonly message: StoredMessage;
  /** The due recipients that this lease covers, now `active`; all of them have the destination of the first. */
  readonly recipients: readonly StoredRecipient[];
  readonly owner: string;
  readonly until: number;
}
export interface RecipientOutcome {
  readonly index: number;
  readonly state: "ready" | "delivered" | "failed" | "expired" | "deferred" | "held";
  readonly nextAttempt?: number;
  /** As in NewRecipient. */
  readonly appointed?: true;
  readonly lastReply?: string | null;
  /** Counted as an attempt (default true). */
  readonly attempt?: boolean;
  /** Deposits that become durable together with this outcome. */
  readonly deposits?: readonly NewDeposit[];
  /** From now on; what is left out stays as it is. */
  readonly destination?: string;
  readonly deadline?: number | null;
  /** With `failed` and `expired`: nobody has to look after it any more, it goes with the message. */
  readonly told?: number;
}
/** A message about others that becomes durable with their outcomes: a delivery status notification. */
export interface NewReport {
  readonly message: NewMessage;
  /** In memory and small: it lies in the database. */
  readonly content: Uint8Array;
}
/** What comes with a commit beside the message and its body. */
export interface CommitOptions {
  /** Who takes from the start what is ready. */
  readonly claim?: Claim;
  /**
   * The octets as they were received, where the body is another one: kept as long as the message, for people. It is
   * discarded like the body.
   */
  readonly received?: Body;
  /** It is in quarantine: what of it is still held then (milliseconds since 1970) goes, and nobody is told. */
  readonly expires?: number;
}
/** Who takes what a commit makes ready, and until when (milliseconds since 1970): its first lease comes with it. */
export interface Claim {
  readonly owner: string;
  readonly until: number;
}
export interface LeaseOptions {
  /** Who asks. */
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly seconds: number;
  /** At most so many leases. */
  readonly limit: number;
  /** Destinations to leave out, except those recipients of theirs whose deadline has come. */
  readonly exclude?: readonly string[];
  /** What waits for a later moment is due too, unless it was appointed: a clock that ran ahead planned it (case 74). */
  readonly horizon?: number;
}
/** `next`: by the first moment at which something of it is tried; what waits for a person comes last. */
export type QueueOrder = "newest" | "oldest" | "next";
/** What of the queue: recipients for which all of it holds, and the messages that have one. */
export interface QueueQuery {
  readonly state?: QueueState;
  /** Recipient domain. */
  readonly domain?: string;
  /** Only of these messages, at most 1000. */
  readonly ids?: readonly string[];
  /** Text in the recipient's address or in the sender's, ASCII letters of either case; or the message's id, whole or its last eight. */
  readonly q?: string;
  /** The sender: an address, `@domain`, or `<>`; ASCII letters of either case. */
  readonly from?: string;
  /** The recipient, as he is or as the client named him: an address or `@domain`. */
  readonly to?: string;
  /** Only messages that came before, milliseconds since 1970, as their ids say. */
  readonly receivedBefore?: number;
  /** At most this many items (default 100, at most 1000). */
  readonly limit?: number;
}
/** Which part of a list. A change asks for none: it takes the newest first. */
export interface QueueListQuery extends QueueQuery {
  /** Default newest. */
  readonly order?: QueueOrder;
  /** Items before the first that is wanted (default 0). */
  readonly offset?: number;
}
/** Recipients of one domain. */
export interface DomainTotals {
  readonly domain: string;
  readonly ready: number;
  readonly active: number;
  readonly deferred: number;
  readonly held: number;
  /** When the oldest message with one of them came, milliseconds since 1970. */
  readonly oldest: number;
}
/** Messages by the states of their recipients. */
export type QueueTotals = Readonly<Partial<Record<QueueState, number>>>;
export interface QueuePage {
  /** Items that match, all of them. */
  readonly total: number;
  readonly items: readonly QueueItem[];
  /** Rows that could not be read; `why` says what is wrong. Never in `items`. */
  readonly corrupt: readonly { readonly id: string; readonly why: string }[];
}
export type QueueChange =
  | { readonly do: "retry" }
  | { readonly do: "hold"; readonly reason: string }
  | { readonly do: "release" }
  | { readonly do: "delete" }
  /**
   * What is ready, deferred or held goes this way, now where it is not held. `destination` null: `mx:` and its own domain.
   */
  | { readonly do: "route"; readonly route: Route; readonly destination: string | null }
  /** Its sender is told that it failed, now. What is ready, deferred or held. */
  | { readonly do: "bounce"; readonly reason: string };

export interface InboxMessage {
  /** The message id, or `ID.n` for the copies after the first. */
  readonly id: string;
  readonly inbox: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly size: number;
  readonly receivedAt: number;
  readonly read: boolean;
}
export interface InboxQuery {
  readonly inbox?: string;
  /** Text in From, To, Subject or an envelope address. */
  readonly q?: string;
  /** At most this many, newest first (default 50, at most 500). */
  readonly limit?: number;
  /** Only messages older than this id. */
  readonly before?: string;
}
export interface InboxPage {
  readonly total: number;
  readonly messages: readonly InboxMessage[];
}

/** The mailboxes of the dev inbox. */
export interface Inboxes {
  names(): Promise<readonly { readonly name: string; readonly total: number; readonly unread: number }[]>;
  list(query: InboxQuery): Promise<InboxPage>;
  get(id: string): Promise<{ readonly entry: InboxMessage; readonly message: StoredMessage } | null>;
  markRead(id: string, read: boolean): Promise<boolean>;
  /** Removes one, or without an id every message (of one inbox). Returns how many. */
  remove(what: { readonly id?: string; readonly inbox?: string }): Promise<number>;
  /** Called after each durable arrival or removal. Returns the function that ends it. */
  watch(
    listener: (change: { readonly type: "arrived" | "removed"; readonly id: string; readonly inbox: string }) => void,
  ): () => void;
}

/** What is held for a person, and goes by itself when none comes. */
export interface QuarantineStore {
  /** How much there is: messages, and their octets, with those received where other ones go on. */
  total(): Promise<QuarantineTotal>;
  /** Removes what has been held too long; the ids of the messages. */
  expire(options: { readonly now: number }): Promise<readonly string[]>;
}
export interface QuarantineTotal {
  readonly messages: number;
  readonly octets: number;
}

export interface StoreHealth {
  /** How long the oldest commit under way has waited, milliseconds. */
  readonly writerWait: number;
  readonly freeBytes: number;
  /** Octets of bodies in memory now. */
  readonly bodyBytes: number;
}

export interface Store {
  /** A writer for the octets of transaction `id`. */
  receive(id: string): BodyWriter;
  /**
   * Makes the message, its body, its queue rows and its deposits durable, all or nothing, and only then resolves.
   * It takes the body over. Rejects with StoreError; then nothing of the message is kept, and it is never retried here.
   *
   * With a `claim` the recipients that are ready are leased from the start: resolves with those leases, else with none.
   * Whoever is another node's to try stays ready and is in none of them.
   */
  commit(message: NewMessage, body: Body, options?: CommitOptions): Promise<readonly Lease[]>;

  /**
   * Takes due recipients for `seconds`: first those whose senders are owed a word, which get at most half while others
   * wait; then the oldest of every destination, a fair part of each, those that wait longest first. Fewer than `limit`
   * leases mean that nothing else is due and not left out.
   */
  lease(options: LeaseOptions): Promise<readonly Lease[]>;
  /**
   * Writes what became of a lease's recipients, and the reports about them, all or nothing. Several times for one lease,
   * each for a part of it, is fine. Recipients that were deleted meanwhile are left out. False when the lease of one of
   * the others had ended, or nobody is left: then nothing was written.
   */
  settle(lease: Lease, outcomes: readonly RecipientOutcome[], reports?: readonly NewReport[]): Promise<boolean>;
  /**
   * Nothing of a destination is tried before `until`: what is ready or deferred and due before then waits until then, or
   * until its deadline, and that counts as an attempt. What is active or held stays as it is, and so does what its sender
   * appointed, before its moment. Other writes may come in between. Returns how many recipients it changed.
   */
  postpone(
    options: { readonly destination: string; readonly until: number; readonly now: number },
  ): Promise<number>;
  /** The first moment after `now` at which a recipient falls due (milliseconds since 1970), or null. */
  nextDue(options: { readonly now: number }): Promise<number | null>;

  /** When the oldest message came that is ready, active or deferred for a recipient, milliseconds since 1970, or null. */
  oldest(): Promise<number | null>;

  queue(query: QueueListQuery): Promise<QueuePage>;
  /** How many messages have a recipient in each state; only states that there are. */
  totals(query: Pick<QueueQuery, "domain">): Promise<QueueTotals>;
  /** Domains that something in the queue is for, those with the most recipients first. */
  domains(query: { readonly limit: number }): Promise<readonly DomainTotals[]>;
  item(id: string): Promise<QueueItem | null>;
  /** For another store. Null when the id is not there or waits for nobody. @throws {StoreError} what cannot be read whole. */
  whole(id: string): Promise<WholeItem | null>;
  /**
   * Takes over a message that left another store: all or nothing and durable as by `commit`, with its states, attempts
   * and moments. What was `active` there is `ready`: who had it has it no more. Takes both bodies over. False when the
   * id is there already; then nothing is changed. @throws {StoreError} as `commit` does.
   */
  adopt(item: WholeItem, body: Body, received?: Body): Promise<boolean>;
  /** Returns how many recipients it changed. */
  change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number>;
  /** The message as written: edits applied, CRLF. Null when the id is not there. */
  raw(id: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null>;
  /** The octets that go on, without edits: the received ones, or what a plugin put in their place. */
  content(id: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null>;
  /** The octets as they were received, whatever a plugin put in their place. */
  received(id: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null>;

  /**
   * Where others may write to the same queue: called when something may be due that they wrote. Any number of times, also
   * without cause. Returns the function that ends it.
   */
  watchQueue?(listener: () => void): () => void;

  /** Where its writer is a thread that others may reach. */
  readonly lines?: Lines;
  readonly inboxes: Inboxes;
  readonly quarantine: QuarantineStore;
  readonly counters: Counters;
  health(): StoreHealth;
  /** Waits for commits under way, then lets go of the files. */
  close(): Promise<void>;
}

/** `full`: no space or quota. `busy`: too much is waiting. `io`: the medium failed. `closed`: shutting down. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(readonly fault: "full" | "busy" | "io" | "closed", message: string) {
    super(message);
  }
}
