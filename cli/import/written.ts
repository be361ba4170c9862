/**
 * Writes what an import came to into a folder of its own, never over anything, and asks the configuration's own reader
 * whether it is one. Non-job: what is in it (draft.ts, document.ts).
 */
import { join } from "node:path";
import { ConfigError } from "../../core/config/issue.ts";
import { loadConfig } from "../../core/config/load.ts";
import { CommandError } from "../terminal.ts";
import { documentOf } from "./document.ts";
import { type Draft, type LeftOver, placeOf } from "./draft.ts";

/** Passwords may be in it. */
const OWNER_ONLY = 0o600;

/** Names of the files that were written. @throws {CommandError} before anything is, where one is there already */
export async function writeDraft(draft: Draft, folder: string): Promise<string[]> {
  const files = [
    { name: "postern.yaml", text: documentOf(draft) },
    ...draft.files,
    { name: "import.txt", text: `${reportOf(draft).join("\n")}\n` },
  ];
  await Deno.mkdir(folder, { recursive: true });
  for (const { name } of files) {
    const there = await Deno.lstat(join(folder, name)).then(() => true, () => false);
    if (there) {
      throw new CommandError(
        `${join(folder, name)} is there already, and nothing is ever written over: name another --output`,
      );
    }
  }
  for (const { name, text } of files) {
    await Deno.writeTextFile(join(folder, name), text, { createNew: true, mode: OWNER_ONLY });
  }
  return files.map(({ name }) => name);
}

/** What the server would say against it, a line each; none: it would start. */
export async function faultsOf(folder: string): Promise<string[]> {
  try {
    await loadConfig({ file: join(folder, "postern.yaml"), env: {}, cwd: folder });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

/** What a person reads about it. */
export function reportOf({ left, idle }: Draft): string[] {
  const lines = left.length === 0 ? ["Everything was taken over."] : [
    `Not taken over, ${left.length}: each is closed until you decide.`,
    ...left.map(lineOf),
  ];
  return idle.length === 0 ? lines : [...lines, "", `Means nothing here, ${idle.length}:`, ...idle.map(lineOf)];
}

export function lineOf({ from, what, instead }: LeftOver): string {
  return `  ${placeOf(from)}: ${what}: ${instead}`;
}
