/**
 * `postern quarantine`: what plugins hold for a person, and what a person says to it. It is the part of the queue that is
 * held, in words of its own (queue/command.ts). Non-job: why mail is held (plugins), training (`postern train`).
 */
import { Command } from "commander";
import { change } from "./queue/change.ts";
import { at, limitOf, type QueueOptions } from "./queue/command.ts";
import type { QueueDoor } from "./queue/door.ts";
import { filterOf } from "./queue/filter.ts";
import { idOf, wholeId } from "./queue/ids.ts";
import { list, show } from "./queue/listing.ts";
import { CommandError, type ExitCode, type Terminal, USAGE } from "./terminal.ts";

export function quarantineCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("quarantine").description("look at what plugins hold, and let it go or remove it");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--json", "print JSON");

  add("list", "what is held and why, newest first")
    .option("--domain <domain>", "only recipients of this domain")
    .option("--limit <n>", "at most so many messages", "100")
    .action(async (options: QueueOptions) => {
      const limit = limitOf(options), filter = filterOf({ ...options, state: "held" });
      finish(await at(options, terminal, (door) => list(door, { filter, limit, json: options.json }, terminal)));
    });
  add("show", "everything about a message").argument("<id>")
    .action(async (text: string, options: QueueOptions) => {
      const id = idOf(text);
      finish(await at(options, terminal, async (door) => show(door, await wholeId(door, id), options, terminal)));
    });
  for (
    const [verb, description] of [
      ["release", "let messages go on to their recipients"],
      ["delete", "remove messages without telling anybody"],
    ] as const
  ) {
    add(verb, description).argument("[id...]")
      .option("--domain <domain>", "all that is held for recipients of this domain")
      .option("--dry-run", "change nothing: print what would be changed")
      .option("-y, --yes", "do not ask before many are changed")
      .action(async (texts: string[], options: QueueOptions) => {
        const ids = texts.map(idOf), { domain } = options;
        if (ids.length > 0 === (domain !== undefined)) {
          throw new CommandError(`quarantine ${verb}: name messages by id, or all of a --domain`, USAGE);
        }
        const filter = ids.length > 0 ? {} : filterOf({ ...options, state: "held" });
        finish(
          await at(options, terminal, async (door) => {
            for (const id of verb === "delete" ? ids : []) await mustBeHeld(door, id);
            return await change(door, { ...options, wanted: { verb }, ids, filter }, terminal);
          }),
        );
      });
  }
  return command;
}

/** Nobody removes mail that is on its way by a slip of the hand. */
async function mustBeHeld(door: QueueDoor, id: string): Promise<void> {
  const row = await door.item(await wholeId(door, id));
  if (row === null || row.recipients.every(({ state }) => state === "held" || FINAL.has(state))) return;
  throw new CommandError(
    `${id} is not in quarantine, or not all of it: postern queue delete ${id} removes it all the same`,
  );
}
const FINAL = new Set(["delivered", "failed", "expired"]);
