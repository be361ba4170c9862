/**
 * A session of SMTP without a socket, whose steps a test takes itself, with milters that listen on real ones. Job: phases,
 * transactions and the end of the session. Non-job: what the milters say (fake_milter.ts).
 */
import { on, parseAddress, type Plugin } from "../../../../../core/pipeline/mod.ts";
import { applyEditsToBytes } from "../../../../../core/model/edits.ts";
import {
  type HeaderEdits,
  NO_EDITS,
  NO_MAIL_PARAMETERS,
  NO_RCPT_PARAMETERS,
} from "../../../../../core/model/envelope.ts";
import { newId } from "../../../../../core/model/id.ts";
import { receivedField } from "../../../../../core/model/trace.ts";
import type { Event } from "../../../../../core/observe/events.ts";
import { observersOf } from "../../../../../core/pipeline/observers.ts";
import { ReceivedMessage } from "../../../../../core/pipeline/contexts/received_message.ts";
import { TransactionContext } from "../../../../../core/pipeline/contexts/transaction_context.ts";
import { Pipeline } from "../../../../../core/pipeline/pipeline.ts";
import { type Row, rows } from "../../../../../core/pipeline/endings/settlement.ts";
import { MemoryWriter } from "../../../../../core/store/memory_body.ts";
import { memoryBody, SimulatedCounters } from "../../../../../core/pipeline/testing/simulation.ts";
import type { Phase } from "../../../../../core/pipeline/plugin.ts";
import type { Client, Role } from "../../../../../core/pipeline/contexts/contexts.ts";

const EVERYONE = on("rcpt", (ctx, next) => {
  if (ctx.recipient.address.local !== "nobody") ctx.route({ to: "local", plugin: "box" });
  return next();
}, { name: "everyone" });

export interface StageOptions {
  readonly client?: Partial<Client>;
  readonly role?: Role;
  readonly delayRefusals?: boolean;
  readonly budget?: number;
  readonly before?: readonly Plugin[];
  readonly behind?: readonly Plugin[];
}

/** Dispose it to end the session. */
export class Stage implements Disposable {
  readonly events: Event[] = [];
  readonly ctx: TransactionContext;
  readonly session = `s${newId(0)}`;
  kept: readonly Row[] = [];
  readonly #pipeline: Pipeline;
  readonly #observers;

  constructor(plugins: readonly Plugin[], options: StageOptions = {}) {
    const { client, role = "mx", delayRefusals = false, before = [], behind = [] } = options;
    const all = [...before, ...plugins, EVERYONE, ...behind];
    const budget = options.budget === undefined ? {} : { budget: options.budget };
    this.#pipeline = new Pipeline(all, { partial: true, delayRefusals, role, ...budget });
    const counters = new SimulatedCounters(), emit = (event: Event) => void this.events.push(event);
    this.#observers = observersOf(all, { counters, now: Date.now, emit });
    this.ctx = new TransactionContext({
      host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
      dns: undefined as never,
      counters,
      now: Date.now,
      emit,
      commit: (ctx) => Promise.resolve((this.kept = rows(ctx), null)),
      receive: () => new MemoryWriter(),
    }, {
      session: this.session,
      role,
      listener: "192.0.2.25:25",
      client: { ip: "192.0.2.1", port: 50_000, tls: null, identity: null, ...client },
    });
  }

  async run(phase: Phase): Promise<string> {
    return String(await this.#pipeline.run(phase, this.ctx));
  }
  connect(): Promise<string> {
    return this.run("connect");
  }
  helo(name = "client.example.net"): Promise<string> {
    this.ctx.greet(name);
    return this.run("helo");
  }
  mail(from: string | null = "a@example.net", parameters = {}): Promise<string> {
    this.ctx.begin({
      id: newId(0),
      sender: from === null ? null : parseAddress(from),
      parameters: { ...NO_MAIL_PARAMETERS, ...parameters },
    });
    return this.run("mail");
  }
  rcpt(to = "b@example.org", parameters = {}): Promise<string> {
    this.ctx.propose({ address: parseAddress(to)!, parameters: { ...NO_RCPT_PARAMETERS, ...parameters } });
    return this.run("rcpt");
  }
  /** The message; Received is in front of it as core writes it. Ends with `queue` when data has accepted. */
  async data(message: string): Promise<string> {
    const { ctx } = this;
    ctx.complete(new ReceivedMessage(memoryBody(message), "7BIT"), { ...NO_EDITS, prepend: this.received });
    const reply = await this.run("data");
    this.written = new TextDecoder().decode(applyEditsToBytes(await this.#content(), ctx.edits));
    this.edits = ctx.edits;
    if (reply.startsWith("2")) await this.run("queue");
    return reply;
  }
  /** What would be written, after data. */
  written = "";
  edits: HeaderEdits = NO_EDITS;

  async #content(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await new Response(this.ctx.message.content()).arrayBuffer());
  }
  get received(): string {
    const { id, helo, client: { ip } } = this.ctx;
    return receivedField({ id, host: "mx.example.org", helo, ip, protocol: "ESMTP", recipient: null, now: 0 });
  }
  /** MAIL to DATA after connect and helo; the reply to the message, or the first refusal. */
  async deliver(message = "Subject: test\n\nHello\n", to: readonly string[] = ["b@example.org"]): Promise<string> {
    for (const step of [() => this.connect(), () => this.helo(), () => this.mail()]) {
      const reply = await step();
      if (!reply.startsWith("2")) return reply;
    }
    for (const each of to) {
      const reply = await this.rcpt(each);
      if (!reply.startsWith("2")) return reply;
    }
    return await this.data(message);
  }
  /** Reasons that the plugin gave beside its replies. */
  get notes(): string[] {
    return this.events.flatMap((event) => event.type === "scored" ? [event.reason] : []);
  }
  /** What the operator was told. */
  reasons(plugin: string): string[] {
    return this.events.flatMap((event) =>
      event.type === "decision" && event.plugin === plugin && event.verdict !== "next" ? [event.reason] : []
    );
  }
  [Symbol.dispose](): void {
    const { session } = this;
    for (const observer of this.#observers) {
      observer({ type: "session-closed", session, ip: "192.0.2.1", reason: "quit", messages: 0, seconds: 0 });
    }
  }
}
