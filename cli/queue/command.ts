/**
 * `postern queue`: what waits, and what a person may do about it. Asks the running server; where none runs, the data
 * folder itself (door.ts). Non-job: delivering.
 */
import { Command, Option } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import { readId, readShortId, shortId } from "../../core/model/id.ts";
import { formatSize } from "../../core/model/units.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal, USAGE } from "../terminal.ts";
import { openQueue, type QueueDoor, type QueueFilter, type QueueRow, type QueueVerb, type Wanted } from "./door.ts";

const STATES = ["ready", "active", "deferred", "held", "corrupt", "delivered", "failed", "expired"];

/** Messages in one list. */
const MOST = 1000;

export interface QueueOptions {
  readonly config?: string;
  readonly json?: true;
  readonly state?: string;
  readonly domain?: string;
  readonly limit?: string;
  readonly reason?: string;
  readonly via?: string;
  readonly mx?: true;
  readonly local?: string;
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
      .option("--domain <domain>", "only recipients of this domain");

  filtered(add("list", "messages in the queue, newest first"))
    .option("--limit <n>", "at most so many messages", "100")
    .action(async (options: QueueOptions) => {
      const limit = limitOf(options);
      finish(await at(options, terminal, (door) => list(door, { ...options, limit }, terminal)));
    });
  add("show", "everything about a message").argument("<id>")
    .action(async (text: string, options: QueueOptions) => {
      const id = idOf(text);
      finish(await at(options, terminal, async (door) => show(door, await wholeId(door, id), options, terminal)));
    });
  add("destinations", "what rests or has mail under way: why mail waits")
    .option("--limit <n>", "at most so many", "100")
    .action(async (options: QueueOptions) => {
      const limit = limitOf(options);
      finish(await at(options, terminal, (door) => destinations(door, { ...options, limit }, terminal)));
    });
  const verb = (name: QueueVerb, description: string, bodyOf?: (options: QueueOptions) => Wanted["body"]) =>
    filtered(add(name, description)).argument("[id...]")
      .action(async (texts: string[], options: QueueOptions) => {
        const ids = texts.map(idOf), body = bodyOf?.(options);
        oneOf(name, ids, options);
        const wanted: Wanted = body === undefined ? { verb: name } : { verb: name, body };
        finish(await at(options, terminal, (door) => change(door, wanted, ids, options, terminal)));
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
  return command;
}

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

export async function at(options: QueueOptions, terminal: Terminal, work: Work): Promise<ExitCode> {
  const file = options.config === undefined ? {} : { file: options.config };
  const config = await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd });
  const door = await openQueue(config);
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}

/** An id, or the end of one as refusals, the log and the site show it. */
export function idOf(text: string): string {
  const id = readId(text) ?? readShortId(text);
  if (id === null) throw new CommandError(`"${text}" is no message id; it has 26 letters and digits, or 8`, USAGE);
  return id;
}

/** The one id in the queue that ends like this; `id` itself where there is none. */
export async function wholeId(door: QueueDoor, id: string): Promise<string> {
  if (readShortId(id) === null) return id;
  const { total, items, corrupt = [] } = await door.list({ limit: MOST });
  const found = [...new Set([...items, ...corrupt].map((each) => each.id))].filter((each) => shortId(each) === id);
  if (found.length > 1) throw new CommandError(`${id} is ${found.join(" and ")}: name one of them`, USAGE);
  if (found.length === 0 && total > items.length) {
    throw new CommandError(`none of the newest ${items.length} messages has the id ${id}: name the whole one`);
  }
  return found[0] ?? id;
}

export function limitOf(options: QueueOptions): number {
  const limit = Number(options.limit);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST) return limit;
  throw new CommandError(`--limit: must be 1 to ${MOST}`, USAGE);
}

export type Listing = Omit<QueueOptions, "limit"> & { readonly limit: number };

export async function list(door: QueueDoor, options: Listing, terminal: Terminal): Promise<ExitCode> {
  const { limit } = options;
  const page = await door.list({ ...filterOf(options), limit });
  if (options.json) {
    terminal.out(JSON.stringify(page, null, 2));
    return DONE;
  }
  for (const row of page.items) {
    terminal.out(`${row.id}  ${row.queuedAt}  ${formatSize(row.size).padStart(9)}  <${plain(row.from)}>`);
    for (const each of row.recipients) terminal.out(`  ${each.state.padEnd(9)} <${plain(each.address)}>${waits(each)}`);
  }
  for (const { id, why } of page.corrupt ?? []) terminal.out(`${id}  corrupt: ${plain(why)}`);
  terminal.out(page.total === 0 ? "The queue is empty." : `${page.items.length} of ${page.total} messages`);
  return DONE;
}

export async function show(door: QueueDoor, id: string, options: QueueOptions, terminal: Terminal): Promise<ExitCode> {
  const row = readShortId(id) === null ? await door.item(id) : null;
  if (row === null) throw new CommandError(`nothing in the queue has the id ${id}`);
  if (options.json) {
    terminal.out(JSON.stringify(row, null, 2));
    return DONE;
  }
  terminal.out(`id       ${row.id}`);
  terminal.out(`from     <${plain(row.from)}>`);
  if (row.subject) terminal.out(`subject  ${plain(row.subject)}`);
  terminal.out(`size     ${formatSize(row.size)}`);
  terminal.out(`queued   ${row.queuedAt}`);
  if (row.ret) terminal.out(`RET      ${plain(row.ret)}`);
  if (row.envid) terminal.out(`ENVID    ${plain(row.envid)}`);
  for (const each of row.recipients) {
    terminal.out(`to       <${plain(each.address)}> ${each.state}${waits(each)}`);
    if (each.notify) terminal.out(`  NOTIFY ${plain(each.notify.join(","))}`);
    if (each.orcpt) terminal.out(`  ORCPT  ${plain(each.orcpt)}`);
    if (each.destination) terminal.out(`  way    ${plain(each.destination)}`);
    if (each.told) terminal.out(`  told   its sender, at ${each.told}`);
    if (each.deadline && each.state !== "held") terminal.out(`  tells  its sender by ${each.deadline}`);
  }
  return DONE;
}

async function destinations(door: QueueDoor, options: Listing, terminal: Terminal): Promise<ExitCode> {
  const found = await door.destinations(options.limit);
  if (options.json) {
    terminal.out(JSON.stringify(found ?? { total: 0, items: [] }, null, 2));
    return DONE;
  }
  for (const { destination, waiting, running, closedUntil, reason } of found?.items ?? []) {
    const rest = closedUntil === null ? "" : `, nothing before ${closedUntil}`,
      why = reason ? `: ${plain(reason)}` : "";
    terminal.out(`${plain(destination)}  ${running} under way, ${waiting} ready${rest}${why}`);
  }
  const { total, items } = found ?? { total: 0, items: [] };
  terminal.out(
    found === null
      ? "No server runs: nothing is on its way."
      : total === 0
      ? "Nothing rests, nothing is under way."
      : `${items.length} of ${total} ${total === 1 ? "destination" : "destinations"}`,
  );
  return DONE;
}

function waits({ attempts, nextAttempt, lastReply }: QueueRow["recipients"][number]): string {
  return `${attempts > 0 ? `, ${attempts} ${attempts === 1 ? "attempt" : "attempts"}` : ""}${
    nextAttempt ? `, next ${nextAttempt}` : ""
  }${lastReply ? `: ${plain(lastReply)}` : ""}`;
}

/** Ids or a filter, not both and not neither: nobody deletes a queue by leaving a word out. */
function oneOf(verb: string, ids: readonly string[], options: QueueOptions): void {
  if (Object.keys(filterOf(options)).length > 0 !== ids.length > 0) return;
  throw new CommandError(`queue ${verb}: name messages by id, or all that match --state or --domain`, USAGE);
}

export async function change(
  door: QueueDoor,
  wanted: Wanted,
  ids: readonly string[],
  options: QueueOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  let changed = 0, code: ExitCode = DONE;
  if (ids.length === 0) changed = await door.change(filterOf(options), wanted) ?? 0;
  const whole: string[] = [];
  for (const id of ids) whole.push(await wholeId(door, id)); // all are known before one is changed
  for (const id of whole) {
    const count = readShortId(id) === null ? await door.change({ id }, wanted) : null;
    if (count === null) {
      terminal.err(`postern: nothing in the queue has the id ${id}`);
      code = NO;
    } else changed += count;
  }
  terminal.out(
    options.json ? JSON.stringify({ changed }) : `${changed} ${changed === 1 ? "recipient" : "recipients"} changed`,
  );
  return code;
}

function filterOf({ state, domain }: Pick<QueueOptions, "state" | "domain">): QueueFilter {
  return { ...(state === undefined ? {} : { state }), ...(domain === undefined ? {} : { domain }) };
}

/** Peers wrote some of this. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
