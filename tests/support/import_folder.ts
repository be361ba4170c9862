/** A folder of files of another server, what an import makes of it, and whether that is a configuration. */
import type { Draft } from "../../cli/import/draft.ts";
import { placeOf } from "../../cli/import/draft.ts";
import { importHaraka } from "../../cli/import/haraka/import.ts";
import { importPostfix } from "../../cli/import/postfix/import.ts";
import { Sources } from "../../cli/import/sources.ts";
import { writeDraft } from "../../cli/import/written.ts";
import { loadConfig } from "../../core/config/load.ts";
import type { Config } from "../../core/config/config.ts";
import { TempFolder } from "./temp.ts";

export interface Imported {
  readonly draft: Draft;
  readonly config: Config;
  /** postern.yaml and recipients.yaml. */
  readonly yaml: string;
  readonly recipients: string;
  /** `main.cf:3: header_checks = ...`, without what to do instead. */
  readonly left: readonly string[];
}

/** Absolute paths of `files` begin at the folder. @throws {ConfigError} when what is written is no configuration */
export async function imported(
  program: "postfix" | "haraka",
  files: Readonly<Record<string, string>>,
): Promise<Imported> {
  await using folder = await TempFolder.make();
  for (const [name, text] of Object.entries(files)) await folder.file(name, text);
  const sources = new Sources(folder.path, program === "postfix" ? "/etc/postfix" : folder.path, folder.path);
  const draft = await (program === "postfix" ? importPostfix : importHaraka)(sources);
  const place = folder.at("new");
  await writeDraft(draft, place);
  const config = await loadConfig({ file: `${place}/postern.yaml`, env: {}, cwd: place });
  return {
    draft,
    config,
    yaml: await Deno.readTextFile(`${place}/postern.yaml`),
    recipients: await Deno.readTextFile(`${place}/recipients.yaml`).catch(() => ""),
    left: draft.left.map(({ from, what }) => `${placeOf(from)}: ${what}`),
  };
}
