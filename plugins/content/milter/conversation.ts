/**
 * What one milter is told of one SMTP session, and where that stands: each session has a connection of its own, made anew
 * when it is gone and brought up to date; a transaction that was under way then is lost. Job: the order of steps, and what
 * each verdict means for the session, the transaction or the recipient. Non-job: the protocol (session.ts), policy (mod.ts).
 */
import {
  type Address,
  type ConnectContext,
  type DataContext,
  formatAddress,
  formatAuthResults,
  type HeloContext,
  type MailContext,
  type MailParameters,
  type RcptContext,
  type RcptParameters,
  type Recipient,
  type Reply,
  sameAddress,
} from "../../../core/pipeline/mod.ts";
import { FCRDNS } from "../../identity/fcrdns/key.ts";
import { EngineError } from "../engine_error.ts";
import type { Verdict } from "./answers.ts";
import { chunksOf } from "./body.ts";
import { Changes } from "./changes.ts";
import type { Channel, StepOptions } from "./channel.ts";
import { MilterHeaders } from "./headers.ts";
import { clientName, type MacroFacts, macrosOf } from "./macros.ts";
import { MilterLate, Patience } from "./patience.ts";
import { MilterError, STEPS } from "./protocol.ts";
import type { Step } from "./session.ts";
import type { Server } from "./server.ts";

/** Contexts in which something is said; what one of them lacks is not known then. */
export type Talk = ConnectContext & Partial<Pick<HeloContext, "helo">> & Partial<Pick<MailContext, "sender">>;
type Refusal = Reply<"defer" | "reject">;
/** Where the transaction stands with the milter. `over`: nothing more is to be asked, and nothing is against it. */
type Stand = "open" | "over" | "discarded" | "refused" | "lost";
/** What became of a message. */
export type Outcome = { readonly said: "go on" | "discard" } | { readonly said: "refuse"; readonly reply: Refusal };

const GO_ON: Outcome = { said: "go on" };
const utf8 = new TextEncoder();

export class Conversation {
  readonly #server: Server;
  #channel: Channel | null = null;
  /** How far the milter on the channel knows the session. */
  #told: "nothing" | "connect" | "helo" = "nothing";
  #toldHelo = "";
  #session: "open" | "over" | "refused" = "open";
  /** What the connection or the name of the client was refused with. It is about the session: no other name helps. */
  #refusal: Refusal | null = null;
  #transaction: { readonly id: string; stand: Stand } | null = null;
  /** The milter has heard of MAIL and not yet of the end. */
  #within = false;
  /** Of the login. */
  mechanism: string | null = null;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Where the transaction stands; null when the milter has not heard of it. */
  stand(transaction: string): Stand | null {
    return this.#transaction?.id === transaction ? this.#transaction.stand : null;
  }

  /** A client is there, or another one in its place. */
  async connect(ctx: ConnectContext): Promise<Refusal | null> {
    this.#session = "open";
    this.#refusal = null;
    this.#transaction = null;
    if (this.#told !== "nothing") {
      if (this.#within) this.#abort();
      if (this.#channel?.restart()) this.#told = "nothing";
      else this.end();
    }
    return await this.#call(ctx, (options) => this.#reach(ctx, "connect", options));
  }

  async helo(ctx: HeloContext): Promise<Refusal | null> {
    this.#transaction = null;
    this.#toldHelo = "";
    this.#readmit(ctx);
    if (this.#session !== "open") return this.#refusal;
    if (this.#within) this.#abort();
    return await this.#call(ctx, (options) => this.#reach(ctx, "helo", options));
  }

  async mail(ctx: MailContext): Promise<Refusal | null> {
    this.#readmit(ctx);
    this.#transaction = { id: ctx.id, stand: this.#session === "open" ? "open" : "over" };
    if (this.#session !== "open") return this.#refusal;
    if (this.#within) this.#abort();
    const used = this.#channel !== null;
    try {
      return await this.#call(ctx, (options) => this.#mail(ctx, options));
    } catch (error) {
      // A milter that was started anew, or does not wait for ever, has hung up between two messages
      if (!used || ctx.signal.aborted || !(error instanceof EngineError) || error instanceof MilterLate) throw error;
      this.#transaction.stand = "open";
      return await this.#call(ctx, (options) => this.#mail(ctx, options));
    }
  }

  /** A login lifts a refusal: the milter is asked again. */
  #readmit({ client }: ConnectContext): void {
    if (this.#session !== "refused" || client.identity === null) return;
    this.#session = "open";
    this.#refusal = null;
  }

  async #mail(ctx: MailContext, options: StepOptions): Promise<Refusal | null> {
    const refusal = await this.#reach(ctx, "helo", options);
    if (refusal !== null) this.#transaction!.stand = "refused";
    if (refusal !== null || this.#session !== "open") return refusal;
    this.#within = true;
    const words = [`<${formatAddress(ctx.sender)}>`, ...mailWords(ctx.parameters)];
    return this.#judge(await this.#channel!.ask({ step: "mail", words }, options), "transaction");
  }

  /** `refused`: others have refused it; a milter that wants to hear of that hears it. */
  async rcpt(ctx: RcptContext, refused: Reply | null): Promise<Refusal | null> {
    if (this.stand(ctx.id) !== "open") return null; // where MAIL was not ours to see, the message makes up for it
    if (refused !== null && !this.#channel!.session.has(STEPS.refusedRecipients)) return null;
    return await this.#call(ctx, (options) => this.#rcpt(ctx.recipient, options), {
      recipient: ctx.recipient,
      refused,
    });
  }

  async #rcpt({ original, parameters }: Recipient, options: StepOptions): Promise<Refusal | null> {
    const words = [`<${formatAddress(original)}>`, ...rcptWords(parameters)];
    return this.#judge(await this.#channel!.ask({ step: "rcpt", words }, options), "recipient");
  }

  /** All of the message; what it wants changed is changed when it said yes. `name`: how the plugin is called in reasons. */
  async message(ctx: DataContext, name: string): Promise<Outcome> {
    if (this.stand(ctx.id) === null) {
      const refusal = await this.#catchUp(ctx);
      if (refusal !== null) return { said: "refuse", reply: refusal };
    }
    const stand = this.stand(ctx.id);
    if (stand !== "open") return stand === "discarded" ? { said: "discard" } : GO_ON;
    const pending = utf8.encode(pendingResults(ctx));
    const headers = new MilterHeaders(ctx.message.headerOctets, { pending, own: ` id ${ctx.id}` });
    const changes = new Changes(ctx, { name, headers });
    try {
      const messageId = ctx.message.header("Message-ID") ?? null;
      const verdict = await this.#call(ctx, (options) => {
        return this.#message(ctx, headers, { ...options, modify: (modification) => changes.take(modification) });
      }, { messageId });
      if (verdict.said === "refuse") {
        await changes.abandon(verdict.reply.text);
        return { said: "refuse", reply: verdict.reply };
      }
      if (verdict.said === "discard") {
        await changes.abandon("discarded");
        return { said: "discard" };
      }
      await changes.make();
      return GO_ON;
    } catch (error) {
      await changes.abandon(error);
      throw error;
    } finally {
      this.#transaction = { id: ctx.id, stand: "over" };
    }
  }

  async #message(ctx: DataContext, headers: MilterHeaders, options: StepOptions): Promise<Verdict> {
    const channel = this.#channel!;
    let verdict: Verdict = { said: "continue" };
    for await (const step of stepsOf(ctx, headers, channel)) {
      verdict = await channel.ask(step, options);
      if (step.step === "endOfMessage") this.#within = false; // its transaction is over as well
      if (verdict.said !== "continue" && verdict.said !== "skip") break;
    }
    return verdict;
  }

  /** The phases before were none of this plugin's: all that is known now. */
  async #catchUp(ctx: DataContext): Promise<Refusal | null> {
    const refusal = await this.mail(ctx);
    if (refusal !== null) return refusal;
    const told: Address[] = [];
    for (const recipient of ctx.recipients) {
      const { copy, original, result } = recipient;
      if (this.stand(ctx.id) !== "open") break;
      if (copy || result !== null || told.some((each) => sameAddress(each, original))) continue;
      told.push(original);
      const refused = await this.#call(ctx, (options) => this.#rcpt(recipient, options), { recipient });
      if (refused !== null) {
        for (const each of ctx.recipients) if (sameAddress(each.original, original)) ctx.refuse(each, refused);
      }
    }
    return null;
  }

  /** The session is over, or there is nothing more to say. */
  end(): void {
    const channel = this.#channel;
    this.#channel = null;
    channel?.quit();
    this.#part();
  }

  #part(): void {
    this.#channel?.close();
    this.#channel = null;
    this.#told = "nothing";
    this.#within = false;
  }

  #abort(): void {
    if (this.#channel?.closed === false) this.#channel.abort();
    this.#within = false;
  }

  /** One call of a phase: its time, its macros, and what is left when it fails. */
  async #call<T>(
    ctx: Talk,
    work: (options: StepOptions) => Promise<T>,
    known: Partial<Pick<MacroFacts, "recipient" | "refused" | "messageId">> = {},
  ): Promise<T> {
    const { answer, whole } = this.#server.times;
    using patience = new Patience({ answer, whole, signal: ctx.signal });
    const facts = factsOf(ctx, {
      recipient: null,
      refused: null,
      messageId: null,
      ...known,
      mechanism: this.mechanism,
    });
    const macros: StepOptions["macros"] = (stage, chosen) => {
      return macrosOf(stage, facts, { chosen, overrides: this.#server.macros });
    };
    try {
      await this.#open(ctx, patience);
      const done = await this.#channel!.during(patience, () => work({ patience, macros }));
      this.#server.answered();
      return done;
    } catch (error) {
      this.#part();
      if (this.#transaction !== null) this.#transaction.stand = "lost";
      throw error;
    }
  }

  async #open(ctx: Talk, patience: Patience): Promise<void> {
    const gone = this.#channel === null || this.#channel.closed;
    if (gone && this.#within) throw new MilterError("it closed the connection"); // what it knew of the message is gone
    if (gone) this.#part();
    this.#channel ??= await this.#server.open(patience, () => ctx.now());
  }

  /** Told of the client and its name as far as there is something to tell. */
  async #reach(ctx: Talk, stage: "connect" | "helo", options: StepOptions): Promise<Refusal | null> {
    if (this.#told === "nothing") {
      const { client } = ctx, name = clientName({ client, names: ctx.get(FCRDNS) ?? null });
      const step: Step = { step: "connect", name, ip: client.ip, port: client.port };
      const verdict = await this.#channel!.ask(step, options);
      this.#told = "connect";
      this.#toldHelo = "";
      const refusal = this.#judge(verdict, "session");
      if (refusal !== null || this.#session !== "open") return refusal;
    }
    const { helo = "" } = ctx;
    if (stage === "connect" || helo === "" || helo === this.#toldHelo) return null;
    const verdict = await this.#channel!.ask({ step: "helo", name: helo }, options);
    this.#told = "helo";
    this.#toldHelo = helo;
    return this.#judge(verdict, "session");
  }

  #judge(verdict: Verdict, about: "session" | "transaction" | "recipient"): Refusal | null {
    if (verdict.said === "continue" || verdict.said === "skip") return null;
    if (about === "session") {
      this.#session = verdict.said === "refuse" ? "refused" : "over";
      this.#refusal = verdict.said === "refuse" ? verdict.reply : null;
      if (this.#transaction !== null) this.#transaction.stand = verdict.said === "refuse" ? "refused" : "over";
      this.end();
    } else if (this.#transaction !== null) {
      if (verdict.said === "accept") this.#transaction.stand = "over";
      else if (verdict.said === "discard") this.#transaction.stand = "discarded";
      else if (about === "transaction") this.#transaction.stand = "refused";
    }
    return verdict.said === "refuse" ? verdict.reply : null;
  }
}

/** The steps of a message that the milter wants to hear of; what it has had enough of stops. */
async function* stepsOf(ctx: DataContext, headers: MilterHeaders, { session }: Channel): AsyncGenerator<Step, void> {
  yield { step: "data" };
  for (const { name, value } of headers.shown) {
    if (!session.wants("header")) break;
    yield { step: "header", name, value };
  }
  yield { step: "endOfHeaders" };
  if (session.wants("body")) {
    for await (const chunk of chunksOf(ctx.message, session.agreement!.chunk)) {
      yield { step: "body", chunk };
      if (!session.wants("body")) break;
    }
  }
  yield { step: "endOfMessage" };
}

function factsOf(
  ctx: Talk,
  known: Pick<MacroFacts, "recipient" | "refused" | "mechanism" | "messageId">,
): MacroFacts {
  const within = ctx.id !== ctx.session;
  return {
    host: ctx.host.name,
    listener: ctx.listener,
    client: ctx.client,
    names: ctx.get(FCRDNS) ?? null,
    transaction: within ? ctx.id : null,
    sender: within ? ctx.sender ?? null : null,
    ...known,
  };
}

/**
 * Authentication-Results as it will stand in front of the message. A sender is told as its domain, which RFC 8601 2.7.2
 * allows and OpenDMARC needs: an address there means nothing to it.
 */
function pendingResults({ authResults, host }: DataContext): string {
  if (authResults.length === 0) return "";
  const results = authResults.map((each) => ({
    ...each,
    properties: (each.properties ?? []).map(([name, value]) =>
      [name, name === "smtp.mailfrom" ? value.slice(value.lastIndexOf("@") + 1) : value] as const
    ),
  }));
  return formatAuthResults(host.name, results);
}

function mailWords({ size, body, smtputf8, ret, envid, auth, requireTls }: MailParameters): string[] {
  const words: string[] = [];
  if (size !== null) words.push(`SIZE=${size}`);
  if (body !== "7BIT") words.push(`BODY=${body}`);
  if (smtputf8) words.push("SMTPUTF8");
  if (ret !== null) words.push(`RET=${ret}`);
  if (envid !== null) words.push(`ENVID=${envid}`);
  if (auth !== null) words.push(`AUTH=${auth}`);
  if (requireTls) words.push("REQUIRETLS");
  return words;
}

function rcptWords({ notify, orcpt }: RcptParameters): string[] {
  const words: string[] = [];
  if (notify !== null) words.push(`NOTIFY=${notify.join(",")}`);
  if (orcpt !== null) words.push(`ORCPT=${orcpt}`);
  return words;
}
