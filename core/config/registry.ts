/** The plugins that a configuration can name. The list is plugins/mod.ts. */
import { PLUGINS } from "../../plugins/mod.ts";
import type { PluginFactory } from "../pipeline/plugin.ts";

/** Of a factory, what YAML needs: its options may be of any type. */
export type AnyFactory = Pick<PluginFactory<unknown>, "pluginName" | "options" | "parse">;
/** What a configuration can name. */
export type Registry = ReadonlyMap<string, AnyFactory>;

export const REGISTRY: Registry = new Map<string, AnyFactory>(Object.entries(PLUGINS));
