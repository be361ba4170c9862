/**
 * `postern events`: what happens on the running server, as it happens, a line each. Where the connection breaks it is made
 * anew, and what was missed is told. Non-job: what happened before (sessions), records (the ledger).
 */
import { Command } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import { type AdminApi, ApiError, runningServer } from "../admin_api.ts";
import { painter, toneOf } from "../screen/colour.ts";
import { plain } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, type Terminal, USAGE } from "../terminal.ts";
import { eventsIn, type ServerEvent } from "./stream.ts";

interface EventsOptions {
  readonly config?: string;
  readonly json?: true;
  readonly types: string;
  readonly count?: string;
}
/** Milliseconds between two attempts, and how many are made: a server that starts anew is back by then. */
const AGAIN = 1000, ATTEMPTS = 30;

export function eventsCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("events")
    .description("print what happens on the running server, until Ctrl-C")
    .option("-c, --config <file>", "configuration file of the server")
    .option("--json", "print JSON, an event a line")
    .option(
      "--types <names>",
      "which, with commas between them, or * for all",
      "accepted,refused,held,deferred,bounced",
    )
    .option("--count <n>", "end after so many")
    .action(async (options: EventsOptions) => finish(await events(options, terminal)));
}

async function events(options: EventsOptions, terminal: Terminal): Promise<ExitCode> {
  const count = options.count === undefined ? Infinity : Number(options.count);
  if (!(count >= 1) || count !== Infinity && !Number.isInteger(count)) {
    throw new CommandError("--count: must be a whole number from 1 on", USAGE);
  }
  const file = options.config === undefined ? {} : { file: options.config };
  const api = await runningServer(await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd }));
  if (api === null) throw new CommandError("no server answers: nothing happens");
  const stop = new AbortController();
  const offs = (["SIGINT", "SIGTERM"] as const).map((signal) => terminal.onSignal(signal, () => stop.abort()));
  try {
    let left = count;
    for await (const event of following(api, { types: options.types, signal: stop.signal })) {
      terminal.out(options.json ? jsonOf(event) : lineOf(event, terminal));
      if (--left <= 0) break;
    }
    return DONE;
  } finally {
    stop.abort();
    for (const off of offs) off();
  }
}

/** Events until `signal`; made anew when the connection ends. */
async function* following(
  api: AdminApi,
  { types, signal }: { readonly types: string; readonly signal: AbortSignal },
): AsyncGenerator<ServerEvent> {
  let after = "", failures = 0;
  while (!signal.aborted) {
    try {
      const response = await api.open(`/api/v1/events?${new URLSearchParams({ types, after })}`, signal);
      failures = 0;
      for await (const event of eventsIn(response.body!)) {
        after = event.id ?? after;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status !== 503) throw error;
      if (++failures >= ATTEMPTS) throw new CommandError(`${api.base} does not answer any more`);
    }
    await pause(AGAIN, signal);
  }
}
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

function dataOf({ data }: ServerEvent): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? { ...value } : { value };
  } catch {
    return { data };
  }
}
function jsonOf(event: ServerEvent): string {
  return JSON.stringify({ type: event.type, ...dataOf(event) });
}
/** `12:04:31  refused   ip=192.0.2.7 from=a@example.net ...`, UTC. */
function lineOf(event: ServerEvent, terminal: Terminal): string {
  const paint = painter(terminal),
    words = Object.entries(dataOf(event)).flatMap(([name, value]) => {
      if (value === null || value === undefined || value === "") return [];
      const text = Array.isArray(value) ? value.map(wordOf).join(",") : wordOf(value);
      return [`${paint("dim", `${plain(name)}=`)}${/[\s"]/.test(text) ? JSON.stringify(text) : text}`];
    });
  const time = new Date().toISOString().slice(11, 19);
  return `${paint("dim", time)}  ${paint(toneOf(event.type), plain(event.type).padEnd(9))} ${words.join(" ")}`;
}
function wordOf(value: unknown): string {
  return plain(typeof value === "object" ? JSON.stringify(value) : String(value));
}
