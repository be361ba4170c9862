/**
 * The root module of a sandbox: it imports the shim, and through it the plugin, which may read its own modules until all of
 * them are loaded and nothing of it runs yet. What a thread imports statically is read with the permissions of the thread
 * that began it, so a plugin named there could import any file of the server's as text (docs/decisions/sandbox.md).
 * Non-job: which modules those are (modules.ts), running it (worker_channel.ts).
 */
import { sandboxRoot } from "../packed/contents.ts";
import type { Permissions } from "./channel.ts";
import { modulesOf } from "./modules.ts";

/** Where a plugin comes from: a module, and the name it exports it under. */
export interface PluginSource {
  /** A URL that this program may import. */
  readonly module: string;
  /** "default", or the name of a built-in plugin's factory. */
  readonly name: string;
}
/** What is run, and what it may read beside its permissions until it runs. */
export interface Root {
  /** JavaScript. */
  readonly text: string;
  /** Paths. */
  readonly loading: readonly string[];
  /** Hosts that modules are loaded from. */
  readonly hosts: readonly string[];
}

/** The root of a plugin that is then held to `may`. */
export function rootOf({ module, name }: PluginSource, { read }: Pick<Permissions, "read">): Root {
  const whole = sandboxRoot(module); // a binary has them as one text
  if (whole !== null) return { text: whole, loading: [], hosts: [] };
  const shim = import.meta.resolve("./inside/shim.ts"), { paths, hosts } = modulesOf(module);
  // To give up a file gives up a folder that it is in: what is granted anyhow is not asked for
  const loading = paths.filter((path) => !read.some((each) => path === each || path.startsWith(folder(each))));
  const taken = [
    ...loading.map((path) => ({ name: "read", path })),
    ...hosts.map((host) => ({ name: "import", host })),
  ];
  // Modules run in the order of their imports, when all of them are loaded
  const shut = dataUrl([
    `import ${JSON.stringify(import.meta.resolve("./inside/loaded.ts"))};`,
    `for (const each of ${JSON.stringify(taken)}) Deno.permissions.revokeSync(each);`,
  ]);
  const plugin = dataUrl([
    `import ${JSON.stringify(shut)};`,
    `export * as plugin from ${JSON.stringify(module)};`,
  ]);
  // By `load`: what is imported by a literal counts as imported statically
  const text = [
    `import { load } from ${JSON.stringify(shim)};`,
    `await load(${JSON.stringify(plugin)}, ${JSON.stringify(name)});`,
  ];
  return { text: text.join("\n"), loading, hosts };
}

function folder(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

function dataUrl(lines: readonly string[]): string {
  return `data:text/javascript,${encodeURIComponent(lines.join("\n"))}`;
}
