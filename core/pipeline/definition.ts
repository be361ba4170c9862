/**
 * How an author's words become a plugin: name, schema of the options, `create`, and the factory that comes of them.
 * Non-job: what a plugin is (plugin.ts), reading a configuration (core/config).
 */
import type { Phase } from "../observe/events.ts";
import type { Role } from "./contexts/contexts.ts";
import type {
  Creation,
  EdgePhases,
  Handler,
  Handlers,
  Next,
  Phases,
  Plugin,
  Policy,
  PortablePhases,
  VerdictIn,
} from "./plugin.ts";

/**
 * Standard Schema v1, as far as options need it: zod, valibot, arktype.
 *
 * @example
 * ```ts
 * import { definePlugin, type Schema } from "postern";
 * import { assertThrows } from "@std/assert";
 * const Longest: Schema<number> = { // what zod, valibot and arktype give; by hand it is a function
 *   "~standard": {
 *     version: 1,
 *     vendor: "mine",
 *     validate: (value) => typeof value === "number" ? { value } : { issues: [{ message: "must be a number" }] },
 *   },
 * };
 * const names = definePlugin({ name: "names", options: Longest, create: () => ({}) });
 * assertThrows(() => names("ten" as never), Error, "names: must be a number");
 * ```
 */
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

/**
 * Options that the schema, or `create`, turned down: a path and a sentence for each fault. `create` may throw one of its own,
 * with paths that begin at its options; in a configuration each is then told with file, line and column.
 *
 * @example
 * ```ts
 * import { definePlugin, OptionsError } from "postern";
 * import { z } from "zod";
 * import { assertEquals, assertThrows } from "@std/assert";
 * const between = definePlugin({
 *   name: "between",
 *   options: z.strictObject({ from: z.number(), to: z.number() }),
 *   create({ from, to }) {
 *     if (from > to) throw new OptionsError([{ path: ["to"], message: `must not be less than from, ${from}` }]);
 *     return {};
 *   },
 * });
 * const error = assertThrows(() => between({ from: 9, to: 1 }), OptionsError);
 * assertEquals(error.message, "between.to: must not be less than from, 9");
 * ```
 */
export class OptionsError extends Error {
  /** Tells it from other errors. */
  override readonly name = "OptionsError";
  /** A path and a sentence for each fault. */
  constructor(readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]) {
    super(issues.map((i) => `${i.path.map(String).join(".")}: ${i.message}`).join("\n"));
  }
}

/**
 * What `create` is told beside its options.
 *
 * @example
 * ```ts
 * import { definePlugin } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const gateway = definePlugin({
 *   name: "gateway",
 *   options: z.strictObject({ via: z.string() }),
 *   create({ via }, setup) {
 *     setup.routesVia([via]); // a next hop that is not configured is found at the start
 *     setup.deadline(5_000);
 *     return { rcpt: (ctx, next) => (ctx.route({ to: "remote", via }), next()) };
 *   },
 * });
 * const { routesVia, deadline } = gateway({ via: "inside" });
 * assertEquals([routesVia, deadline], [["inside"], 5_000]);
 * ```
 */
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
/**
 * Finds a misspelt phase in what `create` gives: TypeScript lets a function give more than was asked for, so of every other
 * name a sentence is asked for, which no handler is, and the compiler shows it.
 */
export type NoSuchPhase<C, P = Phases> = {
  readonly [K in Exclude<keyof C, keyof Creation<P>>]:
    & ((ctx: unknown, next: Next) => unknown) // lest it speaks of untyped parameters first
    & `there is no phase ${K & string}`;
};
/**
 * What an author says of a plugin.
 *
 * @example
 * ```ts
 * import { type Definition, definePlugin, type Phases } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const options = z.strictObject({ words: z.array(z.string()).default([]) });
 * type Options = typeof options;
 * const definition: Definition<z.input<Options>, z.output<Options>, Phases> = {
 *   name: "words",
 *   options,
 *   after: ["spf"],
 *   create: ({ words }) => ({
 *     data(ctx, next) {
 *       for (const word of words) if (ctx.message.header("Subject")?.includes(word)) ctx.score(1, word);
 *       return next();
 *     },
 *   }),
 * };
 * assertEquals(definePlugin(definition)({ words: ["casino"] }).after, ["spf"]);
 * ```
 */
export interface Definition<In, Out, P, C extends Creation<P> & object = Creation<P>> {
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
  create(options: Out, setup: Setup): C & NoSuchPhase<C, P>;
}
/**
 * Callable in code; `parse` is the same door for YAML, with the path of the entry in every error.
 *
 * @example
 * ```ts
 * import { definePlugin, OptionsError } from "postern";
 * import { z } from "zod";
 * import { assertEquals, assertThrows } from "@std/assert";
 * const short = definePlugin({ name: "short", options: z.strictObject({ most: z.number() }), create: () => ({}) });
 * assertEquals(short({ most: 3 }).name, "short"); // in code, typed
 * const error = assertThrows(() => short.parse({ most: "3" }, ["plugins", 0, "short"]), OptionsError); // from a file
 * assertEquals(error.issues[0]?.path, ["plugins", 0, "short", "most"]);
 * ```
 */
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

function define<In, Out, P, C extends Creation<P> & object>(
  definition: Definition<In, Out, P, C>,
): PluginFactory<In, P> {
  const { options, after = [], roles, bindsSender, asksEngine } = definition;
  if ((options as typeof options | undefined)?.["~standard"] === undefined) { // whom no compiler told
    throw new TypeError(`${definition.name}: options must be a schema; z.strictObject({}) where it takes none`);
  }
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
      const created: Creation<P> | undefined = definition.create(checked.value, {
        base: ".",
        trouble,
        ...setup,
        name,
        routesTo,
        routesVia,
        deadline,
        mechanisms,
      });
      if (typeof created !== "object" || created === null) { // create: () => { mail() {} } gives nothing
        throw new TypeError("create() must return an object: create: () => ({ ... })");
      }
      const { observe, jobs, learn, start, stop, ...handlers } = created;
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
 * Makes a plugin's factory from its name, its options' schema and its handlers. Call it with options in code, or name its
 * module in a configuration. A phase that is misspelt in `create`, and a handler that answers nothing, do not compile.
 *
 * @throws {OptionsError} the factory does, when the options do not fit.
 * @example
 * ```ts
 * import { definePlugin, reject, runPhase } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const helo_ban = definePlugin({
 *   name: "helo_ban",
 *   options: z.strictObject({ names: z.array(z.string()).default([]) }),
 *   create: ({ names }) => ({
 *     helo: (ctx, next) => names.includes(ctx.helo) ? reject("5.7.1", "Not with that name") : next(),
 *   }),
 * });
 * const { reply } = await runPhase(helo_ban({ names: ["ylmf-pc"] }), "helo", { helo: "ylmf-pc" });
 * assertEquals(String(reply), "550 5.7.1 Not with that name");
 * ```
 */
export function definePlugin<In, Out, C extends Creation & object>(
  definition: Definition<In, Out, Phases, C>,
): PluginFactory<In> {
  return define(definition);
}

/**
 * For plugins that need nothing but the message: an edge host takes these, an SMTP server too. A handler of any other
 * phase does not compile here.
 *
 * @throws {OptionsError} the factory does, when the options do not fit.
 * @example
 * ```ts
 * import { defineMessagePlugin, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * import { z } from "zod";
 * const no_html = defineMessagePlugin({
 *   name: "no_html",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     data: (ctx, next) =>
 *       ctx.message.header("Content-Type")?.startsWith("text/html") ? reject("5.6.1", "Plain text, please") : next(),
 *   }),
 * });
 * const { reply } = await runPhase(no_html(), "data", { message: "Content-Type: text/html\n\n<p>Hi\n" });
 * assertEquals(String(reply), "550 5.6.1 Plain text, please");
 * ```
 */
export function defineMessagePlugin<In, Out, C extends Creation<EdgePhases> & object>(
  definition: Definition<In, Out, EdgePhases, C>,
): PluginFactory<In, EdgePhases> {
  return define(definition);
}

/**
 * For plugins that have handlers of other phases too, and say that their `data` can do without them: an SMTP server asks
 * all of them, an edge host `data` alone, where keys of the earlier phases are not there.
 *
 * @throws {OptionsError} the factory does, when the options do not fit.
 * @example
 * ```ts
 * import { definePortablePlugin, key, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * import { z } from "zod";
 * const GREETED = key<string>("greeted_as", "connection");
 * const greeted = definePortablePlugin({
 *   name: "greeted",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     helo: (ctx, next) => (ctx.set(GREETED, ctx.helo), next()),
 *     data: (ctx, next) => (ctx.prependHeader("X-Greeted-As", ctx.get(GREETED) ?? "nobody said"), next()),
 *   }),
 * });
 * const { output } = await runPhase(greeted(), "data", { message: "Subject: x\n\nHi\n" });
 * assertEquals(output, "X-Greeted-As: nobody said\r\nSubject: x\r\n\r\nHi\r\n");
 * ```
 */
export function definePortablePlugin<In, Out, C extends Creation<PortablePhases> & object>(
  definition: Definition<In, Out, PortablePhases, C>,
): PluginFactory<In, PortablePhases> {
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

/**
 * The same plugin under the operator's words; later words win.
 *
 * @example
 * ```ts
 * import { on, reject, runPhase, withPolicy } from "postern";
 * import { assertEquals } from "@std/assert";
 * const strict = on("mail", () => reject("5.7.1", "Nobody"), { name: "strict" });
 * const { reply, decisions } = await runPhase(withPolicy(strict, { mode: "observe" }), "mail");
 * assertEquals([reply.code, decisions[0]?.verdict, decisions[0]?.observed], [250, "reject", true]);
 * ```
 */
export function withPolicy<P>(plugin: Plugin<P>, policy: Policy): Plugin<P> {
  return { ...plugin, policy: { ...plugin.policy, ...policy } };
}
