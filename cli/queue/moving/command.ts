/**
 * `postern queue export|import`: to empty a host that retires, and from one kind of store to another. Works on the queue
 * itself: an embedded one must have no server meanwhile, one in PostgreSQL may. Non-job: files (export.ts, import.ts).
 */
import { resolve } from "node:path";
import { changeFilter, queueFilter } from "../../../core/admin/queue/change.ts";
import type { Config } from "../../../core/config/config.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { durableFolder } from "../../../core/store/durable_write.ts";
import type { QueueQuery, Store } from "../../../core/store/store.ts";
import { MANIFEST } from "../../backup/manifest.ts";
import { openFolder } from "../../data_folder.ts";
import { Progress } from "../../screen/progress.ts";
import { plural } from "../../screen/text.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal } from "../../terminal.ts";
import type { QueueFilter } from "../door.ts";
import { exportMessage } from "./export.ts";
import { takeFolder } from "./folder.ts";
import { checkFolder, importMessage, setAside } from "./import.ts";

export interface MovingOptions {
  readonly config?: string;
  readonly json?: true;
  readonly remove?: true;
  readonly dryRun?: true;
}
type Work = (store: Store, config: Config) => Promise<ExitCode>;

async function withStore(
  { config: file, make = false }: MovingOptions & { readonly make?: boolean },
  terminal: Terminal,
  work: Work,
): Promise<ExitCode> {
  const config = await loadConfig({ ...file !== undefined && { file }, env: terminal.env, cwd: terminal.cwd });
  const store = await openFolder(config, { make });
  try {
    return await work(store, config);
  } finally {
    await store.close();
  }
}

/** Messages with a recipient that matches, all of each. */
export async function exportQueue(
  folder: string,
  { filter, ...options }: MovingOptions & { readonly filter: QueueFilter },
  terminal: Terminal,
): Promise<ExitCode> {
  return await withStore(options, terminal, async (store, { store: kind }) => {
    const target = resolve(terminal.cwd, folder), { remove = false } = options;
    await durableFolder(target);
    using _mine = await takeFolder(target);
    const query = Object.keys(filter).length > 0 ? changeFilter({ ...filter }) : queueFilter({});
    const ids = await idsOf(store, query), left: { id: string; why: string }[] = [];
    let exported = 0;
    using progress = new Progress({ total: ids.length, what: "messages" });
    await atOnce(ids, async (id) => {
      const done = await exportMessage(store, target, { id, remove, alone: kind === "sqlite" });
      if (done.done) exported++;
      else left.push({ id, why: done.left });
      progress.at(exported + left.length);
    });
    progress.clear();
    for (const { id, why } of left) terminal.err(`postern: message ${id} ${why}`);
    const where = remove ? "moved" : "copied";
    if (options.json) terminal.out(JSON.stringify({ folder: target, exported, removed: remove, left }));
    else {terminal.out(
        `${plural(exported, "message")} ${where} to ${target}${left.length > 0 ? `, ${left.length} left` : ""}`,
      );}
    return left.length > 0 ? NO : DONE;
  });
}

/** So many share what a disk's sync costs. The first that fails ends it, once those under way have ended. */
const AT_ONCE = 8;

async function atOnce(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
  const rest = ids.values();
  const worker = async () => {
    for (const id of rest) await work(id);
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
}

/** All of them are known before the first is taken; what cannot be read is among them. */
async function idsOf(store: Store, query: QueueQuery): Promise<readonly string[]> {
  const ids = new Set<string>();
  for (let offset = 0;;) {
    const { items, corrupt, total } = await store.queue({ ...query, order: "oldest", offset, limit: 1000 });
    for (const { message } of items) ids.add(message.id);
    for (const { id } of Object.keys(query).length === 0 ? corrupt : []) ids.add(id);
    offset += 1000;
    if (offset >= total) return [...ids];
  }
}

export async function importQueue(folder: string, options: MovingOptions, terminal: Terminal): Promise<ExitCode> {
  const source = resolve(terminal.cwd, folder);
  if (!await Deno.stat(source).then((info) => info.isDirectory, () => false)) {
    throw new CommandError(`${source} is no folder`);
  }
  using _mine = await takeFolder(source, { look: options.dryRun ?? false });
  using progress = new Progress({ what: "messages" });
  const { good, bad, other } = await checkFolder(source, (done) => progress.at(done));
  progress.clear();
  if (good.length + bad.length === 0 && other.length > 0) {
    const backup = other.includes(MANIFEST) ? ": it is a backup, and postern restore brings it back" : "";
    throw new CommandError(`${source} has no message of an export${backup}`);
  }
  if (other.length > 0) terminal.err(`postern: ${other[0]}${more(other)} left there: no export writes such a name`);
  if (options.dryRun) return told(source, { taken: [], there: [], good, bad }, { options, terminal });
  return await withStore({ ...options, make: true }, terminal, async (store) => {
    const taken: string[] = [], there: string[] = [], worse = [...bad];
    for (const { name } of bad) await setAside(source, name);
    await atOnce(good, async (id) => {
      const answer = await importMessage(store, source, id);
      if (answer === "taken") taken.push(id);
      else if (answer === "there") there.push(id);
      else {
        worse.push({ name: `${id}.json`, why: answer.bad });
        await setAside(source, `${id}.json`);
      }
      progress.at(taken.length + there.length);
    });
    progress.clear();
    return told(source, { taken, there, good: [], bad: worse }, { options, terminal });
  });
}

function more({ length }: readonly string[]): string {
  return length === 1 ? " is" : ` and ${plural(length - 1, "other file")} are`;
}

interface Outcome {
  readonly taken: readonly string[];
  readonly there: readonly string[];
  /** Of a dry run. */
  readonly good: readonly string[];
  readonly bad: readonly { readonly name: string; readonly why: string }[];
}

function told(
  folder: string,
  { taken, there, good, bad }: Outcome,
  { options: { json, dryRun }, terminal }: { readonly options: MovingOptions; readonly terminal: Terminal },
): ExitCode {
  const aside = dryRun ? "" : `, set aside in ${folder}/bad`;
  for (const { name, why } of bad) terminal.err(`postern: ${name} ${why}${aside}`);
  for (const id of there) terminal.err(`postern: message ${id} is in the queue already and stays as it is there`);
  if (json) {
    terminal.out(
      JSON.stringify(dryRun ? { folder, good: good.length, bad } : { folder, imported: taken.length, there, bad }),
    );
  } else {terminal.out(
      dryRun ? `${plural(good.length, "message")} can be imported` : `${plural(taken.length, "message")} imported`,
    );}
  return bad.length > 0 ? NO : DONE;
}
