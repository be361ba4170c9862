/**
 * What a binary made by `postern build` carries beside the program: threads, the operator's own plugins, how it was made.
 * The module that the build generates says it before anything else runs; in a checkout nobody does, and files are files.
 * Non-job: making a binary (cli/build), reading a configuration.
 */

/** Why and how this binary is what it is. */
export interface Contents {
  /** Permission flags of Deno that are baked in. */
  readonly permissions: readonly string[];
  /** JavaScript that runs in threads of its own, each whole, by the name of its file in the tree. */
  readonly threads: Readonly<Record<string, string>>;
  /** Modules of the operator's own plugins, by what the configuration calls them: a path as it is written, or `npm:name`. */
  readonly plugins: Readonly<Record<string, unknown>>;
  /** Built-in plugins that the configuration did not name, and that are therefore not there. */
  readonly leftOut: readonly string[];
  /** Root modules of sandboxes, each whole: the shim and the plugin, by what the configuration calls the plugin. */
  readonly sandboxes: Readonly<Record<string, string>>;
}

/** joined: a launcher, Deno and the program in one file; compiled: by `deno compile`; sources: neither. */
export type How = "joined" | "compiled" | "sources";

let contents: Contents | null = null;

export function howMade(): How {
  return contents === null ? "sources" : Deno.build.standalone ? "compiled" : "joined";
}

/** Called once, by the generated module. */
export function carry(carried: Contents): void {
  contents = carried;
}

/** What this program carries; null where it runs from its sources. */
export function carried(): Contents | null {
  return contents;
}

/**
 * Where the module of a thread is: the file itself, or where a binary has it.
 *
 * @param file of the module in the tree: `new URL("./sqlite_writer.ts", import.meta.url)`
 * @throws {Error} in a binary that does not have it.
 */
export function threadModule(file: URL): URL {
  if (contents === null) return file;
  const name = file.pathname.slice(file.pathname.lastIndexOf("/") + 1), text = contents.threads[name];
  if (text === undefined) throw new Error(`this binary has no ${name}`);
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

/**
 * Where a thread starts that wants the whole program, plugins and all: the file, or the main module of a binary once more,
 * which sees that it runs in a thread (cli/main.ts). A text beside it would make the binary twice as large.
 */
export function programModule(file: URL): URL {
  return contents === null ? file : new URL(Deno.mainModule);
}

/** What to do about a plugin that a binary was built without. */
export const BUILD_AGAIN = "build it again with this configuration";

const CARRIED = "carried:";

/** In a binary that has it, the name under which `sandboxRoot` knows a plugin; null where modules are files. */
export function sandboxModule(plugin: string): string | null {
  return contents !== null && Object.hasOwn(contents.sandboxes, plugin) ? `${CARRIED}${plugin}` : null;
}

/** The whole root module of a sandbox, by what `sandboxModule` said; null for what a file or a package is. */
export function sandboxRoot(module: string): string | null {
  return module.startsWith(CARRIED) ? contents?.sandboxes[module.slice(CARRIED.length)] ?? null : null;
}

/** What stands before the words of Deno's own where this program is started again as a plain Deno. */
export function plainDeno(): readonly string[] {
  return howMade() === "joined" ? ["--deno"] : [];
}
