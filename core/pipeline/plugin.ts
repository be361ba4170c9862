/**
 * A plugin: a noun with at most one typed handler per phase. This file is what a plugin author reads first.
 * Non-job: running plugins (compose.ts), what a context holds (contexts/).
 */
import type { Reply, Verdict } from "../model/reply.ts";
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

export interface Phases {
  connect: ConnectContext;
  helo: HeloContext;
  auth: AuthContext;
  mail: MailContext;
  rcpt: RcptContext;
  data: DataContext;
  queue: QueueContext;
  deliver: DeliverContext;
}
export interface EdgePhases {
  data: MessageContext;
}
export type Phase = keyof Phases;
/** A refusal in `queue` is temporary or belongs to one recipient: policy ended with `data`. */
export type VerdictIn<P> = P extends "queue" ? "accept" | "defer" : Verdict;

export type Answer<V extends Verdict = Verdict> = Reply<V> | Promise<Reply<V>>;
/** The rest of the phase. In a sandbox `return next()` is free; awaiting its answer costs a second round trip. */
export type Next<V extends Verdict = Verdict> = () => Answer<V>;
export type Handler<C, V extends Verdict = Verdict> = (ctx: C, next: Next<V>) => Answer<V>;
export type Handlers<P = Phases> = { readonly [K in keyof P]?: Handler<P[K], VerdictIn<K>> };

/** What the operator, not the author, decides; in YAML these stand beside the plugin's key, never among its options. */
export interface Policy {
  /** `observe`: its answers and changes are told to observers and count for nothing. */
  readonly mode?: "enforce" | "observe";
  /** What a throw, a late or a wrong answer means: 451 for the message, or as if the plugin were not there. */
  readonly onError?: "defer" | "skip";
  /** Own time in milliseconds (default 30,000); waiting for next() does not count. */
  readonly deadline?: number;
  /** Only on listeners of these roles; the operator's word replaces the author's. */
  readonly roles?: readonly Role[];
}
export interface Plugin<P = Phases> {
  readonly name: string;
  /** Must stand after these where they are in the list: it reads their keys. */
  readonly after?: readonly string[];
  readonly roles?: readonly Role[];
  readonly policy?: Policy;
  readonly handlers: Handlers<P>;
}

/** Standard Schema v1, as far as options need it: zod, valibot, arktype. */
export interface Schema<In, Out = In> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Checked<Out> | Promise<Checked<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}
export type PathStep = PropertyKey | { readonly key: PropertyKey };
export type Checked<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly PathStep[] | undefined }[] };

/** Options that the schema, or `create`, turned down: a path and a sentence for each fault. */
export class OptionsError extends Error {
  override readonly name = "OptionsError";
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
}
export interface Definition<In, Out, P> {
  readonly name: string;
  readonly options: Schema<In, Out>;
  readonly after?: readonly string[];
  readonly roles?: readonly Role[];
  /** Called once per thread. May throw OptionsError (paths relative to the options) or Error. */
  create(options: Out, setup: Setup): Handlers<P>;
}
/** Callable in code; `parse` is the same door for YAML, with the path of the entry in every error. */
export interface PluginFactory<In, P = Phases> {
  (...options: Record<never, never> extends In ? [options?: In] : [options: In]): Plugin<P>;
  readonly pluginName: string;
  readonly options: Schema<In, unknown>;
  parse(value: unknown, at: readonly PropertyKey[], setup?: Partial<Setup>): Plugin<P>;
}

function define<In, Out, P>(definition: Definition<In, Out, P>): PluginFactory<In, P> {
  const { options, after = [], roles } = definition;
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
      const handlers = definition.create(checked.value, { base: ".", trouble, ...setup, name });
      return { name, after, ...(roles ? { roles } : {}), handlers };
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

/** Two lines of policy: one handler for one phase. */
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
