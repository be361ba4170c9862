/**
 * The root module of a sandbox: it imports the shim and the plugin, both statically, for what is imported statically needs
 * no permission to read. Non-job: running it (worker_channel.ts).
 */

import { sandboxRoot } from "../packed/contents.ts";

/** Where a plugin comes from: a module, and the name it exports it under. */
export interface PluginSource {
  /** A URL that this program may import. */
  readonly module: string;
  /** "default", or the name of a built-in plugin's factory. */
  readonly name: string;
}

/** Its text. */
export function rootOf({ module, name }: PluginSource): string {
  const whole = sandboxRoot(module); // a binary has them as one text
  if (whole !== null) return whole;
  const shim = import.meta.resolve("./inside/shim.ts");
  return [
    `import { serve } from ${JSON.stringify(shim)};`,
    `import * as plugin from ${JSON.stringify(module)};`,
    `serve(plugin, ${JSON.stringify(name)});`,
  ].join("\n");
}
