/**
 * Reads the configuration: environment over YAML over defaults. Throws one ConfigError with every fault, or returns
 * values that need no further question. Non-job: the keys (schema.ts), the plugin entries (plugins.ts).
 */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import type { AdminConfig, Config, ListenerConfig, LogLevel, TcpAddress, TlsConfig } from "./config.ts";
import { isPlugin } from "../pipeline/exported.ts";
import { formatEndpoint, isLocal } from "./config.ts";
import { DEFAULT_FILE, DEV_INBOX, DEV_INBOX_DNS, standardPlugins } from "./defaults.ts";
import { YamlFile } from "./document.ts";
import { type Environment, noting, variable } from "./environment.ts";
import { readNextHops } from "./delivery/next_hops.ts";
import { noNextHop, readDelivery, readDns } from "./delivery/read.ts";
import { Faults } from "./faults.ts";
import { ConfigError } from "./issue.ts";
import { didYouMean } from "./nearest.ts";
import { type Entry, type PluginList, readPlugins } from "./plugins.ts";
import { readText } from "./read_text.ts";
import { REGISTRY, type Registry } from "./registry.ts";
import * as schema from "./schema.ts";
import { readTokens } from "./tokens.ts";
import { readSecurity, readTls } from "./security.ts";
import { nodeName, readStore } from "./store.ts";
import { settingsOf } from "./settings.ts";
import { parseTcp, TCP } from "./values.ts";
import { warningsOf } from "./warnings.ts";
import { readWebhooks } from "./webhooks.ts";

/** What a configuration is read from. */
export interface LoadOptions {
  /** The configuration file. Undefined: POSTERN_CONFIG, else ./postern.yaml if it is there, else null. Null: the dev inbox. */
  readonly file?: string | null;
  /** What stands in the file, where somebody has read it already. */
  readonly text?: string | null;
  /** The configuration as an object, in the place of a file. Its lists of plugins may hold some that are made already. */
  readonly value?: Readonly<Record<string, unknown>>;
  /** With `value`: nothing leaves the machine, and a site on loopback needs no token, as without a file. */
  readonly devInbox?: boolean;
  /** The variables of the process, or of a test. */
  readonly env: Environment;
  /** The plugins that the file may name; those of plugins/mod.ts unless given. */
  readonly registry?: Registry;
  /** It is only read, and nothing will be started by it: threads need not have this registry. */
  readonly read?: boolean;
  /** Where a plugin's word to the operator goes. */
  readonly trouble?: (where: string, message: string) => void;
  /** The folder that relative paths of the command line and the environment start from. */
  readonly cwd?: string;
}

type Read = { -readonly [K in keyof typeof schema.File.shape]?: z.output<(typeof schema.File.shape)[K]> };
type Section = keyof typeof schema.File.shape;

/**
 * Reads a configuration: environment over YAML over defaults, with the plugins made. Nothing is started by it, and no variable
 * of the process is read but those that it is given.
 *
 * @throws {ConfigError} with every fault.
 *
 * @example The dev inbox, on another port
 * ```ts
 * import { loadConfig } from "postern/server";
 * import { assertEquals } from "@std/assert";
 * const { listeners } = await loadConfig({ file: null, env: { POSTERN_SMTP: "127.0.0.1:2526" } });
 * assertEquals(listeners.map(({ name }) => name), ["127.0.0.1:2526"]);
 * assertEquals(listeners[0]?.plugins.at(-1)?.name, "inbox");
 * ```
 */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  const { registry = REGISTRY } = options, { env, noted } = noting(options.env);
  const cwd = options.cwd ?? Deno.cwd();
  const name = await configFile({ ...options, env }, cwd);
  const text = name === null ? null : options.text ?? await readText(resolve(cwd, name), name);
  const yaml = name === null ? null : new YamlFile(name, text!, env);
  const faults = new Faults(yaml);
  if (yaml?.broken) throw new ConfigError(faults.all);
  const file = name === null ? null : resolve(cwd, name);
  const base = file === null ? cwd : dirname(file);
  const inCode = options.value !== undefined, devInbox = inCode ? options.devInbox === true : file === null;

  const raw = options.value ?? (yaml === null ? DEV_INBOX : yaml.value ?? {});
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    faults.add([], "a configuration is a group of keys, such as `hostname: mx.example.org`");
    throw new ConfigError(faults.all);
  }
  const read = readSections(raw as Record<string, unknown>, faults);
  const written = (inCode ? withNames(raw) : raw) as Record<string, unknown>;

  const nextHops = namesIn(raw, "nextHops");
  const lists = { registry, base, faults, nextHops, inCode, trouble: options.trouble ?? (() => {}) };
  const standard = standardPlugins(new Set((read.listeners ?? []).map((each) => each?.role ?? "")));
  const listed = (list: "standard" | readonly unknown[]) => list === "standard" ? standard : list;
  const common = await readPlugins(listed(read.plugins ?? []), ["plugins"], lists);
  const own = new Map<number, PluginList>();
  for (const [index, listener] of (read.listeners ?? []).entries()) {
    if (listener?.plugins === undefined) continue;
    const path = ["listeners", index, "plugins"];
    const list = await readPlugins(listed(listener.plugins), path, lists);
    own.set(index, list);
  }
  const tls = readTls(read.tls, { base, devInbox });
  const listeners = readListeners(read, common, own, { env, base, faults, tls });
  const entries = [...common.entries, ...[...own.values()].flatMap((list) => list.entries)];

  const data = variable(env, "POSTERN_DATA");
  const config: Config = {
    file,
    hostname: read.hostname ?? DEV_INBOX.hostname,
    data: data === null ? resolve(base, read.data ?? DEV_INBOX.data) : resolve(cwd, data),
    domains: read.domains ?? [],
    postmaster: read.postmaster ?? null,
    trustedNetworks: trustedNetworks(entries),
    tls,
    listeners,
    limits: {
      ...(read.limits ?? schema.Limits.parse({})),
      connections: read.limits?.connections ?? null,
      line: read.limits?.line ?? null,
      memory: read.limits?.memory ?? null,
    },
    store: readStore(read.store ?? "sqlite", { base, faults }),
    node: nodeName(env),
    threads: readThreads(read, { env, faults, inCode: inCode || (registry !== REGISTRY && !options.read) }),
    source: inCode || registry !== REGISTRY ? null : { file: name, text, cwd, env: noted },
    nextHops: readNextHops(read.nextHops ?? {}, faults),
    delivery: readDelivery(read.delivery ?? schema.File.shape.delivery.parse(undefined), {
      base,
      faults,
      hostname: read.hostname ?? DEV_INBOX.hostname,
      postmaster: read.postmaster ?? null,
      nextHops,
      listeners,
      leaves: !devInbox,
    }),
    dns: devInbox ? DEV_INBOX_DNS : readDns(read.dns),
    quarantine: read.quarantine ?? schema.Quarantine.parse({}),
    ledger: read.ledger === undefined ? schema.Ledger.parse({}) : read.ledger,
    recordings: readRecordings(read, listeners, faults),
    auth: read.auth ?? schema.Auth.parse({}),
    webhooks: readWebhooks(read.webhooks ?? [], faults),
    admin: readAdmin(read, { zeroConfig: devInbox, env, faults, base, nextHops }),
    log: { ...(read.log ?? schema.Log.parse({})), ...logLevel(env, faults) },
    metrics: read.metrics ?? schema.Metrics.parse({}),
    tracing: read.tracing ?? schema.Tracing.parse({}),
    summary: readSummary(read, faults),
    devInbox,
    written,
    warnings: [],
    readAt: Date.now(),
    settings: settingsOf(written, { yaml: inCode ? IN_CODE : yaml, env }),
  };
  if (faults.some) throw new ConfigError(faults.all);
  return { ...config, warnings: warningsOf(config, { named: new Set(entries.map(({ plugin }) => plugin)) }) };
}

/** No variable was filled in there. */
const IN_CODE = { filled: new Map<string, string>(), written: new Map<string, string>() };

/** With the names of plugins in the place of those that were made in code: what is shown and compared is plain data. */
function withNames(value: unknown): unknown {
  if (isPlugin(value)) return value.name;
  if (Array.isArray(value)) return value.map(withNames);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inside]) => [key, withNames(inside)]));
}

/** The file to read, as a person would name it. */
async function configFile(options: LoadOptions, cwd: string): Promise<string | null> {
  if (options.value !== undefined) return null;
  if (options.file !== undefined) return options.file;
  const named = variable(options.env, "POSTERN_CONFIG");
  if (named !== null) return named;
  const there = await Deno.stat(resolve(cwd, DEFAULT_FILE)).then((info) => info.isFile, () => false);
  return there ? DEFAULT_FILE : null;
}

/** Every section by itself, every listener by itself: a fault in one hides none in another. */
function readSections(raw: Record<string, unknown>, faults: Faults): Read {
  const shape = schema.File.shape;
  const read: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    if (!Object.hasOwn(shape, key)) faults.unknown([], key, Object.keys(shape));
    else if (key === "listeners" && Array.isArray(value) && value.length > 0) {
      read[key] = value.map((each, index) => faults.read(schema.Listener, each, [key, index]));
    } else read[key] = faults.read(shape[key as Section], value ?? undefined, [key]);
  }
  for (const key of Object.keys(shape) as Section[]) {
    if (!Object.hasOwn(raw, key)) read[key] = shape[key].parse(undefined);
  }
  return read;
}

/** The keys of a group, also of one that has faults. */
function namesIn(raw: object, key: string): string[] {
  const group = (raw as Record<string, unknown>)[key];
  return typeof group === "object" && group !== null && !Array.isArray(group) ? Object.keys(group) : [];
}

interface ListenerOptions {
  readonly env: Environment;
  readonly base: string;
  readonly faults: Faults;
  readonly tls: TlsConfig | null;
}

function readListeners(
  read: Read,
  common: PluginList,
  own: ReadonlyMap<number, PluginList>,
  { env, base, faults, tls }: ListenerOptions,
): ListenerConfig[] {
  const listeners: ListenerConfig[] = [];
  const names = new Set<string>();
  let replacement = tcpVariable(env, "POSTERN_SMTP", faults);
  for (const [index, listener] of (read.listeners ?? []).entries()) {
    if (listener === undefined) continue; // its faults are told
    const { role, ehlo, name: given, plugins: _, tls: __, auth: ___, ...rest } = listener;
    const list = (own.get(index) ?? common).plugins;
    let { address } = rest;
    const path = ["listeners", index];
    // RFC 2033 5: LMTP must not be used on TCP port 25
    if (role === "lmtp" && "port" in address && address.port === 25) {
      faults.add(
        [...path, "address"],
        "LMTP must not be used on port 25 (RFC 2033 5); take another port or a socket file",
      );
    }
    for (const [place, word] of ehlo.hide.entries()) {
      if (role !== "lmtp" || word !== "PIPELINING" && word !== "ENHANCEDSTATUSCODES") continue;
      faults.add([...path, "ehlo", "hide", place], `LMTP must have ${word} (RFC 2033 5)`);
    }
    const mode = rest.mode ?? null;
    if (mode !== null && "port" in address) faults.add([...path, "mode"], "only a socket file has permissions");
    if (role === "mx" && replacement !== null) [address, replacement] = [replacement, null];
    const name = given ?? formatEndpoint(address);
    if (names.has(name)) faults.add([...path, given === undefined ? "address" : "name"], `"${name}" stands here twice`);
    names.add(name);
    listeners.push({
      ...rest,
      ...readSecurity(listener, list, { tls, listener: { name, role }, faults, path }),
      name,
      role,
      mode,
      address: "path" in address ? { path: resolve(base, address.path) } : address,
      plugins: list,
      ehloHide: ehlo.hide,
    });
  }
  if (replacement !== null && listeners.length > 0) {
    faults.variable("POSTERN_SMTP", "there is no listener of role mx to move");
  }
  return listeners;
}

function readRecordings(read: Read, listeners: readonly ListenerConfig[], faults: Faults): Config["recordings"] {
  const names = listeners.map(({ name }) => name);
  for (const [index, name] of (read.recordings?.listeners ?? []).entries()) {
    if (names.includes(name)) continue;
    faults.add(["recordings", "listeners", index], `there is no listener "${name}"${didYouMean(name, names)}`);
  }
  return read.recordings ?? null;
}

function readAdmin(
  read: Read,
  { zeroConfig, env, faults, base, nextHops }: {
    readonly zeroConfig: boolean;
    readonly env: Environment;
    readonly faults: Faults;
    readonly base: string;
    readonly nextHops: readonly string[];
  },
): AdminConfig | null {
  const moved = tcpVariable(env, "POSTERN_ADMIN", faults);
  const token = variable(env, "POSTERN_ADMIN_TOKEN") ?? read.admin?.token ?? null;
  if (read.admin === undefined && moved === null && variable(env, "POSTERN_ADMIN_TOKEN") === null) return null;
  const admin = read.admin ?? schema.Admin.parse({});
  const address = moved ?? admin.address;
  const place = (message: string) =>
    moved === null && read.admin !== undefined
      ? faults.add(["admin"], message)
      : faults.variable("POSTERN_ADMIN", message);
  const tokens = readTokens(admin.tokens, { base, faults, main: token });
  if (token === null && admin.tokens.length === 0 && !zeroConfig) {
    place(
      "needs a token: set admin.token or POSTERN_ADMIN_TOKEN (only the dev inbox without a configuration has none)",
    );
  } else if (token === null && !isLocal(address)) {
    place(`${formatEndpoint(address)} can be reached from other machines and needs a token: set POSTERN_ADMIN_TOKEN`);
  } else if (token !== null && token.length < 16) {
    faults.variable("POSTERN_ADMIN_TOKEN", "must have at least 16 characters");
  }
  const release = readRelease(read, faults, nextHops);
  return { address, token, tokens, rate: admin.rate ?? null, hosts: admin.hosts, release, devInbox: zeroConfig };
}

/** Where messages of the dev inbox may go. A bounce must find a person. */
function readRelease({ admin, postmaster }: Read, faults: Faults, nextHops: readonly string[]): AdminConfig["release"] {
  const release = admin?.release;
  if (release === undefined) return null;
  const { to, via = null } = release, from = release.from ?? postmaster;
  if (via !== null && !nextHops.includes(via)) faults.add(["admin", "release", "via"], noNextHop(via, nextHops));
  if (from !== undefined) return { to, via, from };
  faults.add(["admin", "release"], "needs `from`, who hears when a message bounces; or set postmaster");
  return null;
}

function tcpVariable(env: Environment, name: "POSTERN_SMTP" | "POSTERN_ADMIN", faults: Faults): TcpAddress | null {
  const value = variable(env, name);
  if (value === null) return null;
  const address = parseTcp(value);
  if (address === null) faults.variable(name, `must be ${TCP}`);
  return address;
}

function logLevel(env: Environment, faults: Faults): { level?: LogLevel } {
  const value = variable(env, "POSTERN_LOG");
  if (value === null) return {};
  const level = schema.LogLevel.safeParse(value.toLowerCase());
  if (level.success) return { level: level.data };
  faults.variable("POSTERN_LOG", `must be one of ${schema.LogLevel.options.join(", ")}`);
  return {};
}

function readSummary({ summary, postmaster }: Read, faults: Faults): Config["summary"] {
  if (summary === undefined) return null;
  const to = summary.to ?? postmaster;
  if (to === undefined) {
    faults.add(["summary"], "there is no postmaster who could get it: set summary.to or postmaster");
    return null;
  }
  return { ...summary, to };
}

/** At most so many by `auto`: past that the owner of the store has more to do than they. */
const MOST_BY_ITSELF = 8;

function readThreads(
  { threads = 1 }: Read,
  { env, faults, inCode }: { readonly env: Environment; readonly faults: Faults; readonly inCode: boolean },
): number {
  const given = variable(env, "POSTERN_THREADS");
  const read = schema.Threads.safeParse(given === null || given === "auto" ? given ?? threads : Number(given));
  if (!read.success) {
    faults.variable("POSTERN_THREADS", "must be a whole number from 1 to 64, or auto");
    return 1;
  }
  const wanted = read.data === "auto" ? Math.min(navigator.hardwareConcurrency, MOST_BY_ITSELF) : read.data;
  if (wanted === 1 || !inCode) return wanted;
  if (read.data !== "auto") {
    faults.add(
      ["threads"],
      "plugins that are made in code cannot go to another thread: use 1, or a configuration file",
    );
  }
  return 1;
}

/** The networks of every `relay` entry. */
function trustedNetworks(entries: readonly Entry[]): string[] {
  const found = entries.filter((each) => each.plugin === "relay").flatMap(({ options }) => {
    const { networks } = (options ?? {}) as { networks?: unknown };
    return Array.isArray(networks) ? networks.filter((each) => typeof each === "string") : [];
  });
  return [...new Set(found)];
}
