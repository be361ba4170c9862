/**
 * Makes a plugin that runs apart from the server: in a Worker, or in a process of its own where its memory is to be bounded.
 * Its module is never imported by the server's own thread; its options are checked inside. Non-job: the configuration file
 * (core/config), what runs inside (inside/).
 */
import { resolve } from "node:path";
import { OptionsError, type Plugin, type SandboxFacts } from "../pipeline/plugin.ts";
import type { Permissions } from "./channel.ts";
import { pluginOf } from "./host/plugin.ts";
import { Sandbox, type SandboxOptions } from "./host/sandbox.ts";
import { Refused } from "./host/life.ts";
import type { PluginSource } from "./root.ts";
import { rootOf } from "./root.ts";
import { openProcess } from "./process/channel.ts";
import { openWorker } from "./worker_channel.ts";

/** What a plugin that runs apart may do, and how much of the machine it may take. */
export interface SandboxLimits {
  /** Hosts that it may connect to, `host:port`; none unless said. */
  readonly net?: readonly string[];
  /** Files and folders that it may read, absolute or from the folder that its options' paths start from; none unless said. */
  readonly read?: readonly string[];
  /** Variables of the environment that it may read; none unless said. */
  readonly env?: readonly string[];
  /** How long it may compute without a pause, milliseconds (default 1000). */
  readonly cpu?: number;
  /** The most memory that it may take, octets: a process of its own holds it to that. */
  readonly memory?: number;
  /** Where it runs: a `worker` (default) is quicker, a `process` is bounded in memory too; `memory` implies it. */
  readonly isolate?: "worker" | "process";
}
/** Who asks for it. */
export interface SandboxedOptions extends SandboxLimits {
  /** Folder that relative paths start from: those of its options and of `read` (default: the current one). */
  readonly base?: string;
  /** The name it goes by; its own unless said. */
  readonly as?: string;
  /** Where its options stand in a configuration, for the paths of their faults. */
  readonly at?: readonly PropertyKey[];
  /** The name that its module exports it under (default: the default export). */
  readonly exported?: string;
  /** Tells the operator that something is wrong with it. */
  trouble?(message: string): void;
}

const CPU = 1000;

/**
 * A plugin from a module that runs with the permissions that are given here and no others: `sandboxed(url, options)` may
 * compute, and no more. What it does to mail is what it would do in the server's own thread. The first call, or `start()`,
 * begins its sandbox; `stop()` ends it. A program needs `"unstable": ["worker-options"]` in its deno.json for it, and has
 * itself every permission that it gives.
 *
 * @throws {OptionsError} (a rejection) where the options do not fit, as the plugin itself says.
 * @throws {Error} (a rejection) where the module cannot be loaded, or this program lacks a permission that it would give.
 *
 * @example
 * ```ts
 * import { runPhase } from "postern";
 * import { sandboxed } from "postern/server";
 * import { assertEquals } from "@std/assert";
 * const module = import.meta.resolve("postern/plugins/content/headers/mod.ts");
 * const headers = await sandboxed(module, {}, { exported: "headers", read: [], net: [] });
 * const { reply } = await runPhase(headers, "data", { message: "Subject: no From\n\nhi\n" });
 * assertEquals([headers.sandbox?.isolate, reply.verdict], ["worker", "reject"]);
 * await headers.stop!();
 * ```
 */
export async function sandboxed(
  module: URL | string,
  options?: unknown,
  limits: SandboxedOptions = {},
): Promise<Plugin> {
  const { exported = "default", at = [] } = limits;
  const made = optionsOf({ module: String(module), name: exported }, options, limits);
  try {
    const described = await Sandbox.describe(made), { as: name = described.name } = limits; // whatever it says itself
    return pluginOf(new Sandbox(made), { ...described, name }, factsOf(limits));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const issues = error.issues.map(({ path, message }) => ({ path: path.length > 0 ? path : [...at], message }));
    throw error.said === null ? new OptionsError(issues) : new SchemaError(issues, error.schema, error.said);
  }
}

/** Options that a schema inside of a sandbox turned down, with all that it says: for whoever words that. */
export class SchemaError extends OptionsError {
  /** `schema`: JSON Schema of the options. `said`: the schema's issues, as JSON that nobody has looked at. */
  constructor(issues: OptionsError["issues"], readonly schema: unknown, readonly said: string) {
    super(issues);
  }
}

/**
 * JSON Schema of the options of a plugin, asked inside of a sandbox; `{}` where it says nothing of them.
 *
 * @throws {Error} (a rejection) where the module cannot be loaded.
 */
export async function sandboxSchema(
  module: URL | string,
  limits: SandboxedOptions = {},
): Promise<Readonly<Record<string, unknown>>> {
  const { exported = "default" } = limits;
  try {
    return (await Sandbox.describe(optionsOf({ module: String(module), name: exported }, undefined, limits))).schema;
  } catch (error) {
    if (error instanceof Refused && error.schema !== null) return error.schema; // without options it would not begin
    throw error;
  }
}

function optionsOf(source: PluginSource, options: unknown, limits: SandboxedOptions): SandboxOptions {
  const { base = ".", as = null, at = [], cpu = CPU, memory = null } = limits;
  const name = as ?? (/([^/]+?)(?:\/mod)?\.[a-z]+$/.exec(source.module)?.[1] ?? "plugin");
  const permissions = permissionsOf(limits), { text: root, loading, hosts } = rootOf(source, permissions);
  return {
    ...channelsOf(limits),
    spec: { name, root, loading, hosts, permissions, memory },
    making: { options, at: at.map((step) => typeof step === "number" ? step : String(step)), base, name: as },
    cpu,
    trouble: limits.trouble ?? ((message) => console.error(JSON.stringify(`${name}: ${message}`))),
  };
}

/** A worker that loops cannot be ended, a process can: who once looped goes on in one. */
function channelsOf(limits: SandboxLimits): Pick<SandboxOptions, "open" | "strict"> {
  const { memory, isolate = memory === undefined ? "worker" : "process" } = limits;
  return isolate === "worker" ? { open: openWorker, strict: openProcess } : { open: openProcess, strict: null };
}

function permissionsOf({ net = [], read = [], env = [], base = "." }: SandboxedOptions): Permissions {
  return { net, read: read.map((path) => resolve(base, path)), env }; // whole: they are compared (root.ts)
}

function factsOf({ net = [], read = [], env = [], memory, isolate }: SandboxLimits): SandboxFacts {
  return { isolate: isolate ?? (memory === undefined ? "worker" : "process"), net, read, env };
}
