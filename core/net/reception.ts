/**
 * Receives mail: answers the engine of one session with what the pipeline decides, keeps the octets of a message until
 * it is committed or dropped, and adds what no configuration can lose: Received, the hop count, forged
 * Authentication-Results of our name removed. Must not know: sockets, SMTP syntax, which store.
 */
import { Authentication } from "../auth/authentication.ts";
import { formatAddress } from "../model/address.ts";
import { newId, shortId } from "../model/id.ts";
import { networkOf } from "../model/ip.ts";
import { accept, defer, queuedAs, reject, Reply } from "../model/reply.ts";
import { forgedResults, receivedField } from "../model/trace.ts";
import type { Origin } from "../model/envelope.ts";
import type { Event } from "../observe/events.ts";
import { ReceivedMessage } from "../pipeline/contexts/received_message.ts";
import { TransactionContext } from "../pipeline/contexts/transaction_context.ts";
import type { Client, TlsFacts } from "../pipeline/contexts/contexts.ts";
import { repliesPerRecipient } from "../pipeline/endings/settlement.ts";
import type { Asking, Challenge } from "../smtp/events.ts";
import type { SaslConnection } from "../smtp/sasl/mechanism.ts";
import type { Body, BodyWriter } from "../store/store.ts";
import type { Host, HostAnswer } from "./inbound.ts";
import { Passage } from "./pressure/gate.ts";
import { proxiedClient, receivedProtocol } from "./protocol.ts";
import type { ReceptionOptions } from "./reception_options.ts";

export type { ReceptionOptions } from "./reception_options.ts";

type Answer = Reply | Promise<Reply>;
type Answers = Reply | readonly Reply[] | Promise<Reply | readonly Reply[]>;
const NO_BINDINGS: () => ReadonlyMap<string, Uint8Array> = () => new Map();

export class Reception implements Host {
  /** Its message, where messages under way are counted. */
  passage: Passage;
  readonly #options: ReceptionOptions;
  readonly #session: string;
  readonly #context: TransactionContext;
  readonly #opened: number;
  /** Who made the connection, whomever it speaks for. */
  readonly #peer: string;
  #helo: "HELO" | "EHLO" | "LHLO" = "HELO";
  #authentication: Authentication | null = null;
  #bindings = NO_BINDINGS;
  #writer: BodyWriter | null = null;
  #messages = 0;
  #committing = false;
  #lastOrigin: Origin | null = null;
  #gone: string | null = null;
  #shed = false;

  constructor(client: Client, options: ReceptionOptions) {
    const { services, role, listener } = options;
    this.#options = options;
    this.#peer = client.ip;
    this.passage = new Passage(networkOf(client.ip));
    this.#opened = services.now();
    this.#session = `s${newId(this.#opened)}`;
    this.#context = new TransactionContext({
      ...services,
      commit: (transaction) => {
        if (this.#gone !== null) return Promise.resolve(defer("4.4.2", "The peer has gone")); // SEMANTICS 9
        this.#committing = true;
        return options.commit(transaction, this.#origin());
      },
    }, { session: this.#session, role, listener, client });
    this.#emit({ type: "session-opened", session: this.#session, ip: client.ip, listener, role });
  }

  ask(event: Asking): HostAnswer | Promise<HostAnswer> {
    switch (event.type) {
      case "connect":
        return this.#connect();
      case "helo":
        return this.#hello(event.verb, event.name);
      case "mail":
        return this.#mail(event);
      case "rcpt":
        return this.#rcpt(event);
      case "content":
        return this.#content();
      case "message":
        return this.#message();
      case "starttls":
        return accept();
      case "auth":
        return this.#login(event.mechanism, event.initial);
      case "auth-response":
        return this.#authentication!.respond(event.response).then((answer) => this.#loggedIn(answer));
      case "auth-cancelled":
        return this.#authentication!.end().then(() => this.#told("AUTH", event.refusal));
      case "xclient":
        return this.#proxied(event.attributes);
    }
  }

  secured(facts: TlsFacts, bindings: () => ReadonlyMap<string, Uint8Array>): void {
    const context = this.#context;
    this.#abandoned("TLS began");
    context.secure(facts);
    this.#bindings = bindings;
    this.#helo = "HELO";
    const { version, cipher, resumed, distrust = null } = facts;
    const { ip } = context.client;
    this.#emit({ type: "session-secured", session: this.#session, ip, version, cipher, resumed, distrust });
  }

  body(chunk: Uint8Array): void | Promise<void> {
    return this.#writer?.write(chunk);
  }

  spoiled(): void {
    this.#writer?.abort();
    this.#writer = null;
  }

  reset(): void {
    this.spoiled();
    this.#abandoned("reset");
    this.#context.reset();
  }

  talks(): void {
    this.#context.pauses.talked();
  }

  refused(command: string, reply: Reply): void {
    this.#told(command, reply);
  }

  /** The refusal with the reference by which the log has it: the transaction's, else the session's. */
  sign(reply: Reply): Reply {
    const text = `${reply.text} (ref ${shortId(this.#context.id)})`; //                             SEMANTICS 5
    return new Reply(reply.code, reply.status, text, reply.options);
  }

  failed(error: unknown): void {
    const message = `defect: ${error instanceof Error ? error.stack ?? error.message : error}`;
    this.#emit({ type: "trouble", where: this.#session, message });
  }

  gone(reason: string): void {
    if (this.#gone !== null) return;
    this.#gone = reason;
    this.spoiled();
    this.#authentication?.end();
    this.#left(false);
    if (!this.#committing) {
      this.#context.abort(reason);
      this.#abandoned(reason);
    }
    this.#emit({
      type: "session-closed",
      session: this.#session,
      ip: this.#context.client.ip,
      reason,
      messages: this.#messages,
      seconds: (this.#options.services.now() - this.#opened) / 1000,
    });
  }

  // ---- phases -------------------------------------------------------------------------------------------------------

  #connect(): Answer {
    return this.#then(
      this.#options.pipeline.run("connect", this.#context),
      (reply) => this.#told("connect", reply),
    );
  }

  #hello(verb: "HELO" | "EHLO" | "LHLO", name: string): Answer {
    const context = this.#context;
    this.#abandoned(`${verb} again`);
    context.greet(name);
    return this.#then(this.#options.pipeline.run("helo", context), (reply) => {
      if (reply.verdict !== "accept") return this.#told(verb, reply);
      this.#helo = verb;
      this.#emit({ type: "session-greeted", session: this.#session, verb, helo: name });
      this.spoiled(); // a transaction by BDAT that was under way is over                           RFC 5321 4.1.4
      return reply;
    });
  }

  // ---- Who is there -------------------------------------------------------------------------------------------------

  #login(name: string, initial: Uint8Array | null): Promise<HostAnswer> {
    const { mechanisms, passwords, logins, pipeline, bindingOffered, services } = this.#options;
    const context = this.#context, certificate = context.client.tls?.certificate ?? null;
    const connection: SaslConnection = {
      hostname: services.host.name,
      certificate: certificate?.fingerprint ?? null,
      certificateNames: certificate === null ? [] : [...certificate.emails, certificate.commonName].filter(Boolean),
      bindings: this.#bindings,
      bindingOffered,
      passwords,
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    };
    const authentication = new Authentication(mechanisms.get(name)!, context, pipeline, logins);
    this.#authentication = authentication;
    return authentication.begin(initial, connection).then((answer) => this.#loggedIn(answer));
  }

  #loggedIn(answer: Reply | Challenge): HostAnswer {
    if (!(answer instanceof Reply)) return answer;
    this.#authentication = null;
    return this.#told("AUTH", answer);
  }

  #proxied(attributes: ReadonlyMap<string, string | null>): Reply {
    const context = this.#context, by = this.#peer;
    this.#abandoned("XCLIENT");
    const { client, helo, verb } = proxiedClient(context.client, context.helo, attributes);
    context.proxied(client, helo);
    this.passage = new Passage(networkOf(client.ip)); // what the other one counted as expected ends by itself
    if (verb !== null) this.#helo = verb;
    this.#emit({ type: "session-proxied", session: this.#session, ip: client.ip, by });
    return accept();
  }

  #mail(event: Extract<Asking, { type: "mail" }>): Answer {
    const { services, pipeline } = this.#options;
    const context = this.#context;
    const asked = {
      passage: this.passage,
      client: context.client,
      size: event.parameters.size ?? 0,
      again: this.#shed,
    };
    const overload = this.#options.overload(asked); //                                                    SEMANTICS 25
    if (overload !== null) {
      this.#shed = true;
      return overload.quiet ? this.sign(overload.reply) : this.#told("MAIL", overload.reply);
    }
    context.begin({ id: newId(services.now()), sender: event.sender, parameters: event.parameters });
    return this.#then(pipeline.run("mail", context), (reply) => {
      if (reply.verdict === "accept") return reply;
      const refusal = this.#told("MAIL", reply); // with the id that the transaction had
      context.reset();
      this.#left(false);
      return refusal;
    });
  }

  #rcpt(event: Extract<Asking, { type: "rcpt" }>): Answer {
    const { pipeline, recipients: limit } = this.#options;
    const context = this.#context, before = context.count;
    const told = (reply: Reply) => this.#told("RCPT", reply, [formatAddress(event.address)]);
    if (before >= limit) return told(TOO_MANY);
    context.propose(event);
    return this.#then(pipeline.run("rcpt", context), (reply) => {
      // An address may stand for many, and for them again with another ORCPT: what counts is what is delivered
      if (before === 0 || context.count <= limit) return told(reply);
      context.withdraw(before);
      return told(TOO_MANY);
    });
  }

  #content(): Reply {
    try {
      this.#writer = this.#options.receive(this.#context.id);
      return accept();
    } catch (error) {
      return this.sign(this.#options.storeRefusal(error));
    }
  }

  #message(): Answers {
    const started = performance.now();
    const writer = this.#writer!;
    this.#writer = null;
    let body: Body | Promise<Body>;
    try {
      body = writer.finish();
    } catch (error) {
      return this.#over(this.#options.storeRefusal(error), started);
    }
    if (!(body instanceof Promise)) return this.#judge(body, started);
    return body.then(
      (whole) => this.#judge(whole, started),
      (error) => this.#over(this.#options.storeRefusal(error), started),
    );
  }

  #judge(body: Body, started: number): Answers {
    try {
      return this.#decide(body, started);
    } catch (error) {
      this.failed(error);
      body.discard();
      return this.#over(LOCAL_ERROR, started);
    }
  }

  #decide(body: Body, started: number): Answers {
    const { services, pipeline, hops } = this.#options;
    const context = this.#context;
    const message = new ReceivedMessage(body, context.parameters.body);
    const section = message.section;
    context.complete(message, { prepend: this.#received(), drop: forgedResults(section, services.host.name) });
    if (section.named("Received").length >= hops) {
      return this.#over(reject("5.4.6", "The message has gone in circles", { code: 554 }), started);
    }
    return this.#then(pipeline.run("data", context), (judged) => {
      if (judged.verdict !== "accept") return this.#over(judged, started);
      return this.#then(pipeline.run("queue", context), (reply) => this.#over(reply, started));
    });
  }

  /** The end of a message, whatever came of it. */
  #over(reply: Reply, started: number): Reply | readonly Reply[] {
    const context = this.#context;
    const { id, sender } = context;
    const recipients = context.recipients.map((each) => formatAddress(each.address));
    const size = context.received?.size ?? 0;
    const accepted = reply.verdict === "accept";
    let answer: Reply | readonly Reply[];
    if (accepted) {
      this.#messages++;
      const queued = queuedAs(id);
      answer = this.#options.role === "lmtp" ? repliesPerRecipient(context, queued) : queued;
      this.#emit({
        type: "accepted",
        session: this.#session,
        transaction: id,
        ip: this.#context.client.ip,
        sender: formatAddress(sender),
        recipients,
        size,
        ms: performance.now() - started,
        held: context.held,
        heldBy: context.heldBy,
        messageId: context.received?.header("Message-ID")?.slice(0, 998) ?? null,
      });
    } else {
      answer = this.#told("message", reply, recipients);
      if (this.#options.role === "lmtp") answer = repliesPerRecipient(context, answer);
    }
    if (!this.#committing) context.received?.body.discard();
    context.reset();
    this.#committing = false;
    this.#left(true);
    return answer;
  }

  #left(answered: boolean): void {
    this.#options.over?.(this.passage, answered);
  }

  // ---- pieces -------------------------------------------------------------------------------------------------------

  #received(): string {
    const { services } = this.#options;
    const context = this.#context;
    const one = context.recipients.length === 1 ? context.recipients[0]!.original : null;
    return receivedField({
      id: context.id,
      host: services.host.name,
      helo: context.helo,
      ip: context.client.ip,
      protocol: this.#protocol(),
      cipher: context.client.tls?.cipher ?? null,
      hideClient: this.#options.hideClient && context.client.identity !== null,
      recipient: one,
      now: services.now(),
    });
  }

  #protocol(): string {
    const { parameters, client } = this.#context;
    return receivedProtocol(this.#helo, parameters.smtputf8, client);
  }

  /** One object for as long as nothing of it changes: the store writes it down once. */
  #origin(): Origin {
    const { helo, client: { ip, identity } } = this.#context, protocol = this.#protocol();
    const known = this.#lastOrigin;
    if (
      known?.helo === helo && known.identity === identity && known.protocol === protocol && known.ip === ip
    ) return known;
    return this.#lastOrigin = {
      session: this.#session,
      ip,
      helo,
      identity,
      protocol,
      listener: this.#options.listener,
    };
  }

  /** Tells observers of a refusal, and signs its text with the reference that `explain` takes. */
  #told(command: string, reply: Reply, recipients: readonly string[] = []): Reply {
    if (reply.verdict === "accept") return reply;
    const context = this.#context;
    const inTransaction = context.id !== this.#session;
    const blame = context.blameOf(reply);
    this.#emit({
      type: "refused",
      session: this.#session,
      transaction: inTransaction ? context.id : null,
      ip: this.#context.client.ip,
      command,
      reply,
      sender: inTransaction ? formatAddress(context.sender) : null,
      recipients,
      plugin: blame?.plugin ?? null,
      reason: reply.options.reason ?? blame?.reason ?? null,
      delayedFrom: blame?.delayedFrom ?? null,
    });
    return this.sign(reply);
  }

  /** A transaction that is under way ends without a message. */
  #abandoned(reason: string): void {
    const { transaction, sender, recipients } = this.#context;
    if (transaction === null) return;
    this.#left(false);
    this.#emit({
      type: "abandoned",
      session: this.#session,
      transaction,
      sender: formatAddress(sender),
      recipients: recipients.map((each) => formatAddress(each.address)),
      reason,
    });
  }

  #then<T>(answer: Answer, then: (reply: Reply) => T | Promise<T>): T | Promise<T> {
    return answer instanceof Promise ? answer.then(then) : then(answer);
  }
  #emit(event: Event): void {
    this.#options.services.emit(event);
  }
}

// 452, not 552: the peer sends the others in another transaction                               RFC 5321 4.5.3.1.10
const TOO_MANY = defer("4.5.3", "Too many recipients", { code: 452 });
const LOCAL_ERROR = defer("4.3.0", "Local error in processing");
