/**
 * `postern suppress`: the addresses to which nothing is sent. Asks the running server; where none runs, the data folder
 * itself (door.ts). Non-job: what becomes of mail to them.
 */
import { Command } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import { LONGEST_SUPPRESSION } from "../../core/delivery/suppression.ts";
import { type Address, parseAddress } from "../../core/model/address.ts";
import { painter } from "../screen/colour.ts";
import { type Column, table } from "../screen/table.ts";
import { plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { openSuppressions, type SuppressDoor, type SuppressRow } from "./door.ts";

/** Addresses in one list. */
const MOST = 1000;
const MOST_DAYS = LONGEST_SUPPRESSION / 86_400;

interface SuppressOptions {
  readonly config?: string;
  readonly json?: true;
  readonly prefix?: string;
  readonly limit?: string;
  readonly days?: string;
  readonly reason?: string;
}

export function suppressCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("suppress").description("addresses to which nothing is sent");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--json", "print JSON");

  add("list", "the addresses in order")
    .option("--prefix <text>", "only addresses that begin like this")
    .option("--limit <n>", "at most so many", "100")
    .action(async (options: SuppressOptions) => {
      const limit = numberOf("limit", options.limit!, MOST);
      finish(await at(options, terminal, (door) => list(door, { ...options, limit }, terminal)));
    });
  add("add", "send nothing to an address any more").argument("<address>")
    .option("--days <n>", "for so many days (default: without an end)")
    .option("--reason <text>", "why, for those who read the list", "added by hand")
    .action(async (text: string, options: SuppressOptions) => {
      const address = addressOf(text), { reason = "" } = options;
      const days = options.days === undefined ? null : numberOf("days", options.days, MOST_DAYS);
      finish(
        await at(options, terminal, async (door) => {
          const row = await door.add(address, { reason, days });
          terminal.out(options.json ? JSON.stringify(row) : lineOf(row));
          return DONE;
        }),
      );
    });
  add("remove", "send to an address again").argument("<address>")
    .action(async (text: string, options: SuppressOptions) => {
      const address = addressOf(text);
      finish(
        await at(options, terminal, async (door) => {
          const removed = await door.remove(address);
          if (options.json) terminal.out(JSON.stringify({ removed: removed ? 1 : 0 }));
          else if (removed) terminal.out(`${plain(text)} is off the list`);
          else terminal.err(`postern: ${plain(text)} is not on the list`);
          return removed ? DONE : NO;
        }),
      );
    });
  return command;
}

async function at(
  options: SuppressOptions,
  terminal: Terminal,
  work: (door: SuppressDoor) => Promise<ExitCode>,
): Promise<ExitCode> {
  const file = options.config === undefined ? {} : { file: options.config };
  const door = await openSuppressions(await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd }));
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}

type Listing = Omit<SuppressOptions, "limit"> & { readonly limit: number };

async function list(door: SuppressDoor, options: Listing, terminal: Terminal): Promise<ExitCode> {
  const { limit, prefix } = options;
  const items = await door.list({ limit, ...prefix === undefined ? {} : { prefix } });
  if (options.json) terminal.out(JSON.stringify({ items }, null, 2));
  else if (items.length === 0) terminal.out("Nobody is on the list.");
  else for (const line of linesOf(items, terminal)) terminal.out(line);
  return DONE;
}

/** A table on a terminal; elsewhere the lines that scripts know. */
function linesOf(items: readonly SuppressRow[], terminal: Terminal): readonly string[] {
  const screen = terminal.screen();
  if (screen === null) return items.map(lineOf);
  return table(items, COLUMNS, { width: screen.columns, paint: painter(terminal) });
}
const COLUMNS: readonly Column<SuppressRow>[] = [
  { title: "address", text: ({ address }) => `<${address}>` },
  { title: "until", text: ({ until }) => until ?? "without an end" },
  { title: "since", text: ({ since }) => since, tone: () => "dim" },
  { title: "why", text: ({ reason }) => reason, cut: true },
];

function lineOf({ address, reason, until }: SuppressRow): string {
  return plain(`<${address}> ${until === null ? "without an end" : `until ${until}`}${reason && `: ${reason}`}`);
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address !== null && address.domain !== "") return address;
  throw new CommandError(`"${plain(text)}" is no address; one is like someone@example.org`, USAGE);
}

function numberOf(name: string, text: string, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= most) return value;
  throw new CommandError(`--${name}: must be 1 to ${most}`, USAGE);
}
