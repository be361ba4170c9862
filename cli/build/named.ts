/**
 * What a configuration names that a binary must have or be allowed: plugins, variables, paths, addresses. The text alone is
 * read, with `${NAME}` as it stands: who builds need not have the secrets of who runs, nor import anybody's module.
 * Non-job: whether the configuration is right (`postern check`).
 */
import { dirname, resolve } from "node:path";
import { parse } from "@std/yaml";
import { DEV_INBOX, standardPlugins } from "../../core/config/defaults.ts";
import { HOST_WORDS } from "../../core/config/entry.ts";
import { isModuleName } from "../../core/config/plugin_module.ts";
import { CommandError } from "../terminal.ts";

/** A plugin of the operator's own, as the configuration calls it. */
export interface OwnPlugin {
  readonly name: string;
  /** It runs in a sandbox: nobody imports it outside. */
  readonly sandboxed: boolean;
  /** In one of its own process. */
  readonly isolated: boolean;
}
export interface Granted {
  readonly net: readonly string[];
  readonly read: readonly string[];
  readonly env: readonly string[];
}
export interface Named {
  /** The configuration file, absolute; null: the dev inbox. */
  readonly file: string | null;
  /** The folder that its paths start from. */
  readonly base: string;
  /** Keys of the registry; null: all of them. */
  readonly builtIns: ReadonlySet<string> | null;
  readonly own: readonly OwnPlugin[];
  /** Plugins that run in a sandbox, built in or not, by what the configuration calls them. */
  readonly apart: readonly string[];
  /** What sandboxes may do: a program can give away only what it has. Paths are absolute. */
  readonly granted: Granted;
  /** Some plugin, built in or not, runs in a process of its own. */
  readonly isolated: boolean;
  /** Names of `${NAME}`. */
  readonly variables: readonly string[];
  /** Everything in it that looks like a path, absolute. */
  readonly paths: readonly string[];
  /** What is written to beside the data: Maildirs, sockets, the folder of an accounts file; absolute. */
  readonly written: readonly string[];
  /** As it would be read: plain data. */
  readonly value: Readonly<Record<string, unknown>>;
}

const GROUPS = new Set(["parallel", "firstOf"]);
const WORDS = new Set([...Object.keys(HOST_WORDS), "sandbox"]);
type Group = Readonly<Record<string, unknown>>;

/** Without a configuration: all built-in plugins, and a dev inbox to begin with. */
export const EVERYTHING: Named = {
  file: null,
  base: "",
  builtIns: null,
  own: [],
  apart: [],
  granted: { net: [], read: [], env: [] },
  isolated: false,
  variables: [],
  paths: [],
  written: [],
  value: DEV_INBOX,
};

/** @throws {CommandError} on a file that cannot be read, or is no group of keys. */
export async function readNamed(file: string): Promise<Named> {
  let text: string, value: unknown;
  try {
    text = await Deno.readTextFile(file);
    value = parse(text);
  } catch (error) {
    throw new CommandError(`cannot read ${file}: ${error instanceof Error ? error.message : error}`);
  }
  if (!isGroup(value)) throw new CommandError(`${file} is no configuration; ask "postern check --config ${file}"`);
  const base = dirname(resolve(file)), found = new Found();
  for (const each of listsIn(value)) found.list(each);
  found.list(DEV_INBOX.plugins); // it is what runs where no configuration is found
  return {
    file: resolve(file),
    base,
    builtIns: found.builtIns,
    own: [...found.own.values()],
    apart: [...found.apart],
    granted: { ...found.granted, read: found.granted.read.map((each) => resolve(base, each)) },
    isolated: found.isolated,
    variables: [...new Set([...text.matchAll(/\$\{([A-Za-z_]\w*)/g)].map(([, name]) => name!))].sort(),
    paths: [...new Set(strings(value).flatMap((each) => pathIn(each)).map((each) => resolve(base, each)))].sort(),
    written: [...new Set([...socketsIn(value), ...found.written].flatMap(pathIn).map((each) => resolve(base, each)))]
      .sort(),
    value,
  };
}

/** Socket files are made, and removed, where they stand. */
function socketsIn(value: Group): string[] {
  return listenersIn(value).map(({ address }) => String(address)).filter((each) => each.startsWith("unix:"));
}

function listenersIn(value: Group): Group[] {
  return Array.isArray(value["listeners"]) ? value["listeners"].filter(isGroup) : [];
}

/** Every list of plugins, "standard" written out. */
function listsIn(value: Group): unknown[][] {
  const listeners = listenersIn(value);
  const roles = new Set(listeners.map((each) => String(each["role"] ?? "mx")));
  return [value, ...listeners].flatMap(({ plugins }) =>
    plugins === "standard" ? [[...standardPlugins(roles)]] : Array.isArray(plugins) ? [plugins] : []
  );
}

class Found {
  readonly builtIns = new Set<string>();
  readonly own = new Map<string, OwnPlugin>();
  readonly apart = new Set<string>();
  readonly granted = { net: [] as string[], read: [] as string[], env: [] as string[] };
  /** Where they write, as it stands there. */
  readonly written: string[] = [];
  isolated = false;

  list(entries: readonly unknown[]): void {
    for (const entry of entries) {
      if (typeof entry === "string") this.#plugin(entry, null, undefined);
      else if (isGroup(entry)) {
        for (const [key, options] of Object.entries(entry)) {
          if (!WORDS.has(key)) this.#plugin(key, options, entry["sandbox"]);
        }
      }
    }
  }

  #plugin(name: string, options: unknown, sandbox: unknown): void {
    if (GROUPS.has(name)) return Array.isArray(options) ? this.list(options) : undefined;
    const isolated = isGroup(sandbox) && (sandbox["isolate"] === "process" || sandbox["memory"] !== undefined);
    this.isolated ||= isolated;
    if (sandbox !== undefined) this.apart.add(name);
    for (const key of ["net", "read", "env"] as const) {
      const list = isGroup(sandbox) ? sandbox[key] : undefined;
      if (Array.isArray(list)) this.granted[key].push(...list.filter((each) => typeof each === "string"));
    }
    if (!isModuleName(name)) {
      this.builtIns.add(name);
      const { root, file } = isGroup(options) ? options : {};
      if (name === "maildir" && typeof root === "string") this.written.push(root);
      // `postern user` puts a new file in its place
      if (name === "accounts" && typeof file === "string") {
        this.written.push(dirname(/^\.{0,2}\//.test(file) ? file : `./${file}`));
      }
      return;
    }
    const before = this.own.get(name);
    this.own.set(name, {
      name,
      sandboxed: sandbox !== undefined && before?.sandboxed !== false,
      isolated: isolated || before?.isolated === true,
    });
  }
}

function isGroup(value: unknown): value is Group {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every text in plain data, keys too: a plugin's path is one. */
function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(strings);
  return isGroup(value) ? Object.entries(value).flatMap(([key, each]) => [key, ...strings(each)]) : [];
}

function pathIn(text: string): string[] {
  const path = /^(?:[a-z+]+:)?(\.{0,2}\/[^\0\s]*|\.)$/.exec(text)?.[1];
  return path === undefined || path.startsWith("//") || path.includes("${") ? [] : [path];
}
