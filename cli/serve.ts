/**
 * `postern serve`: configuration, log, server, signals. The first SIGTERM or SIGINT drains, a second one ends at once.
 * Non-job: starting the parts in their order (core/server.ts).
 */
import { Command } from "commander";
import type { Config } from "../core/config/config.ts";
import { loadConfig } from "../core/config/load.ts";
import { databaseOf } from "../core/config/store.ts";
import { handedSockets } from "../core/net/handover.ts";
import { type Log, openLog } from "../core/observe/log.ts";
import { type RunningServer, startServer } from "../core/server.ts";
import { DONE, type ExitCode, NO, type Terminal } from "./terminal.ts";

type Start = typeof startServer;

/**
 * Within so many milliseconds the same signal again is the same request: `deno task` hands on to us what a terminal or
 * systemd has sent to the whole process group already.
 */
const ECHO = 500;

export function serveCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("serve")
    .description("start the server; without a configuration: a dev inbox on this machine")
    .option("-c, --config <file>", "configuration file (default: POSTERN_CONFIG, else ./postern.yaml if it is there)")
    .action(async (options: { config?: string }) => finish(await serve(options.config, terminal, startServer)));
}

/** Runs until the server has ended. */
export async function serve(file: string | undefined, terminal: Terminal, start: Start): Promise<ExitCode> {
  let log: Log | null = null;
  const load = () =>
    loadConfig({
      ...(file === undefined ? {} : { file }),
      env: terminal.env,
      cwd: terminal.cwd,
      trouble: (where, message) =>
        log
          ? log.observe({ type: "trouble", where, message })
          : terminal.err(`${where}: ${message}`.replace(/\p{C}/gu, "?")),
    });
  const config = await load();
  for (const warning of config.warnings) terminal.err(`postern: warning: ${warning}`);
  log = openLog(config.log, terminal.log);
  const unguard = guard(log);
  const signals = onSignals(log, terminal);
  try {
    const server = await start(config, {
      observers: [log.observe],
      sockets: handedSockets(terminal.env, Deno.pid),
      load,
    });
    announce(config, server, log, terminal);
    signals.begin(server);
    await server.done;
    log.logger.info("stopped");
    return DONE;
  } catch (error) {
    const text = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ");
    terminal.err(`postern: ${text}`);
    return NO;
  } finally {
    signals.release();
    await log.close();
    unguard(); // last: up to the exit only promises follow, and no plugin's timer fires between them
  }
}

/**
 * Errors that nobody waits for, such as one thrown in a plugin's timer, would end the process and every session with it
 * (case 77): they are told loudly, and the server goes on. Returns the function that ends this.
 */
function guard(log: Log): () => void {
  const tell = (what: string, error: unknown) => {
    let text = "it cannot be read";
    try {
      text = String(error instanceof Error ? error.stack ?? error.message : error);
    } catch { /* a plugin may throw what throws when it is looked at */ }
    log.observe({ type: "trouble", where: "uncaught", message: `${what}: ${text}` });
  };
  const thrown = (event: ErrorEvent) => {
    event.preventDefault();
    tell("an error that nobody caught", event.error ?? event.message);
  };
  const rejected = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    tell("a rejection that nobody handled", event.reason);
  };
  globalThis.addEventListener("error", thrown);
  globalThis.addEventListener("unhandledrejection", rejected);
  return () => {
    globalThis.removeEventListener("error", thrown);
    globalThis.removeEventListener("unhandledrejection", rejected);
  };
}

/** Where to send and where to look: for a person at once, for a machine in the log's own form. */
function announce(config: Config, server: RunningServer, log: Log, terminal: Terminal): void {
  if (config.log.format === "json") {
    for (const { listener, address } of server.addresses) log.logger.info("listening", { listener, address });
    log.logger.info("ready", { admin: server.admin, data: config.data, devInbox: config.devInbox });
    return;
  }
  for (const [index, { address }] of server.addresses.entries()) {
    terminal.out(`${index === 0 ? "Postern takes mail on  " : "                       "}${address}`);
  }
  if (server.admin !== null) terminal.out(`The site is at         ${server.admin}`);
  const database = databaseOf(config.store);
  if (database !== null) terminal.out(`Mail is kept in        ${database.shown}`);
  terminal.out(`Data is kept in        ${config.data}`);
  if (config.devInbox) terminal.out("Every address is taken into the dev inbox; nothing leaves this machine.");
}

/** What signals ask of a server. */
interface Signals {
  /** It runs: what was asked of it while it started is done now. */
  begin(server: RunningServer): void;
  /** Stops listening to them. */
  release(): void;
}

/**
 * SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration again. A signal that comes while the
 * server starts waits until it runs: whoever sends it sees a server already.
 */
function onSignals(log: Log, terminal: Terminal): Signals {
  let running: RunningServer | null = null, hangup = false;
  let asked: { readonly signal: string; readonly at: number } | null = null;
  const end = (server: RunningServer) => {
    log.logger.info("stopping: new mail is refused, messages under way may finish; a second signal ends at once");
    server.stop().catch((error) => log.logger.error("stopping failed", { error: String(error) }));
  };
  const stop = (signal: string) => () => {
    if (asked !== null) {
      if (signal === asked.signal && performance.now() - asked.at < ECHO) return;
      return terminal.exit(NO); // asked twice: what has no 250 yet is the client's to send again
    }
    asked = { signal, at: performance.now() };
    if (running !== null) end(running);
  };
  const reload = (server: RunningServer) => {
    log.logger.info("SIGHUP: the configuration is read again, certificates and keys with it");
    void server.reload().then(({ faults }) => {
      for (const fault of faults) log.logger.error("nothing was changed", { fault });
    });
  };
  const releases = [
    terminal.onSignal("SIGTERM", stop("SIGTERM")),
    terminal.onSignal("SIGINT", stop("SIGINT")),
    terminal.onSignal("SIGHUP", () => {
      if (running === null) hangup = true;
      else reload(running);
    }),
  ];
  return {
    begin(server) {
      running = server;
      if (asked !== null) end(server);
      else if (hangup) reload(server);
    },
    release: () => releases.forEach((release) => release()),
  };
}
