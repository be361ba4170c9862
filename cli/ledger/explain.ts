/**
 * `postern explain ID`: who decided what about a message or a session, with reasons and milliseconds. Non-job: the story's
 * words (core/ledger/telling.ts).
 */
import { Command } from "commander";
import { storyId } from "../../core/admin/api/sessions.ts";
import { loadConfig } from "../../core/config/load.ts";
import { tellStory } from "../../core/ledger/telling.ts";
import { isColoured } from "../screen/colour.ts";
import { plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, type Terminal, USAGE } from "../terminal.ts";
import { type LedgerDoor, openLedgerDoor } from "./door.ts";

interface ExplainOptions {
  readonly config?: string;
  readonly json?: true;
}

export function explainCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("explain")
    .description("who decided what about a message or a session, and why")
    .argument("<id>", "of a message or a session, or the eight characters behind (ref")
    .option("-c, --config <file>", "configuration file of the server")
    .option("--json", "print JSON")
    .action(async (text: string, options: ExplainOptions) => {
      const id = idIn(text);
      finish(
        await at(options, terminal, async (door) => {
          const story = await door.explain(id);
          if (story === null) {
            throw new CommandError(`no message and no session has the id ${id}; it may have been too long ago`);
          }
          if (options.json) terminal.out(JSON.stringify(story, null, 2));
          else terminal.out(tellStory(story, { colour: isColoured(terminal) }).trimEnd());
          return DONE;
        }),
      );
    });
}

/** As people copy it: with the words around it. */
function idIn(text: string): string {
  const id = storyId(text.slice(0, 60).trim().replace(/^\(?(?:ref:? )?/i, "").replace(/\)$/, ""));
  if (id !== null) return id;
  throw new CommandError(`"${plain(text.slice(0, 60))}" is no id; one has 26 letters and digits, or 8`, USAGE);
}

export async function at(
  options: { readonly config?: string },
  terminal: Terminal,
  work: (door: LedgerDoor) => Promise<ExitCode>,
): Promise<ExitCode> {
  const file = options.config === undefined ? {} : { file: options.config };
  const door = await openLedgerDoor(await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd }));
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}
