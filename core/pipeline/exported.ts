/**
 * What a module of somebody else exports as its default, as a plugin: one that was made, a factory, or a function that is
 * given what "postern" has for plugins and makes one of the two. The last is what a package exports: nothing in its folder
 * leads to "postern". Non-job: importing the module.
 */
import * as postern from "./mod.ts";
import type { Plugin, PluginFactory } from "./plugin.ts";

/** Of a factory, what a configuration needs: its options may be of any type. */
export type AnyFactory = Pick<PluginFactory<unknown>, "pluginName" | "options" | "parse">;

/**
 * The plugin or the factory; null when it is neither.
 *
 * @throws what the function throws.
 */
export function exportedPlugin(exported: unknown): Plugin | AnyFactory | null {
  const found: unknown = typeof exported === "function" && !isFactory(exported) ? exported(postern) : exported;
  return isFactory(found) || isPlugin(found) ? found : null;
}

/** What `definePlugin` made. */
export function isFactory(value: unknown): value is AnyFactory {
  if (typeof value !== "function") return false;
  const { pluginName, options, parse } = value as Partial<AnyFactory>;
  return typeof pluginName === "string" && typeof parse === "function" && options?.["~standard"] !== undefined;
}
/** What a factory or `on` made. */
export function isPlugin(value: unknown): value is Plugin {
  const { name, handlers } = (value ?? {}) as Partial<Plugin>;
  return typeof name === "string" && typeof handlers === "object" && handlers !== null;
}
