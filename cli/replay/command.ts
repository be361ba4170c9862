/**
 * `postern replay FILE...`: sessions that were recorded, against a configuration: which verdicts change. Nothing is stored,
 * counted or sent. Exit code 1 when something changed, or a file is no recording. Non-job: recording (core/replay/recorder.ts).
 */
import { resolve } from "node:path";
import { Command } from "commander";
import type { Config } from "../../core/config/config.ts";
import { loadConfig } from "../../core/config/load.ts";
import { systemResolver } from "../../core/dns/system_resolver.ts";
import { StageError } from "../../core/replay/stage.ts";
import { dryStage } from "../dry_stage.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { filesOf, readFile } from "./files.ts";
import { Progress } from "../screen/progress.ts";
import { jsonOf, linesOf, plain, type ReplayJson } from "./report.ts";

interface ReplayOptions {
  readonly config?: string;
  readonly folder?: string;
  readonly dns: string;
  readonly json?: true;
}

export function replayCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("replay")
    .description("play recorded sessions against a configuration, and print which verdicts change")
    .argument("[file...]", "recordings, or folders of them")
    .option("-c, --config <file>", "configuration file (default: POSTERN_CONFIG, else ./postern.yaml if it is there)")
    .option("--folder <folder>", "all recordings in this folder (default without a file: the data folder's)")
    .option(
      "--dns <how>",
      "what a recording does not know of name service: none (a failure) or live (asked now)",
      "none",
    )
    .option("--json", "print JSON")
    .action(async (files: readonly string[], options: ReplayOptions) => finish(await replay(files, options, terminal)));
}

async function replay(named: readonly string[], options: ReplayOptions, terminal: Terminal): Promise<ExitCode> {
  if (options.dns !== "none" && options.dns !== "live") throw new CommandError("--dns: is none or live", USAGE);
  const file = options.config === undefined ? {} : { file: options.config };
  const trouble = (where: string, message: string) => terminal.err(plain(`postern: ${where}: ${message}`));
  const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd, trouble });
  const places = placesOf(named, options, config);
  const none = places.length === 0 || options.folder === undefined && named.length === 0 &&
      await Deno.stat(resolve(terminal.cwd, places[0]!)).then(() => false, () => true); // nothing was ever recorded
  const files = none ? [] : await filesOf(places, terminal.cwd);
  if (files.length === 0) throw new CommandError("there is no recording: `recordings` in the configuration makes some");
  const dns = options.dns === "live" ? systemResolver(config.dns ?? {}) : null;
  const stage = dryStage(config, { dns, scanners: false });
  const all: ReplayJson[] = [];
  let bad = 0;
  using progress = new Progress({ total: files.length, what: "recordings" });
  for (const [index, name] of files.entries()) {
    progress.at(index);
    try {
      const recording = await readFile(name, terminal.cwd);
      const json = jsonOf(name, recording, await stage.replay(recording));
      all.push(json);
      if (!options.json) {
        const lines = linesOf(json);
        if (lines.length > 0) progress.clear();
        for (const line of lines) terminal.out(line);
      }
    } catch (error) {
      if (!(error instanceof CommandError || error instanceof StageError)) throw error;
      bad++;
      progress.clear();
      const where = error instanceof StageError ? `${name}: ` : "";
      terminal.err(plain(`postern: ${where}${error.message}`)); // the others may be good
    }
  }
  progress.clear();
  const changed = all.filter(({ changes }) => changes.length > 0).length;
  const unsure = all.filter((each) => each.changes.length === 0 && each.unsure.length > 0).length;
  if (options.json) terminal.out(JSON.stringify({ sessions: all, changed, unsure, unread: bad }, null, 2));
  else terminal.out(summary({ sessions: all.length, changed, unsure, bad }));
  return changed > 0 || bad > 0 ? NO : DONE;
}

function placesOf(named: readonly string[], { folder }: ReplayOptions, { data }: Config): string[] {
  const places = folder === undefined ? [...named] : [...named, folder];
  return places.length > 0 ? places : [`${data}/recordings`];
}

function summary(
  counts: { readonly sessions: number; readonly changed: number; readonly unsure: number; readonly bad: number },
) {
  const { sessions, changed, unsure, bad } = counts;
  const more = [
    unsure > 0 ? `${unsure} cannot be compared whole` : "",
    bad > 0 ? `${bad} could not be played` : "",
  ].filter((each) => each !== "");
  return [`${sessions} ${sessions === 1 ? "session" : "sessions"}, ${changed} changed`, ...more].join(", ");
}
