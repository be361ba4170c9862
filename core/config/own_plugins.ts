/**
 * The options of the operator's own plugins, for editors: every module and package that a configuration names is asked,
 * also of a file that is not finished. Non-job: whether the file is right (load.ts).
 */
import { dirname, resolve } from "node:path";
import { isFactory } from "../pipeline/exported.ts";
import { sandboxSchema } from "../sandbox/sandboxed.ts";
import { YamlFile } from "./document.ts";
import { SandboxWords } from "./entry.ts";
import type { Environment } from "./environment.ts";
import { ConfigError } from "./issue.ts";
import { type JsonSchema, jsonSchemaOf } from "./json_schema.ts";
import { checkModuleName, importPlugin, isModuleName, specifierOf } from "./plugin_module.ts";
import { readText } from "./read_text.ts";

export interface OwnPluginsOptions {
  readonly cwd: string;
  readonly env: Environment;
  /** Told of each that cannot be asked. */
  trouble(name: string, message: string): void;
}

/**
 * Options by the name as it stands in the file.
 *
 * @throws {ConfigError} when the file cannot be read as YAML at all.
 */
export async function ownPlugins(file: string, options: OwnPluginsOptions): Promise<ReadonlyMap<string, JsonSchema>> {
  const path = resolve(options.cwd, file), base = dirname(path);
  const yaml = new YamlFile(file, await readText(path, file), options.env);
  if (yaml.broken) throw new ConfigError(yaml.issues);
  const found = new Map<string, JsonSchema>();
  for (const [name, sandbox] of namedIn(yaml.value)) {
    if (found.has(name)) continue;
    try {
      found.set(name, await schemaOf(name, sandbox, { ...options, base }));
    } catch (error) {
      options.trouble(name, error instanceof Error ? error.message : String(error));
    }
  }
  return found;
}

async function schemaOf(
  name: string,
  sandbox: unknown,
  { base, trouble }: OwnPluginsOptions & { readonly base: string },
): Promise<JsonSchema> {
  if (sandbox !== undefined) {
    checkModuleName(name);
    const { net = [], read = [], env = [] } = SandboxWords.parse(sandbox);
    const told = (message: string) => trouble(name, message);
    return await sandboxSchema(specifierOf(name, base), { net, read, env, base, trouble: told }); // never imported here
  }
  const found = await importPlugin(name, base);
  return isFactory(found) ? jsonSchemaOf(found.options) : { type: "object", additionalProperties: false };
}

/** Names of modules in every list of plugins, groups gone into, each with its sandbox, undefined without one. */
function* namedIn(value: unknown): Generator<readonly [name: string, sandbox: unknown]> {
  const { plugins, listeners } = groupOf(value);
  yield* listed(plugins, 0);
  for (const listener of Array.isArray(listeners) ? listeners : []) yield* listed(groupOf(listener)["plugins"], 0);
}

/** Groups within groups. */
const MAX_DEPTH = 16;

function* listed(list: unknown, depth: number): Generator<readonly [name: string, sandbox: unknown]> {
  if (!Array.isArray(list) || depth > MAX_DEPTH) return;
  for (const entry of list) {
    if (typeof entry === "string" && isModuleName(entry)) yield [entry, undefined];
    for (const [key, inside] of Object.entries(groupOf(entry))) {
      if (isModuleName(key)) yield [key, groupOf(entry)["sandbox"]];
      else if (key === "parallel" || key === "firstOf") yield* listed(inside, depth + 1);
    }
  }
}

function groupOf(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {};
}
