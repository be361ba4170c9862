/**
 * `postern backup`, `verify`, `restore`: mail and what belongs to it, kept elsewhere and brought back. Non-job: how
 * (make.ts, verify.ts, restore.ts), moving a queue to another host (cli/queue/moving).
 */
import { Command } from "commander";
import { resolve } from "node:path";
import type { Config } from "../../core/config/config.ts";
import { loadConfig } from "../../core/config/load.ts";
import { formatSize } from "../../core/model/units.ts";
import { Progress } from "../screen/progress.ts";
import { plural } from "../screen/text.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal } from "../terminal.ts";
import type { Examined } from "./examine.ts";
import type { Verified } from "./verify.ts";

interface Options {
  readonly config?: string;
  readonly json?: true;
  readonly data?: string;
  readonly previous?: string;
  readonly copy?: true;
  readonly held?: true;
}
type Finish = (code: ExitCode) => void;

const POSTGRES =
  "the queue is in PostgreSQL and not in this backup: save it with pg_dump or a base backup of the server";

export function backupCommand(terminal: Terminal, finish: Finish): Command {
  return common(new Command("backup"), "save the data folder while the server runs")
    .argument("<folder>", "of the backup: not there yet, or empty")
    .option("--previous <folder>", "the backup before: bodies that it has are taken from it as links")
    .option("--copy", "copy bodies even where links would do")
    .action(async (folder: string, options: Options) => finish(await backup(folder, options, terminal)));
}

export function verifyCommand(terminal: Terminal, finish: Finish): Command {
  return common(new Command("verify"), "look whether a backup is whole, or the data folder")
    .argument("[folder]", "a backup or a data folder; default: the data folder of the configuration")
    .action(async (folder: string | undefined, options: Options) => finish(await verify(folder, options, terminal)));
}

export function restoreCommand(terminal: Terminal, finish: Finish): Command {
  return common(new Command("restore"), "bring a backup back into an empty data folder")
    .argument("<folder>", "the backup")
    .option("--data <folder>", "the data folder; default: that of the configuration")
    .option("--held", "hold what is queued until a person releases it: some of it may have been delivered since")
    .action(async (folder: string, options: Options) => finish(await restore(folder, options, terminal)));
}

function common(command: Command, description: string): Command {
  return command.description(description)
    .option("-c, --config <file>", "configuration file of the server")
    .option("--json", "print JSON");
}

async function configOf({ config }: Options, terminal: Terminal): Promise<Config> {
  const file = config === undefined ? {} : { file: config };
  return await loadConfig({ ...file, env: terminal.env, cwd: terminal.cwd });
}

async function backup(folder: string, options: Options, terminal: Terminal): Promise<ExitCode> {
  const { data, store, limits } = await configOf(options, terminal), began = performance.now();
  if (store === "memory") throw new CommandError("the store is in memory: there is nothing to back up");
  const kind = store === "sqlite" ? "sqlite" : "postgres", file = `${data}/postern.db`;
  const there = await Deno.stat(kind === "sqlite" ? file : data).then(() => true, () => false);
  if (!there) {
    throw new CommandError(`${data} holds no queue: start the server, or name its configuration with --config`);
  }
  const { makeBackup } = await import("./make.ts"); // these bring the database along
  using progress = new Progress({ what: "files" });
  const target = resolve(terminal.cwd, folder), { previous } = options;
  const made = await makeBackup(target, {
    data,
    store: kind,
    ...previous !== undefined && { previous: resolve(terminal.cwd, previous) },
    copy: options.copy ?? false,
    messageSize: limits.messageSize,
    progress: (done) => progress.at(done),
  });
  progress.clear();
  const seconds = Math.round(performance.now() - began) / 1000;
  for (const id of made.damaged) {
    terminal.err(`postern: the body of message ${id} is missing in ${data}; see postern verify`);
  }
  if (made.foreign.length > 0) {
    const [first] = made.foreign, count = made.foreign.length;
    const others = count > 1 ? ` and ${count - 1} more` : "";
    terminal.err(`postern: left out, no message of the maildrop or not to be read: ${JSON.stringify(first)}${others}`);
  }
  if (kind === "postgres") terminal.err(`postern: ${POSTGRES}`);
  if (options.json) terminal.out(JSON.stringify({ folder: target, store: kind, ...made, seconds }));
  else {
    const links = made.linked > 0 ? `, ${made.linked} of them links` : "";
    terminal.out(`${target}: ${plural(made.files, "file")}, ${formatSize(made.octets)}${links}, in ${seconds} s`);
  }
  return made.damaged.length > 0 ? NO : DONE;
}

async function verify(folder: string | undefined, options: Options, terminal: Terminal): Promise<ExitCode> {
  const { isBackup, verifyBackup, verifyFolder } = await import("./verify.ts");
  const path = folder === undefined ? null : resolve(terminal.cwd, folder);
  let verified: Verified, what = path;
  using progress = new Progress({ what: "files" });
  if (path !== null && isBackup(path)) verified = await verifyBackup(path, (done) => progress.at(done));
  else {
    const config = path === null ? await configOf(options, terminal) : null;
    what = path ?? config!.data;
    if (!await Deno.stat(what).then((info) => info.isDirectory, () => false)) {
      throw new CommandError(`${what} is no folder`);
    }
    const wanted = config === null || config.store === "sqlite";
    verified = verifyFolder(what, { wanted, tell: (done) => progress.at(done) });
  }
  progress.clear();
  return told(what!, verified, options, terminal);
}

function told(what: string, { manifest, queue, faults }: Verified, { json }: Options, terminal: Terminal): ExitCode {
  const { head, tail } = manifest ?? {};
  if (json) {
    const backup = head &&
      { began: head.began, postern: head.postern, store: head.store, files: tail!.files, octets: tail!.octets };
    terminal.out(
      JSON.stringify({ folder: what, whole: faults.count === 0, backup: backup ?? null, queue, faults: faults.told }),
    );
  } else {
    for (const each of faults.told) terminal.err(`postern: ${each}`);
    if (faults.count > faults.told.length) terminal.err(`postern: and ${faults.count - faults.told.length} more`);
    if (faults.count === 0) {
      const from = head
        ? `backup of ${head.began}, ${plural(tail!.files, "file")}, ${formatSize(tail!.octets)}`
        : "whole";
      terminal.out(`${what}: ${from}`);
      terminal.out(queue === null ? head?.store === "postgres" ? POSTGRES : "no queue in it" : holds(queue));
    }
  }
  return faults.count === 0 ? DONE : NO;
}

/** In one line. */
function holds({ messages, states, inbox, octets, aside }: Examined): string {
  const parts = Object.entries(states).map(([state, count]) => `${count} ${state}`);
  if (inbox > 0) parts.push(`${inbox} in the dev inbox`);
  if (aside > 0) parts.push(`${aside} set aside as corrupt`);
  return `${plural(messages, "message")}, ${formatSize(octets)}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`;
}

async function restore(folder: string, options: Options, terminal: Terminal): Promise<ExitCode> {
  const path = resolve(terminal.cwd, folder), { json, held = false } = options;
  const data = options.data === undefined
    ? (await configOf(options, terminal)).data
    : resolve(terminal.cwd, options.data);
  const [{ verifyBackup }, { restoreBackup }] = await Promise.all([import("./verify.ts"), import("./restore.ts")]);
  using progress = new Progress({ what: "files" });
  const verified = await verifyBackup(path, (done) => progress.at(done)), { manifest, queue, faults } = verified;
  if (manifest === null || faults.count > 0) {
    progress.clear();
    for (const each of faults.told) terminal.err(`postern: ${each}`);
    terminal.err("postern: nothing was restored");
    return NO;
  }
  if (held && queue === null) throw new CommandError("--held: there is no queue in this backup");
  const changed = await restoreBackup(path, manifest, { data, held, progress: (done) => progress.at(done) });
  progress.clear();
  if (manifest.head.store === "postgres") terminal.err(`postern: ${POSTGRES}`);
  if (json) terminal.out(JSON.stringify({ data, files: manifest.tail.files, held: changed, queue }));
  else {
    terminal.out(`${data}: ${plural(manifest.tail.files, "file")}; ${queue === null ? "no queue" : holds(queue)}`);
    if (held) terminal.out(`${plural(changed, "recipient")} held: postern queue release lets them go`);
  }
  return DONE;
}
