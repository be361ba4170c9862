/**
 * `postern import`: another server's configuration as one of ours, with a list of what could not be taken over.
 * Exit codes: 0 all of it was taken over, 1 some was not, or nothing was written. Non-job: reading it (postfix/, haraka/).
 */
import { resolve } from "node:path";
import { Command } from "commander";
import { CommandError, DONE, type ExitCode, NO, type Terminal } from "../terminal.ts";
import type { Draft } from "./draft.ts";
import { importHaraka } from "./haraka/import.ts";
import { HOME, importPostfix } from "./postfix/import.ts";
import { SourceError, Sources } from "./sources.ts";
import { faultsOf, lineOf, writeDraft } from "./written.ts";

interface Options {
  readonly output: string;
  readonly root: string;
}

/** Lines of the list that a terminal gets; all of them are in import.txt. */
const SHOWN = 200;

export function importCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("import").description("make a configuration of another server's");
  const add = (
    name: string,
    description: string,
    read: (sources: Sources) => Promise<Draft>,
    home: (folder: string) => string,
  ) =>
    command.command(name).description(description).argument("<folder>")
      .requiredOption("-o, --output <folder>", "where postern.yaml and its files are written; nothing is written over")
      .option("--root <folder>", "what stands for / where the configuration is a copy from another machine", "/")
      .action(async (folder: string, options: Options) => {
        const from = resolve(terminal.cwd, folder);
        const sources = new Sources(from, home(from), resolve(terminal.cwd, options.root));
        finish(await run(terminal, { read: () => read(sources), output: resolve(terminal.cwd, options.output) }));
      });
  add("postfix", "a folder with main.cf, such as /etc/postfix", importPostfix, () => HOME);
  add("haraka", "a folder of Haraka, with config/ in it", importHaraka, (folder) => folder);
  return command;
}

async function run(
  terminal: Terminal,
  { read, output }: { read: () => Promise<Draft>; output: string },
): Promise<ExitCode> {
  let draft: Draft;
  try {
    draft = await read();
  } catch (error) {
    if (error instanceof SourceError) throw new CommandError(error.message);
    throw error;
  }
  const files = await writeDraft(draft, output);
  terminal.out(`Written to ${output}: ${files.join(", ")}`);
  const faults = await faultsOf(output);
  for (const fault of faults) terminal.err(fault);
  if (faults.length > 0) throw new CommandError("what was written is no configuration yet: mend these lines");
  if (draft.left.length === 0) {
    terminal.out("Everything was taken over.");
    return DONE;
  }
  terminal.out(`Not taken over, ${draft.left.length} (import.txt has them): each is closed until you decide.`);
  for (const each of draft.left.slice(0, SHOWN)) terminal.out(lineOf(each));
  if (draft.left.length > SHOWN) terminal.out(`  and ${draft.left.length - SHOWN} more in import.txt`);
  return NO;
}
