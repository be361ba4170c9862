/**
 * What runs in a sandbox beside the plugin: makes it, and does what the host's messages say. Needs nothing but what every
 * place with modules has, and no permission. It defends nothing: the plugin shares its world, and the host believes nobody
 * here. Non-job: a handler at work (call.ts).
 */
import type { Host, Signer } from "../../pipeline/contexts/contexts.ts";
import { PHASES } from "../../pipeline/compile.ts";
import { exportedPlugin, isFactory } from "../../pipeline/exported.ts";
import { OptionsError, type Plugin, type Schema } from "../../pipeline/plugin.ts";
import { toWireError } from "../values.ts";
import type { Description, Inward, Making, Outward, WireError } from "../wire.ts";
import { type AnyHandler, InsideCall } from "./call.ts";
import { Errand } from "./errand.ts";
import type { Post } from "./questions.ts";

/** The part of a Worker's global scope that is used. */
interface Scope {
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  close(): void;
}
/** Calls that have answered may still ask for something; so many of the last of them are known. */
const REMEMBERED = 100;

/** The module that was imported beside the shim. */
export type PluginModule = Readonly<Record<string, unknown>>;

const scope = globalThis as unknown as Scope;
const post: Post = scope.postMessage.bind(scope) as Post;
/** What came before there was a plugin: its module may wait for something at its top. */
let early: Inward[] | null = [];
let take = (message: Inward): void => void early?.push(message);
watchEnds();
scope.addEventListener("message", ({ data }: { readonly data: Inward }) => take(data));

/** Modules are loaded; the next that runs is the plugin. */
export function loaded(): void {
  post({ do: "loaded" });
}

/** Loads a module that has the plugin's as `plugin`, and serves what that exports under a name. */
export async function load(module: string, name: string): Promise<void> {
  let found: { readonly plugin: PluginModule };
  try {
    found = await import(module);
  } catch (error) {
    const { message } = toWireError(error);
    // The runtime speaks of its own flags, which are not what is missing
    const may = /Requires read access to ("[^"]*")/.exec(message)?.[1];
    const said = may === undefined ? message.split("\n", 1)[0]! : `imports ${may}, which sandbox.read does not name`;
    return post({ do: "refused", issues: [{ path: [], message: `cannot be loaded: ${said}` }] });
  }
  serve(found.plugin, name);
}

/** Serves the plugin that a module exports under a name until the host ends it. */
export function serve(module: PluginModule, name: string): void {
  const shim = new Shim(module[name], name), messages = early ?? [];
  early = null;
  take = (message) => shim.take(message);
  for (const each of messages) take(each);
}

class Shim {
  readonly #exported: unknown;
  readonly #name: string;
  /** What the module exports, once it was looked at. */
  #found: ReturnType<typeof exportedPlugin> = null;
  #plugin: Plugin | null = null;
  readonly #houses = new Map<number, Host>();
  readonly #calls = new Map<number, InsideCall | Errand>();
  readonly #signers = new Map<number, Signer>();
  #signer = 0;

  constructor(exported: unknown, name: string) {
    this.#exported = exported;
    this.#name = name;
  }

  take(message: Inward): void {
    switch (message.do) {
      case "ping":
        return post({ do: "pong", ping: message.ping });
      case "call":
        return this.#call(message);
      case "response":
        return this.#calls.get(message.call)?.questions.answered(message);
      case "below": {
        const call = this.#calls.get(message.call);
        if (call instanceof InsideCall) call.below(message.reply, message.snapshot);
        return;
      }
      case "abort": {
        const { call, why, name } = message;
        this.#calls.get(call)?.abort(new DOMException(why, name) as Error);
        this.#calls.delete(call);
        return;
      }
      case "outside": {
        const call = this.#calls.get(message.call);
        if (call instanceof InsideCall) void call.outside(message.question);
        return;
      }
      case "house":
        return void this.#houses.set(message.house, message.host);
      case "free":
        return void this.#signers.delete(message.signer);
      case "describe":
        return this.#describe(message.making);
      case "begin":
        return void this.#begin(message.making);
      case "stop":
        return void this.#stop();
      default:
        return this.#errand(message);
    }
  }

  #call(message: Extract<Inward, { do: "call" }>): void {
    const plugin = this.#plugin!;
    const call = new InsideCall({
      post,
      plugin: plugin.name,
      host: (house) => this.#houses.get(house)!,
      keep: (signer) => {
        this.#signers.set(++this.#signer, signer);
        return this.#signer;
      },
    }, message);
    this.#remember(message.call, call);
    call.run(plugin.handlers[message.phase] as unknown as AnyHandler);
  }

  #remember(number: number, call: InsideCall | Errand): void {
    this.#calls.set(number, call);
    if (this.#calls.size <= 2 * REMEMBERED) return;
    const over = [...this.#calls].filter(([, each]) => each.done);
    for (const [number] of over.slice(0, -REMEMBERED)) this.#calls.delete(number);
  }

  #errand(message: Extract<Inward, { do: "sign" | "job" | "learn" | "observe" }>): void {
    const errand = new Errand(post, message);
    this.#remember(message.call, errand);
    const house = "house" in message ? this.#houses.get(message.house)! : null;
    void errand.run(this.#plugin!, { host: house, signer: (number) => this.#signers.get(number) });
  }

  #describe(making: Making): void {
    this.#making(making, () => {
      const { description } = this.#make(making);
      post({ do: "described", description });
    });
  }

  async #begin(making: Making): Promise<void> {
    this.#making(making, () => void (this.#plugin = this.#make(making).plugin));
    if (this.#plugin === null) return;
    try {
      await this.#plugin.start?.();
      post({ do: "begun" });
    } catch (error) {
      post({ do: "refused", issues: [{ path: [], message: toWireError(error).message }] });
    }
  }

  #making({ options }: Making, make: () => void): void {
    try {
      make();
    } catch (error) {
      const issues = error instanceof OptionsError
        ? error.issues.map(({ path, message }) => ({ path: path.map(step), message }))
        : [{ path: [], message: toWireError(error).message }];
      const found = this.#found;
      if (!isFactory(found)) return post({ do: "refused", issues });
      post({ do: "refused", issues, schema: jsonSchemaOf(found.options), ...saidOf(found, options) });
    }
  }

  async #stop(): Promise<void> {
    try {
      await this.#plugin?.stop?.();
    } catch (error) {
      post({ do: "trouble", message: `did not end: ${toWireError(error).message}` });
    }
    post({ do: "stopped" });
  }

  /** What is exported may be a factory or, without options, a plugin. */
  #make({ options, at, base, name }: Making): { readonly plugin: Plugin; readonly description: Description } {
    const found = this.#found = this.#found ?? exportedPlugin(this.#exported);
    if (found !== null && isFactory(found)) {
      const trouble = (message: string) => post({ do: "trouble", message: String(message) });
      const plugin = found.parse(options, at, { base, trouble, ...(name === null ? {} : { name }) });
      return { plugin, description: describe(plugin, jsonSchemaOf(found.options)) };
    }
    if (found === null) {
      const what = this.#name === "default" ? "as its default: export default definePlugin({ ... })" : this.#name;
      throw new TypeError(`the module must export a plugin ${what}`);
    }
    if (options !== null && options !== undefined && Object.keys(options).length > 0) {
      throw new TypeError(`"${found.name}" takes no options`);
    }
    const plugin = name === null ? found : { ...found, name };
    return { plugin, description: describe(plugin, {}) };
  }
}

function describe(plugin: Plugin, schema: Description["schema"]): Description {
  const { name, after = [], roles = null, routesTo = [], routesVia = [], mechanisms = null, jobs = [] } = plugin;
  return {
    name,
    phases: phasesOf(plugin),
    after,
    roles,
    bindsSender: plugin.bindsSender === true,
    asksEngine: plugin.asksEngine === true,
    routesTo,
    routesVia,
    mechanisms,
    deadline: plugin.deadline ?? null,
    observes: plugin.observe !== undefined,
    learns: plugin.learn !== undefined,
    jobs: jobs.map(({ name, every, after = 0 }) => ({ name, every, after })),
    schema,
  };
}

function phasesOf({ handlers }: Plugin): Description["phases"] {
  const odd = Object.keys(handlers).find((name) => !(PHASES as readonly string[]).includes(name));
  if (odd !== undefined) throw new TypeError(`handles the unknown phase "${odd}"`);
  return PHASES.filter((phase) => handlers[phase] !== undefined);
}

/** What JSON Schema can say of the options, as plain data. */
function jsonSchemaOf(schema: unknown): Description["schema"] {
  const { jsonSchema } = (schema as { "~standard"?: { jsonSchema?: { input?: (options: unknown) => unknown } } })[
    "~standard"
  ] ?? {};
  try {
    return JSON.parse(JSON.stringify(jsonSchema?.input?.({ target: "draft-2020-12" }) ?? {}));
  } catch {
    return {}; // something that JSON Schema cannot say
  }
}

/** What its schema says of the options, as it says it. */
function saidOf({ options: schema }: { readonly options: Schema<unknown, unknown> }, options: unknown) {
  try {
    const checked = schema["~standard"].validate(options ?? {});
    return checked instanceof Promise || !checked.issues ? {} : { said: JSON.stringify(checked.issues) };
  } catch {
    return {};
  }
}

function step(each: PropertyKey): string | number {
  return typeof each === "number" ? each : String(each);
}

/** What would end the sandbox without a word is told, and the host ends it. */
function watchEnds(): void {
  const crashed = (why: string) => post({ do: "crashed", why } satisfies Outward);
  scope.addEventListener("error", (event: ErrorEvent) => {
    event.preventDefault();
    crashed(`uncaught ${words(event.error)}`);
  });
  scope.addEventListener("unhandledrejection", (event: PromiseRejectionEvent) => {
    event.preventDefault();
    crashed(`unhandled rejection: ${words(event.reason)}`);
  });
  scope.close = () => crashed("it closed itself");
  const system = Reflect.get(globalThis, "Deno") as { exit?: unknown } | undefined;
  if (system !== undefined) system.exit = () => crashed("it called exit()");
}

function words(error: unknown): string {
  const { name, message }: WireError = toWireError(error);
  return `${name}: ${message}`;
}
