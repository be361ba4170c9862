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
const LISTS = ["after", "roles", "routesTo", "routesVia", "mechanisms"] as const;

/** What of a plugin is not as its type says: what was written without a compiler may be anything. Null when all of it is. */
export function oddPlugin(plugin: Plugin): string | null {
  try {
    if (plugin.name === "" || plugin.name.length > 200 || /\p{C}/u.test(plugin.name)) return "its name is no name";
    for (const word of LISTS) {
      const list: unknown = plugin[word];
      if (list === undefined) continue;
      if (!Array.isArray(list) || !list.every((each) => typeof each === "string")) return `${word} is no list of names`;
    }
    void Object.values(plugin.handlers); // its getters
    return null;
  } catch (error) {
    return `it throws ${error instanceof Error ? error.message : "when it is read"}`;
  }
}

/** What a factory or `on` made. */
export function isPlugin(value: unknown): value is Plugin {
  const { name, handlers } = (value ?? {}) as Partial<Plugin>;
  return typeof name === "string" && typeof handlers === "object" && handlers !== null;
}
