/**
 * Imports plugins that are not ours: a module of the operator's by its path, or a package by `npm:NAME@VERSION`, and says
 * in one line why there is none. Non-job: what counts as a plugin (core/pipeline/exported.ts), options and the host's words
 * (plugins.ts), plugins in a sandbox, whose modules are never imported here.
 */
import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BUILD_AGAIN, carried } from "../packed/contents.ts";
import { type AnyFactory, exportedPlugin, isFactory, oddPlugin } from "../pipeline/exported.ts";
import type { Plugin } from "../pipeline/plugin.ts";

/** Why there is no plugin, in one line for the person who wrote the file. */
export class PluginModuleError extends Error {
  override readonly name = "PluginModuleError";
}

/** True for a path, which begins with `./`, `../` or `/`, and for a package, which begins with `npm:`. */
export function isModuleName(name: string): boolean {
  return /^(?:(?:\.{1,2})?\/|npm:)/.test(name);
}

/** The name of a package, its version or range, and what of it. */
const PACKAGE =
  /^npm:(?:@[a-z0-9~-][a-z0-9._~-]{0,99}\/)?[a-z0-9~-][a-z0-9._~-]{0,99}(?:@[^@/\s]{1,60})?(?:\/[^\s?#]{1,200})?$/;

/** @throws {PluginModuleError} for a package whose name can be none. */
export function checkModuleName(name: string): void {
  if (!name.startsWith("npm:") || PACKAGE.test(name)) return;
  throw new PluginModuleError(`${name} names no package: write npm:NAME@VERSION, as npm:postern-plugin-x@1.2.3`);
}

/** As people are told of it: a whole path, or the package. */
export function shownModule(name: string, base: string): string {
  return isModuleName(name) && !name.startsWith("npm:") ? fileOf(name, base) : name;
}

/** What `import()` takes for a name in a configuration. `base`: the folder that paths start from. */
export function specifierOf(name: string, base: string): string {
  return name.startsWith("npm:") ? name : pathToFileURL(fileOf(name, base)).href;
}

/**
 * The plugin, or the factory, that a module exports.
 *
 * @throws {PluginModuleError}
 */
export async function importPlugin(name: string, base: string): Promise<Plugin | AnyFactory> {
  checkModuleName(name);
  const packaged = name.startsWith("npm:"), shown = shownModule(name, base);
  const own = carried()?.plugins;
  if (own !== undefined && !Object.hasOwn(own, name)) {
    throw new PluginModuleError(`this binary was built without ${name}: ${BUILD_AGAIN}`);
  }
  let exported: unknown;
  try {
    const module = own === undefined ? await inTime(import(specifierOf(name, base))) : own[name];
    exported = (module as { readonly default?: unknown }).default;
  } catch (error) {
    throw new PluginModuleError(`cannot load ${shown}: ${reason(error)}${packaged ? adviceOn(error, name) : ""}`);
  }
  let found: Plugin | AnyFactory | null;
  try {
    found = exportedPlugin(exported);
  } catch (error) {
    throw new PluginModuleError(`${shown}: its default export threw: ${reason(error)}`);
  }
  const odd = found === null || isFactory(found) ? null : oddPlugin(found);
  if (odd !== null) throw new PluginModuleError(`${shown} must export a plugin as its default: ${odd}`);
  if (found !== null) return found;
  const wanted = `export default ${packaged ? "({ definePlugin }) => " : ""}definePlugin({ ... })`;
  throw new PluginModuleError(`${shown} must export a plugin as its default: ${wanted}`);
}

/** Milliseconds that a module may take; one that awaits at its top level may never be there. */
const LOADING = 30_000;

async function inTime(loading: Promise<unknown>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, fail) => {
    const why = `it was not there within ${LOADING / 1000} s: what does it await at its top level?`;
    timer = setTimeout(() => fail(new Error(why)), LOADING);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}

function fileOf(name: string, base: string): string {
  return isAbsolute(name) ? name : resolve(base, name);
}

/** What to do about a package that is not there, or wants what it cannot have. */
function adviceOn(error: unknown, name: string): string {
  const text = String(error);
  if (text.includes("package 'postern'")) {
    return '; a package does not import "postern", it is given it: export default ({ definePlugin }) => definePlugin({ ... })';
  }
  if (/Failed loading|error sending request|not found in cache/i.test(text)) {
    return `; it is not on this machine yet: "deno cache ${name}" fetches it where there is a network`;
  }
  return "";
}

/** In one line. */
export function reason(error: unknown): string {
  let text: string;
  try {
    text = String(error instanceof Error ? error.message : error);
  } catch {
    text = "it threw what is no text";
  }
  return text.replace(/\s+/g, " ").slice(0, 300);
}
