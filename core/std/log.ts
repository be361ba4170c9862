/**
 * The functions of @std/log that are used here, over LogTape, so that a network with JSR changes one line of the import
 * map. Same names, same meaning: `setup` once, `getLogger` anywhere, handlers take records.
 */
import { configureSync, getLogger as logtape, type Logger as Inner, type LogLevel } from "@logtape/logtape";

export const LogLevels = { NOTSET: 0, DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40, CRITICAL: 50 } as const;
export type LevelName = keyof typeof LogLevels;

export interface LogRecord {
  readonly msg: string;
  readonly args: readonly unknown[];
  readonly datetime: Date;
  readonly levelName: LevelName;
  readonly loggerName: string;
}
export interface LogHandler {
  handle(record: LogRecord): void;
}
export interface LogConfig {
  readonly handlers: Readonly<Record<string, LogHandler>>;
  readonly loggers: Readonly<
    Record<string, { readonly level: LevelName; readonly handlers: readonly string[] }>
  >;
}

const TO_INNER: Readonly<Record<LevelName, LogLevel>> = {
  NOTSET: "trace",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  ERROR: "error",
  CRITICAL: "fatal",
};
const FROM_INNER: Readonly<Record<LogLevel, LevelName>> = {
  trace: "NOTSET",
  debug: "DEBUG",
  info: "INFO",
  warning: "WARN",
  error: "ERROR",
  fatal: "CRITICAL",
};

const NONE: Readonly<Record<string, unknown>> = {};

/** A named logger. What is below its level costs a comparison. */
export class Logger {
  readonly #inner: Inner;
  constructor(readonly loggerName: string) {
    this.#inner = logtape([loggerName]);
  }
  debug(msg: string, ...args: readonly unknown[]): void {
    this.#log("debug", msg, args);
  }
  info(msg: string, ...args: readonly unknown[]): void {
    this.#log("info", msg, args);
  }
  warn(msg: string, ...args: readonly unknown[]): void {
    this.#log("warning", msg, args);
  }
  error(msg: string, ...args: readonly unknown[]): void {
    this.#log("error", msg, args);
  }
  critical(msg: string, ...args: readonly unknown[]): void {
    this.#log("fatal", msg, args);
  }
  #log(level: LogLevel, msg: string, args: readonly unknown[]): void {
    if (!this.#inner.isEnabledFor(level)) return;
    // The arguments travel in the message: of properties LogTape makes a snapshot for each record.
    this.#inner.emit({ level, message: [msg, ...args], rawMessage: msg, timestamp: Date.now(), properties: NONE });
  }
}

const loggers = new Map<string, Logger>();

/** The logger of that name; `setup` says where its records go. */
export function getLogger(name = "default"): Logger {
  let logger = loggers.get(name);
  if (logger === undefined) loggers.set(name, logger = new Logger(name));
  return logger;
}

/** Replaces what an earlier call set up. */
export function setup(config: LogConfig): void {
  const sinks = Object.fromEntries(
    Object.entries(config.handlers).map(([name, handler]) => [
      name,
      (
        record: {
          level: LogLevel;
          category: readonly string[];
          rawMessage: unknown;
          timestamp: number;
          message: readonly unknown[];
        },
      ) =>
        handler.handle({
          msg: String(record.rawMessage),
          args: record.message.slice(1),
          datetime: new Date(record.timestamp),
          levelName: FROM_INNER[record.level],
          loggerName: record.category.join("."),
        }),
    ]),
  );
  configureSync({
    reset: true,
    sinks,
    loggers: [
      ...Object.entries(config.loggers).map(([name, { level, handlers }]) => ({
        category: [name],
        lowestLevel: TO_INNER[level],
        sinks: [...handlers],
      })),
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" as const },
    ],
  });
}
