/**
 * What one call of one plugin sees: the facts of the transaction, its own part of the store, a signal of its own. Every
 * change goes through `change`, and counts for nothing once the call has ended: a plugin that is late cannot touch the
 * next message. Non-job: making the change (transaction_context.ts), time (call.ts).
 */
import type { Address } from "../../model/address.ts";
import type { AuthResult } from "../../model/authres.ts";
import type { FieldChange } from "../../model/field_changes.ts";
import type { MailParameters, Origin, PluginRoute } from "../../model/envelope.ts";
import type { Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Body, BodyWriter, CounterEntry, CounterOptions, CounterQuery, Counters } from "../../store/store.ts";
import { cut } from "../../observe/escape.ts";
import type { Asked, Fact } from "../../observe/events.ts";
import type { Effect } from "../effect.ts";
import type { Key, Scope } from "../key.ts";
import type { Phases } from "../plugin.ts";
import type {
  AuthContext,
  Client,
  DataContext,
  DeliverContext,
  Host,
  Message,
  QueueContext,
  RcptContext,
  Recipient,
  Role,
  Score,
  Signer,
} from "./contexts.ts";
import { AskingResolver } from "./asking_resolver.ts";
import { isQuestion, OutsideError } from "./outside.ts";
import type { ReceivedMessage } from "./received_message.ts";
import type { TransactionContext } from "./transaction_context.ts";

/** It is every phase's context at once; which of it a handler may know is said by the handler's type. */
type Every = Omit<AuthContext & RcptContext & DataContext & QueueContext & DeliverContext, "get" | "set">;

/** Characters of what a call noted, and of one value in words: peers have a say in both. */
const MAX_TOLD = 300;

export class PluginContext implements Every {
  readonly #ctx: TransactionContext;
  readonly #plugin: string;
  #ended = false;
  #controller: AbortController | undefined;
  #store: Counters | undefined;
  #pausing = 0;
  #pauseBegan = 0;
  #paused = 0;
  #dns: Resolver | undefined;
  /** What it noted, and why a change had no effect: for the ledger. */
  noted = "";
  /** What it left for others, as far as that can be told. */
  facts: Fact[] | undefined;
  /** What it asked name service. */
  asked: Asked[] | undefined;

  /** `ctx`: the transaction, or a view of it whose changes nobody else sees. */
  constructor(ctx: TransactionContext, plugin: string) {
    this.#ctx = ctx;
    this.#plugin = plugin;
  }

  /** The transaction behind what a plugin was given. */
  static behind(ctx: Phases[keyof Phases]): TransactionContext {
    if (!(ctx instanceof PluginContext)) throw new TypeError("that context is not the pipeline's");
    return ctx.#ctx;
  }

  // ---- For the call --------------------------------------------------------------------------------------------------

  /** The call is over. With a reason its signal says so; without one nobody waits for it any more. */
  end(reason?: Error): void {
    this.#ended = true;
    if (this.#controller === undefined) return;
    this.#ctx.controllers.delete(this.#controller);
    if (reason) this.#controller.abort(reason);
  }

  // ---- Facts ---------------------------------------------------------------------------------------------------------

  get id(): string {
    return this.#ctx.id;
  }
  get session(): string {
    return this.#ctx.session;
  }
  get role(): Role {
    return this.#ctx.role;
  }
  get listener(): string {
    return this.#ctx.listener;
  }
  get host(): Host {
    return this.#ctx.host;
  }
  get dns(): Resolver {
    return this.#dns ??= new AskingResolver(this.#ctx.dns, this.asked = []);
  }
  get client(): Client {
    return this.#ctx.client;
  }
  get peer(): Client | null {
    return this.#ctx.role === "edge" ? null : this.#ctx.client;
  }
  get helo(): string {
    return this.#ctx.helo;
  }
  get credentials(): AuthContext["credentials"] {
    return this.#ctx.credentials!;
  }
  get sender(): Address | null {
    return this.#ctx.sender;
  }
  get parameters(): MailParameters {
    return this.#ctx.parameters;
  }
  get recipient(): Recipient {
    return this.#ctx.recipient!;
  }
  get count(): number {
    return this.#ctx.count;
  }
  get recipients(): readonly Recipient[] {
    return this.#ctx.recipients;
  }
  get message(): Message {
    return this.#ctx.message;
  }
  get authResults(): readonly AuthResult[] {
    return this.#ctx.authResults;
  }
  get scores(): readonly Score[] {
    return this.#ctx.scores;
  }
  get tries(): number {
    return this.#ctx.tries;
  }
  get destination(): DeliverContext["destination"] {
    return this.#ctx.departure!.destination;
  }
  get origin(): Origin {
    return this.#ctx.departure!.origin;
  }
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const { gone } = this.#ctx;
      if (gone !== null || this.#ended) {
        this.#controller.abort(new DOMException(gone ?? "the call is over", "AbortError"));
      } else this.#ctx.controllers.add(this.#controller);
    }
    return this.#controller.signal;
  }
  get store(): Counters {
    return this.#store ??= new NamespacedCounters(this.#ctx.services.counters, `plugin:${this.#plugin}:`);
  }
  now(): number {
    return this.#ctx.now();
  }
  alert(subject: string, message: string): void {
    if (this.#late("alert()")) return;
    this.#ctx.services.emit({ type: "alert", where: this.#plugin, subject, message });
  }
  output(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#ctx.output();
  }

  // ---- Keys: facts that plugins leave for each other -----------------------------------------------------------------

  get<T>(key: Key<T, Scope>): T | undefined {
    this.#lasts("get", key);
    return this.#ctx.keysOf(key.scope).get(key.name) as T | undefined;
  }
  set<T>(key: Key<T, Scope>, value: NoInfer<T>): void {
    this.#lasts("set", key);
    if (this.#late(`set(${key.name})`)) return;
    this.#ctx.keysOf(key.scope).set(key.name, value);
    if (key.tell !== undefined) (this.facts ??= []).push([key.name, cut(key.tell(value), MAX_TOLD)]);
  }

  /** The types say the same; else a fact would be lost, or outlive what it is about. */
  #lasts(verb: string, key: Key<unknown, Scope>): void {
    switch (key?.scope) {
      case "connection":
        return;
      case "transaction": {
        const { phase } = this.#ctx;
        if (phase !== "connect" && phase !== "helo" && phase !== "auth") return;
        throw new TypeError(
          `${verb}(): the key "${key.name}" is of a transaction, and ${phase} is before MAIL: key(name, "connection")`,
        );
      }
      case "recipient":
        if (this.#ctx.recipient !== null) return;
        throw new TypeError(
          `${verb}(): the key "${key.name}" is of one recipient, and ${this.#ctx.phase} has many: recipient.get() reads, rcpt sets`,
        );
      default:
        throw new TypeError(`${verb}() wants a key that key(name) made`);
    }
  }

  note(sentence: string): void {
    if (this.#ended || this.noted.length >= MAX_TOLD) return;
    this.noted = cut(this.noted === "" ? sentence : `${this.noted}; ${sentence}`, MAX_TOLD);
  }

  attest(result: AuthResult): void {
    if (!this.#late("attest()")) this.#ctx.attest(result, this.#plugin);
  }

  // ---- Calls ---------------------------------------------------------------------------------------------------------

  async callAhead(options: { readonly sender?: Address | null } = {}): Promise<Reply> {
    const { services, phase, recipient, parameters } = this.#ctx;
    if (phase !== "rcpt" || recipient?.route?.to !== "remote") {
      throw new TypeError("callAhead() wants a recipient with a remote route");
    }
    if (services.callAhead === undefined) throw new TypeError("callAhead(): nobody here asks other hosts");
    const { address, route } = recipient;
    const question = { sender: options.sender ?? null, recipient: address, route, parameters };
    return await services.callAhead(question, this.signal);
  }

  async outside(question: string, ask: (signal: AbortSignal) => Promise<string>): Promise<string> {
    if (!isQuestion(question)) throw new TypeError("outside(): a question has 1 to 200 printable ASCII characters");
    if (this.#late("outside()")) throw new OutsideError("nobody is asked: the call is over");
    const { services, phase } = this.#ctx, { signal } = this, plugin = this.#plugin;
    const asking = async () => {
      const answer: unknown = await ask(signal);
      if (typeof answer !== "string") throw new TypeError("outside(): an answer is text");
      return answer;
    };
    return await (services.outside?.({ plugin, question, phase, signal }, asking) ?? asking());
  }

  async pause(milliseconds: number): Promise<boolean> {
    if (this.#ended) return false;
    if (this.#ctx.isView) { // observe: nobody is made to wait                                         SEMANTICS 14
      this.noted ||= "would have made the peer wait";
      return false;
    }
    if (this.#pausing++ === 0) this.#pauseBegan = performance.now();
    const talked = await this.#ctx.pause(milliseconds);
    if (--this.#pausing === 0) this.#paused += performance.now() - this.#pauseBegan;
    return talked;
  }

  /** Milliseconds that this call has waited so far: no time of the plugin's. */
  paused(now: number): number {
    return this.#paused + (this.#pausing > 0 ? now - this.#pauseBegan : 0);
  }

  async rewrite(
    body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>,
    reason: string,
  ): Promise<void> {
    const { services, received, id } = this.#ctx;
    if (received === null || services.receive === undefined) throw new TypeError("rewrite(): not here");
    this.rewriteTo(await rewritten(services.receive(id), received, body), reason);
  }

  /** `rewrite` with octets that are spooled already, the header section with them. A sandbox brings its own here. */
  rewriteTo(whole: Body, reason: string): void {
    const { services } = this.#ctx, before = this.#ctx.received?.size ?? 0;
    if (this.#ended) whole.discard();
    try {
      this.change({ do: "rewrite", body: whole, reason });
    } catch (error) { // of no effect, and nobody else knows of it
      whole.discard();
      throw error;
    }
    const { session, transaction } = this.#ctx;
    if (this.#ctx.rewritten !== whole || transaction === null) return; // held back
    const sizes = [before, whole.size] as const;
    services.emit({ type: "rewritten", session, transaction, plugin: this.#plugin, reason, sizes });
  }

  // ---- Changes -------------------------------------------------------------------------------------------------------

  identify(user: string): void {
    this.change({ do: "identify", user });
  }
  route(route: PluginRoute): void {
    this.change({ do: "route", route });
  }
  expand(members: readonly Address[]): void {
    this.change({ do: "expand", members });
  }
  copyTo(address: Address): void {
    this.change({ do: "copy", address });
  }
  score(points: number, reason: string): void {
    this.change({ do: "score", points, reason });
  }
  suppress(address: Address, { reason, seconds }: { readonly reason: string; readonly seconds: number | null }): void {
    this.change({ do: "suppress", address, reason, seconds });
  }
  prependHeader(name: string, value: string): void {
    this.change({ do: "header", name, value: String(value) });
  }
  removeHeader(name: string): void {
    this.change({ do: "header", name, value: null });
  }
  replaceHeader(name: string, value: string): void {
    this.change({ do: "replace", name, value: String(value) });
  }
  changeFields(changes: readonly FieldChange[]): void {
    this.change({ do: "fields", changes });
  }
  hold(reason: string): void {
    this.change({ do: "hold", reason });
  }
  refuse(recipient: Recipient, reply: Reply<"defer" | "reject">): void {
    this.change({ do: "refuse", recipient: this.#ctx.placeOf(recipient), reply });
  }
  drop(recipient: Recipient): void {
    this.change({ do: "drop", recipient: this.#ctx.placeOf(recipient) });
  }
  settle(recipient: Recipient, result: "stored" | "discarded"): void {
    this.change({ do: "settle", recipient: this.#ctx.placeOf(recipient), result });
  }
  deposit(recipient: Recipient, inbox: string): void {
    this.change({ do: "deposit", recipient: this.#ctx.placeOf(recipient), inbox });
  }

  reversePath(address: Address, recipient?: Recipient): void {
    this.change({ do: "reversePath", address, recipient: recipient ? this.#ctx.placeOf(recipient) : null });
  }
  returnPathOf(recipient: Recipient): Address | null {
    const { departure, sender } = this.#ctx;
    if (departure === null) throw new TypeError("returnPathOf() has a meaning in deliver only");
    return departure.reversePathOf(this.#ctx.placeOf(recipient), sender);
  }
  forwardPath(recipient: Recipient, address: Address): void {
    this.change({ do: "forwardPath", recipient: this.#ctx.placeOf(recipient), address });
  }
  postpone(until: number): void {
    this.change({ do: "postpone", until });
  }
  sign(signer: Signer): void {
    this.change({ do: "sign", signer });
  }

  /** The one door for changes. A sandbox brings its effects here. */
  change(effect: Effect): void {
    if (this.#late(`${effect.do}()`)) return;
    const note = this.#ctx.apply(effect);
    if (effect.do === "expand" && note === null) this.#ctx.expandedBy = this.#plugin;
    if (effect.do === "copy" && note === null) this.#ctx.copiedBy = this.#plugin;
    if (effect.do === "hold" && note === null) this.#ctx.heldBy = this.#plugin;
    if (effect.do === "score" && this.#ctx.transaction !== null && !this.#ctx.isView) {
      const { session, transaction, services } = this.#ctx, { points, reason } = effect;
      services.emit({ type: "scored", session, transaction, plugin: this.#plugin, points, reason });
    }
    if (effect.do === "refuse" && note === null) {
      const { reply } = effect;
      this.#ctx.blame(reply, this.#plugin, reply.options.reason ?? reply.text);
    }
    if (note !== null) this.note(note);
  }

  /** Told, not thrown: nobody may be there to catch it. */
  #late(what: string): boolean {
    if (!this.#ended) return false;
    this.#ctx.services.emit({
      type: "trouble",
      where: this.#plugin,
      message: `${what} after its answer in ${this.#ctx.session} was ignored`,
    });
    return true;
  }
}

/** The received header section with another body behind it, spooled. */
async function rewritten(
  writer: BodyWriter,
  { section, body: { head } }: ReceivedMessage,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Body> {
  try {
    await writer.write(head.subarray(0, section.bodyStart));
    if (body instanceof Uint8Array) await writer.write(body);
    else for await (const chunk of body) await writer.write(chunk);
    return await writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** A plugin's own part of the counters. */
export class NamespacedCounters implements Counters {
  constructor(readonly counters: Counters, readonly prefix: string) {}
  get(name: string): Promise<string | undefined> {
    return this.counters.get(this.prefix + name);
  }
  put(name: string, value: string, options: CounterOptions): Promise<void> {
    return this.counters.put(this.prefix + name, value, options);
  }
  add(name: string, amount: number, options: CounterOptions): Promise<number> {
    return this.counters.add(this.prefix + name, amount, options);
  }
  async list({ prefix, limit, after }: CounterQuery): Promise<readonly CounterEntry[]> {
    const own = this.prefix;
    const behind = after === undefined ? {} : { after: own + after };
    const entries = await this.counters.list({ prefix: own + prefix, limit, ...behind });
    return entries.map((entry) => ({ ...entry, name: entry.name.slice(own.length) }));
  }
}
