/**
 * `postern queue`: what waits, and what a person may do about it. Asks the running server; where none runs, the data
 * folder itself (door.ts). Non-job: what is printed (listing.ts), changes (change.ts), delivering.
 */
import { Command, Option } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import { CommandError, type ExitCode, type Terminal, USAGE } from "../terminal.ts";
import { change } from "./change.ts";
import { openQueue, type QueueDoor, type QueueVerb, type Wanted } from "./door.ts";
import { filterOf, type FilterOptions } from "./filter.ts";
import { idOf, MOST, wholeId } from "./ids.ts";
import { destinations, list, show } from "./listing.ts";

const STATES = ["ready", "active", "deferred", "held", "corrupt", "delivered", "failed", "expired"];

export interface QueueOptions extends FilterOptions {
  readonly config?: string;
  readonly json?: true;
  readonly limit?: string;
  readonly reason?: string;
  readonly via?: string;
  readonly mx?: true;
  readonly local?: string;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly remove?: true;
}
export type Work = (door: QueueDoor) => Promise<ExitCode>;

export function queueCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const command = new Command("queue").description("look at the queue and act on it");
  const add = (name: string, description: string) =>
    command.command(name).description(description)
      .option("-c, --config <file>", "configuration file of the server")
      .option("--json", "print JSON");
  const filtered = (each: Command) =>
    each.addOption(new Option("--state <state>", "only recipients in this state").choices(STATES))
      .option("--domain <domain>", "only recipients of this domain")
      .option("--from <address>", "only what this sender sent: an address, @domain, or <>")
      .option("--to <address>", "only what is for this recipient: an address or @domain")
      .option("--older <duration>", "only what came longer ago than this: 30m, 12h, 2d");

  filtered(add("list", "messages in the queue, newest first"))
    .option("--limit <n>", "at most so many messages", "100")
    .action(async (options: QueueOptions) => {
      const limit = limitOf(options), filter = filterOf(options);
      finish(await at(options, terminal, (door) => list(door, { filter, limit, json: options.json }, terminal)));
    });
  add("show", "everything about a message").argument("<id>", "of a message, whole or its last eight characters")
    .action(async (text: string, options: QueueOptions) => {
      const id = idOf(text);
      finish(await at(options, terminal, async (door) => show(door, await wholeId(door, id), options, terminal)));
    });
  add("destinations", "what rests or has mail under way: why mail waits")
    .option("--limit <n>", "at most so many", "100")
    .action(async (options: QueueOptions) => {
      const limit = limitOf(options);
      finish(await at(options, terminal, (door) => destinations(door, { limit, json: options.json }, terminal)));
    });
  const verb = (name: QueueVerb, description: string, bodyOf?: (options: QueueOptions) => Wanted["body"]) =>
    filtered(add(name, description)).argument("[id...]", "of messages, whole or their last eight characters")
      .option("--dry-run", "change nothing: print what would be changed")
      .option("-y, --yes", "do not ask before many are changed")
      .action(async (texts: string[], options: QueueOptions) => {
        const ids = texts.map(idOf), body = bodyOf?.(options), filter = filterOf(options);
        oneOf(name, ids, filter);
        const wanted: Wanted = body === undefined ? { verb: name } : { verb: name, body };
        finish(await at(options, terminal, (door) => change(door, { wanted, ids, filter, ...options }, terminal)));
      });
  verb("retry", "try again now, whatever rests");
  verb("hold", "keep until it is released");
  verb("release", "let held messages go on");
  verb("delete", "remove without telling anybody");
  verb("bounce", "tell the senders that it failed", ({ reason }) => reason === undefined ? {} : { reason })
    .option("--reason <text>", "what the senders are told; default: returned by the postmaster");
  verb("route", "send another way, now", routeOf)
    .option("--via <nexthop>", "through a next hop of the configuration")
    .option("--mx", "as the configuration says: its routes, else the hosts of the domain")
    .option("--local <plugin>", "to a plugin of the configuration that stores mail");
  filtered(add("export", "messages into files, to take them to another host")).argument("<folder>", "for the files")
    .option("--remove", "take each out of the queue once its files are on disk")
    .action(async (folder: string, options: QueueOptions) => {
      const filter = filterOf(options), { exportQueue } = await moving();
      finish(await exportQueue(folder, { ...options, filter }, terminal));
    });
  add("import", "messages from files of an export").argument("<folder>", "of the files")
    .option("--dry-run", "take nothing: look at the files")
    .action(async (folder: string, options: QueueOptions) => {
      const { importQueue } = await moving();
      finish(await importQueue(folder, options, terminal));
    });
  return command;
}

/** It brings the database along: loaded only when it is needed. */
const moving = () => import("./moving/command.ts");

/** The one way that is named. */
function routeOf({ via, mx, local }: QueueOptions): Readonly<Record<string, unknown>> {
  const ways = [
    ...via === undefined ? [] : [{ to: "remote", via }],
    ...mx ? [{ to: "remote" }] : [],
    ...local === undefined ? [] : [{ to: "local", plugin: local }],
  ];
  if (ways.length === 1) return ways[0]!;
  throw new CommandError("queue route: say where to, by one of --via NEXTHOP, --mx, --local PLUGIN", USAGE);
}

export async function at(options: { readonly config?: string }, terminal: Terminal, work: Work): Promise<ExitCode> {
  const file = options.config === undefined ? {} : { file: options.config };
  const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd });
  const door = await openQueue(config);
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}

export function limitOf(options: { readonly limit?: string }): number {
  const limit = Number(options.limit);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST) return limit;
  throw new CommandError(`--limit: must be 1 to ${MOST}`, USAGE);
}

/** Ids or a filter, not both and not neither: nobody deletes a queue by leaving a word out. */
function oneOf(verb: string, ids: readonly string[], filter: object): void {
  if (Object.keys(filter).length > 0 !== ids.length > 0) return;
  throw new CommandError(
    `queue ${verb}: name messages by id, or all that match --state, --domain, --from, --to, --older`,
    USAGE,
  );
}
