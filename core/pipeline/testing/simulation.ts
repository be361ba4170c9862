/**
 * Plugins under test without a socket: `simulate` takes one transaction through every phase as a listener would,
 * `runPhase` asks one plugin about one phase. Everything that a plugin could see is a parameter with a sane default.
 * Non-job: the protocol. Replies here are the pipeline's, before the engine words them.
 */
import { type Address, parseAddress } from "../../model/address.ts";
import { applyEditsToBytes } from "../../model/edits.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS, type Route } from "../../model/envelope.ts";
import { newId } from "../../model/id.ts";
import { accept, type Reply } from "../../model/reply.ts";
import type { Event } from "../../observe/events.ts";
import type { Host } from "../contexts/contexts.ts";
import { ReceivedMessage } from "../contexts/received_message.ts";
import { TransactionContext } from "../contexts/transaction_context.ts";
import { Pipeline, type PipelineOptions } from "../pipeline.ts";
import type { Phase, Plugin } from "../plugin.ts";
import { repliesPerRecipient, type Row, rows } from "../endings/settlement.ts";
import { MemoryWriter } from "../../store/memory_body.ts";
import { answering, EMPTY_DNS, memoryBody, SimulatedCounters, START } from "./simulated_house.ts";
import type { Simulated, SimulatedLogin, SimulatedRecipient, SimulatedResult } from "./simulated.ts";
import { SimulatedAttempt } from "./simulated_departure.ts";

export { memoryBody, SimulatedCounters } from "./simulated_house.ts";
export type * from "./simulated.ts";

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
