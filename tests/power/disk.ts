/**
 * A disk that a journal was played to, and what could be found on it if the power went now. Certain is what was synced:
 * the octets of a file when the file was, its name when the folder was. Of everything else any part is there, in any
 * order, files torn at sectors (docs/decisions/power-loss.md has the model). Non-job: what Postern makes of it.
 */
import type { Random } from "../support/random.ts";
import type { Entry } from "./journal.ts";
import { FileOctets, type Kept } from "./pieces.ts";

/** How the power goes. */
export interface Cut {
  readonly random: Random;
  /** Of octets; `each`: every file decides for itself. */
  readonly octets: Kept | "each";
  /** Of names: nothing, all, any of them, or a beginning of all changes of names, as a journal of the file system keeps it. */
  readonly names: "none" | "all" | "some" | "ordered";
  /** Octets that are written whole or not at all. */
  readonly sector: 512 | 4096;
  /** Room in a file that was never written has anything in it. */
  readonly junk: boolean;
}

type Node = File | Folder;

interface NameChange {
  readonly name: string;
  /** Null: the name goes. */
  readonly node: Node | null;
  /** The name goes because of this one: never without it. */
  readonly because: NameChange | null;
  /** Place among all changes of names. */
  readonly serial: number;
  durable: boolean;
}

class File {
  readonly octets = new FileOctets();
}
class Folder {
  readonly durable = new Map<string, Node>();
  readonly live = new Map<string, Node>();
  pending: NameChange[] = [];

  change(change: NameChange): NameChange {
    this.pending.push(change);
    if (change.node === null) this.live.delete(change.name);
    else this.live.set(change.name, change.node);
    return change;
  }

  /** Changes up to that one are durable, as far as what they depend on is. */
  fold(serial: number): void {
    const left: NameChange[] = [];
    for (const change of this.pending) {
      if (change.serial > serial || change.because?.durable === false) {
        left.push(change);
        continue;
      }
      change.durable = true;
      named(this.durable, change);
    }
    this.pending = left;
  }
}

function named(names: Map<string, Node>, { name, node }: NameChange): void {
  if (node === null) names.delete(name);
  else names.set(name, node);
}

export interface DiskOptions {
  /** The folder that is there for certain, and empty at first. */
  readonly root: string;
  /** True of a sync by path: it was never asked for (to prove that its absence is noticed). */
  readonly without?: (path: string) => boolean;
}

export class Disk {
  readonly #root = new Folder();
  readonly #options: DiskOptions;
  readonly #nodes = new Map<bigint, Node>();
  /** Syncs under way: what they will have made durable. */
  readonly #syncs = new Map<number, { readonly changes: number; readonly serial: number }>();
  #serial = 0;
  /** Changes of names that any sync has made durable on a file system whose journal keeps their order. */
  #ordered = 0;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  play(entry: Entry): void {
    switch (entry.kind) {
      case "create":
      case "mkdir": {
        const node = entry.kind === "create" ? new File() : new Folder();
        this.#nodes.set(entry.inode, node);
        return void this.#name(entry.path, node);
      }
      case "write":
        return this.#file(entry.inode)?.octets.change({ at: entry.at, data: entry.data });
      case "truncate":
        return this.#file(entry.inode)?.octets.change({ size: entry.size });
      case "link":
        return void this.#name(entry.to, this.#at(entry.path));
      case "rename": {
        const because = this.#name(entry.to, this.#at(entry.path));
        return void this.#name(entry.path, null, because);
      }
      case "unlink":
        return void this.#name(entry.path, null);
      case "syncBegin": {
        const node = this.#nodes.get(entry.inode);
        const changes = node instanceof File ? node.octets.changes : 0;
        return void this.#syncs.set(entry.serial, { changes, serial: this.#serial });
      }
      case "syncEnd": {
        const sync = this.#syncs.get(entry.serial);
        this.#syncs.delete(entry.serial);
        if (sync === undefined || this.#options.without?.(entry.path)) return;
        this.#ordered = Math.max(this.#ordered, sync.serial);
        const node = this.#nodes.get(entry.inode) ?? (entry.path === this.#options.root ? this.#root : undefined);
        if (node instanceof File) node.octets.fold(sync.changes);
        else node?.fold(sync.serial);
      }
    }
  }

  /** What is in the folder now is on the disk, all of it. */
  load(): void {
    const read = (folder: Folder, path: string): void => {
      for (const { name, isDirectory } of Deno.readDirSync(path)) {
        const node = isDirectory ? new Folder() : new File();
        this.#nodes.set(BigInt(Deno.statSync(`${path}/${name}`).ino!), node);
        folder.durable.set(name, node);
        folder.live.set(name, node);
        if (node instanceof Folder) read(node, `${path}/${name}`);
        else {
          node.octets.change({ at: 0, data: Deno.readFileSync(`${path}/${name}`) });
          node.octets.fold(1);
        }
      }
    };
    read(this.#root, this.#options.root);
  }

  #file(inode: bigint): File | null {
    const node = this.#nodes.get(inode);
    if (node instanceof File) return node;
    throw new Error(`something is done to a file that was never made (inode ${inode})`);
  }

  #folder(path: string): Folder {
    const node = this.#at(path);
    if (node instanceof Folder) return node;
    throw new Error(`${path} is no folder`);
  }

  #at(path: string): Node {
    let node: Node | undefined = this.#root;
    for (const name of path.slice(this.#options.root.length).split("/")) {
      if (name !== "") node = node instanceof Folder ? node.live.get(name) : undefined;
    }
    if (node === undefined) throw new Error(`${path} was never made`);
    return node;
  }

  #name(path: string, node: Node | null, because: NameChange | null = null): NameChange {
    const slash = path.lastIndexOf("/");
    const change = { name: path.slice(slash + 1), node, because, serial: ++this.#serial, durable: false };
    return this.#folder(path.slice(0, slash)).change(change);
  }

  /** Makes the folder `to`, and in it what is found after that cut. */
  leave(to: string, cut: Cut): void {
    const { random } = cut;
    const ordered = this.#ordered + random.below(this.#serial - this.#ordered + 1);
    const share = random.pick([1, 5, 9]);
    const keeps = (change: NameChange): boolean => {
      if (change.because !== null && !change.because.durable && !decided(change.because)) return false;
      return cut.names === "all" || cut.names === "ordered" && change.serial <= ordered ||
        cut.names === "some" && random.below(10) < share;
    };
    const seen = new Map<NameChange, boolean>();
    const decided = (change: NameChange): boolean => {
      if (!seen.has(change)) seen.set(change, keeps(change));
      return seen.get(change)!;
    };
    const write = (folder: Folder, path: string): void => {
      Deno.mkdirSync(path);
      const names = new Map(folder.durable);
      for (const change of folder.pending) {
        if (decided(change)) named(names, change);
      }
      for (const [name, node] of names) {
        if (node instanceof Folder) write(node, `${path}/${name}`);
        else if (name.endsWith("-shm")) shm(`${path}/${name}`, random);
        else Deno.writeFileSync(`${path}/${name}`, node.octets.after(octetsOf(cut), cut), { mode: 0o600 });
      }
    };
    write(this.#root, to);
  }
}

function octetsOf({ octets, random }: Cut): Kept {
  return octets === "each" ? random.pick(["none", "all", "torn", "scattered"] as const) : octets;
}

/** The index of a log is a map of memory, and no journal has it: it is gone, empty, or has anything in it. */
function shm(path: string, random: Random): void {
  const kind = random.below(4);
  if (kind === 0) return;
  const octets = new Uint8Array(kind === 1 ? 0 : 32768);
  if (kind === 3) { for (let at = 0; at < octets.length; at++) octets[at] = random.word(); }
  Deno.writeFileSync(path, octets, { mode: 0o600 });
}

/** A way in which the power may go: often the worst one, that nothing is kept which was not synced. */
export function anyCut(random: Random): Cut {
  return {
    random,
    octets: random.pick(["none", "none", "all", "each", "each", "scattered", "torn"] as const),
    names: random.pick(["none", "none", "all", "some", "some", "ordered"] as const),
    sector: random.pick([512, 4096] as const),
    junk: random.below(4) === 0,
  };
}
