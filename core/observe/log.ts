/**
 * The log: an observer of events, a line each, through @std/log to one buffered output. Text for people, JSON lines for
 * machines. Non-job: words (wording.ts), safety of values (escape.ts), gathering lines (line_writer.ts).
 */
import { getLogger, type LevelName, type Logger, type LogRecord, setup } from "@std/log";
import { cut, printable, printableJson } from "./escape.ts";
import type { Decision, Event, Observer, Refused } from "./events.ts";
import { LineWriter, type Output } from "./line_writer.ts";
import { fieldsOf, levelOf, textOf } from "./wording.ts";

export interface LogOptions {
  /** The least that is written. */
  readonly level: "debug" | "info" | "warning" | "error";
  readonly format: "text" | "json";
}
/** The name of the server's logger: `getLogger("postern")`. */
export const LOGGER = "postern";

const LEVELS = { debug: "DEBUG", info: "INFO", warning: "WARN", error: "ERROR" } as const;
const WORDS: Readonly<Record<LevelName, string>> = {
  NOTSET: "trace",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  ERROR: "error",
  CRITICAL: "fatal",
};
const MISSING = "lines are missing here: the reader of the log did not keep up";
/** Names of properties whose values are nobody's business. */
const SECRET = /pass(?:word|wd)?$|secret|token|authorization|credential/i;

/** More sessions than there are at a time: the last refusal of each is remembered. */
const SESSIONS = 20_000;

/** What travels through the logger with an event. */
class Told {
  constructor(readonly event: Event, readonly by: Decision | undefined) {}
}

export interface Log {
  /** Subscribe it to the bus. */
  readonly observe: Observer;
  /** For words that are no event: `log.logger.info("listening", { address })`. */
  readonly logger: Logger;
  /** Writes what is waiting. */
  close(): Promise<void>;
}

/** Sets the logger up to write to `output`. There is one log in a process; a second call replaces it. */
export function openLog(options: LogOptions, output: Output): Log {
  const format = options.format === "json" ? jsonLine : textLine;
  const note = (dropped: number): string =>
    format({ msg: MISSING, args: [{ lines: dropped }], datetime: new Date(), levelName: "ERROR", loggerName: LOGGER });
  const writer = new LineWriter(output, { note });
  setup({
    handlers: { output: { handle: (record: LogRecord) => writer.line(format(record)) } },
    loggers: { [LOGGER]: { level: LEVELS[options.level], handlers: ["output"] } },
  });
  const logger = getLogger(LOGGER);
  return { observe: logObserver(logger), logger, close: () => writer.close() };
}

/** Tells each event to the logger at the level it is worth. */
export function logObserver(logger: Logger): Observer {
  const refusals = new Refusals();
  return (event) => {
    const by = refusals.hear(event);
    switch (levelOf(event)) {
      case "debug":
        return logger.debug(event.type, new Told(event, by));
      case "info":
        return logger.info(event.type, new Told(event, by));
      case "error":
        return logger.error(event.type, new Told(event, by));
    }
  };
}

/** Whatever a record holds, it is one line. */
function textLine(record: LogRecord): string {
  const head = `${record.datetime.toISOString()} ${WORDS[record.levelName].padEnd(7)} `;
  const told = record.args[0];
  if (told instanceof Told) return head + textOf(told.event, told.by);
  let line = `${head}-------- ${phrase(record.msg)}`;
  for (const [name, value] of facts(told)) {
    line += ` ${printable(name, 64)}=${printable(typeof value === "string" ? value : printableJson(value) ?? "")}`;
  }
  return line;
}

function jsonLine(record: LogRecord): string {
  const told = record.args[0];
  const head = { time: record.datetime.toISOString(), level: WORDS[record.levelName] };
  if (told instanceof Told) return printableJson({ ...head, ...fieldsOf(told.event, told.by) });
  const rest = facts(told).map(([name, value]) => [name, typeof value === "string" ? cut(value, 1024) : value]);
  return printableJson({ ...head, event: "note", message: cut(record.msg, 1024), ...Object.fromEntries(rest) });
}

/** Our own words are not quoted; what is unsafe in them is still escaped. */
function phrase(text: string): string {
  const quoted = printable(text, 1024);
  return quoted.startsWith('"') ? quoted.slice(1, -1) : quoted;
}

function facts(value: unknown): [string, unknown][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).map(([name, each]) => [name, SECRET.test(name) ? "(hidden)" : each]);
}

/**
 * Which plugin is behind a refusal. The reply does not say; the decision with its words came before it, perhaps some
 * commands ago where refusals are delayed.
 */
class Refusals {
  readonly #last = new Map<string, Decision>();

  hear(event: Event): Decision | undefined {
    switch (event.type) {
      case "decision":
        if (event.verdict !== "next" && event.verdict !== "accept" && !event.observed) this.#keep(event);
        return undefined;
      case "session-closed":
        this.#last.delete(event.session);
        return undefined;
      case "refused":
        return this.#behind(event);
      default:
        return undefined;
    }
  }

  #keep(decision: Decision): void {
    this.#last.delete(decision.session);
    this.#last.set(decision.session, decision);
    // A plugin may still decide about a session that has closed: nothing would ever take that one away
    if (this.#last.size > SESSIONS) this.#last.delete(this.#last.keys().next().value!);
  }

  #behind({ session, reply }: Refused): Decision | undefined {
    const decision = this.#last.get(session);
    if (decision === undefined) return undefined;
    if (decision.verdict === "error") return reply.status === "4.3.0" ? decision : undefined;
    const words = reply.options.reason ?? reply.text;
    return words.startsWith(decision.reason) ? decision : undefined; // a refusal's text may end with its reference
  }
}
