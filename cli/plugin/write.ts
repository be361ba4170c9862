/**
 * Writes a new plugin into a folder, and a deno.json beside it where nothing says yet what "postern" is. Nothing that is
 * there is ever changed. Non-job: the texts (templates.ts).
 */
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import about from "../../deno.json" with { type: "json" };
import { carried } from "../../core/packed/contents.ts";
import { CommandError } from "../terminal.ts";
import { entryText, moduleText, projectText, readmeText, testText } from "./templates.ts";

/** Names of the file that says what "postern" is. */
const PROJECTS = ["deno.json", "deno.jsonc"];

/** Writes plugins/NAME below `folder`; the lines for the person who asked for it. @throws {CommandError} when it cannot. */
export async function writePlugin(name: string, folder: string): Promise<string[]> {
  const within = `plugins/${name}`;
  const files: [path: string, text: string, what: string][] = [
    [`${within}/mod.ts`, moduleText(name), "the plugin"],
    [`${within}/mod_test.ts`, testText(name), "its test"],
    [`${within}/README.md`, readmeText(name), "what it is for"],
  ];
  if (await isThere(join(folder, within))) {
    throw new CommandError(
      `${join(folder, within)} is there already, and nothing of it was changed: take another name`,
    );
  }
  const project = await projectOf(folder);
  if (project === null) files.push(["deno.json", projectText(ours()), "tells Deno and editors what postern is"]);
  for (const [path, text] of files) await write(join(folder, path), text);
  const width = Math.max(...files.map(([path]) => path.length));
  return [
    ...files.map(([path, , what]) => `${path.padEnd(width)}  ${what}`),
    ...project === null ? [] : lacking(project, folder),
    "",
    "In the list `plugins` of postern.yaml:",
    "",
    entryText(name),
    "",
    `Test it with "deno test ${within}/", see it work with "deno task postern serve".`,
  ];
}

async function write(path: string, text: string): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text, { createNew: true });
  } catch (error) {
    throw new CommandError(`${path} cannot be written: ${error instanceof Error ? error.message : error}`);
  }
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

interface Project {
  readonly path: string;
  readonly text: string;
}

/** The nearest deno.json, in the folder or above it, as Deno looks for it; null where there is none. */
async function projectOf(folder: string): Promise<Project | null> {
  for (let at = folder;; at = dirname(at)) {
    for (const name of PROJECTS) {
      const text = await Deno.readTextFile(join(at, name)).catch(() => null);
      if (text !== null) return { path: join(at, name), text };
    }
    if (dirname(at) === at) return null;
  }
}

/** What a project of the person's own must be told. */
function lacking({ path, text }: Project, folder: string): string[] {
  if (text.includes('"postern"')) return [];
  const { links, version, zod } = ours();
  const lines = [
    ...links.length > 0 ? [`"links": ${JSON.stringify(links)},`] : [],
    `"imports": { "postern": "jsr:@postern/postern@${version}", "zod": "${zod}" },`,
    '"unstable": ["worker-options"]',
  ];
  const shown = relative(folder, path) || path;
  return ["", `${shown} does not know "postern" yet. Put these into it:`, "", ...lines.map((line) => `  ${line}`)];
}

/** How a project comes to this Postern: by the checkout that runs, or from where it was published. */
function ours(): { readonly version: string; readonly zod: string; readonly links: readonly string[] } {
  const root = new URL("../../", import.meta.url);
  const checkout = root.protocol === "file:" && carried() === null;
  return {
    version: about.version,
    zod: about.imports.zod,
    links: checkout ? [fileURLToPath(root).replace(/[\\/]$/, "")] : [],
  };
}
