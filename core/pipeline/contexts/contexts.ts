/**
 * What a handler sees in each phase. Two rules carry the rest:
 *   1. Nouns are facts and read-only (`ctx.client`, `ctx.message`); every change is a verb of the context itself
 *      (`ctx.route`, `ctx.score`, `ctx.settle`) and becomes one plain Effect: applied, held back or written down.
 *   2. What is synchronous is data and can be cloned; what returns a promise is a call.
 * Types only. The implementation is transaction_context.ts.
 */
import type { Address } from "../../model/address.ts";
import type { BodyType, MailParameters, RcptParameters, Result, Route } from "../../model/envelope.ts";
import type { Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { PhaseName } from "../../observe/events.ts";
import type { Key, Scope } from "../key.ts";

/** What a listener is for. `edge` is an edge platform's email event. */
export type Role = "mx" | "submission" | "lmtp" | "edge";

/** This site, as its configuration has it. */
export interface Host {
  /** The name in the greeting, in Received and as authserv-id. */
  readonly name: string;
  /** The local domains as written, `*.name` for all below a name, `*` for every domain. `new DomainSet` reads them. */
  readonly domains: readonly string[];
  readonly postmaster: Address | null;
}
export interface Client {
  /** Canonical: IPv4-mapped addresses as IPv4. */
  readonly ip: string;
  readonly port: number;
  readonly tls: { readonly version: string; readonly cipher: string } | null;
  readonly identity: string | null;
}
export interface Recipient {
  readonly address: Address;
  /** What the peer named; `address` differs after an alias. */
  readonly original: Address;
  /** The recipient this one was expanded from. Null for what the peer itself named. */
  readonly origin: Recipient | null;
  readonly parameters: RcptParameters;
  readonly route: Route | null;
  readonly result: Result | null;
  get<T>(key: Key<T, "recipient">): T | undefined;
}
export interface HeaderField {
  /** As it was written, without the colon. */
  readonly name: string;
  /** Unfolded, without the space around it. Octets above 127 as UTF-8, else Latin-1. */
  readonly value: string;
}
/**
 * The message as received. Header edits are a list beside it and take effect when it is written; `header` and `headers`
 * show them, `bytes` and `stream` never do: signatures stay checkable.
 */
export interface Message {
  readonly size: number;
  readonly bodyType: BodyType;
  /** The first field of that name, any case. */
  header(name: string): string | undefined;
  readonly headers: readonly HeaderField[];
  /** The received octets: a view, never write to it. Rejects above `max` (default 1 MiB): stream instead. */
  bytes(options?: { readonly max?: number }): Promise<Uint8Array<ArrayBuffer>>;
  /** A fresh stream of the received octets each time, from memory or the spool file. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
}
/**
 * The only state that threads and nodes share: a plugin is made once per thread, its own variables are a cache.
 * Entries belong to the plugin that wrote them and always expire; `add` is atomic and returns the new sum.
 */
export interface PluginStore {
  get(name: string): Promise<string | undefined>;
  put(name: string, value: string, options: { readonly seconds: number }): Promise<void>;
  add(name: string, amount: number, options: { readonly seconds: number }): Promise<number>;
}

export interface Context<S extends Scope = "connection"> {
  /** The transaction's id, before MAIL the session's (which begins with `s`). */
  readonly id: string;
  readonly role: Role;
  /** The listener's name: its address unless the configuration names it. */
  readonly listener: string;
  readonly host: Host;
  /** Aborted when the call's time is over or the peer has gone. Made on first use. */
  readonly signal: AbortSignal;
  readonly dns: Resolver;
  readonly store: PluginStore;
  /** Milliseconds since 1970. */
  now(): number;
  get<T>(key: Key<T, S>): T | undefined;
  set<T>(key: Key<T, S>, value: NoInfer<T>): void; // NoInfer: else set(SPF, "typo") widens T and compiles
}
/** What a condition may look at, in any phase. `recipient` is there in rcpt only, `sender` is null before MAIL too. */
export interface Facts {
  readonly phase: PhaseName;
  readonly role: Role;
  readonly listener: string;
  readonly host: Host;
  readonly client: Client;
  readonly helo: string;
  readonly sender: Address | null;
  readonly recipient: Recipient | null;
  /** The accepted ones so far. */
  readonly recipients: readonly Recipient[];
  get<T>(key: Key<T, Scope>): T | undefined;
}
export type Lasting = "connection" | "transaction";

export interface ConnectContext extends Context {
  readonly client: Client;
}
/** EHLO, HELO, LHLO. */
export interface HeloContext extends ConnectContext {
  readonly helo: string;
}
export interface AuthContext extends HeloContext {
  readonly credentials: { readonly mechanism: string; readonly user: string; verify(stored: string): Promise<boolean> };
  identify(user: string): void;
}
export interface MailContext extends Context<Lasting> {
  readonly client: Client;
  readonly helo: string;
  /** Null for `MAIL FROM:<>`. */
  readonly sender: Address | null;
  readonly parameters: MailParameters;
}
export interface RcptContext extends MailContext {
  readonly recipient: Recipient;
  /** How many recipients the transaction has so far. */
  readonly count: number;
  /** The first route wins; a second claim is ignored and noted. */
  route(route: Route): void;
  /**
   * Replace this recipient (name it again to keep it). Every member runs the whole rcpt chain with `origin` set, ten deep
   * at most, each address once. One deferred member defers the command, else one accepted member accepts it.
   */
  expand(members: readonly Address[]): void;
  set<T>(key: Key<T, Lasting | "recipient">, value: NoInfer<T>): void;
}
/** All that an edge host knows. Write a handler against this and it runs in both places. */
export interface MessageContext extends Context<Lasting> {
  readonly sender: Address | null;
  readonly recipients: readonly Recipient[];
  readonly message: Message;
  /** Spam points so far, and who gave them. */
  readonly scores: readonly { readonly points: number; readonly reason: string }[];
  score(points: number, reason: string): void;
  prependHeader(name: string, value: string): void;
  /** Removes every field of that name that was received or added so far. */
  removeHeader(name: string): void;
  /** Take the message, and keep it in quarantine until a person releases it (SEMANTICS: hold). */
  hold(reason: string): void;
  /**
   * A result for one recipient after the body. LMTP answers it as it stands. SMTP has one reply: all refused -> the worst
   * of them with defer before reject; some temporarily -> they stay in the queue; some for good -> 250, and these become
   * DSNs for a known sender, quarantine otherwise.
   */
  refuse(recipient: Recipient, reply: Reply<"defer" | "reject">): void;
}
/** After the last octet (a milter's eom). There is no phase between DATA and the body: BDAT has no such moment. */
export interface DataContext extends MessageContext, MailContext {}
/**
 * Where to, no longer whether. Runs before the 250 (tries 0) and again from the durable queue for routes that name the
 * plugin, hours later and without a peer: hence no `client` here, and transaction keys are gone when tries > 0.
 */
export interface QueueContext extends MessageContext {
  readonly tries: number;
  /**
   * The message as it is to be written: edits applied, one Return-Path in front (final delivery, RFC 5321 4.4), CRLF.
   * A fresh stream each time.
   */
  output(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Say this only when the copy is durable. Settled is settled: if the chain fails later, the rest is queued, not refused. */
  settle(recipient: Recipient, result: "stored" | "discarded"): void;
  /** A copy for a mailbox of the dev inbox: durable, and settled as stored, with the commit that ends the phase. */
  deposit(recipient: Recipient, inbox: string): void;
}
/** On the way out: once per message and destination group, before the attempt. */
export interface DeliverContext extends MessageContext {
  readonly tries: number;
  /** The recipients of this attempt share this destination. */
  readonly destination: { readonly domain: string; readonly via: string | null };
}
