/**
 * The state of one session and its current transaction: every phase's context at once, reused from message to message.
 * The engine sets facts (greet, begin, propose, complete), effects change the rest (`apply`), the pipeline reads it.
 * Plain fields only, and changes assign, never mutate: an observing plugin works on `Object.create(ctx)`.
 * Non-job: what a plugin is shown (plugin_context.ts), the order of things (pipeline.ts).
 */
import { type Address, sameAddress } from "../../model/address.ts";
import { type AuthResult, checkAuthResult } from "../../model/authres.ts";
import { applyEdits, prependField, removeField, replaceField, withReturnPath } from "../../model/edits.ts";
import { changeFields } from "../../model/field_changes.ts";
import {
  type HeaderEdits,
  type MailParameters,
  NO_EDITS,
  NO_MAIL_PARAMETERS,
  type RcptParameters,
  type Result,
} from "../../model/envelope.ts";
import type { Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Body } from "../../store/store.ts";
import { checkEffect, type Effect } from "../effect.ts";
import type { Key, Scope } from "../key.ts";
import { Pauses } from "../calls/pause.ts";
import type { Phase } from "../plugin.ts";
import type { AuthContext, Client, Deposit, Facts, Host, Message, Recipient, Role, Score } from "./contexts.ts";
import type { Blame, DelayedRefusal, Peer, Services, Suppressing } from "./services.ts";
import { type Departing, Departure, type Resumed } from "./departure.ts";
import type { ReceivedMessage } from "./received_message.ts";
import { TransactionRecipient } from "./recipient.ts";

const MAX_COPIES = 100, MAX_SUPPRESSED = 1000, MAX_RESULTS = 200;

export type { Blame, DelayedRefusal, Peer, Services } from "./services.ts";

export class TransactionContext implements Facts {
  readonly services: Services;
  readonly session: string;
  readonly role: Role;
  readonly listener: string;

  // ---- The connection ------------------------------------------------------------------------------------------------
  phase: Phase = "connect";
  client: Client;
  helo = "";
  /** The name before the greeting that is being decided: a refused EHLO changes nothing (RFC 5321 4.1.4). */
  formerHelo = "";
  credentials: AuthContext["credentials"] | null = null;
  readonly connectionKeys: Map<string, unknown> = new Map();
  /** Why there is nobody to answer to; null while the peer is there. */
  gone: string | null = null;
  delayedConnect: DelayedRefusal | null = null;
  delayedHelo: DelayedRefusal | null = null;
  readonly pauses: Pauses = new Pauses();

  // ---- The transaction -----------------------------------------------------------------------------------------------
  transaction: string | null = null;
  sender: Address | null = null;
  parameters: MailParameters = NO_MAIL_PARAMETERS;
  delayedMail: DelayedRefusal | null = null;
  transactionKeys: Map<string, unknown> = new Map();
  /** The recipient that is being decided. */
  recipient: TransactionRecipient | null = null;
  /** What it was expanded to. */
  members: readonly Address[] | null = null;
  /** The accepted ones, each once. */
  recipients: TransactionRecipient[] = [];
  /** Places of the recipients behind each accepted RCPT, in order: LMTP owes each command a reply (RFC 2033 4.2). */
  commands: number[][] = [];
  /** By its place in `commands`: whom an RCPT named whose sender asked to hear of success, when several are behind it. */
  expanded: Map<number, TransactionRecipient> = new Map();
  /** Those of the command that is being decided. */
  command: number[] = [];
  /** Place by final address and ORCPT. */
  places: Map<string, number> = new Map();
  received: ReceivedMessage | null = null;
  edits: HeaderEdits = NO_EDITS;
  /** What goes on in the place of the received octets; the caller discards it where it does not. */
  rewritten: Body | null = null;
  /** Facts: views share them. */
  authResults: AuthResult[] = [];
  /** Who found each of them. */
  finders: string[] = [];
  suppressed: readonly Suppressing[] = [];
  scores: readonly Score[] = [];
  /** Addresses that get a copy when the message is accepted. */
  copies: readonly Address[] = [];
  held: string | null = null;
  deposits: readonly Deposit[] = [];
  tries = 0;
  /** On the way out: this attempt. */
  departure: Departure | null = null;
  /** It was made: nothing changes it any more. */
  attempted = false;
  /** End of the time that plugins have after the last octet, by performance.now(); 0: not running. */
  expires = 0;
  /** What the commit of this transaction said; undefined: there was none. */
  committed: Reply<"defer"> | null | undefined = undefined;

  /** Who gave each refusal of this session; weak, for nobody counts them. */
  blames: WeakMap<Reply, Blame> | null = null;
  /** Who named `members`. */
  expandedBy = "core";
  /** Who named the last of `copies`. */
  copiedBy = "core";
  /** Who held the message: said with `held`. */
  heldBy: string | null = null;

  /** Signals of calls under way. */
  readonly controllers: Set<AbortController> = new Set();

  constructor(services: Services, peer: Peer) {
    this.services = services;
    this.session = peer.session;
    this.role = peer.role;
    this.listener = peer.listener;
    this.client = peer.client;
  }

  // ---- Facts, set by the engine --------------------------------------------------------------------------------------

  /** EHLO, HELO, LHLO. Then run "helo", which clears the transaction when it accepts and takes the name back else. */
  greet(helo: string): void {
    this.formerHelo = this.helo;
    this.helo = helo;
  }
  /** AUTH. Then run "auth", after which the credentials are gone. */
  authenticate(credentials: AuthContext["credentials"]): void {
    this.credentials = credentials;
  }
  /** The login came to nothing after all. */
  forgetIdentity(): void {
    if (this.client.identity !== null) this.client = { ...this.client, identity: null };
  }
  /** After the TLS handshake: all that was learned is forgotten but the address (RFC 3207 4.2). */
  secure(tls: Client["tls"]): void {
    this.reset();
    this.client = { ...this.client, tls, identity: null };
    this.helo = this.formerHelo = "";
    this.delayedHelo = null;
    this.connectionKeys.clear();
  }
  /** A trusted proxy said who is there: as if that peer had just connected (SEMANTICS 13). Then run "connect". */
  proxied(client: Client, helo: string): void {
    this.reset();
    this.client = client;
    this.helo = this.formerHelo = helo;
    this.delayedConnect = this.delayedHelo = null;
    this.connectionKeys.clear();
  }
  /** MAIL. Then run "mail". */
  begin(
    mail: { readonly id: string; readonly sender: Address | null; readonly parameters: MailParameters },
  ): void {
    this.reset();
    this.transaction = mail.id;
    this.sender = mail.sender;
    this.parameters = mail.parameters;
  }
  /** RCPT. Then run "rcpt", which puts it among `recipients` when it accepts. */
  propose(rcpt: { readonly address: Address; readonly parameters: RcptParameters }): void {
    const { address, parameters } = rcpt;
    this.recipient = new TransactionRecipient({ address, original: address, origin: null, parameters });
    this.members = null;
    this.command = [];
  }
  /** The last octet has come. Then run "data", and if that accepts, "queue". `edits`: core's own, made before plugins. */
  complete(message: ReceivedMessage, edits: HeaderEdits = NO_EDITS): void {
    this.recipient = null;
    this.members = null;
    this.received = message;
    this.edits = edits;
    this.expires = 0;
  }
  /** A message of the durable queue, instead of begin, propose and complete. Then run "queue". */
  resume(item: Resumed): void {
    this.begin(item);
    this.recipients = item.recipients.map((each, place) => new TransactionRecipient({ ...each, origin: null }, place));
    this.commands = [this.recipients.map((_, place) => place)];
    this.complete(item.message, item.edits);
    this.tries = item.tries;
  }
  /** A message on the way out, instead of begin, propose and complete. Then run "deliver". */
  depart(item: Departing): void {
    this.resume(item);
    this.departure = new Departure(item);
  }
  /** End of the transaction: RSET, EHLO, end of message. */
  reset(): void {
    if (this.transaction === null) return;
    this.transaction = null;
    this.sender = null;
    this.parameters = NO_MAIL_PARAMETERS;
    this.delayedMail = null;
    if (this.transactionKeys.size > 0) this.transactionKeys = new Map();
    this.recipient = null;
    this.members = null;
    this.recipients = [];
    this.commands = [];
    this.command = [];
    this.expanded.clear();
    this.places.clear();
    this.received = null;
    this.edits = NO_EDITS;
    this.rewritten?.discard();
    this.rewritten = null;
    if (this.authResults.length > 0) [this.authResults, this.finders] = [[], []];
    this.suppressed = [];
    this.scores = [];
    this.copies = [];
    this.held = this.heldBy = null;
    this.deposits = [];
    this.tries = 0;
    this.departure = null;
    this.attempted = false;
    this.expires = 0;
    this.committed = undefined;
  }
  /** The peer has gone, or the session's time is over. Plugins under way are told and waited for no longer. */
  abort(reason: unknown): void {
    if (this.gone !== null) return;
    this.gone = reason instanceof Error ? reason.message : String(reason);
    for (const controller of this.controllers) controller.abort(new DOMException(this.gone, "AbortError"));
    this.controllers.clear();
    this.pauses.end(false);
  }
  // ---- Facts, read by everybody --------------------------------------------------------------------------------------

  /** The transaction's id, before MAIL the session's. */
  get id(): string {
    return this.transaction ?? this.session;
  }
  get host(): Host {
    return this.services.host;
  }
  get dns(): Resolver {
    return this.services.dns;
  }
  /** How many recipients the transaction has so far, aliases expanded. */
  get count(): number {
    return this.recipients.length;
  }
  /** As received, with the edits so far in its header. */
  get message(): Message {
    if (this.received === null) throw new Error("there is no message before the phase data");
    return this.received.edited(this.edits, this.rewritten);
  }
  now(): number {
    return this.services.now();
  }
  /** What a plugin in mode observe works on. */
  get isView(): boolean {
    return !Object.hasOwn(this, "session");
  }
  get<T>(key: Key<T, Scope>): T | undefined {
    return this.keysOf(key.scope).get(key.name) as T | undefined;
  }
  keysOf(scope: Scope): Map<string, unknown> {
    if (scope === "connection") return this.connectionKeys;
    if (scope === "transaction") return this.transactionKeys;
    if (this.recipient === null) throw new Error("there is no recipient to keep this key");
    return this.recipient.keys;
  }
  /** The message as final delivery writes it: edits applied, one Return-Path in front. A fresh stream each time. */
  output(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.received === null) throw new Error("there is no message before the phase data");
    return applyEdits(this.message.content(), withReturnPath(this.edits, this.received.section, this.sender));
  }
  /** As `Pausing.pause`; no promise of it ever rejects. */
  pause(milliseconds: number): Promise<boolean> {
    const { pause, crowded } = this.services;
    if (pause) return pause(milliseconds);
    const left = this.expires > 0 ? Math.min(milliseconds, this.expires - performance.now()) : milliseconds;
    if (this.gone !== null || crowded?.()) return Promise.resolve(false);
    return this.pauses.begin(left, this.phase === "connect");
  }
  /** As `MessageContext.attest`. */
  attest(result: AuthResult, plugin: string): void {
    if (this.phase !== "data") throw new TypeError(`attest() has no meaning in ${this.phase}`);
    checkAuthResult(result);
    if (this.authResults.length === MAX_RESULTS) return;
    this.authResults.push(result);
    this.finders.push(plugin);
  }

  // ---- Effects -------------------------------------------------------------------------------------------------------

  /**
   * Makes one change. Assigns and never mutates, so that it works on a view. Returns a note when it had no effect.
   *
   * @throws {TypeError} when the effect makes no sense here: the plugin's error.
   */
  apply(effect: Effect): string | null {
    const change = checkEffect(effect, this.phase);
    if (this.attempted) return "the attempt was made already";
    switch (change.do) {
      case "identify":
        this.client = { ...this.client, identity: change.user };
        return null;
      case "route":
        if (this.departure !== null) return changeDeparture(this, change);
        if (this.recipient!.route !== null) return "a second route was ignored";
        this.recipient = this.recipient!.withRoute(change.route);
        return null;
      case "expand":
        if (this.members !== null) return "a second expansion was ignored";
        this.members = change.members;
        return null;
      case "copy":
        if (this.copies.some((each) => sameAddress(each, change.address))) return "it was copied there already";
        if (this.copies.length === MAX_COPIES) throw new TypeError(`copyTo() wants at most ${MAX_COPIES} addresses`);
        this.copies = [...this.copies, change.address];
        return null;
      case "score":
        this.scores = [...this.scores, { points: change.points, reason: change.reason }];
        return null;
      case "header":
        this.edits = change.value === null
          ? removeField(this.edits, this.received!.section, change.name)
          : prependField(this.edits, change.name, change.value);
        return null;
      case "replace":
        this.edits = replaceField(this.edits, this.received!.section, change);
        return null;
      case "fields":
        this.edits = changeFields(this.edits, this.received!.section, change.changes);
        return null;
      case "hold":
        if (this.held !== null) return "the message was held already";
        if (this.departure?.released) return "a person released the message";
        this.held = change.reason;
        return null;
      case "rewrite":
        if (this.isView) change.body.discard(); // nothing of it goes on, and nobody else would
        if (this.isView) return null;
        this.rewritten?.discard();
        this.rewritten = change.body;
        return null;
      case "suppress":
        if (this.suppressed.length === MAX_SUPPRESSED) return "that many addresses at once are not suppressed";
        this.suppressed = [...this.suppressed, change];
        return null;
      case "refuse":
        return this.settleRecipient(change.recipient, change.reply);
      case "drop": {
        const note = this.settleRecipient(change.recipient, "discarded");
        if (note === null && !this.isView) this.places.delete(placeKey(this.recipientAt(change.recipient))); // may come anew
        return note;
      }
      case "settle":
        return this.settleRecipient(change.recipient, change.result);
      case "deposit": {
        const recipient = this.recipientAt(change.recipient);
        if (this.isSettled(recipient)) return "a settled recipient stays settled";
        this.deposits = [...this.deposits, { recipient, inbox: change.inbox }];
        return null;
      }
      case "reversePath":
        if (this.sender === null) throw new TypeError("reversePath() wants a sender: <> stays <>"); // RFC 5321 4.5.5
        if (this.departure !== null) return changeDeparture(this, change);
        this.sender = change.address;
        return null;
      case "forwardPath":
      case "postpone":
      case "sign":
        return changeDeparture(this, change);
    }
  }

  /** The place of a recipient that a plugin names. */
  placeOf(recipient: Recipient): number {
    const place = recipient instanceof TransactionRecipient ? recipient.place : -1;
    if (place >= 0 && this.recipients[place]?.keys === (recipient as TransactionRecipient).keys) return place;
    const found = this.recipients.findIndex((each) => sameAddress(each.address, recipient.address)); // a clone
    if (found < 0) throw new TypeError("that recipient is not one of this transaction");
    return found;
  }
  /** True when a recipient has its result, or will have with the commit that ends the phase. */
  isSettled(recipient: TransactionRecipient): boolean {
    return recipient.result !== null ||
      this.deposits.length > 0 &&
        this.deposits.some((each) => (each.recipient as TransactionRecipient).place === recipient.place);
  }
  recipientAt(place: number): TransactionRecipient {
    const recipient = this.recipients[place];
    if (recipient === undefined) throw new TypeError("that recipient is not one of this transaction");
    return recipient;
  }
  /** Settled is settled: the first result stands. */
  settleRecipient(place: number, result: Result): string | null {
    const recipient = this.recipientAt(place);
    if (this.isSettled(recipient)) return "a settled recipient stays settled";
    if (!Object.hasOwn(this, "recipients")) this.recipients = this.recipients.slice(); // a view changes its own list
    this.recipients[place] = recipient.withResult(result);
    return null;
  }

  // ---- The pipeline's --------------------------------------------------------------------------------------------------

  /** Remembers who gave a refusal: the reply itself does not say, and may be spoken by another phase. */
  blame(reply: Reply, plugin: string, reason: string, delayedFrom: Phase | null = null): void {
    (this.blames ??= new WeakMap()).set(reply, { plugin, reason, delayedFrom });
  }
  blameOf(reply: Reply): Blame | null {
    return this.blames?.get(reply) ?? null;
  }

  /** Takes the recipient that is being decided into the envelope, or finds that it is there (SEMANTICS 15). */
  admit(): void {
    const recipient = this.recipient!;
    const key = placeKey(recipient);
    let place = this.places.get(key);
    if (place === undefined) {
      place = this.recipients.length;
      this.places.set(key, place);
      this.recipient = recipient.at(place);
      this.recipients.push(this.recipient);
    }
    this.command.push(place);
  }
  /** Forgets the recipients that were admitted since there were `count`. */
  dismiss(count: number): void {
    for (const recipient of this.recipients.splice(count)) this.places.delete(placeKey(recipient));
    this.command = [];
  }
  /** Takes back what the last accepted RCPT brought: there were `count` recipients before it. */
  withdraw(count: number): void {
    this.dismiss(count);
    this.commands.pop();
    this.expanded.delete(this.commands.length);
  }
}

/** One delivery for one final address and ORCPT. Case counts only where the local part is somebody else's to read. */
function placeKey({ address, route, parameters }: TransactionRecipient): string {
  const local = route?.to === "local" ? address.local.toLowerCase() : address.local;
  return `${local}@${address.domain} ${parameters.orcpt ?? ""}`;
}

/** A change of the attempt. A view changes a copy of its own. */
function changeDeparture(ctx: TransactionContext, change: Parameters<Departure["change"]>[0]): null {
  if (!Object.hasOwn(ctx, "departure")) ctx.departure = ctx.departure!.copy();
  ctx.departure!.change(change);
  return null;
}
