/**
 * `postern train`: shows messages to what learns (spam_score) and says what they are. Asks the running server; where none
 * runs, the data folder itself (door.ts). Non-job: learning.
 */
import { Command } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import type { Lesson } from "../../core/pipeline/plugin.ts";
import { Progress } from "../screen/progress.ts";
import { plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal } from "../terminal.ts";
import { openTraining, type TrainDoor } from "./door.ts";
import { messagesIn } from "./sources.ts";

interface TrainOptions {
  readonly config?: string;
  readonly json?: true;
}

export function trainCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("train").description("teach the spam filter what is spam and what is not");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--json", "print JSON");

  for (const as of ["spam", "ham"] as const) {
    add(as, as === "spam" ? "these are spam" : "these are good mail")
      .argument("<path...>", "a message, an mbox, a Maildir, a folder of them; - is standard input")
      .action(async (paths: readonly string[], options: TrainOptions) => {
        finish(
          await at(options, terminal, (door) => teach(door, { paths, as, json: options.json === true }, terminal)),
        );
      });
  }
  add("status", "what is known").action(async (options: TrainOptions) => {
    finish(
      await at(options, terminal, async (door) => {
        const says = await door.status();
        if (options.json) terminal.out(JSON.stringify({ says }));
        else for (const line of says) terminal.out(plain(line));
        return DONE;
      }),
    );
  });
  return command;
}

async function at(
  options: TrainOptions,
  terminal: Terminal,
  work: (door: TrainDoor) => Promise<ExitCode>,
): Promise<ExitCode> {
  const file = options.config === undefined ? {} : { file: options.config };
  const door = await openTraining(await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd }));
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}

async function teach(
  door: TrainDoor,
  { paths, as, json }: { readonly paths: readonly string[]; readonly as: Lesson; readonly json: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  let shown = 0, code: ExitCode = DONE, says: readonly string[] = [];
  using progress = new Progress({ what: "messages shown" });
  const passed = (fault: CommandError) => {
    progress.clear();
    terminal.err(`postern: ${plain(fault.message)}`); // the others may be good
    code = NO;
  };
  for (const path of paths) {
    try {
      for await (const { content } of messagesIn(path, terminal, { passed })) {
        says = await door.teach(content, as);
        progress.at(++shown);
      }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      passed(error);
    }
  }
  progress.clear();
  if (json) terminal.out(JSON.stringify({ messages: shown, as, says }));
  else {
    terminal.out(`${shown} message${shown === 1 ? "" : "s"} shown as ${as}`);
    for (const line of says) terminal.out(plain(line));
  }
  return shown === 0 ? NO : code;
}
