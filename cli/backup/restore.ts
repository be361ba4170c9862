/**
 * Puts a backup into an empty data folder: looked at first, then copied beside its place, made durable, and moved in with the
 * queue's database as the last, so that no server finds half a queue. The folder's lock is held meanwhile. A restore that was
 * killed is begun anew by the next one. Non-job: looking at it (verify.ts), what is printed (command.ts).
 */
import { durableFolder, syncFolder } from "../../core/store/durable_write.ts";
import { lockFolder } from "../../core/store/lock.ts";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { CommandError } from "../terminal.ts";
import { copied, there } from "./files.ts";
import { DATA, type Manifest, type ManifestFile } from "./manifest.ts";

export interface RestoreOptions {
  /** The data folder; made when it is not there. */
  readonly data: string;
  /** What would be tried waits for a person. */
  readonly held?: boolean;
  /** Files so far. */
  progress?(done: number): void;
}

const PARTIAL = "restore.partial", QUEUE = "postern.db";
/** What stands in a data folder while we work there. */
const NOT_OURS = new Set([PARTIAL, "lock"]);

/** Returns how many recipients are held now. @throws {CommandError}, {StoreError} a server runs there. */
export async function restoreBackup(
  folder: string,
  { head, files }: Manifest,
  { data, held = false, progress = () => {} }: RestoreOptions,
): Promise<number> {
  const odd = files.find(({ path }) => NOT_OURS.has(path.split("/")[0]!));
  if (odd !== undefined) throw new CommandError(`no backup has ${odd.path}; nothing was restored`);
  await durableFolder(data);
  const lock = await lockFolder(data);
  let begun = false;
  try {
    const partial = `${data}/${PARTIAL}`,
      tops = files.filter(({ path }) => !path.includes("/")).map(({ path }) => path);
    await clear(data, tops);
    begun = true;
    await Deno.mkdir(partial, { mode: 0o700 });
    const give = ownership(data, head.owner), folders: ManifestFile[] = [];
    let done = 0;
    for (const file of files) {
      const to = `${partial}/${file.path}`;
      if (file.sha256 === null) {
        await Deno.mkdir(to, { mode: 0o700 });
        folders.push(file);
        continue;
      }
      const { sha256 } = await copied(`${folder}/${DATA}/${file.path}`, to, file.mode & 0o777);
      if (sha256 !== file.sha256) {
        throw new CommandError(`${file.path} changed while it was read; nothing was restored`);
      }
      give(to, file);
      progress(++done);
    }
    const changed = held ? await hold(partial, head.began) : 0;
    if (held) { for (const name of ["postern.db", "spool"]) give(`${partial}/${name}`, {}); }
    for (const file of folders.reverse()) { // what is in it first: a folder may be closed to us then
      const to = `${partial}/${file.path}`;
      await syncFolder(to);
      give(to, file);
      await Deno.chmod(to, file.mode);
    }
    await syncFolder(partial);
    await syncFolder(data); // its name tells the next one that what lies beside it is ours: it must be there before
    begun = false; // from now on the next one goes on
    for (const name of tops.toSorted((a, b) => Number(a === QUEUE) - Number(b === QUEUE))) {
      await Deno.rename(`${partial}/${name}`, `${data}/${name}`);
      await syncFolder(data); // of the last too: it must be there before the folder goes that it came from
    }
    await Deno.remove(partial, { recursive: true });
    give(`${data}/lock`, {});
    await syncFolder(data);
    return changed;
  } finally {
    if (begun) await Deno.remove(`${data}/${PARTIAL}`, { recursive: true }).catch(() => {}); // its space is wanted
    lock.release();
  }
}

/** Only an empty folder, or what a killed restore left in one. */
async function clear(data: string, tops: readonly string[]): Promise<void> {
  const names = [...Deno.readDirSync(data)].map(({ name }) => name).filter((name) => name !== "lock");
  if (names.length === 0) return;
  const begun = names.includes(PARTIAL) && !names.includes(QUEUE);
  const foreign = names.find((name) => name !== PARTIAL && !(begun && tops.includes(name)));
  if (foreign !== undefined) {
    throw new CommandError(`${data} is not empty (${foreign}): restore into a folder of its own`);
  }
  for (const name of names) if (name !== PARTIAL) await Deno.remove(`${data}/${name}`, { recursive: true });
  await syncFolder(data); // and until then
  await Deno.remove(`${data}/${PARTIAL}`, { recursive: true });
}

/** Root gives what the server owned to whom the folder belongs, and the rest to whom it belonged. */
function ownership(data: string, owner: number): (path: string, file: Pick<ManifestFile, "uid">) => void {
  const { uid, gid } = Deno.statSync(data);
  if (Deno.uid() !== 0 || uid === null) return () => {};
  return (path, file) => {
    const own = file.uid === undefined || file.uid === owner;
    if (there(() => Deno.lstatSync(path)) !== null) Deno.chownSync(path, own ? uid : file.uid!, own ? gid : null);
  };
}

/** In the queue that is about to be moved in. */
async function hold(folder: string, began: string): Promise<number> {
  const store = await openSqliteStore({ folder });
  try {
    return await store.change({}, { do: "hold", reason: `restored from the backup of ${began}` });
  } finally {
    await store.close();
    await Deno.remove(`${folder}/lock`).catch(() => {});
  }
}
