/**
 * A plugin: a noun with at most one typed handler per phase. This file is what a plugin author reads first.
 * Non-job: running plugins (calls/), what a context holds (contexts/).
 */
import type { Reply, Verdict } from "../model/reply.ts";
import type { Event, Phase } from "../observe/events.ts";
import type {
  AuthContext,
  ConnectContext,
  DataContext,
  DeliverContext,
  HeloContext,
  MailContext,
  QueueContext,
  RcptContext,
  Role,
} from "./contexts/contexts.ts";
import type { Address } from "../model/address.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Counters } from "../store/store.ts";
import type { Host } from "./contexts/contexts.ts";
import type { EdgeContext } from "./contexts/edge_context.ts";

/** What a handler of each phase is given, in the order of a session. */
export interface Phases {
  /** A connection was taken; nothing is known but its address. */
  connect: ConnectContext;
  /** EHLO, HELO or LHLO, as often as the client says it. */
  helo: HeloContext;
  /** AUTH (RFC 4954). */
  auth: AuthContext;
  /** MAIL: a transaction begins. */
  mail: MailContext;
  /** RCPT, once for each recipient and for each member of an alias. */
  rcpt: RcptContext;
  /** After the last octet of the message: may this in? */
  data: DataContext;
  /** Where to: storage. Runs before the 250, and again later for what could not be stored then. */
  queue: QueueContext;
  /** On the way out, around an attempt: next() makes it. */
  deliver: DeliverContext;
}
export type { Phase };
export * from "./definition.ts";
/** The phases of a host that knows nothing but the message. */
export interface EdgePhases {
  /** The message is there. */
  data: EdgeContext;
}
/** The phases of a plugin that has some of SMTP's, and whose `data` asks no more than an edge host knows. */
export interface PortablePhases extends Omit<Phases, "data">, EdgePhases {}
/** A refusal in `queue` is temporary or belongs to one recipient: policy ended with `data`. */
export type VerdictIn<P> = P extends "queue" ? "accept" | "defer" : Verdict;

/** What a handler gives back: a reply, at once or later. */
export type Answer<V extends Verdict = Verdict> = Reply<V> | Promise<Reply<V>>;
/** The rest of the phase. In a sandbox `return next()` is free; awaiting its answer costs a second round trip. */
export type Next<V extends Verdict = Verdict> = () => Answer<V>;
/**
 * One plugin in one phase. Exactly one call of `next` at most; no reply comes out of nothing: `return next()`.
 *
 * @example
 * ```ts
 * import { type Handler, type MailContext, on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const local_only: Handler<MailContext> = async (ctx, next) => {
 *   const reply = await next(); // what the plugins behind this one say
 *   return reply.verdict === "accept" && ctx.client.ip !== "127.0.0.1" ? reject("5.7.1", "From here only") : reply;
 * };
 * const { reply } = await runPhase(on("mail", local_only), "mail", { ip: "192.0.2.1" });
 * assertEquals(String(reply), "550 5.7.1 From here only");
 * ```
 */
export type Handler<C, V extends Verdict = Verdict> = (ctx: C, next: Next<V>) => Answer<V>;
/**
 * At most one handler for each phase.
 *
 * @example
 * ```ts
 * import { type Handlers, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const handlers: Handlers = {
 *   helo: (ctx, next) => ctx.helo === "localhost" ? reject("5.7.1", "You are not me") : next(),
 *   mail: (ctx, next) => ctx.sender === null ? next() : reject("5.7.1", "Reports only"),
 * };
 * const { reply } = await runPhase({ name: "reports", handlers }, "helo", { helo: "localhost" });
 * assertEquals(reply.text, "You are not me");
 * ```
 */
export type Handlers<P = Phases> = { readonly [K in keyof P]?: Handler<P[K], VerdictIn<K>> };

/** What an observer has. */
export interface ObserverHouse {
  /** The plugin's own part of the state that threads and nodes share, as `ctx.store` in a handler. */
  readonly store: Counters;
  /** Milliseconds since 1970. */
  now(): number;
  /** Tells a person, as `ctx.alert`. */
  alert(subject: string, message: string): void;
}
/**
 * Told of everything that happens on this server, after it has happened; decides nothing. Nobody waits for it, so it must
 * be quick. What it throws, or a promise of it, is a `trouble` event and no more. It is not told of its own alerts.
 *
 * @example
 * ```ts
 * import { type Observe, observersOf, SimulatedCounters } from "postern";
 * import { assertEquals } from "@std/assert";
 * const told: string[] = [];
 * const observe: Observe = (event) => void (event.type === "held" && told.push(event.reason));
 * const services = { counters: new SimulatedCounters(), now: Date.now, emit: () => {} };
 * const [observer] = observersOf([{ name: "pager", handlers: {}, observe }], services);
 * observer!({ type: "held", transaction: "01K0", recipient: "bob@example.org", reason: "spam" });
 * assertEquals(told, ["spam"]);
 * ```
 */
export type Observe = (event: Event, house: ObserverHouse) => void | Promise<void>;
/** A letter of this site's own: a report. */
export interface Letter {
  /** Who is told when it cannot be delivered; null: nobody. */
  readonly from: Address | null;
  /** Whom it goes to, at least one. */
  readonly to: readonly Address[];
  /** Header and body with CRLF. Signers on the way out sign it as mail of the site. */
  readonly content: Uint8Array<ArrayBuffer>;
}
/** What a job has. */
export interface JobHouse extends ObserverHouse {
  /** This site. */
  readonly host: Host;
  /** Name service. */
  readonly dns: Resolver;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
  /** Puts a letter into the queue; resolves when it is durable. */
  send(letter: Letter): Promise<void>;
}
/**
 * Work that a site does once in a period, whatever the number of its threads and nodes: a daily report. Periods are counted
 * from 1970, so those of a day begin at midnight UTC. Its first run is soon after a start. What it throws is a `trouble`
 * event, and its turn is over; in mode observe it does not run.
 *
 * @example
 * ```ts
 * import { definePlugin, type Job } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const report: Job = {
 *   name: "report",
 *   every: 86_400_000,
 *   after: 6 * 3_600_000, // at six in the morning, UTC
 *   async run({ store, host, send }) {
 *     const count = await store.get("messages") ?? "0";
 *     const content = new TextEncoder().encode(`From: <>\r\nSubject: ${count} messages\r\n\r\n`);
 *     if (host.postmaster) await send({ from: null, to: [host.postmaster], content });
 *   },
 * };
 * const daily = definePlugin({ name: "daily", options: z.strictObject({}), create: () => ({ jobs: [report] }) });
 * assertEquals(daily().jobs?.map(({ name }) => name), ["report"]);
 * ```
 */
export interface Job {
  /** What it is called, among the jobs of its plugin. */
  readonly name: string;
  /** The period, milliseconds. */
  readonly every: number;
  /** How much later than from 1970 periods begin, milliseconds (default 0): a day's job at six in the morning. */
  readonly after?: number;
  /** Does it. */
  run(house: JobHouse): Promise<void>;
}
/** What a person says a message is. */
export type Lesson = "spam" | "ham";
/**
 * Learns from a message that a person has judged; says in a few words what it learned. A content without octets is no
 * message: it only asks what is known.
 *
 * @example
 * ```ts
 * import { type Learn, SimulatedCounters } from "postern";
 * import { assertEquals } from "@std/assert";
 * const learn: Learn = async (content, as, { store }) => {
 *   if (content.length === 0) return `${await store.get("spam") ?? 0} messages of spam`;
 *   return `${as}, message ${await store.add(as, 1, { seconds: 86_400 })} of it`;
 * };
 * const house = { store: new SimulatedCounters(), now: Date.now, alert: () => {} };
 * assertEquals(await learn(new TextEncoder().encode("Subject: x\r\n"), "spam", house), "spam, message 1 of it");
 * assertEquals(await learn(new Uint8Array(), "spam", house), "1 messages of spam");
 * ```
 */
export type Learn = (content: Uint8Array<ArrayBuffer>, as: Lesson, house: ObserverHouse) => Promise<string>;
/**
 * What a plugin holds open while it may be asked: connections, a process beside the server.
 *
 * @example
 * ```ts
 * import { definePlugin } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const open = new Set<string>();
 * const held = definePlugin({
 *   name: "held",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     start: async () => void open.add(await Promise.resolve("a connection")),
 *     stop: () => Promise.resolve(open.clear()),
 *     mail: (_ctx, next) => next(),
 *   }),
 * });
 * const plugin = held(); // the server calls start() before its first handler, and stop() at the end
 * await plugin.start!();
 * assertEquals(open.size, 1);
 * await plugin.stop!();
 * assertEquals(open.size, 0);
 * ```
 */
export interface Lifetime {
  /**
   * Before anybody asks it. What it throws ends the start of the server, or the reload; so does more than a minute.
   */
  start?(): Promise<void>;
  /**
   * Its configuration is over, or the server stops: what it holds is closed. A session that began before may still ask it,
   * and is answered. What it throws is a `trouble` event; after ten seconds nobody waits for it any more.
   */
  stop?(): Promise<void>;
}
/** What `create` makes: handlers, and beside them an observer, jobs, a pupil, and a beginning and an end. */
export type Creation<P = Phases> = Handlers<P> & Lifetime & {
  /** Observers are told, deciders are asked. */
  readonly observe?: Observe;
  /** What it does beside mail, once in a period. */
  readonly jobs?: readonly Job[];
  /** Learns from what people say of messages. */
  readonly learn?: Learn;
};

/**
 * What the operator, not the author, decides; in YAML these stand beside the plugin's key, never among its options.
 *
 * @example
 * ```ts
 * import { on, type Policy, runPhase, withPolicy } from "postern";
 * import { assertEquals } from "@std/assert";
 * const broken = on("mail", () => Promise.reject(new Error("its list is down")), { name: "broken" });
 * const verdict = async (policy: Policy) => (await runPhase(withPolicy(broken, policy), "mail")).reply.verdict;
 * assertEquals([await verdict({}), await verdict({ onError: "skip" })], ["defer", "accept"]);
 * ```
 */
export interface Policy {
  /** `observe`: its answers and changes are told to observers and count for nothing. */
  readonly mode?: "enforce" | "observe";
  /** What a throw, a late or a wrong answer means: 451 for the message, or as if the plugin were not there. */
  readonly onError?: "defer" | "skip";
  /** Own time in milliseconds (default: the author's word, else 30,000); waiting for next() does not count. */
  readonly deadline?: number;
  /** Only on listeners of these roles; the operator's word replaces the author's. */
  readonly roles?: readonly Role[];
}
/** Where a plugin runs that does not run in the server's own thread, and what it may do there. */
export interface SandboxFacts {
  /** A Worker, or a process of its own. */
  readonly isolate: "worker" | "process";
  /** Hosts that it may connect to. */
  readonly net: readonly string[];
  /** Paths that it may read. */
  readonly read: readonly string[];
  /** Variables of the environment that it may read. */
  readonly env: readonly string[];
}
/**
 * What a factory makes and a list holds.
 *
 * @example
 * ```ts
 * import { type Plugin, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const plain: Plugin = { // `definePlugin` and `on` make the same
 *   name: "plain",
 *   after: ["spf"],
 *   roles: ["mx"],
 *   handlers: { mail: (ctx, next) => ctx.helo === "" ? reject("5.5.1", "EHLO first") : next() },
 * };
 * assertEquals((await runPhase(plain, "mail", { helo: "" })).reply.code, 550);
 * ```
 */
export interface Plugin<P = Phases> extends Lifetime {
  /** Its name in the log, in metrics and in `after`. */
  readonly name: string;
  /** Must stand after these where they are in the list: it reads their keys. */
  readonly after?: readonly string[];
  /** Only on listeners of these roles; unset: on all. */
  readonly roles?: readonly Role[];
  /** Holds senders to their logins: `check` warns where logins are taken and no plugin says so. */
  readonly bindsSender?: true;
  /** Talks to a program beside the server in a way that `ctx.outside` cannot hold: a replay goes without it, and says so. */
  readonly asksEngine?: true;
  /** It runs apart; unset: in the server's own thread, with all that the server may do. */
  readonly sandbox?: SandboxFacts;
  /** What the operator said beside it. */
  readonly policy?: Policy;
  /** Plugins that its routes name: each must be in the list and store mail. */
  readonly routesTo?: readonly string[];
  /** Next hops that its routes name: each must be in the configuration. */
  readonly routesVia?: readonly string[];
  /** Own time in one phase, milliseconds, where the operator says none; unset: 30,000. */
  readonly deadline?: number;
  /** SASL mechanisms that its `auth` handler can check; unset with such a handler: PLAIN and LOGIN. */
  readonly mechanisms?: readonly string[];
  /** What it does in each phase. */
  readonly handlers: Handlers<P>;
  /** What it does when it is told of something. In every mode: it can decide nothing. */
  readonly observe?: Observe;
  /** What it does beside mail, once in a period. */
  readonly jobs?: readonly Job[];
  /** Learns from what people say of messages. */
  readonly learn?: Learn;
}
