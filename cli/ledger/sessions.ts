/**
 * `postern sessions`: messages and sessions by verdict, address, plugin and time, the newest first; with `--follow` as they
 * come. Non-job: finding them (core/ledger), one of them whole (explain.ts).
 */
import { Command, Option } from "commander";
import type { Entry } from "../../core/ledger/story.ts";
import { VERDICTS } from "../../core/ledger/story.ts";
import { shortId } from "../../core/model/id.ts";
import { parseDuration } from "../../core/model/units.ts";
import { painter, toneOf } from "../screen/colour.ts";
import { type Column, table } from "../screen/table.ts";
import { plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, type Terminal, USAGE } from "../terminal.ts";
import type { LedgerDoor, SessionQuery } from "./door.ts";
import { at } from "./explain.ts";

export interface SessionsOptions {
  readonly config?: string;
  readonly json?: true;
  readonly verdict?: string;
  readonly ip?: string;
  readonly from?: string;
  readonly to?: string;
  readonly plugin?: string;
  readonly observed?: true;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly follow?: true;
}

const MOST = 500;
/** With `--follow`: milliseconds between two looks, and how far back each of them goes: a session is told at its end. */
const OFTEN = 1000, BACK = 3_600_000;

export function sessionsCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("sessions")
    .description("find messages and sessions in the ledger, newest first")
    .argument("[words...]", "words in addresses, names, ids, replies and reasons")
    .option("-c, --config <file>", "configuration file of the server")
    .option("--json", "print JSON (with --follow an entry a line)")
    .addOption(new Option("--verdict <verdict>", "what came of it").choices(VERDICTS))
    .option("--ip <address>", "a client's address, or its /8, /16 or /24 (IPv6: /32, /48, /64)")
    .option("--from <address>", "a sender, or @domain")
    .option("--to <address>", "a recipient, or @domain")
    .option("--plugin <name>", "who decided")
    .option("--observed", "only what a plugin in mode observe would have done something about")
    .option("--since <time>", "began then or later: 2h ago, or 2026-11-22T09:00Z")
    .option("--until <time>", "began before: the same")
    .option("--limit <n>", "at most so many", "50")
    .option("-f, --follow", "go on with what comes, until Ctrl-C")
    .action(async (words: readonly string[], options: SessionsOptions) => {
      const query = queryOf(words, options, Date.now());
      const work = options.follow ? follow : list;
      finish(await at(options, terminal, (door) => work(door, { query, options, terminal })));
    });
}

/** As the API takes it. */
export function queryOf(words: readonly string[], options: SessionsOptions, now: number): SessionQuery {
  const { verdict, ip, from, to, plugin, observed, since, until, limit } = options;
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MOST) {
    throw new CommandError(`--limit: must be 1 to ${MOST}`, USAGE);
  }
  const given = {
    q: words.join(" "),
    verdict,
    ip,
    from,
    to,
    plugin,
    observed: observed && "1",
    since: since && momentOf("--since", since, now),
    until: until && momentOf("--until", until, now),
    limit,
  };
  return Object.fromEntries(Object.entries(given).flatMap(([name, value]) => value ? [[name, value]] : []));
}

/** `2h`: so long ago; else a time. */
function momentOf(option: string, text: string, now: number): string {
  const ago = parseDuration(text.replace(/ ago$/, "")), time = ago === null ? Date.parse(text.slice(0, 40)) : now - ago;
  if (/^\d+$/.test(text) || Number.isNaN(time) || time < 0) {
    throw new CommandError(`${option}: is how long ago, such as 2h or 7d, or a time such as 2026-11-22T09:00Z`, USAGE);
  }
  return new Date(time).toISOString();
}

interface Work {
  readonly query: SessionQuery;
  readonly options: SessionsOptions;
  readonly terminal: Terminal;
}

async function list(door: LedgerDoor, { query, options, terminal }: Work): Promise<ExitCode> {
  const page = await door.search(query);
  if (options.json) {
    terminal.out(JSON.stringify(page, null, 2));
    return DONE;
  }
  const width = terminal.screen()?.columns ?? null, { entries, more } = page;
  if (entries.length === 0) terminal.out("Nothing matches.");
  else for (const line of table(entries, COLUMNS, { width, paint: painter(terminal) })) terminal.out(line);
  if (more) terminal.out(`${entries.length} shown, and there are older ones: --limit, --until`);
  return DONE;
}

/** Until it is told to stop. */
async function follow(door: LedgerDoor, { query, options, terminal }: Work): Promise<ExitCode> {
  if (!door.runs) throw new CommandError("no server answers: nothing comes that could be followed");
  const stop = Promise.withResolvers<void>();
  const offs = (["SIGINT", "SIGTERM"] as const).map((signal) => terminal.onSignal(signal, () => stop.resolve()));
  let stopped = false;
  void stop.promise.then(() => stopped = true);
  const paint = painter(terminal), seen = new Map<string, string>();
  try {
    for (let first = true; !stopped; first = false) {
      const since = new Date(Date.now() - BACK).toISOString();
      const look = first ? query : { ...query, since, limit: String(MOST) };
      const { entries } = await door.search(look);
      const fresh = entries.filter((each) => seen.get(each.id) !== each.verdict).toReversed();
      for (const each of entries) seen.set(each.id, each.verdict);
      if (first) { // what was there before and not shown is not new
        const before = await door.search({ ...query, since, limit: String(MOST) });
        for (const each of before.entries) if (!seen.has(each.id)) seen.set(each.id, each.verdict);
      }
      for (const each of fresh) terminal.out(options.json ? JSON.stringify(each) : lineOf(each, paint));
      for (const id of seen.keys()) if (seen.size > 4 * MOST) seen.delete(id); // the oldest were put first
      await pause(OFTEN, stop.promise);
    }
  } finally {
    for (const off of offs) off();
  }
  return DONE;
}

/** So long, or until it is told to stop. */
async function pause(milliseconds: number, stopped: Promise<void>): Promise<void> {
  let timer;
  const over = new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds));
  await Promise.race([stopped, over]);
  clearTimeout(timer);
}

const COLUMNS: readonly Column<Entry>[] = [
  { title: "when", text: ({ at }) => whenOf(at), tone: () => "dim" },
  { title: "id", text: ({ id }) => shortId(id) },
  { title: "verdict", text: ({ verdict }) => verdict, tone: ({ verdict }) => toneOf(verdict) },
  { title: "client", text: ({ ip }) => ip || "-" },
  { title: "from", text: ({ sender }) => sender === null ? "-" : `<${sender}>`, cut: true },
  { title: "to", text: recipientsOf, cut: true },
  { title: "by", text: ({ plugin }) => plugin ?? "-" },
  { title: "why", text: whyOf, cut: true },
];

/** A line by itself: what comes next is not known, so nothing can be aligned to it. */
function lineOf(entry: Entry, paint: ReturnType<typeof painter>): string {
  const { at, id, verdict, ip, sender, plugin } = entry, why = whyOf(entry);
  const from = sender === null ? "" : ` <${plain(sender)}> > ${plain(recipientsOf(entry))}`;
  const by = plugin === null ? "" : ` ${plain(plugin)}`;
  return `${paint("dim", whenOf(at))}  ${shortId(id)}  ${paint(toneOf(verdict), verdict.padEnd(9))}  ${
    plain(ip) || "-"
  }${from}${by}${why && `: ${plain(why)}`}`;
}

/** In UTC, as the log. */
function whenOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace("T", " ");
}
function recipientsOf({ recipients, recipientCount }: Entry): string {
  const [first] = recipients;
  if (first === undefined) return "-";
  return recipientCount > 1 ? `<${first}> and ${recipientCount - 1} more` : `<${first}>`;
}
function whyOf({ reason, reply, observed, verdict }: Entry): string {
  const watched = observed === null ? "" : `a plugin in mode observe would have ${observed} it`;
  return reason || watched || (verdict === "accepted" || verdict === "held" ? "" : reply ?? "");
}
