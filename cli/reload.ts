/**
 * `postern reload`: the running server reads its configuration again. A bad one changes nothing: every fault is told, exit
 * code 1. Non-job: what a reload does (the server).
 */
import { Command } from "commander";
import { loadConfig } from "../core/config/load.ts";
import { ApiError, runningServer } from "./admin_api.ts";
import { plain } from "./screen/text.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal } from "./terminal.ts";

interface ReloadOptions {
  readonly config?: string;
  readonly json?: true;
}

export function reloadCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("reload")
    .description("make the running server read its configuration again; a bad one changes nothing")
    .option("-c, --config <file>", "configuration file of the server")
    .option("--json", "print JSON")
    .action(async (options: ReloadOptions) => finish(await reload(options, terminal)));
}

async function reload({ config: name, json }: ReloadOptions, terminal: Terminal): Promise<ExitCode> {
  const file = name === undefined ? {} : { file: name };
  const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd });
  const api = await runningServer(config);
  if (api === null) throw new CommandError("no server answers: the configuration is read when it starts");
  try {
    const { changed } = await api.call("POST", "/api/v1/reload") as { readonly changed: readonly string[] };
    if (json) terminal.out(JSON.stringify({ changed, faults: [] }));
    else if (changed.length === 0) terminal.out("The configuration is read again; nothing is different.");
    else for (const each of changed) terminal.out(plain(each));
    return DONE;
  } catch (error) {
    if (!(error instanceof ApiError) || error.faults.length === 0) throw error;
    if (json) terminal.out(JSON.stringify({ changed: [], faults: error.faults }));
    else for (const each of error.faults) terminal.err(plain(each));
    terminal.err("postern: the configuration has faults; the server goes on with the one that it has");
    return NO;
  }
}
