/**
 * Plugins under test without a socket: `simulate` takes one transaction through every phase as a listener would,
 * `runPhase` asks one plugin about one phase. Everything that a plugin could see is a parameter with a sane default.
 * Non-job: the protocol. Replies here are the pipeline's, before the engine words them.
 */
import { type Address, parseAddress } from "../../model/address.ts";
import { applyEditsToBytes } from "../../model/edits.ts";
import {
  type HeaderEdits,
  type MailParameters,
  NO_EDITS,
  NO_MAIL_PARAMETERS,
  NO_RCPT_PARAMETERS,
  type Origin,
  type RcptParameters,
  type Route,
} from "../../model/envelope.ts";
import { newId } from "../../model/id.ts";
import type { AuthResult } from "../../model/authres.ts";
import { accept, type Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Decision, Event } from "../../observe/events.ts";
import type { Counters } from "../../store/store.ts";
import type { CallAhead, Client, DeliverContext, Deposit, Host, Recipient, Role, Score } from "../contexts/contexts.ts";
import { ReceivedMessage } from "../contexts/received_message.ts";
import { TransactionContext } from "../contexts/transaction_context.ts";
import type { Key, Scope } from "../key.ts";
import { Pipeline, type PipelineOptions } from "../pipeline.ts";
import type { Phase, Plugin } from "../plugin.ts";
import { repliesPerRecipient, type Row, rows } from "../endings/settlement.ts";
import { answering, EMPTY_DNS, memoryBody, MemoryWriter, SimulatedCounters, START } from "./simulated_house.ts";
import { type NextHopAnswer, SimulatedAttempt, type SimulatedDeparture } from "./simulated_departure.ts";

export { memoryBody, SimulatedCounters } from "./simulated_house.ts";

/** One recipient of the simulated envelope; a string is an address without parameters. */
export type SimulatedRecipient =
  | string
  | {
    readonly address: string;
    /** In `deliver`: what the client named, where that was another address. */
    readonly original?: string;
    readonly parameters?: RcptParameters;
    readonly route?: Route;
  };

/** A client that logs in. No SASL is spoken: what it proves is said here. */
export interface SimulatedLogin {
  /** Default: PLAIN. */
  readonly mechanism?: string;
  /** Whose secret it is; empty where only a token says it. */
  readonly user: string;
  /** The password, or the token. `reveal` shows it for the mechanisms that show theirs. */
  readonly password: string;
  /**
   * What `verify` says of what is stored, and what `decoy` does without saying it. Default: whether it is the password;
   * for CRAM-MD5 `{CRAM-MD5}` and the password, for EXTERNAL `SHA256:` and the fingerprint of the client's certificate.
   */
  readonly verify?: (stored: string) => boolean | Promise<boolean>;
}

/** What a plugin under test is to see; all of it has a default. */
export interface Simulated {
  /** Default: 192.0.2.1. */
  readonly ip?: string;
  /** Default: client.example.net. */
  readonly helo?: string;
  /** Default: none. */
  readonly tls?: Client["tls"];
  /** Who is logged in from the start. */
  readonly identity?: string | null;
  /** Runs the phase auth. In `runPhase`: user and password "user" and "password" unless said. */
  readonly login?: SimulatedLogin;
  /** The sender, a@example.net by default; null for `<>`. */
  readonly from?: string | null;
  /** `simulate`: none by default. `runPhase`: b@example.org. */
  readonly to?: SimulatedRecipient | readonly SimulatedRecipient[];
  /** Header and body; LF becomes CRLF in a string. */
  readonly message?: string | Uint8Array<ArrayBuffer>;
  /** What MAIL said besides the address. */
  readonly parameters?: Partial<MailParameters>;
  /** Default: mx. */
  readonly role?: Role;
  /** Default: 127.0.0.1:25. */
  readonly listener?: string;
  /** Default: mx.example.org, whose local domain is example.org. */
  readonly host?: Partial<Host>;
  /** Default: no name exists. */
  readonly dns?: Resolver;
  /** What `ctx.store` reads and writes; give two runs one of them to see them share it. */
  readonly counters?: Counters;
  /** The clock, milliseconds since 1970; default: it stands still. */
  readonly now?: () => number;
  /** What the commit answers; default: durable. */
  readonly commit?: () => Promise<Reply<"defer"> | null>;
  /** What plugins that are not there would have left. */
  readonly keys?: readonly (readonly [key: Key<unknown, Scope>, value: unknown])[];
  /** How often the queue tried before. */
  readonly tries?: number;
  /** What `ctx.callAhead` asks; default: nobody here asks other hosts. */
  readonly callAhead?: CallAhead;
  /** What `ctx.outside` is answered, by question; an error: it fails. Default: what is asked is asked. */
  readonly outside?: Readonly<Record<string, string | Error>>;
  /** What `ctx.pause` does; default: the time is over at once, and the peer has not talked. */
  readonly pause?: (milliseconds: number) => Promise<boolean>;
  /** Of an attempt in `deliver`; default: the first recipient's domain, by its own hosts. */
  readonly destination?: Partial<DeliverContext["destination"]>;
  /** Who brought the message that is on its way out; default: the client above. */
  readonly origin?: Partial<Origin>;
  /** What the next hop says of each recipient; default: it takes them all. */
  readonly attempt?: NextHopAnswer;
}

/** What came of it. */
export interface SimulatedResult {
  /** The last reply: what the client was told in the end. */
  readonly reply: Reply;
  /** Every phase that ran, with its reply. */
  readonly replies: readonly { readonly phase: Phase; readonly reply: Reply }[];
  /** Who made up its mind, and why. */
  readonly decisions: readonly Decision[];
  /** Everything that observers were told. */
  readonly events: readonly Event[];
  /** The accepted ones, aliases expanded. */
  readonly recipients: readonly Recipient[];
  /** What the queue was given to keep; empty when nothing was committed. */
  readonly rows: readonly Row[];
  /** Copies for the dev inbox. */
  readonly deposits: readonly Deposit[];
  /** What was found out about who sent it. */
  readonly authResults: readonly AuthResult[];
  /** Addresses for the suppression list; empty unless the message was accepted. */
  readonly suppressed: readonly {
    readonly address: Address;
    readonly reason: string;
    readonly seconds: number | null;
  }[];
  /** Milliseconds of each `ctx.pause`. */
  readonly pauses: readonly number[];
  /** Points, in the order they were given. */
  readonly scores: readonly Score[];
  /** Why the message is held; null when it is not. */
  readonly held: string | null;
  /** Changes to its header. */
  readonly edits: HeaderEdits;
  /** The message as it would be written, edits applied; empty without one. */
  readonly output: string;
  /** In `deliver`: what the attempt was asked to do; null in other phases. */
  readonly departure: SimulatedDeparture | null;
  /** Who the client is logged in as in the end. */
  readonly identity: string | null;
  /** The reply to each accepted RCPT after the message, for LMTP. */
  readonly recipientReplies: readonly Reply[];
  /** What plugins left. For a key of a recipient ask `recipients`. */
  get<T>(key: Key<T, Scope>): T | undefined;
}

const HOST: Host = { name: "mx.example.org", domains: ["example.org"], postmaster: null };
const MESSAGE = "From: a@example.net\nTo: b@example.org\nSubject: test\n\nHello\n";

/** Mechanisms that tell us the secret itself. */
const REVEALING: ReadonlySet<string> = new Set(["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]);

function address(text: string): Address {
  const found = parseAddress(text);
  if (found === null) throw new TypeError(`"${text}" is no address`);
  return found;
}

/** The session and its transaction, and what was told of it. */
class Stage {
  readonly events: Event[] = [];
  readonly replies: { phase: Phase; reply: Reply }[] = [];
  readonly ctx: TransactionContext;
  kept: readonly Row[] = [];
  readonly suppressed: { address: Address; reason: string; seconds: number | null }[] = [];
  readonly pauses: number[] = [];
  given: readonly SimulatedRecipient[];
  #id: string;
  #attempt: SimulatedAttempt | null = null;

  constructor(readonly facts: Simulated) {
    const { role = "mx", ip = "192.0.2.1", tls = null, identity = null, to = [] } = facts;
    const now = facts.now ?? (() => START);
    this.#id = newId(now());
    this.given = typeof to === "string" || !("length" in to) ? [to] : to;
    this.ctx = new TransactionContext({
      host: { ...HOST, ...facts.host },
      dns: facts.dns ?? EMPTY_DNS,
      counters: facts.counters ?? new SimulatedCounters(now),
      now,
      emit: (event) => void this.events.push(event),
      commit: async (ctx) => {
        const listed = rows(ctx), refusal = await (facts.commit?.() ?? null);
        if (refusal === null) this.kept = listed;
        return refusal;
      },
      ...(facts.callAhead ? { callAhead: facts.callAhead } : {}),
      ...(facts.outside ? { outside: answering(facts.outside) } : {}),
      receive: () => new MemoryWriter(),
      suppress: (address, options) => Promise.resolve(void this.suppressed.push({ address, ...options })),
      pause: (milliseconds) => {
        this.pauses.push(milliseconds);
        return facts.pause?.(milliseconds) ?? Promise.resolve(false);
      },
    }, {
      session: `s${this.#id}`,
      role,
      listener: facts.listener ?? "127.0.0.1:25",
      client: { ip, port: 50000, tls, identity },
    });
  }

  get refused(): boolean {
    return this.replies.at(-1)?.reply.verdict !== "accept";
  }

  async run(pipeline: Pipeline, phase: Phase): Promise<Reply> {
    const reply = await pipeline.run(phase, this.ctx);
    this.replies.push({ phase, reply });
    return reply;
  }

  greet(): void {
    this.ctx.greet(this.facts.helo ?? "client.example.net");
  }
  authenticate(): void {
    const login: SimulatedLogin = this.facts.login ?? { user: "user", password: "password" };
    const { mechanism = "PLAIN", user, password } = login;
    const { fingerprint = null } = this.facts.tls?.certificate ?? {};
    const proof = mechanism === "EXTERNAL"
      ? fingerprint && `SHA256:${fingerprint}`
      : mechanism === "CRAM-MD5"
      ? `{CRAM-MD5}${password}`
      : password;
    const verify = async (stored: string) => login.verify ? await login.verify(stored) : stored === proof;
    const decoy = async (stored: string): Promise<false> => (await verify(stored), false);
    const reveal = () => REVEALING.has(mechanism) ? password : null;
    this.ctx.authenticate({ mechanism, user, verify, decoy, reveal });
  }
  get #mail() {
    const { from = "a@example.net", parameters } = this.facts;
    return {
      id: this.#id,
      sender: from === null ? null : address(from),
      parameters: { ...NO_MAIL_PARAMETERS, ...parameters },
    };
  }
  get #message(): ReceivedMessage {
    return new ReceivedMessage(memoryBody(this.facts.message ?? MESSAGE), this.facts.parameters?.body ?? "7BIT");
  }
  begin(): void {
    this.ctx.begin(this.#mail);
  }
  propose(each: SimulatedRecipient): void {
    const { address: text, parameters = NO_RCPT_PARAMETERS } = typeof each === "string" ? { address: each } : each;
    this.ctx.propose({ address: address(text), parameters });
  }
  complete(): void {
    this.ctx.complete(this.#message);
  }
  depart(given: readonly SimulatedRecipient[]): void {
    const { ctx, facts } = this, { ip, identity } = ctx.client;
    const recipients = given.map((each) => {
      const given = typeof each === "string" ? { address: each } : each;
      const { address: text, original = text, parameters = NO_RCPT_PARAMETERS, route = { to: "remote" } } = given;
      return { address: address(text), original: address(original), parameters, route };
    });
    this.#attempt = new SimulatedAttempt(ctx, facts.attempt);
    const { session, listener, helo } = ctx;
    ctx.depart({
      ...this.#mail,
      recipients,
      message: this.#message,
      edits: NO_EDITS,
      tries: facts.tries ?? 0,
      origin: { session, listener, ip, helo, identity, protocol: "ESMTP", ...facts.origin },
      destination: { domain: recipients[0]!.address.domain, via: null, ...facts.destination },
      attempt: this.#attempt.make,
    });
  }
  keys(): void {
    for (const [key, value] of this.facts.keys ?? []) {
      if (key.scope !== "recipient" || this.ctx.recipient) this.ctx.keysOf(key.scope).set(key.name, value);
    }
  }

  result(): SimulatedResult {
    const { ctx, replies, events } = this;
    const reply = replies.at(-1)?.reply ?? accept();
    const memory = (ctx.rewritten ?? ctx.received?.body)?.memory;
    return {
      authResults: ctx.authResults,
      suppressed: this.suppressed,
      pauses: this.pauses,
      reply,
      replies,
      events,
      decisions: events.filter((event) => event.type === "decision"),
      recipients: ctx.recipients,
      rows: this.kept,
      deposits: ctx.deposits,
      scores: ctx.scores,
      held: ctx.held,
      edits: ctx.edits,
      output: memory ? new TextDecoder().decode(applyEditsToBytes(memory, ctx.edits)) : "",
      departure: this.#attempt && this.#attempt.departure,
      identity: ctx.client.identity,
      recipientReplies: repliesPerRecipient(ctx, reply),
      get: (key) => ctx.get(key),
    };
  }
}

/**
 * One transaction through every phase, as a listener with these plugins would take it. It stops where a client would:
 * at the first refusal, at RCPT when nobody is left.
 *
 * @example
 * ```ts
 * import { on, reject, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * const noLists = on("mail", (ctx, next) => ctx.sender?.local === "list" ? reject("5.7.1", "No lists") : next());
 * const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
 *
 * const good = await simulate([noLists, everyone], { from: "a@example.net", to: "b@example.org" });
 * assertEquals([good.reply.code, good.rows.length], [250, 1]);
 *
 * const bad = await simulate([noLists, everyone], { from: "list@example.net", to: "b@example.org" });
 * assertEquals(String(bad.reply), "550 5.7.1 No lists");
 * ```
 */
export async function simulate(
  plugins: readonly Plugin[],
  facts: Simulated = {},
  options: PipelineOptions = {},
): Promise<SimulatedResult> {
  const stage = new Stage(facts), { ctx } = stage;
  const pipeline = new Pipeline(plugins, { partial: true, ...(facts.role ? { role: facts.role } : {}), ...options });
  stage.keys();
  await stage.run(pipeline, "connect");
  if (stage.refused) return stage.result();
  stage.greet();
  await stage.run(pipeline, "helo");
  if (stage.refused) return stage.result();
  if (facts.login) {
    stage.authenticate();
    await stage.run(pipeline, "auth");
    if (stage.refused) return stage.result();
  }
  stage.begin();
  stage.keys();
  await stage.run(pipeline, "mail");
  if (stage.refused) return stage.result();
  for (const each of stage.given) {
    stage.propose(each);
    await stage.run(pipeline, "rcpt");
  }
  if (ctx.count === 0) return stage.result();
  stage.complete();
  await stage.run(pipeline, "data");
  if (!stage.refused) await stage.run(pipeline, "queue");
  return stage.result();
}

/**
 * One plugin (or several) asked about one phase, everything before it taken for granted: no phase before it runs, the
 * recipients are there, with the route they name or a local one to the first plugin. In `deliver` they are on their way
 * to another host, which answers as `attempt` says.
 *
 * @example
 * ```ts
 * import { on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const marks = on("data", (ctx, next) => (ctx.score(3, "short"), next()));
 * const result = await runPhase(marks, "data", { message: "Subject: x\n\nhi\n" });
 * assertEquals(result.scores, [{ points: 3, reason: "short" }]);
 * ```
 */
export async function runPhase(
  plugin: Plugin | readonly Plugin[],
  phase: Phase,
  facts: Simulated = {},
  options: PipelineOptions = {},
): Promise<SimulatedResult> {
  const plugins: readonly Plugin[] = "name" in plugin ? [plugin] : plugin;
  const stage = new Stage(facts), { ctx } = stage;
  const pipeline = new Pipeline(plugins, { partial: true, delayRefusals: false, ...options });
  if (phase !== "connect") ctx.helo = facts.helo ?? "client.example.net";
  if (phase === "helo") stage.greet();
  if (phase === "auth") stage.authenticate();
  if (phase !== "connect" && phase !== "helo" && phase !== "auth") stage.begin();
  const given = stage.given.length > 0 ? stage.given : ["b@example.org"];
  if (phase === "rcpt") {
    for (const each of given) {
      stage.propose(each);
      stage.keys();
      await stage.run(pipeline, "rcpt");
    }
    return stage.result();
  }
  if (phase === "deliver") stage.depart(given);
  if (phase === "data" || phase === "queue") {
    const here: Route = { to: "local", plugin: plugins[0]?.name ?? "inbox" };
    for (const each of given) {
      stage.propose(each);
      ctx.recipient = ctx.recipient!.withRoute(typeof each === "string" ? here : each.route ?? here);
      ctx.admit();
      ctx.commands.push(ctx.command);
    }
    stage.complete();
    ctx.tries = facts.tries ?? 0;
  }
  stage.keys();
  await stage.run(pipeline, phase);
  return stage.result();
}
