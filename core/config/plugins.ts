/**
 * From the entries of a plugin list to plugins: by name from the registry, from a module of the operator's own or a package,
 * in groups. Every fault of every entry is found. Non-job: the host's words (entry.ts), running plugins (core/pipeline).
 */
import { BUILD_AGAIN, carried, sandboxModule } from "../packed/contents.ts";
import { firstOf, parallel } from "../pipeline/combine.ts";
import { besideOf, leavesOf, oddHandler, PHASES } from "../pipeline/compile.ts";
import { isFactory, isPlugin, oddPlugin } from "../pipeline/exported.ts";
import { OptionsError, type Plugin, type Policy, withPolicy } from "../pipeline/plugin.ts";
import { noNextHop } from "./delivery/read.ts";
import { HOST_WORDS, HostWords, selected } from "./entry.ts";
import { ChannelError } from "../sandbox/channel.ts";
import { sandboxed, SchemaError } from "../sandbox/sandboxed.ts";
import { moduleOf } from "../../plugins/mod.ts";
import { Faults } from "./faults.ts";
import type { Path } from "./issue.ts";
import { didYouMean } from "./nearest.ts";
import {
  checkModuleName,
  importPlugin,
  isModuleName,
  PluginModuleError,
  reason,
  shownModule,
  specifierOf,
} from "./plugin_module.ts";
import type { AnyFactory, Registry } from "./registry.ts";

const GROUPS: Readonly<Record<string, (...plugins: readonly Plugin[]) => Plugin>> = { parallel, firstOf };
const WORDS = new Set<string>(Object.keys(HOST_WORDS));

export interface ListOptions {
  readonly registry: Registry;
  /** The folder that paths start from. */
  readonly base: string;
  readonly faults: Faults;
  /** The list comes from a program: an entry may be a plugin that is made already. */
  readonly inCode?: boolean;
  /** Names of the next hops. */
  readonly nextHops: readonly string[];
  readonly trouble: (where: string, message: string) => void;
}
/** An entry that could be read: what it is called, and its options as written. */
export interface Entry {
  readonly path: Path;
  /** Key in the registry, path of the module, name of the package, or the group's word. */
  readonly plugin: string;
  readonly options: unknown;
}
export interface PluginList {
  readonly plugins: readonly Plugin[];
  /** Every entry, those inside groups too. */
  readonly entries: readonly Entry[];
}

/** The plugins of a list; what cannot be made is a fault, and is left out or stood in for. */
export async function readPlugins(list: readonly unknown[], path: Path, options: ListOptions): Promise<PluginList> {
  const reader = new ListReader(options);
  const slots = await reader.list(list, path);
  checkOrder(slots, path, options.faults);
  checkRoutes(slots, path, options.faults);
  checkNextHops(slots, path, options);
  checkLogins(reader.entries, options.faults);
  return { plugins: slots.filter((each) => each !== null), entries: reader.entries };
}

class ListReader {
  readonly entries: Entry[] = [];
  /** Where each name was given. */
  readonly #names = new Map<string, Path>();
  constructor(readonly options: ListOptions) {}

  /** Null where an entry names no plugin; its faults are told. */
  async list(list: readonly unknown[], path: Path): Promise<(Plugin | null)[]> {
    const slots: (Plugin | null)[] = [];
    for (const [index, entry] of list.entries()) slots.push(await this.#entry(entry, [...path, index]));
    return slots;
  }

  async #entry(entry: unknown, path: Path): Promise<Plugin | null> {
    const { faults } = this.options;
    if (typeof entry === "string") return await this.#named(entry, null, {}, path, path);
    if (this.options.inCode && isPlugin(entry)) return this.#made(entry, path);
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
      faults.add(path, "must be a plugin's name, or \"name: options\" with the host's words beside it");
      return null;
    }
    const words = Object.fromEntries(Object.entries(entry).filter(([key]) => WORDS.has(key)));
    // A word that does not fit is told; the name still counts, lest it is told that the entry stands twice.
    const read = faults.read(HostWords, words, path);
    const host = read ?? (typeof words["as"] === "string" ? { as: words["as"] } : {});
    const rest = Object.keys(entry).filter((key) => !WORDS.has(key));
    const known = rest.filter((key) => this.#known(key));
    const name = known[0] ?? rest[0];
    if (name === undefined) {
      faults.add(path, `names no plugin: beside ${Object.keys(words).join(", ")} there must be "name: options"`);
      return null;
    }
    for (const other of rest.filter((key) => key !== name)) {
      if (known.includes(other)) {
        faults.add(
          [...path, other],
          `one entry is one plugin: put "${other}" into an entry of its own, with a "- " before it`,
          { key: true },
        );
      } else {
        faults.add([...path, other], `unknown key${didYouMean(other, WORDS)}`, { key: true });
      }
    }
    const at = [...path, name], options = (entry as Record<string, unknown>)[name];
    if (read === undefined && Object.hasOwn(words, "sandbox")) { // what is to run apart is loaded nowhere else
      this.entries.push({ path: at, plugin: name, options });
      return { name: host.as ?? name, handlers: {} };
    }
    return await this.#named(name, options, host, at, path);
  }

  #known(key: string): boolean {
    return Object.hasOwn(GROUPS, key) || this.options.registry.has(key) || isModuleName(key);
  }

  async #named(name: string, options: unknown, words: HostWords, at: Path, entry: Path): Promise<Plugin | null> {
    const { faults, registry } = this.options;
    this.entries.push({ path: at, plugin: name, options });
    let plugin: Plugin | null;
    if (words.sandbox !== undefined && this.#known(name)) plugin = await this.#apart(name, options, words, at, entry);
    else if (Object.hasOwn(GROUPS, name)) plugin = await this.#group(name, options, words, at);
    else if (isModuleName(name)) plugin = await this.#module(name, options, words, at);
    else {
      const factory = registry.get(name);
      if (factory === undefined) {
        const names = [...registry.keys(), ...Object.keys(GROUPS)];
        const where = at === entry ? {} : { key: true };
        faults.add(at, `there is no plugin "${name}"${leftOut(name) ?? didYouMean(name, names)}`, where);
        return null;
      }
      plugin = this.#make(factory, options, words, at);
    }
    if (plugin === null) return null;
    this.#once(plugin, at);
    const { mode, onError, deadline, roles } = words;
    const policy = Object.entries({ mode, onError, deadline, roles }).filter(([, value]) => value !== undefined);
    if (policy.length > 0) plugin = withPolicy(plugin, Object.fromEntries(policy) as Policy);
    return words.when || words.unless ? selected(plugin, words) : plugin;
  }

  #made(plugin: Plugin, at: Path): Plugin | null {
    const odd = oddPlugin(plugin);
    if (odd !== null) return this.options.faults.add(at, `is no plugin: ${odd}`), null;
    this.entries.push({ path: at, plugin: plugin.name, options: undefined });
    this.#once(plugin, at);
    return plugin;
  }

  #once(plugin: Plugin, at: Path): void {
    const { name } = plugin;
    for (const { plugin: each } of leavesOf([plugin], undefined)) this.#phases(each, at);
    if (this.#names.has(name)) {
      const message = `"${name}" stands here twice; give one of them another name with "as"`;
      this.options.faults.add(at, message, { key: true });
    }
    this.#names.set(name, at);
  }

  /** With options that are bad: a stand-in, for the checks on names. */
  #make(factory: AnyFactory, options: unknown, words: HostWords, at: Path): Plugin {
    const { faults, base, trouble } = this.options;
    const name = words.as ?? factory.pluginName;
    const checked = factory.options["~standard"].validate(options ?? {});
    if (!(checked instanceof Promise) && checked.issues) {
      faults.schema(factory.options, options, checked.issues, at);
      return { name, handlers: {} };
    }
    try {
      return factory.parse(options, at as PropertyKey[], { base, name, trouble: (message) => trouble(name, message) });
    } catch (error) {
      if (!(error instanceof OptionsError)) throw error;
      for (const issue of error.issues) {
        faults.add(issue.path.map((step) => typeof step === "number" ? step : String(step)), issue.message);
      }
      return { name, handlers: {} };
    }
  }

  /** What was written without a compiler may handle what is no phase. */
  #phases(plugin: Plugin, at: Path): void {
    const odd = oddHandler(plugin);
    if (odd === null) return;
    const what = odd.known
      ? `has no function for the phase "${odd.name}"`
      : `handles the unknown phase "${odd.name}"${didYouMean(odd.name, PHASES)}`;
    this.options.faults.add(at, `"${plugin.name}" ${what}`, { key: true });
  }

  async #group(word: string, members: unknown, words: HostWords, at: Path): Promise<Plugin | null> {
    if (!Array.isArray(members) || members.length === 0) {
      this.options.faults.add(at, `must be a list of plugins`);
      return null;
    }
    const plugins = (await this.list(members, at)).filter((each) => each !== null);
    if (plugins.length < members.length) return null;
    for (const [index, plugin] of plugins.entries()) {
      // In a group next() ends with the member: it could not tell whether another back end knows the user
      if (!leavesOf([plugin], undefined).some(({ plugin }) => plugin.handlers.auth)) continue;
      const message =
        `"${plugin.name}" checks logins, and those are asked one after the other: take it out of "${word}"`;
      this.options.faults.add([...at, index], message);
    }
    const group = GROUPS[word]!(...plugins);
    return words.as === undefined ? group : { ...group, name: words.as };
  }

  /** In a sandbox: its module is loaded there and never here, and its options are checked there. */
  async #apart(name: string, options: unknown, words: HostWords, at: Path, entry: Path): Promise<Plugin | null> {
    const { faults, base, registry, trouble } = this.options, { cpu, memory, isolate, ...may } = words.sandbox!;
    const fault = (message: string) => {
      faults.add([...entry, "sandbox"], message, { key: true });
      return null;
    };
    if (Object.hasOwn(GROUPS, name)) return fault(`put it beside each plugin of "${name}" that is to run apart`);
    const factory = registry.get(name), known = moduleOf(name);
    if (factory !== undefined && known === null) {
      return fault(`"${name}" is a part of the program that runs the server`);
    }
    const checked = factory?.options["~standard"].validate(options ?? {});
    if (factory !== undefined && checked !== undefined && !(checked instanceof Promise) && checked.issues) {
      faults.schema(factory.options, options, checked.issues, at);
      return { name: words.as ?? name, handlers: {} };
    }
    if (carried()?.sandboxes[name] === undefined && carried() !== null) {
      faults.add(at, `this binary was built without ${name} in a sandbox: ${BUILD_AGAIN}`, { key: true });
      return null;
    }
    try {
      checkModuleName(name);
      const plugin = await sandboxed(sandboxModule(name) ?? known?.url ?? specifierOf(name, base), options, {
        ...plain({ ...may, cpu, memory, isolate, as: words.as, exported: known?.exported }),
        base,
        at: at as PropertyKey[],
        trouble: (message) => trouble(words.as ?? name, message),
      });
      const taken = known === null && words.as === undefined && registry.has(plugin.name); // its part of the store too
      if (taken) {
        faults.add(at, `calls itself "${plugin.name}", which another plugin is: name it with "as"`, { key: true });
      }
      return plugin;
    } catch (error) {
      if (error instanceof ChannelError) return fault(reason(error));
      if (error instanceof PluginModuleError) return faults.add(at, error.message, { key: true }), null;
      if (!(error instanceof OptionsError)) {
        faults.add(at, `cannot load ${shownModule(name, base)}: ${reason(error)}`, { key: true });
        return null;
      }
      if (!(error instanceof SchemaError && this.#said(error, options, at))) {
        for (const { path, message } of error.issues) {
          faults.add(path.map((step) => typeof step === "number" ? step : String(step)), message);
        }
      }
      return { name: words.as ?? name, handlers: {} };
    }
  }

  /** In the words that it would be told in outside; false: what came out of the sandbox cannot be read. */
  #said({ schema, said }: SchemaError, options: unknown, at: Path): boolean {
    try {
      const faults = new Faults(this.options.faults.yaml);
      const standard = { "~standard": { jsonSchema: { input: () => schema ?? {} } } };
      faults.schema(standard, options, JSON.parse(said), at); // first where it may fail
      this.options.faults.schema(standard, options, JSON.parse(said), at);
      return true;
    } catch {
      return false;
    }
  }

  /** A module of the operator's own, or a package. */
  async #module(name: string, options: unknown, words: HostWords, at: Path): Promise<Plugin | null> {
    const { faults, base } = this.options;
    const fault = (message: string) => {
      faults.add(at, message, { key: true });
      return null;
    };
    let found: Plugin | AnyFactory;
    try {
      found = await importPlugin(name, base);
    } catch (error) {
      if (!(error instanceof PluginModuleError)) throw error;
      return fault(error.message);
    }
    if (isFactory(found)) return this.#make(found, options, words, at);
    if (options !== null && options !== undefined && Object.keys(options).length > 0) {
      fault(`"${found.name}" takes no options`);
    }
    return words.as === undefined ? found : { ...found, name: words.as };
  }
}

/** What to do about a built-in plugin that a binary was built without. */
function leftOut(name: string): string | null {
  if (!carried()?.leftOut.includes(name)) return null;
  return ` in this binary: ${BUILD_AGAIN}`;
}
/** Without what was not given. */
function plain<T extends object>(words: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined)) as never;
}

/** `after`: a plugin must not stand before one whose keys it reads. */
function checkOrder(slots: readonly (Plugin | null)[], path: Path, faults: Faults): void {
  const leaves = slots.flatMap((slot, entry) =>
    slot === null ? [] : leavesOf([slot], undefined).map((leaf) => ({ ...leaf, entry }))
  );
  const names = leaves.map(({ plugin }) => plugin.name);
  for (const [index, { plugin, entry }] of leaves.entries()) {
    for (const before of plugin.after ?? []) {
      const late = before === "*"
        ? names.slice(index + 1).at(-1)
        : names.slice(index + 1).find((name) => name === before);
      if (late !== undefined) faults.add([...path, entry], `"${plugin.name}" must stand after "${late}"`);
    }
  }
  for (const [entry, slot] of slots.entries()) {
    for (const { plugin, other } of besideOf(slot === null ? [] : [slot])) {
      faults.add([...path, entry], `"${plugin}" must stand after "${other}", and not beside it in parallel`);
    }
  }
}

/** `routesTo`: mail that is routed to a plugin needs it in the same list, and needs it to store. */
function checkRoutes(slots: readonly (Plugin | null)[], path: Path, faults: Faults): void {
  if (slots.includes(null)) return; // one of those that could not be made may be the one
  const leaves = slots.map((slot) => leavesOf([slot!], undefined));
  const stores = leaves.flat()
    .filter(({ plugin, policy }) => plugin.handlers.queue && policy.mode !== "observe")
    .map(({ plugin }) => plugin.name);
  for (const [entry, within] of leaves.entries()) {
    for (const { plugin } of within) {
      for (const target of plugin.routesTo ?? []) {
        if (stores.includes(target)) continue;
        const found = didYouMean(target, stores);
        const others = found !== "" || stores.length === 0 ? found : `; what stores mail is ${stores.join(", ")}`;
        faults.add([...path, entry], `"${plugin.name}" needs "${target}", which stores no mail here${others}`);
      }
    }
  }
}

/** `routesVia`: a next hop that a plugin's routes name is there. */
function checkNextHops(slots: readonly (Plugin | null)[], path: Path, { faults, nextHops }: ListOptions): void {
  for (const [entry, slot] of slots.entries()) {
    for (const { plugin } of slot === null ? [] : leavesOf([slot], undefined)) {
      for (const via of plugin.routesVia ?? []) {
        if (!nextHops.includes(via)) faults.add([...path, entry], `"${plugin.name}": ${noNextHop(via, nextHops)}`);
      }
    }
  }
}

/** A login that anybody gets opens no relay (`relay` sees to that): who wrote both has to choose. */
function checkLogins(entries: readonly Entry[], faults: Faults): void {
  const anybody = entries.find(({ plugin }) => plugin === "any_login");
  const opens = entries.some(({ plugin, options }) =>
    plugin === "relay" && (options as { authenticated?: unknown } | null | undefined)?.authenticated !== false
  );
  if (anybody === undefined || !opens) return;
  faults.add(
    anybody.path,
    "any_login lets everybody log in and relay sends what logins send into the world: take one of them out, or set authenticated: false for relay",
    { key: true },
  );
}
