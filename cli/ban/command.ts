/**
 * `postern ban`: clients that the plugin ban turns away. Asks the running server; where none runs, the data folder itself
 * (door.ts). Non-job: what becomes of their connections.
 */
import { Command } from "commander";
import { LONGEST_BAN, subjectIn } from "../../core/config/bans.ts";
import { loadConfig } from "../../core/config/load.ts";
import { parseDuration } from "../../core/model/units.ts";
import { painter } from "../screen/colour.ts";
import { type Column, table } from "../screen/table.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { type BanDoor, type BanRow, openBans } from "./door.ts";

/** Bans in one list. */
const MOST = 1000;

interface BanOptions {
  readonly config?: string;
  readonly json?: true;
  readonly limit?: string;
  readonly for?: string;
  readonly reason?: string;
}

export function banCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("ban").description("clients that are turned away at the door");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--json", "print JSON");

  add("list", "who is banned")
    .option("--limit <n>", "at most so many", "100")
    .action(async (options: BanOptions) => {
      const limit = /^\d{1,4}$/.test(options.limit!) ? Number(options.limit) : 0;
      if (limit < 1 || limit > MOST) throw new CommandError(`--limit: must be 1 to ${MOST}`, USAGE);
      finish(await at(options, terminal, (door) => list(door, { limit, json: options.json === true }, terminal)));
    });
  add("add", "turn a client away: an address, or a network of /24 (IPv6: /56 or /64)").argument("<client>")
    .option("--for <duration>", "for so long, such as 12h or 30d (default: without an end)")
    .option("--reason <text>", "why, for those who read the list", "by hand")
    .action(async (text: string, options: BanOptions) => {
      const subject = subjectOf(text), seconds = secondsOf(options.for), { reason = "" } = options;
      finish(
        await at(options, terminal, async (door) => {
          const row = await door.add(subject, { reason, seconds });
          terminal.out(options.json ? JSON.stringify(row) : lineOf(row));
          return DONE;
        }),
      );
    });
  add("remove", "serve a client again").argument("<client>")
    .action(async (text: string, options: BanOptions) => {
      const subject = subjectOf(text);
      finish(
        await at(options, terminal, async (door) => {
          const removed = await door.remove(subject);
          if (options.json) terminal.out(JSON.stringify({ removed: removed ? 1 : 0 }));
          else if (removed) terminal.out(`${subject} is served again`);
          else terminal.err(`postern: ${subject} is not banned`);
          return removed ? DONE : NO;
        }),
      );
    });
  return command;
}

async function at(
  options: BanOptions,
  terminal: Terminal,
  work: (door: BanDoor) => Promise<ExitCode>,
): Promise<ExitCode> {
  const file = options.config === undefined ? {} : { file: options.config };
  const door = await openBans(await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd }));
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}

async function list(
  door: BanDoor,
  { limit, json }: { readonly limit: number; readonly json: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  const items = await door.list({ limit });
  if (json) terminal.out(JSON.stringify({ items }, null, 2));
  else if (items.length === 0) terminal.out("Nobody is banned.");
  else for (const line of linesOf(items, terminal)) terminal.out(line);
  return DONE;
}

/** A table on a terminal; elsewhere the lines that scripts know. */
function linesOf(items: readonly BanRow[], terminal: Terminal): readonly string[] {
  const screen = terminal.screen();
  if (screen === null) return items.map(lineOf);
  return table(items, COLUMNS, { width: screen.columns, paint: painter(terminal) });
}
const COLUMNS: readonly Column<BanRow>[] = [
  { title: "client", text: ({ subject }) => subject },
  { title: "until", text: ({ until }) => until },
  { title: "why", text: ({ reason }) => reason, cut: true },
];

function lineOf({ subject, reason, until }: BanRow): string {
  return `${subject} until ${until}${reason && `: ${reason.replace(/\p{C}/gu, "?")}`}`;
}

function subjectOf(text: string): string {
  const subject = subjectIn(text);
  if (subject !== null) return subject;
  const name = text.slice(0, 100).replace(/\p{C}/gu, "?");
  throw new CommandError(`"${name}" is no address, nor a network of /24 (IPv6: /56 or /64)`, USAGE);
}

function secondsOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const seconds = Math.ceil((parseDuration(text) ?? 0) / 1000);
  if (seconds >= 1 && seconds <= LONGEST_BAN) return seconds;
  throw new CommandError("--for: must be a duration such as 12h or 30d, up to 3650d", USAGE);
}
