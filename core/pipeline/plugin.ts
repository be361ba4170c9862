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
  MessageContext,
  QueueContext,
  RcptContext,
  Role,
} from "./contexts/contexts.ts";
import type { Address } from "../model/address.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Counters } from "../store/store.ts";
import type { Host } from "./contexts/contexts.ts";

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
/** The phases of a host that knows nothing but the message. */
export interface EdgePhases {
  /** The message is there. */
  data: MessageContext;
}
/** A refusal in `queue` is temporary or belongs to one recipient: policy ended with `data`. */
export type VerdictIn<P> = P extends "queue" ? "accept" | "defer" : Verdict;

/** What a handler gives back: a reply, at once or later. */
export type Answer<V extends Verdict = Verdict> = Reply<V> | Promise<Reply<V>>;
/** The rest of the phase. In a sandbox `return next()` is free; awaiting its answer costs a second round trip. */
export type Next<V extends Verdict = Verdict> = () => Answer<V>;
/** One plugin in one phase. Exactly one call of `next` at most; no reply comes out of nothing: `return next()`. */
export type Handler<C, V extends Verdict = Verdict> = (ctx: C, next: Next<V>) => Answer<V>;
/** At most one handler for each phase. */
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
 */
export type Learn = (content: Uint8Array<ArrayBuffer>, as: Lesson, house: ObserverHouse) => Promise<string>;
/** What a plugin holds open while it may be asked: connections, a process beside the server. */
export interface Lifetime {
  /**
   * Before anybody asks it. What it throws ends the start of the server, or the reload.
   */
  start?(): Promise<void>;
  /**
   * Its configuration is over, or the server stops: what it holds is closed. A session that began before may still ask it,
   * and is answered. What it throws is a `trouble` event.
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

/** What the operator, not the author, decides; in YAML these stand beside the plugin's key, never among its options. */
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
/** What a factory makes and a list holds. */
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

/** Standard Schema v1, as far as options need it: zod, valibot, arktype. */
export interface Schema<In, Out = In> {
  /** The interface of Standard Schema; must check without waiting. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Checked<Out> | Promise<Checked<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}
/** A step of the path to a fault: a key or an index. */
export type PathStep = PropertyKey | { readonly key: PropertyKey };
/** What a schema says of a value. */
export type Checked<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly PathStep[] | undefined }[] };

/** Options that the schema, or `create`, turned down: a path and a sentence for each fault. */
export class OptionsError extends Error {
  /** Tells it from other errors. */
  override readonly name = "OptionsError";
  /** A path and a sentence for each fault. */
  constructor(readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]) {
    super(issues.map((i) => `${i.path.map(String).join(".")}: ${i.message}`).join("\n"));
  }
}

/** What `create` is told beside its options. */
export interface Setup {
  /** Folder that relative paths in options start from: the configuration file's. */
  readonly base: string;
  /** The name the operator gave this instance (`as`), else the plugin's. */
  readonly name: string;
  /** Tells the operator that something is wrong with the server, not with a mail (a `trouble` event). */
  trouble(message: string): void;
  /** Says which storage plugins its routes name, so that one that is not there is found at the start. */
  routesTo(plugins: readonly string[]): void;
  /** Says which next hops its routes name, so that one that is not there is found at the start. */
  routesVia(nextHops: readonly string[]): void;
  /** Says how much time of its own a call may take with these options, milliseconds, where the operator says nothing. */
  deadline(milliseconds: number): void;
  /** Says which SASL mechanisms its `auth` handler can check with these options: EHLO announces them. */
  mechanisms(names: readonly string[]): void;
}
/** What an author says of a plugin. */
export interface Definition<In, Out, P> {
  /** Its name in a configuration. */
  readonly name: string;
  /** What its options must be; `z.strictObject` tells a typo from an option. */
  readonly options: Schema<In, Out>;
  /** Must stand after these where they are in the list: it reads their keys. `*`: after all in its phases. */
  readonly after?: readonly string[];
  /** Only on listeners of these roles, unless the operator says otherwise. */
  readonly roles?: readonly Role[];
  /** Holds senders to their logins: `check` warns where logins are taken and no plugin says so. */
  readonly bindsSender?: true;
  /** Talks to a program beside the server in a way that `ctx.outside` cannot hold: a replay goes without it, and says so. */
  readonly asksEngine?: true;
  /** Called once per thread. May throw OptionsError (paths relative to the options) or Error. */
  create(options: Out, setup: Setup): Creation<P>;
}
/** Callable in code; `parse` is the same door for YAML, with the path of the entry in every error. */
export interface PluginFactory<In, P = Phases> {
  (...options: Record<never, never> extends In ? [options?: In] : [options: In]): Plugin<P>;
  /** The name in its definition. */
  readonly pluginName: string;
  /** The schema in its definition. */
  readonly options: Schema<In, unknown>;
  /**
   * Makes it from a value of a configuration that stands at `at`.
   *
   * @throws {OptionsError} whose paths begin with `at`.
   */
  parse(value: unknown, at: readonly PropertyKey[], setup?: Partial<Setup>): Plugin<P>;
}

function define<In, Out, P>(definition: Definition<In, Out, P>): PluginFactory<In, P> {
  const { options, after = [], roles, bindsSender, asksEngine } = definition;
  const parse = (value: unknown, at: readonly PropertyKey[], setup: Partial<Setup> = {}): Plugin<P> => {
    const name = setup.name ?? definition.name;
    const fail = (issues: readonly { path?: readonly PathStep[] | undefined; message: string }[]) =>
      new OptionsError(issues.map(({ message, path = [] }) => ({
        path: [...at, ...path.map((step) => typeof step === "object" ? step.key : step)],
        message,
      })));
    const checked = options["~standard"].validate(value ?? {});
    if (checked instanceof Promise) throw new TypeError(`${name}: options must be checkable without waiting`);
    if (checked.issues) throw fail(checked.issues);
    try {
      const trouble = (message: string) => console.error(JSON.stringify(`${name}: ${message}`));
      let targets: readonly string[] = [];
      const routesTo = (plugins: readonly string[]) => void (targets = [...targets, ...plugins]);
      let hops: readonly string[] = [];
      const routesVia = (nextHops: readonly string[]) => void (hops = [...hops, ...nextHops]);
      let time: number | null = null;
      const deadline = (milliseconds: number) => void (time = milliseconds);
      let offered: readonly string[] | null = null;
      const mechanisms = (names: readonly string[]) => void (offered = names);
      const { observe, jobs, learn, start, stop, ...handlers } = definition.create(checked.value, {
        base: ".",
        trouble,
        ...setup,
        name,
        routesTo,
        routesVia,
        deadline,
        mechanisms,
      });
      return {
        name,
        after,
        ...(roles ? { roles } : {}),
        ...(bindsSender ? { bindsSender } : {}),
        ...(asksEngine ? { asksEngine } : {}),
        ...(targets.length > 0 ? { routesTo: [...new Set(targets)] } : {}),
        ...(hops.length > 0 ? { routesVia: [...new Set(hops)] } : {}),
        ...(time === null ? {} : { deadline: time }),
        ...(offered === null ? {} : { mechanisms: offered }),
        ...(observe ? { observe } : {}),
        ...(jobs ? { jobs } : {}),
        ...(learn ? { learn } : {}),
        ...(start ? { start } : {}),
        ...(stop ? { stop } : {}),
        handlers: handlers as unknown as Handlers<P>, // what is left is keyed by phases, which no type can say
      };
    } catch (error) {
      if (error instanceof OptionsError) throw fail(error.issues);
      throw fail([{ message: error instanceof Error ? error.message : String(error) }]);
    }
  };
  return Object.assign((value?: unknown) => parse(value, [definition.name]), {
    pluginName: definition.name,
    options,
    parse,
  });
}

/**
 * Makes a plugin's factory from its name, its options' schema and its handlers.
 *
 * @throws {OptionsError} the factory does, when the options do not fit.
 * @example
 * ```ts
 * import { definePlugin, reject } from "postern";
 * import { z } from "zod";
 * const Options = z.strictObject({ names: z.array(z.string()).default([]) });
 * export const helo_ban = definePlugin({
 *   name: "helo_ban",
 *   options: Options,
 *   create: ({ names }) => ({
 *     helo: (ctx, next) => names.includes(ctx.helo) ? reject("5.7.1", "Not with that name") : next(),
 *   }),
 * });
 * ```
 */
export function definePlugin<In, Out>(definition: Definition<In, Out, Phases>): PluginFactory<In> {
  return define(definition);
}

/** For plugins that need nothing but the message: an edge host takes these, an SMTP server too. */
export function defineMessagePlugin<In, Out>(
  definition: Definition<In, Out, EdgePhases>,
): PluginFactory<In, EdgePhases> {
  return define(definition);
}

/**
 * Two lines of policy: one handler for one phase.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const noLists = on("mail", (ctx, next) => ctx.sender?.local === "list" ? reject("5.7.1", "No lists") : next());
 * const { reply } = await runPhase(noLists, "mail", { from: "list@example.net" });
 * assertEquals(String(reply), "550 5.7.1 No lists");
 * ```
 */
export function on<P extends Phase>(
  phase: P,
  handler: Handler<Phases[P], VerdictIn<P>>,
  options: { readonly name?: string } = {},
): Plugin {
  return { name: options.name ?? `on(${phase})`, handlers: { [phase]: handler } as Handlers };
}

/** The same plugin under the operator's words; later words win. */
export function withPolicy<P>(plugin: Plugin<P>, policy: Policy): Plugin<P> {
  return { ...plugin, policy: { ...plugin.policy, ...policy } };
}
