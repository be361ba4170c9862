/**
 * What a handler sees in each phase. Two rules carry the rest:
 *   1. Nouns are facts and read-only (`ctx.client`, `ctx.message`); every change is a verb of the context itself
 *      (`ctx.route`, `ctx.score`, `ctx.settle`) and becomes one plain Effect: applied, held back or written down.
 *   2. What is synchronous is data and can be cloned; what returns a promise is a call.
 * Types only. The implementation is transaction_context.ts.
 */
import type { Address } from "../../model/address.ts";
import type { AuthResult } from "../../model/authres.ts";
import type { MailParameters, PluginRoute } from "../../model/envelope.ts";
import type { FieldChange } from "../../model/field_changes.ts";
import type { Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Counters } from "../../store/store.ts";
import type { Key, Scope } from "../key.ts";
import type { EdgeContext } from "./edge_context.ts";
import type { Client, Host, Message, Recipient, Role, Score } from "./facts.ts";
import type { AsksOutside } from "./outside.ts";

export type * from "./deliver_context.ts";
export type * from "./facts.ts";

/**
 * What every phase's context has.
 *
 * @example
 * ```ts
 * import { type Context, on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * // How often it was here today; in any phase.
 * async function visits(ctx: Context, who: string): Promise<number> {
 *   const count = await ctx.store.add(`visits ${who}`, 1, { seconds: 86_400 });
 *   ctx.note(`visit ${count} of ${who}`);
 *   return count;
 * }
 * const counts = on("connect", async (ctx, next) => (await visits(ctx, ctx.client.ip), next()));
 * const { decisions } = await runPhase(counts, "connect", { ip: "192.0.2.1" });
 * assertEquals(decisions[0]?.reason, "visit 1 of 192.0.2.1");
 * ```
 */
export interface Context<S extends Scope = "connection"> extends AsksOutside {
  /** The transaction's id, before MAIL the session's (which begins with `s`). */
  readonly id: string;
  /** The session's id, the same from the first phase to the last. */
  readonly session: string;
  /** What the listener is for. */
  readonly role: Role;
  /** The listener's name: its address unless the configuration names it. */
  readonly listener: string;
  /** This site. */
  readonly host: Host;
  /** Aborted when the call's time is over or the peer has gone. Made on first use. */
  readonly signal: AbortSignal;
  /** Name service. A failure of it says nothing about the mail: `DnsError.temporary`. */
  readonly dns: Resolver;
  /**
   * The only state that threads and nodes share: a plugin is made once per thread, its own variables are a cache.
   * Entries belong to the plugin that wrote them and always expire.
   */
  readonly store: Counters;
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Tells a person, by an `alert` event: an account that sends as if it were stolen. `subject` is whom it is about. No
   * change of the mail: it is told in mode observe too.
   */
  alert(subject: string, message: string): void;
  /** Says a sentence for people, which `explain` shows beside the decision: "7 of 100 messages this minute". Changes nothing. */
  note(sentence: string): void;
  /** What a plugin left under this key, or undefined. */
  get<T>(key: Key<T, S>): T | undefined;
  /** Leaves a fact for the plugins behind this one. A key is no change: it counts in mode observe too. */
  set<T>(key: Key<T, S>, value: NoInfer<T>): void; // NoInfer: else set(SPF, "typo") widens T and compiles
}
/** The scopes that outlive a recipient. */
export type Lasting = "connection" | "transaction";

/**
 * What can wait while the peer does.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const early = on("connect", async (ctx, next) => {
 *   const talked = await ctx.pause(5_000); // before the greeting
 *   return talked ? reject("5.5.1", "Wait for the greeting", { code: 554 }) : next();
 * });
 * const { reply, pauses } = await runPhase(early, "connect", { pause: () => Promise.resolve(true) });
 * assertEquals([reply.code, pauses], [554, [5_000]]);
 * ```
 */
export interface Pausing {
  /**
   * Waits: a peer that is made to wait is a peer that can be told from others. Resolves with false when the time is over,
   * or at once where the listener has hardly a place left; with true as soon as the peer talks before it was greeted (in
   * `connect`). It is no time of the plugin's. At most two minutes; after the last octet it is cut to the time that is left.
   */
  pause(milliseconds: number): Promise<boolean>;
}
/**
 * A connection was taken.
 *
 * @example
 * ```ts
 * import { defer, on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const night = on("connect", (ctx, next) => new Date(ctx.now()).getUTCHours() < 6 ? defer("4.3.2", "Come by day") : next());
 * const at = (hour: number) => runPhase(night, "connect", { now: () => Date.UTC(2026, 0, 1, hour) });
 * assertEquals([(await at(3)).reply.code, (await at(12)).reply.code], [451, 250]);
 * ```
 */
export interface ConnectContext extends Context, Pausing {
  /** The peer. */
  readonly client: Client;
}
/**
 * EHLO, HELO, LHLO.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const not_me = on("helo", (ctx, next) => ctx.helo === ctx.host.name ? reject("5.7.1", "That is my name") : next());
 * assertEquals((await runPhase(not_me, "helo", { helo: "mx.example.org" })).reply.text, "That is my name");
 * ```
 */
export interface HeloContext extends ConnectContext {
  /** What the peer calls itself, as it wrote it: nobody has checked it. */
  readonly helo: string;
}
/**
 * Who the client says it is, and a way to check it that is the same for every SASL mechanism. Holds no secret that a log
 * could show by accident.
 *
 * @example
 * ```ts
 * import { on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const STORED = new Map([["ann", "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$hm9XXUOsvSSJ3jnBZLGoXw"]]);
 * const DECOY = "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
 * const accounts = on("auth", async (ctx, next) => {
 *   const { user, verify, decoy } = ctx.credentials, stored = STORED.get(user);
 *   if (stored === undefined) await decoy(DECOY); // as much work as for a user that is there
 *   else if (await verify(stored)) ctx.identify(user);
 *   return next();
 * });
 * const login = { user: "ann", password: "secret", verify: (stored: string) => stored === STORED.get("ann") };
 * assertEquals((await runPhase(accounts, "auth", { login })).identity, "ann");
 * ```
 */
export interface Credentials {
  /** The SASL mechanism, upper case. */
  readonly mechanism: string;
  /** Whose secret it is, prepared by SASLprep (RFC 4013). Empty where only the token says it. */
  readonly user: string;
  /**
   * Compares with what is stored for the user, in constant time and off this thread, whatever the mechanism:
   * `$scrypt$...`, `SCRAM-SHA-256$...` (both as `postern user` writes them), `SHA256:FINGERPRINT` for EXTERNAL, `{CRAM-MD5}PASSWORD`.
   * False where `stored` does not suit the mechanism.
   */
  verify(stored: string): Promise<boolean>;
  /** The same work for a user that is not there, so that nobody can tell by the time it takes. Always false. */
  decoy(stored: string): Promise<false>;
  /**
   * The password of PLAIN and LOGIN, the token of OAUTHBEARER and XOAUTH2, for a back end that has to see it; null for
   * mechanisms that never tell theirs. Do not keep it, do not log it.
   */
  reveal(): string | null;
}
/**
 * AUTH. The phase accepts only with an identity.
 *
 * @example
 * ```ts
 * import { on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const certified = on("auth", (ctx, next) => {
 *   const { mechanism } = ctx.credentials, name = ctx.client.tls?.certificate?.commonName;
 *   if (mechanism === "EXTERNAL" && name) ctx.identify(name);
 *   return next(); // without an identity core answers 535
 * });
 * const { reply, identity } = await runPhase(certified, "auth", { login: { user: "ann", password: "x" } });
 * assertEquals([reply.code, identity], [535, null]);
 * ```
 */
export interface AuthContext extends HeloContext {
  /** Who the client says it is, and how to check it. */
  readonly credentials: Credentials;
  /** Vouches for the peer: it is this user from now on, if the phase accepts. */
  identify(user: string): void;
}
/**
 * MAIL.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const small = on("mail", (ctx, next) => {
 *   const { size } = ctx.parameters; // what SIZE= said (RFC 1870)
 *   return size !== null && size > 1_000_000 ? reject("5.3.4", "Too large", { code: 552 }) : next();
 * });
 * assertEquals((await runPhase(small, "mail", { parameters: { size: 2_000_000 } })).reply.code, 552);
 * ```
 */
export interface MailContext extends Context<"connection" | "transaction">, Pausing {
  /** The peer. */
  readonly client: Client;
  /** What the peer calls itself. */
  readonly helo: string;
  /** Null for `MAIL FROM:<>`. */
  readonly sender: Address | null;
  /** What MAIL said besides the address. */
  readonly parameters: MailParameters;
  /**
   * The sender is somebody else from here on: `ctx.sender`, the queue and reports know the new one only. The last word
   * counts.
   *
   * @throws {TypeError} for `<>`: a report has nobody to answer to, and must not get one (RFC 5321 4.5.5).
   */
  reversePath(address: Address): void;
}
/** A route to another host. */
export type RemoteRoute = Extract<PluginRoute, { readonly to: "remote" }>;
/** May this recipient come? */
export interface Question {
  /** Who to say it is from; null for `<>`. */
  readonly sender: Address | null;
  /** Who is asked about. */
  readonly recipient: Address;
  /** Where the next hop is. */
  readonly route: RemoteRoute;
  /** What MAIL said: the same TLS and the same alphabet are wanted of the next hop. */
  readonly parameters: MailParameters;
}
/**
 * Asks another host about a recipient, by MAIL and RCPT. Resolves with its words, or with a deferral when nobody could be
 * asked.
 *
 * @example
 * ```ts
 * import { type CallAhead, on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const asks = on("rcpt", async (ctx, next) => {
 *   ctx.route({ to: "remote", via: "inside" });
 *   const reply = await ctx.callAhead();
 *   return reply.verdict === "reject" ? reply : next();
 * });
 * const callAhead: CallAhead = ({ recipient }) => Promise.resolve(reject("5.1.1", `No ${recipient.local} here`));
 * assertEquals((await runPhase(asks, "rcpt", { to: "bob@example.org", callAhead })).reply.text, "No bob here");
 * ```
 */
export type CallAhead = (question: Question, signal: AbortSignal) => Promise<Reply>;
/**
 * RCPT: who is it, and where does its copy go? The phase accepts only a recipient with a route, or an expanded one.
 *
 * @example
 * ```ts
 * import { on, parseAddress, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * const team = [parseAddress("ann@example.org")!, parseAddress("bob@example.org")!];
 * const people = on("rcpt", (ctx, next) => {
 *   const { local } = ctx.recipient.address;
 *   if (local === "team") ctx.expand(team); // each of them is asked the whole list
 *   else if (local !== "nobody") ctx.route({ to: "local", plugin: "inbox" });
 *   return next(); // without a route: 550 5.1.1
 * });
 * const { recipients } = await simulate([people], { to: ["team@example.org", "nobody@example.org"] });
 * assertEquals(recipients.map(({ address }) => address.local), ["ann", "bob"]);
 * ```
 */
export interface RcptContext extends MailContext {
  /** The one that is being decided. */
  readonly recipient: Recipient;
  /** How many recipients the transaction has so far. */
  readonly count: number;
  /** The first route wins; a second claim is ignored and noted. */
  route(route: PluginRoute): void;
  /**
   * Replace this recipient (name it again to keep it). Every member runs the whole rcpt chain with `origin` set, ten deep
   * at most, each address once. One deferred member defers the command, else one accepted member accepts it.
   */
  expand(members: readonly Address[]): void;
  /**
   * Asks the next hop of this recipient's remote route whether it takes it: MAIL and RCPT, and nothing more. Resolves
   * with its words, or with a deferral when nobody could be asked. Remembers nothing: that is the plugin's business.
   * `sender`: who to say it is from, `<>` by default.
   *
   * @throws {TypeError} (a rejection) where the recipient has no remote route, or nobody here asks other hosts.
   */
  callAhead(options?: { readonly sender?: Address | null }): Promise<Reply>;
  /** Also under keys of this recipient, as `recipient.get`. */
  get<T>(key: Key<T, Scope>): T | undefined;
  /** Also under keys of this recipient. */
  set<T>(key: Key<T, Scope>, value: NoInfer<T>): void;
}
/**
 * A message, its sender and its recipients: what data, queue and deliver have in common.
 *
 * @example
 * ```ts
 * import { type MessageContext, on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * // For data, queue and deliver alike.
 * function mark(ctx: MessageContext): void {
 *   const sum = ctx.scores.reduce((all, { points }) => all + points, 0);
 *   ctx.replaceHeader("X-Points", String(sum));
 * }
 * const marks = on("data", (ctx, next) => (ctx.score(2, "no_date"), mark(ctx), next()));
 * const { output } = await runPhase(marks, "data", { message: "X-Points: -9\n\ntext\n" });
 * assertEquals(output, "X-Points: 2\r\n\r\ntext\r\n");
 * ```
 */
export interface MessageContext extends Context<"connection" | "transaction"> {
  /** Null for `<>`. */
  readonly sender: Address | null;
  /** The accepted ones, aliases expanded, each once. */
  readonly recipients: readonly Recipient[];
  /** As received; its header with the edits so far. */
  readonly message: Message;
  /** What was found out about who sent it, so far. */
  readonly authResults: readonly AuthResult[];
  /**
   * Adds a finding about who sent it (RFC 8601). No change but a fact: it counts in mode observe too. Once `data` has
   * accepted, all of them are written as one Authentication-Results field of this host.
   *
   * @throws {TypeError} when it could not be written: a method or result that is no keyword.
   */
  attest(result: AuthResult): void;
  /** Spam points so far. */
  readonly scores: readonly Score[];
  /** Adds points under a rule's name. What they come to is for `spam_score`, or whoever reads `scores`. */
  score(points: number, reason: string): void;
  /** A field in front of the others. Controls in the value become spaces, a long one is folded. */
  prependHeader(name: string, value: string): void;
  /** Removes every field of that name that was received or added so far. */
  removeHeader(name: string): void;
  /** One field of that name: where the first of them stands now, or in front when there is none. The others go. */
  replaceHeader(name: string, value: string): void;
  /**
   * Changes of single fields by their places in `message.headers` as it is now, all at once: for whoever knows the section
   * field by field. Line breaks in a value stand where a space or a tab follows; else as `prependHeader`.
   */
  changeFields(changes: readonly FieldChange[]): void;
  /** Take the message, and keep it in quarantine until a person releases it (SEMANTICS 17). */
  hold(reason: string): void;
  /**
   * A result for one recipient after the body. LMTP answers it as it stands. SMTP has one reply: all refused -> the worst
   * of them with defer before reject; some temporarily -> they stay in the queue; some for good -> 250, and these become
   * DSNs for a known sender, quarantine otherwise.
   */
  refuse(recipient: Recipient, reply: Reply<"defer" | "reject">): void;
}
/**
 * After the last octet (a milter's eom). There is no phase between DATA and the body: BDAT has no such moment.
 *
 * @example
 * ```ts
 * import { on, parseAddress, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const audit = parseAddress("audit@example.org")!;
 * const watched = on("data", (ctx, next) => {
 *   if (ctx.sender?.local === "boss") ctx.copyTo(audit); // durable with the message, and told to nobody
 *   for (const each of ctx.recipients) if (each.address.local === "old") ctx.drop(each);
 *   return next();
 * });
 * const { recipients } = await runPhase(watched, "data", { to: ["old@example.org", "bob@example.org"] });
 * assertEquals(recipients.map(({ result }) => result), ["discarded", null]);
 * ```
 */
export interface DataContext extends EdgeContext, MailContext {
  /**
   * One recipient more, if the message is accepted: durable with it in one commit, and told to nobody (NOTIFY=NEVER). An
   * address of ours is routed by the `rcpt` handlers (`recipient.copy`), a foreign one goes out. If it cannot be routed
   * the message is deferred. Who is a recipient already gets no second copy.
   */
  copyTo(address: Address): void;
  /** This recipient gets nothing, and nobody is told: for the host a copy is `discarded`, for the peer it is accepted. */
  drop(recipient: Recipient): void;
  /**
   * Nothing is sent to that address any more, for so many seconds; null: for good. When the message is accepted.
   */
  suppress(address: Address, options: { readonly reason: string; readonly seconds: number | null }): void;
}
/**
 * Where to, no longer whether. Runs before the 250 (tries 0) and again from the durable queue for routes that name the
 * plugin, hours later and without a peer: hence no `client` here, and transaction keys are gone when tries > 0.
 *
 * @example
 * ```ts
 * import { on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const stored: string[] = [];
 * const memory = on("queue", async (ctx, next) => {
 *   for (const each of ctx.recipients.filter(({ route }) => route?.to === "local" && route.plugin === "memory")) {
 *     stored.push(await new Response(ctx.output()).text()); // edits made, Return-Path in front
 *     ctx.settle(each, "stored"); // durable: only now
 *   }
 *   return next();
 * }, { name: "memory" });
 * const { recipients } = await runPhase(memory, "queue", { from: "a@example.net", message: "Subject: x\n\ntext\n" });
 * assertEquals([recipients[0]?.result, stored], ["stored", ["Return-Path: <a@example.net>\r\nSubject: x\r\n\r\ntext\r\n"]]);
 * ```
 */
export interface QueueContext extends MessageContext {
  /** Attempts before this one. */
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
