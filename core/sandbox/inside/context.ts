/**
 * A plugin's context inside of a sandbox: the pipeline's own classes over a snapshot, so that every fact, check and note is
 * what it is outside. What a handler does is written down as deeds, which the host does again, in the same order.
 * Non-job: next() (call.ts), what promises ask for (questions.ts).
 */
import type { AuthResult } from "../../model/authres.ts";
import { TransactionContext } from "../../pipeline/contexts/transaction_context.ts";
import { PluginContext } from "../../pipeline/contexts/plugin_context.ts";
import { ReceivedMessage } from "../../pipeline/contexts/received_message.ts";
import { TransactionRecipient } from "../../pipeline/contexts/recipient.ts";
import type { Peer, Services } from "../../pipeline/contexts/services.ts";
import type { Effect } from "../../pipeline/effect.ts";
import { Departure } from "../../pipeline/contexts/departure.ts";
import type { Signer } from "../../pipeline/contexts/contexts.ts";
import type { Key, Scope } from "../../pipeline/key.ts";
import type { Phase } from "../../pipeline/plugin.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Counters } from "../../store/store.ts";
import { fromWireReply, toWireReply } from "../values.ts";
import type { Deed, Snapshot, WireEffect, WireRecipient } from "../wire.ts";
import { AskedCounters, AskedResolver, HeldBody, type Questions } from "./questions.ts";

/** What was done inside and not told yet, and what can name a signer. */
export interface Book {
  deeds: Deed[];
  /** Keeps a signer, and gives its number. */
  keep(signer: Signer): number;
}

/** The state of a transaction as the host told it, and what a handler has made of it since. */
export class ToldTransaction extends TransactionContext {
  readonly #book: Book;
  readonly #questions: Questions;
  #count = 0;
  #connectionKeys: Map<string, unknown> = new Map();

  constructor(services: Services, peer: Peer, options: { readonly book: Book; readonly questions: Questions }) {
    super(services, peer);
    this.#book = options.book;
    this.#questions = options.questions;
  }

  /** Everything that the snapshot has. */
  tell(phase: Phase, snapshot: Snapshot): void {
    const { client, helo, connectionKeys, credentials, mail, recipient, recipients, message, departure } = snapshot;
    this.phase = phase;
    this.client = client;
    this.helo = helo;
    this.#connectionKeys = new Map(connectionKeys);
    if (credentials !== undefined) this.credentials = this.#credentials(credentials);
    if (mail === undefined) return;
    this.transaction = mail.id;
    this.sender = mail.sender;
    this.parameters = mail.parameters;
    this.transactionKeys = new Map(mail.keys);
    this.#count = mail.count;
    this.recipient = recipient === undefined ? null : recipientOf(recipient, -1);
    this.members = snapshot.expanded ?? null;
    if (recipients !== undefined) this.recipients = recipients.map(recipientOf);
    if (message !== undefined) this.#tellMessage(message);
    if (departure === undefined) return;
    const { reversePaths, forwardPaths, signers, ...rest } = departure;
    this.departure = Object.assign(new Departure({ ...rest, attempt: nobody }), rest);
    this.departure.reversePaths = new Map(reversePaths);
    this.departure.forwardPaths = new Map(forwardPaths);
    this.departure.signers = Array.from({ length: signers }, () => nobody);
  }

  #tellMessage(message: NonNullable<Snapshot["message"]>): void {
    const { received, bodyType, rewritten, deposits } = message;
    if (received !== undefined) {
      this.received = new ReceivedMessage(new HeldBody(received, this.#questions), bodyType);
    }
    this.edits = message.edits;
    this.rewritten = rewritten && new HeldBody(rewritten, this.#questions);
    this.authResults = [...message.authResults];
    this.finders = message.authResults.map(() => "");
    this.scores = message.scores;
    this.held = message.held;
    this.tries = message.tries;
    this.copies = message.copies;
    this.attempted = message.attempted;
    this.deposits = deposits.map((place) => ({ recipient: this.recipients[place]!, inbox: "" }));
  }

  #credentials({ mechanism, user, revealed }: NonNullable<Snapshot["credentials"]>) {
    const questions = this.#questions;
    return {
      mechanism,
      user,
      verify: async (stored: string) => await questions.ask({ ask: "verify", stored }) === true,
      decoy: async (stored: string): Promise<false> => (await questions.ask({ ask: "decoy", stored }), false),
      reveal: () => revealed,
    };
  }

  override get count(): number {
    return this.phase === "rcpt" || this.phase === "mail" ? this.#count : super.count;
  }
  override keysOf(scope: Scope): Map<string, unknown> {
    return scope === "connection" ? this.#connectionKeys : super.keysOf(scope);
  }
  override apply(effect: Effect): string | null {
    const note = super.apply(effect);
    this.#book.deeds.push({ deed: "effect", effect: this.#wire(effect) });
    return note;
  }

  #wire(effect: Effect): WireEffect {
    switch (effect.do) {
      case "rewrite":
        return { do: "rewrite", body: (effect.body as HeldBody).body, reason: effect.reason };
      case "sign":
        return { do: "sign", signer: this.#book.keep(effect.signer) };
      case "refuse":
        return { do: "refuse", recipient: effect.recipient, reply: toWireReply(effect.reply) };
      default:
        return effect;
    }
  }
}

function recipientOf(wire: WireRecipient, place: number): TransactionRecipient {
  const { result, origin, keys, ...parts } = wire;
  const known = typeof result === "string" || result === null ? result : fromWireReply(result);
  return new TransactionRecipient(
    { ...parts, origin: origin && recipientOf(origin, -1), result: known as TransactionRecipient["result"] },
    place,
    new Map(keys),
  );
}

function nobody(): Promise<never> {
  return Promise.reject(new Error("that is the host's"));
}

/** What a handler is given. */
export class SandboxContext extends PluginContext {
  readonly #book: Book;
  readonly #questions: Questions;
  #counters: Counters | undefined;
  #resolver: Resolver | undefined;
  #over = false;
  #changing = false;

  constructor(
    ctx: TransactionContext,
    plugin: string,
    options: { readonly book: Book; readonly questions: Questions },
  ) {
    super(ctx, plugin);
    this.#book = options.book;
    this.#questions = options.questions;
  }

  override end(reason?: Error): void {
    this.#over = true;
    super.end(reason);
  }
  override get dns(): Resolver {
    return this.#resolver ??= new AskedResolver(this.#questions);
  }
  override get store(): Counters {
    return this.#counters ??= new AskedCounters(this.#questions);
  }
  override set<T>(key: Key<T, Scope>, value: NoInfer<T>): void {
    super.set(key, value);
    if (this.#over) return;
    const told = key.tell === undefined ? null : this.facts?.at(-1)?.[1] ?? null;
    this.#book.deeds.push({ deed: "set", scope: key.scope, key: key.name, value, told });
  }
  override note(sentence: string): void {
    const before = this.noted;
    super.note(sentence);
    if (this.noted !== before && !this.#changing) this.#book.deeds.push({ deed: "note", sentence });
  }
  override attest(result: AuthResult): void {
    super.attest(result);
    if (!this.#over) this.#book.deeds.push({ deed: "attest", result });
  }
  override alert(subject: string, message: string): void {
    super.alert(subject, message);
    if (!this.#over) this.#book.deeds.push({ deed: "alert", subject: String(subject), message: String(message) });
  }
  override change(effect: Effect): void {
    this.#changing = true; // its notes are made again where it is made again
    try {
      super.change(effect);
    } finally {
      this.#changing = false;
    }
  }
}
