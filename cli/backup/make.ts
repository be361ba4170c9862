/**
 * A backup of a data folder while the server runs and takes mail: the queue's database as it is at one moment, then the spool
 * files that it names, then everything else. A message whose file is gone by then was delivered meanwhile, and leaves the
 * copy; so nothing has to wait, and nothing is tried twice. DIR appears whole and durable under its name, or not at all.
 * Non-job: what is printed (command.ts), looking whether it is whole (verify.ts).
 */
import { basename, resolve } from "node:path";
import { durableFolder, parent, syncFolder } from "../../core/store/durable_write.ts";
import { isDropName, MOST_ENVELOPE } from "../../core/maildrop/drop.ts";
import { isSpoolFile } from "../../core/store/spool.ts";
import { VERSION } from "../../core/version.ts";
import { CommandError } from "../terminal.ts";
import { BESIDE, dropMessages, isDatabase, snapshot, type SpoolName, spoolNames, stillThere } from "./database.ts";
import { copied, copiedWithDistrust, filesBelow, type FoundFile, linked, type Summed, summed, there } from "./files.ts";
import { DATA, MANIFEST, type ManifestHead, ManifestWriter, readManifest } from "./manifest.ts";

export interface BackupOptions {
  /** The data folder. */
  readonly data: string;
  readonly store: ManifestHead["store"];
  /** The one before: bodies that it has are taken from it. */
  readonly previous?: string;
  /** Copy bodies even where a link would do. */
  readonly copy?: boolean;
  /** Octets that a message may have, `limits.messageSize`: what is larger in the maildrop is none. Default: any. */
  readonly messageSize?: number;
  /** Files so far. */
  progress?(done: number): void;
}
export interface Made {
  readonly files: number;
  readonly octets: number;
  /** Bodies that cost no space: links to the server's or to those of the backup before. */
  readonly linked: number;
  /** Messages that the server had done with while their bodies were about to be copied. */
  readonly delivered: number;
  /** Messages whose body was missing before: they are in it as they are. */
  readonly damaged: readonly string[];
  /** What lies in the maildrop and is none of its messages, or must not be read: it is not in it. */
  readonly foreign: readonly string[];
}

/** Of the data folder; what a backup does not have. */
const LEFT_OUT = new Set(["lock", "restore.partial", "postern.db", "spool"]);

/** How often a folder is looked at again whose files get other names. */
const ROUNDS = 10;

/** @throws {CommandError} in one line; then nothing is at `target`. */
export async function makeBackup(target: string, options: BackupOptions): Promise<Made> {
  const data = await Deno.realPath(options.data), path = await realOf(resolve(target)), partial = `${path}.partial`;
  if (`${path}/`.startsWith(`${data}/`)) throw new CommandError(`${target} lies in the data folder: a backup must not`);
  await durableFolder(parent(path));
  const there = await Deno.stat(path).catch(() => null);
  if (there !== null && there.dev !== (await Deno.stat(parent(path))).dev) {
    throw new CommandError(`${target} is where a file system is mounted: name a folder in it`); // none can take its place
  }
  if (!await isFree(path)) throw new CommandError(`${target} is not empty: a backup wants a folder of its own`);
  const file = await startPartial(partial, target);
  try {
    const made = await new Making(data, partial, { file, options }).run();
    if (!await isFree(path)) throw new CommandError(`${target} was made by somebody else meanwhile`);
    await Deno.rename(partial, path); // an empty folder gives way
    await syncFolder(parent(path));
    return made;
  } catch (error) {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
}

/** Through links; of what is not there yet the folder above. */
async function realOf(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return path; // as it is written: what may not be read is not looked through
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const link = await Deno.lstat(path).then(() => true, () => false);
    if (link) throw new CommandError(`${path} is a link to what is not there`);
    const above = await realOf(parent(path));
    return `${above === "/" ? "" : above}/${basename(path)}`;
  }
}

async function isFree(path: string): Promise<boolean> {
  try {
    return [...Deno.readDirSync(path)].length === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (error instanceof Deno.errors.NotADirectory || !(await Deno.stat(path)).isDirectory) return false;
    throw error;
  }
}

/** The folder that becomes the backup, with its manifest locked. One that a killed backup left is taken away. */
async function startPartial(partial: string, target: string): Promise<Deno.FsFile> {
  const manifest = `${partial}/${MANIFEST}`;
  if (there(() => Deno.statSync(partial)) !== null) {
    const old = await Deno.open(manifest, { read: true, write: true }).catch(() => null);
    const empty = old === null && [...Deno.readDirSync(partial)].length === 0;
    if (old === null && !empty) throw new CommandError(`${partial} is in the way, and no backup began it`);
    const mine = old === null || await old.tryLock(true);
    old?.close();
    if (!mine) throw new CommandError(`a backup to ${target} is being made already`);
    await Deno.remove(partial, { recursive: true });
  }
  await Deno.mkdir(partial, { mode: 0o700 });
  const file = await Deno.open(manifest, { read: true, write: true, createNew: true, mode: 0o600 });
  if (!await file.tryLock(true)) throw new CommandError(`a backup to ${target} is being made already`);
  return file;
}

class Making {
  readonly #data: string;
  readonly #partial: string;
  readonly #to: string;
  readonly #options: BackupOptions;
  readonly #manifest: ManifestWriter;
  readonly #owner: number;
  readonly #previous = new Map<string, Summed>();
  readonly #folders: string[] = [];
  readonly #had = new Set<string>();
  readonly #foreign: string[] = [];
  readonly #most: number;
  #linked = 0;

  constructor(data: string, partial: string, { file, options }: { file: Deno.FsFile; options: BackupOptions }) {
    this.#data = data;
    this.#partial = partial;
    this.#to = `${partial}/${DATA}`;
    this.#options = options;
    this.#most = (options.messageSize ?? Infinity) + MOST_ENVELOPE; // as the pickup reads it
    this.#owner = Deno.statSync(data).uid ?? 0;
    const began = new Date().toISOString();
    this.#manifest = new ManifestWriter(file, { postern: VERSION, began, store: options.store, owner: this.#owner });
  }

  async run(): Promise<Made> {
    const { previous, store } = this.#options;
    if (previous !== undefined) {
      for (const { path, size, sha256 } of (await readManifest(previous)).files) {
        if (sha256 !== null && path.startsWith("spool/")) this.#previous.set(path, { size: size!, sha256 });
      }
    }
    Deno.mkdirSync(this.#to, { mode: 0o700 });
    this.#folders.push(this.#partial, this.#to);
    // Before the queue: what the server takes from the maildrop meanwhile is twice in it, and not in neither
    await this.#all({ skip: (path) => !/^maildrop(?:\/|$)/.test(path) || /^maildrop\/tmp-[^/]*$/.test(path) });
    const queue = store === "sqlite" ? await this.#queue() : { delivered: 0, damaged: [] };
    await this.#all({
      skip: (path) => LEFT_OUT.has(path) || /^(?:maildrop$|command-[^/]*$)/.test(path) || BESIDE.test(path),
    });
    this.#manifest.end(Date.now());
    for (const folder of this.#folders.reverse()) await syncFolder(folder);
    const { files, octets } = this.#manifest;
    return { files, octets, linked: this.#linked, ...queue, foreign: this.#foreign };
  }

  /** Again where something was gone: it may have another name by now, as a Maildir's files get one when they are read. */
  async #all({ skip }: { readonly skip: (path: string) => boolean }): Promise<void> {
    for (let round = 0, gone = true; gone && round < ROUNDS; round++) {
      gone = false;
      const leave = (path: string) => skip(path) || this.#isForeign(path) && this.#leave(path);
      for (const found of filesBelow(this.#data, { skip: leave })) {
        if (this.#had.has(found.path)) continue;
        if (found.info.isDirectory) this.#folder(found);
        else if (!await this.#file(found)) {
          gone = true;
          continue;
        }
        this.#had.add(found.path);
      }
    }
  }

  /** What is no message's name, no file itself, or lies deeper is not the server's: everybody may write to the maildrop. */
  #isForeign(path: string): boolean {
    const [top, name = "bad", more, ...deeper] = path.split("/");
    if (top !== "maildrop" || name === "bad" && more === undefined) return false;
    if (name !== "bad" && (more !== undefined || !isDropName(name)) || deeper.length > 0) return true;
    const info = there(() => Deno.lstatSync(`${this.#data}/${path}`));
    return info !== null && !info.isFile;
  }

  #leave(path: string): true {
    if (!this.#had.has(path)) this.#foreign.push(path);
    this.#had.add(path);
    return true;
  }

  async #queue(): Promise<Pick<Made, "delivered" | "damaged">> {
    const from = `${this.#data}/postern.db`, copy = `${this.#to}/postern.db`, info = Deno.statSync(from);
    await snapshot(from, copy);
    const spool = there(() => Deno.statSync(`${this.#data}/spool`));
    if (spool !== null) this.#folder({ path: "spool", info: spool });
    const gone: SpoolName[] = [];
    for (const name of spoolNames(copy)) {
      const found = isSpoolFile(name.file) ? there(() => Deno.lstatSync(`${this.#data}/spool/${name.file}`)) : null;
      if (!found?.isFile || !await this.#file({ path: `spool/${name.file}`, info: found })) gone.push(name);
    }
    const ids = [...new Set(gone.map(({ message }) => message))], damaged = stillThere(from, ids);
    const delivered = ids.filter((id) => !damaged.has(id));
    if (delivered.length > 0) dropMessages(copy, delivered);
    this.#add({ path: "postern.db", info }, await summed(copy));
    return { delivered: delivered.length, damaged: [...damaged] };
  }

  #folder({ path, info }: FoundFile): void {
    const folder = `${this.#to}/${path}`;
    Deno.mkdirSync(folder, { mode: 0o700 }); // until it is restored nobody but us has to do with it
    this.#folders.push(folder);
    this.#add({ path, info }, null);
  }

  /** False when it is gone. */
  async #file({ path, info }: FoundFile): Promise<boolean> {
    const from = `${this.#data}/${path}`, to = `${this.#to}/${path}`, mode = (info.mode ?? 0o600) & 0o7777;
    try {
      let sum: Summed | null = null;
      if (path.startsWith("spool/") && !this.#options.copy) sum = await this.#link(path, info.size);
      if (sum === null && path.endsWith(".db") && isDatabase(from) && await this.#database(from, to)) {
        sum = await summed(to);
      }
      if (path.startsWith("maildrop/")) {
        const copy = await copiedWithDistrust(from, to, { mode: mode & 0o700, most: this.#most });
        if (copy === false) return this.#leave(path);
        sum = copy;
      }
      sum ??= await copied(from, to, mode & 0o700);
      this.#add({ path, info }, sum);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || there(() => Deno.statSync(from)) !== null) throw error;
      return false;
    }
  }

  /** Bodies never change once a row names them. */
  async #link(path: string, size: number): Promise<Summed | null> {
    const { previous } = this.#options, known = this.#previous.get(path), to = `${this.#to}/${path}`;
    const old = `${previous}/${DATA}/${path}`;
    if (known?.size === size && there(() => Deno.lstatSync(old))?.isFile && linked(old, to)) {
      this.#linked++;
      return known;
    }
    if (!linked(`${this.#data}/${path}`, to)) return null;
    this.#linked++;
    return await summed(to);
  }

  /** False for one that SQLite cannot read: it was set aside, and is copied as it is. */
  async #database(from: string, to: string): Promise<boolean> {
    try {
      await snapshot(from, to);
      return true;
    } catch (error) {
      Deno.removeSync(to);
      if (!/not a database|malformed/.test(String(error))) throw error;
      return false;
    }
  }

  #add({ path, info }: FoundFile, sum: Summed | null): void {
    const mode = (info.mode ?? 0o600) & 0o7777, uid = info.uid ?? this.#owner;
    this.#manifest.add({
      path,
      size: sum?.size ?? null,
      mode,
      sha256: sum?.sha256 ?? null,
      ...uid !== this.#owner && { uid },
    });
    this.#options.progress?.(this.#manifest.files);
  }
}
