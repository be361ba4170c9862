/** `postern ledger`: how much it holds, and an address that it forgets. Non-job: asking it (explain.ts, sessions.ts). */
import { Command } from "commander";
import { parseAddress } from "../../core/model/address.ts";
import { formatSize } from "../../core/model/units.ts";
import { Progress } from "../screen/progress.ts";
import { plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { at } from "./explain.ts";

interface LedgerOptions {
  readonly config?: string;
  readonly json?: true;
  readonly yes?: true;
}

export function ledgerCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("ledger").description("how much the ledger holds; make it forget an address");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--json", "print JSON");

  add("size", "how many entries it has, since when, and how much room they take")
    .action(async (options: LedgerOptions) => {
      finish(
        await at(options, terminal, async (door) => {
          const size = await door.size();
          if (options.json) {
            terminal.out(JSON.stringify(size));
            return DONE;
          }
          terminal.out(`entries  ${size.entries}`);
          terminal.out(`since    ${size.oldest ?? "there is none"}`);
          terminal.out(`size     ${formatSize(size.octets)}`);
          if (size.dropped) terminal.out(`lost     ${size.dropped} since the start: the disk was full, or too slow`);
          return DONE;
        }),
      );
    });
  add("forget", "take an address out of every entry: <forgotten> stands in its place").argument("<address>")
    .option("-y, --yes", "do not ask")
    .action(async (text: string, options: LedgerOptions) => {
      if (parseAddress(text) === null) {
        throw new CommandError(`"${plain(text)}" is no address; one is like someone@example.org`, USAGE);
      }
      finish(
        await at(options, terminal, async (door) => {
          const sure = options.yes ? null : await terminal.ask(`Forget ${plain(text)} for good? [y/N] `);
          if (sure !== null && !/^y(?:es)?$/i.test(sure)) {
            terminal.err("postern: nothing was changed");
            return NO;
          }
          using progress = new Progress({ what: "forgetting" });
          const forgotten = await progress.during(door.forget(text));
          const entries = forgotten === 1 ? "1 entry" : `${forgotten} entries`;
          terminal.out(options.json ? JSON.stringify({ forgotten }) : `${entries} named ${plain(text)}, and no more`);
          return DONE;
        }),
      );
    });
  return command;
}
