/**
 * The log: an observer of events, a line each, and what else is said through @std/log, to one buffered output. Text for
 * people, JSON lines for machines. Non-job: words (wording.ts), safety of values (escape.ts), gathering lines (line_writer.ts).
 */
import { getLogger, type LevelName, type Logger, type LogRecord, setup } from "@std/log";
import { cut, printable, printableJson } from "./escape.ts";
import type { Event, Observer } from "./events.ts";
import { LineWriter, type Output } from "./line_writer.ts";
import { type EventLevel, fieldsOf, levelOf, textOf } from "./wording.ts";

export interface LogOptions {
  /** The least that is written. */
  readonly level: "debug" | "info" | "warning" | "error";
  readonly format: "text" | "json";
}
/** The name of the server's logger: `getLogger("postern")`. */
export const LOGGER = "postern";

const LEVELS = { debug: "DEBUG", info: "INFO", warning: "WARN", error: "ERROR" } as const;
const RANKS: Readonly<Record<EventLevel, number>> = { debug: 0, info: 1, warning: 2, error: 3 };
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
  const least = RANKS[options.level], eventLine = options.format === "json" ? jsonEvent : textEvent;
  const observe = (event: Event): void => {
    const level = levelOf(event);
    // Past the logger, whose way for a record costs four times what the line does
    if (RANKS[level] >= least) writer.line(eventLine(event, level));
  };
  return { observe, logger, close: () => writer.close() };
}

function textEvent(event: Event, level: EventLevel): string {
  return `${textHead(new Date(), level)}${textOf(event)}`;
}

function jsonEvent(event: Event, level: EventLevel): string {
  return printableJson({ time: new Date().toISOString(), level, ...fieldsOf(event) });
}

function textHead(time: Date, level: string): string {
  return `${time.toISOString()} ${level.padEnd(7)} `;
}

/** Whatever a record holds, it is one line. */
function textLine(record: LogRecord): string {
  const told = record.args[0];
  let line = `${textHead(record.datetime, WORDS[record.levelName])}-------- ${phrase(record.msg)}`;
  for (const [name, value] of facts(told)) {
    line += ` ${printable(name, 64)}=${printable(typeof value === "string" ? value : printableJson(value) ?? "")}`;
  }
  return line;
}

function jsonLine(record: LogRecord): string {
  const told = record.args[0];
  const head = { time: record.datetime.toISOString(), level: WORDS[record.levelName] };
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
