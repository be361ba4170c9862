/** The plugins that a configuration can name. The list is plugins/mod.ts. */
import { PLUGINS } from "../../plugins/mod.ts";
import type { AnyFactory } from "../pipeline/exported.ts";

export type { AnyFactory };
/** What a configuration can name. */
export type Registry = ReadonlyMap<string, AnyFactory>;

export const REGISTRY: Registry = new Map<string, AnyFactory>(Object.entries(PLUGINS));
