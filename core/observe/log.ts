/**
 * The log: an observer of events, a line each, through @std/log to one buffered output. Text for people, JSON lines for
 * machines. Non-job: words (wording.ts), safety of values (escape.ts), gathering lines (line_writer.ts).
 */
import { getLogger, type LevelName, type Logger, type LogRecord, setup } from "@std/log";
import { cut, printable, printableJson } from "./escape.ts";
import type { Event, Observer } from "./events.ts";
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

/** What travels through the logger with an event. */
class Told {
  constructor(readonly event: Event) {}
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
  return (event) => {
    switch (levelOf(event)) {
      case "debug":
        return logger.debug(event.type, new Told(event));
      case "info":
        return logger.info(event.type, new Told(event));
      case "warning":
        return logger.warn(event.type, new Told(event));
      case "error":
        return logger.error(event.type, new Told(event));
    }
  };
}

/** Whatever a record holds, it is one line. */
function textLine(record: LogRecord): string {
  const head = `${record.datetime.toISOString()} ${WORDS[record.levelName].padEnd(7)} `;
  const told = record.args[0];
  if (told instanceof Told) return head + textOf(told.event);
  let line = `${head}-------- ${phrase(record.msg)}`;
  for (const [name, value] of facts(told)) {
    line += ` ${printable(name, 64)}=${printable(typeof value === "string" ? value : printableJson(value) ?? "")}`;
  }
  return line;
}

function jsonLine(record: LogRecord): string {
  const told = record.args[0];
  const head = { time: record.datetime.toISOString(), level: WORDS[record.levelName] };
  if (told instanceof Told) return printableJson({ ...head, ...fieldsOf(told.event) });
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
