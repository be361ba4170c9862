/**
 * Bundles a binary's program with the operator's plugins, its threads and its sandboxes into one module. Runs `deno bundle`
 * in a folder of its own, which is gone afterwards. Non-job: the generated texts (entry.ts), the file that it goes into.
 */
import { dirname, join as joinPath, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "@std/yaml";
import { specifierOf } from "../../core/config/plugin_module.ts";
import { moduleOf } from "../../plugins/mod.ts";
import { CommandError } from "../terminal.ts";
import { denoToRun } from "./deno.ts";
import { awaitingEntryText, contentsText, entryText, loaderText, registryText, rootText } from "./entry.ts";
import type { Named } from "./named.ts";

export interface BundleOptions {
  readonly named: Named;
  readonly permissions: readonly string[];
  /** The folder of the sources: the one with deno.json. */
  readonly root: string;
}

/** The one module of the binary. @throws {CommandError} with what the bundler said. */
export async function bundle({ named, permissions, root }: BundleOptions): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ prefix: "postern-build-" }), bundler = new Bundler(folder);
  try {
    const registry = `${root}/plugins/mod.ts`, source = await Deno.readTextFile(registry);
    const imports: Record<string, string> = {};
    let leftOut: readonly string[] = [];
    if (named.builtIns !== null) {
      const chosen = registryText(source, known(named.builtIns, source), `${root}/plugins`);
      await Deno.writeTextFile(`${folder}/registry.ts`, chosen.text);
      imports[pathToFileURL(registry).href] = "./registry.ts";
      leftOut = chosen.leftOut;
    }
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(await configFor(root, named, imports)));
    await copyLock(root, folder);
    const threads = new Map<string, string>(), sandboxes = new Map<string, string>();
    for (const [name, path] of await threadsIn(root)) threads.set(name, await bundler.run(path, "esm"));
    for (const name of named.apart) {
      await Deno.writeTextFile(`${folder}/apart.ts`, rootText(root, sourceOf(name, named.base)));
      sandboxes.set(name, await bundler.text(`${folder}/apart.ts`, { then: "" }));
    }
    const own = named.own.map(({ name, sandboxed }) => ({ name, sandboxed, specifier: specifierOf(name, named.base) }));
    const outside = own.filter(({ sandboxed }) => !sandboxed);
    const contents = contentsText({ root, permissions, leftOut, own: outside, threads, sandboxes });
    await Deno.writeTextFile(`${folder}/contents.ts`, contents);
    await Deno.writeTextFile(`${folder}/entry.ts`, entryText(root));
    await Deno.writeTextFile(`${folder}/awaiting.ts`, awaitingEntryText(root));
    const program = await bundler.text(`${folder}/entry.ts`, { awaiting: `${folder}/awaiting.ts` });
    return new TextEncoder().encode(program);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every module that the program starts a thread with, `threadModule(new URL(...))` in its sources, by its file's name. */
export async function threadsIn(root: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const file of await sourcesBelow(`${root}/core`)) {
    for (
      const [, name] of (await Deno.readTextFile(file)).matchAll(/threadModule\(\s*new URL\("([^"]+)", import\.meta/g)
    ) {
      const path = resolve(dirname(file), name!), short = path.slice(path.lastIndexOf("/") + 1);
      if (found.has(short) && found.get(short) !== path) throw new Error(`two threads are called ${short}`);
      found.set(short, path);
    }
  }
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}

async function sourcesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...await sourcesBelow(path));
    else if (entry.name.endsWith(".ts")) files.push(path);
  }
  return files;
}

/** Those of the names that plugins/mod.ts has; `postern check` says which others there are. */
function known(names: ReadonlySet<string>, source: string): ReadonlySet<string> {
  return new Set([...names].filter((name) => new RegExp(`^ {2}${RegExp.escape(name)}[,:]`, "m").test(source)));
}

/** The import map of the sources with absolute paths, and that of the operator's own project before it. */
async function configFor(root: string, named: Named, imports: Record<string, string>): Promise<unknown> {
  const ours = JSON.parse(await Deno.readTextFile(`${root}/deno.json`)) as ProjectFile;
  const theirs = named.file === null ? null : await projectAbove(named.base);
  return {
    imports: {
      ...theirs === null || theirs.folder === root ? {} : absolute(theirs.file.imports ?? {}, theirs.folder),
      ...absolute(ours.imports ?? {}, root), // one zod, and one postern, for all
      ...imports,
    },
    compilerOptions: ours.compilerOptions,
    unstable: ours.unstable,
  };
}

interface ProjectFile {
  readonly imports?: Readonly<Record<string, string>>;
  readonly compilerOptions?: unknown;
  readonly unstable?: unknown;
}

/** The nearest deno.json at or above a folder. */
async function projectAbove(folder: string): Promise<{ readonly folder: string; readonly file: ProjectFile } | null> {
  for (let at = folder;; at = dirname(at)) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const text = await Deno.readTextFile(joinPath(at, name)).catch(() => null);
      if (text !== null) return { folder: at, file: (parse(text) ?? {}) as ProjectFile }; // comments are few; YAML takes JSON
    }
    if (dirname(at) === at) return null;
  }
}

function absolute(imports: Readonly<Record<string, string>>, folder: string): Record<string, string> {
  const turned = ([key, value]: [string, string]): [string, string] => [
    key,
    /^\.{0,2}\//.test(value) ? pathToFileURL(resolve(folder, value)).href + (/[^/]\/$/.test(value) ? "/" : "") : value,
  ];
  return Object.fromEntries(Object.entries(imports).map(turned));
}

/** What packages resolve to is held to the lock file; packages of the operator's own are added to the copy alone. */
async function copyLock(root: string, folder: string): Promise<void> {
  await Deno.copyFile(`${root}/deno.lock`, `${folder}/deno.lock`).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Where a plugin that runs apart comes from: its own module, and nothing of the others. */
function sourceOf(name: string, base: string): { readonly module: string; readonly exported: string } {
  const builtIn = moduleOf(name);
  return builtIn === null
    ? { module: specifierOf(name, base), exported: "default" }
    : { module: builtIn.url, exported: builtIn.exported };
}

/** Runs `deno bundle` with the import map of its folder. */
class Bundler {
  #count = 0;
  readonly #deno = denoToRun();
  constructor(readonly folder: string) {}

  /** As a text in its loader; where something awaits at its top level, as the module that it is, or `awaiting`. */
  async text(entry: string, { then, awaiting = entry }: { readonly then?: string; readonly awaiting?: string }) {
    try {
      return loaderText(await this.run(entry, "cjs"), then);
    } catch (error) {
      if (!/top-level await/i.test(String(error))) throw error;
      return await this.run(awaiting, "esm");
    }
  }

  /** @throws {CommandError} with what it said. */
  async run(entry: string, format: "esm" | "cjs"): Promise<string> {
    const output = `${this.folder}/out${this.#count++}.js`;
    const { success, stderr } = await new Deno.Command(this.#deno, {
      args: [
        ...["bundle", "--quiet", "--no-check", "--platform", "deno", "--format", format],
        ...["--config", `${this.folder}/deno.json`, "--output", output, entry],
      ],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return await Deno.readTextFile(output);
    const said = new TextDecoder().decode(stderr).split("\n").filter((line) => /error|:\d+:\d+|not found/i.test(line));
    throw new CommandError(`cannot bundle: ${said.slice(0, 5).join(" ").replace(/\s+/g, " ").slice(0, 800)}`);
  }
}
