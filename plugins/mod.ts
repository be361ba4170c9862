/** The plugins that come with Postern, by the name that a configuration uses. A static list: nothing is searched for. */
import { relay } from "./access/relay/mod.ts";

export const PLUGINS = { relay } as const;
