/**
 * The command line: `postern COMMAND`. Exit codes: 0 done, 1 the answer is no or the input is bad, 2 usage.
 * Non-job: what a command does (a file each).
 */
import { basename } from "node:path";
import process from "node:process";
import { Command, CommanderError } from "commander";
import { ConfigError } from "../core/config/issue.ts";
import { howMade } from "../core/packed/contents.ts";
import { serveChild } from "../core/sandbox/process/child.ts";
import { CHILD_WORD } from "../core/sandbox/process/command.ts";
import { isThread, serveOwner } from "../core/threads/acceptor_thread.ts";
import { VERSION } from "../core/version.ts";
import { backupCommand, restoreCommand, verifyCommand } from "./backup/command.ts";
import { banCommand } from "./ban/command.ts";
import { buildCommand } from "./build/command.ts";
import { checkCommand } from "./check/command.ts";
import { complete } from "./completion/complete.ts";
import { completionCommand } from "./completion/command.ts";
import { dkimCommand } from "./dkim.ts";
import { dmarcCommand } from "./dmarc.ts";
import { doctorCommand } from "./doctor/command.ts";
import { eventsCommand } from "./events/command.ts";
import { importCommand } from "./import/command.ts";
import { ledgerCommand } from "./ledger/command.ts";
import { explainCommand } from "./ledger/explain.ts";
import { sessionsCommand } from "./ledger/sessions.ts";
import { pluginCommand } from "./plugin/command.ts";
import { quarantineCommand } from "./quarantine.ts";
import { queueCommand } from "./queue/command.ts";
import { reloadCommand } from "./reload.ts";
import { replayCommand } from "./replay/command.ts";
import { schemaCommand } from "./schema.ts";
import { sendCommand } from "./send/command.ts";
import { NAMES, sendmail, sendmailCommand } from "./sendmail/command.ts";
import { serveCommand } from "./serve.ts";
import { suppressCommand } from "./suppress/command.ts";
import { CommandError, DONE, type ExitCode, NO, processTerminal, type Terminal, USAGE } from "./terminal.ts";
import { topCommand } from "./top/command.ts";
import { trainCommand } from "./train/command.ts";
import { tryCommand } from "./try/command.ts";
import { userCommand } from "./user/command.ts";

/** Commands that succeed by throwing: commander's way to say that help or the version was shown. */
const SHOWN = new Set(["commander.helpDisplayed", "commander.help", "commander.version"]);

/** Runs one command line and answers its exit code. Never throws for what a user can cause. */
export async function run(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = DONE;
  const program = programOf(terminal, (result) => void (code = result));
  try {
    const [first, ...words] = args;
    if (first === "sendmail" && words[0] !== "--help") return await sendmail(words, "sendmail", terminal);
    if (first === "__complete") return await complete(words, program, terminal); // shells ask so
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    return explain(error, terminal);
  }
}

/** All commands. `finish` is told the exit code of the one that ran. */
export function programOf(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const program = new Command("postern")
    .description("An SMTP server whose policy you write yourself")
    .version(versionText());
  const commands = [
    serveCommand,
    checkCommand,
    schemaCommand,
    reloadCommand,
    sendCommand,
    sendmailCommand,
    explainCommand,
    sessionsCommand,
    ledgerCommand,
    topCommand,
    eventsCommand,
    tryCommand,
    replayCommand,
    queueCommand,
    quarantineCommand,
    suppressCommand,
    trainCommand,
    banCommand,
    userCommand,
    dkimCommand,
    dmarcCommand,
    doctorCommand,
    backupCommand,
    verifyCommand,
    restoreCommand,
    buildCommand,
    importCommand,
    pluginCommand,
    completionCommand,
  ];
  for (const make of commands) {
    program.addCommand(make(terminal, finish));
  }
  settle(program, terminal);
  return program;
}

/** Which Postern in which Deno, and where it comes from: what a report of a fault must say. */
function versionText(): string {
  const how = { sources: "from its sources", joined: "joined in one file", compiled: "compiled" }[howMade()];
  return `${VERSION} (Deno ${Deno.version.deno} on ${Deno.build.target}, ${how})`;
}

/** Throw instead of exit, and one line instead of a page on a usage error. */
function settle(command: Command, terminal: Terminal): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => terminal.out(text.trimEnd()),
    writeErr: (text) => terminal.err(text.trimEnd()),
    getOutHelpWidth: () => terminal.screen()?.columns ?? 80,
    getErrHelpWidth: () => terminal.screen()?.columns ?? 80,
    outputError: (text, write) => {
      const what = text.replace(/^error: /, "").replace(/\s*\n\s*/g, " ").trim();
      write(`postern: ${what}; see ${titleOf(command)} --help`);
    },
  });
  for (const each of command.commands) settle(each, terminal);
}

/** `postern queue list`. */
function titleOf(command: Command): string {
  return command.parent ? `${titleOf(command.parent)} ${command.name()}` : command.name();
}

function explain(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError) {
    return SHOWN.has(error.code) && error.exitCode === 0 ? DONE : USAGE;
  }
  if (error instanceof ConfigError) {
    terminal.err(error.message); // a line each, file:line:column first
    return NO;
  }
  if (error instanceof CommandError) {
    terminal.err(`postern: ${error.message}`);
    return error.code;
  }
  terminal.err(`postern: ${oneLine(error)}`);
  return NO;
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s+/g, " ");
}

/** Under the name of a sendmail it is one, and what stands behind it is all a sendmail's. */
export async function runAs(name: string, args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  if (!NAMES.has(name)) return await run(args, terminal);
  try {
    return await sendmail(args, name, terminal);
  } catch (error) {
    return explain(error, terminal);
  }
}

/** The whole program: what it was called with, what it exits with. */
export async function main(): Promise<void> {
  if (isThread()) return serveOwner(); // of a binary, which has no other module for it
  if (Deno.args[0] === CHILD_WORD) await serveChild();
  Deno.exit(await runAs(basename(process.argv0), Deno.args, processTerminal()));
}

if (import.meta.main) await main();
