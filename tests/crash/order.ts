/**
 * Judges a trace: for every 250 after a message, is everything that holds the message synced before? (cases 69, 70)
 * Job: which files hold a message, their last write, their sync, the sync of the folder of each new file, all before
 * the write of the 250 was entered. Files of one message (spool, Maildir) count whole; in the database's write-ahead log
 * a message is tied by its name to the first transaction that carries it, up to that transaction's commit frame.
 */
import { type Call, pathOf, unquote } from "./trace.ts";

const WRITES = new Set(["write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg", "send"]);
const SYNCS = new Set(["fsync", "fdatasync"]);
/** What the checker wants to see: for strace's `-e trace=`. */
export const TRACED =
  "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,link,linkat,open," +
  "openat,creat,mkdir,mkdirat,ftruncate,copy_file_range,sendfile,fallocate";

export interface Verdict {
  /** 250s that name one of the messages. */
  readonly replies: number;
  /** One line each. */
  readonly violations: readonly string[];
  /** How many messages were found in each kind of file. */
  readonly held: { readonly log: number; readonly files: number };
}

export interface Write {
  readonly call: Call;
  /** The printed octets. */
  readonly data: string;
}
/** A file or folder under every name that it had. */
export class Entity {
  readonly writes: Write[] = [];
  readonly syncs: Call[] = [];
  /** Call that made its latest name: creation, then renames and links. */
  named: Call | null = null;
  constructor(public path: string) {}
}
/** A transaction of the log: its writes and the one of its commit frame's page. */
export interface Transaction {
  readonly writes: readonly Write[];
  readonly end: Write;
}

/**
 * @param names id that the 250 says -> name that stands in the message
 * @param roots folders that count as durable places
 */
export function judge(calls: readonly Call[], names: ReadonlyMap<string, string>, roots: readonly string[]): Verdict {
  const world = new World(calls, roots);
  const violations: string[] = [], held = { log: 0, files: 0 };
  let replies = 0;
  for (const { id, call } of world.replies) {
    const name = names.get(id);
    if (name === undefined) continue;
    replies++;
    const wrong = (what: string) => violations.push(`${id} (${name}): ${what}`);
    let places = 0;
    for (const entity of world.entities) {
      if (/\.(db|sqlite3?)(-shm|-journal)?$/.test(entity.path)) continue; // the log's pages, copied later
      const log = entity.path.endsWith("-wal");
      const first = entity.writes.findIndex((write) => write.call.entry < call.entry && carries(write, name));
      if (first < 0) continue;
      places++;
      held[log ? "log" : "files"]++;
      const last = log
        ? world.transactions(entity).find((transaction) => transaction.writes.includes(entity.writes[first]!))?.end
        : entity.writes.findLast((write) => write.call.entry < call.entry);
      if (!last || last.call.entry > call.entry) wrong(`its transaction in ${entity.path} ends after the 250`);
      else if (!syncedBetween(entity, last.call.exit, call.entry)) {
        wrong(`${entity.path} is not synced between its last write and the 250`);
      }
      for (const missing of world.namesUnsynced(entity, call)) wrong(missing);
    }
    if (places === 0) wrong("no file holds it before the 250");
  }
  return { replies, violations, held };
}

export function carries(write: Write, name: string): boolean {
  const at = write.data.indexOf(name);
  return at >= 0 && !/\d/.test(write.data[at + name.length] ?? ""); // not the beginning of a longer name
}

/** A sync that began after `from`, succeeded and had returned before `until`. */
export function syncedBetween(entity: Entity, from: number, until: number): boolean {
  return entity.syncs.some((sync) => sync.result === 0 && sync.entry > from && sync.exit < until);
}

/** The calls sorted by what they are about. */
export class World {
  readonly entities: Entity[] = [];
  readonly replies: { readonly id: string; readonly call: Call }[] = [];
  readonly #byPath = new Map<string, Entity>();
  readonly #transactions = new Map<Entity, Transaction[]>();

  constructor(calls: readonly Call[], readonly roots: readonly string[]) {
    for (const call of calls) this.#take(call);
  }

  #take(call: Call): void {
    const { name, args } = call;
    if (WRITES.has(name)) {
      const path = pathOf(args[0]) ?? "", data = args.slice(1).join(",");
      if (path.startsWith("/")) this.#at(path)?.writes.push({ call, data });
      else if (path.startsWith("TCP")) {
        for (const [, id] of data.matchAll(/250 [^"]*?queued as ([0-9A-HJKMNP-TV-Z]{26})/g)) {
          this.replies.push({ id: id!, call });
        }
      }
    } else if (SYNCS.has(name)) this.#at(pathOf(args[0]) ?? "")?.syncs.push(call);
    else if (["ftruncate", "fallocate", "copy_file_range", "sendfile"].includes(name)) {
      const path = pathOf(args[name === "copy_file_range" ? 2 : 0]);
      if (call.error === null) this.#at(path ?? "")?.writes.push({ call, data: "" });
    } else if (call.error === null) this.#rename(call);
  }

  /** open with O_CREAT, mkdir, rename, link: a name in a folder. */
  #rename(call: Call): void {
    const { name, args } = call;
    if (name.startsWith("open") || name === "creat") {
      const at = name === "openat" ? 1 : 0, path = absolute(args, at);
      if (name !== "creat" && !args[at + 1]?.includes("O_CREAT")) return;
      // A file that was there before the trace or was opened before is not new.
      const entity = path === null ? null : this.#at(path);
      if (entity && entity.named === null && entity.writes.length === 0) entity.named = call;
    } else if (name.startsWith("mkdir")) {
      const path = absolute(args, name === "mkdirat" ? 1 : 0), entity = path === null ? null : this.#at(path);
      if (entity) entity.named = call;
    } else if (name.startsWith("rename") || name.startsWith("link")) {
      const two = name === "rename" || name === "link" ? [0, 1] : [1, 3];
      const from = absolute(args, two[0]!), to = absolute(args, two[1]!);
      const entity = from === null ? null : this.#at(from);
      if (!entity || to === null) return;
      if (name.startsWith("rename")) this.#byPath.delete(from!);
      this.#byPath.set(to, entity);
      entity.path = to;
      entity.named = call;
    }
  }

  #at(path: string): Entity | null {
    const plain = path.replace(/ ?\(deleted\)$/, "").replace(/(?<=.)\/$/, "");
    if (!this.roots.some((root) => plain === root || plain.startsWith(`${root}/`))) return null;
    let entity = this.#byPath.get(plain);
    if (!entity) {
      entity = new Entity(plain);
      this.#byPath.set(plain, entity);
      this.entities.push(entity);
    }
    return entity;
  }

  /** New names on the way from a root to `entity` whose folder was not synced before `reply`. */
  namesUnsynced(entity: Entity, reply: Call): string[] {
    const missing: string[] = [];
    for (let here: Entity | undefined = entity; here;) {
      const folder: string = here.path.slice(0, here.path.lastIndexOf("/"));
      const parent: Entity | undefined = this.#byPath.get(folder);
      const named: Call | null = here.named;
      if (named && named.entry < reply.entry && this.roots.some((root) => `${folder}/`.startsWith(`${root}/`))) {
        if (!parent || !syncedBetween(parent, named.exit, reply.entry)) {
          missing.push(`the folder of ${here.path} is not synced between ${named.name} and the 250`);
        }
      }
      here = parent;
    }
    return missing;
  }

  /** The log cut at its commit frames. */
  transactions(log: Entity): readonly Transaction[] {
    const known = this.#transactions.get(log);
    if (known) return known;
    const all: Transaction[] = [];
    let writes: Write[] = [], committing = false;
    for (const write of log.writes) {
      writes.push(write);
      if (committing) {
        all.push({ writes, end: write });
        writes = [];
      }
      committing = isCommitFrame(write);
    }
    this.#transactions.set(log, all);
    return all;
  }
}

/**
 * Whether a write to the log is the 24 octet header of a frame that ends a transaction: octets 4 to 7 are then the size
 * of the database in pages, else 0 (https://sqlite.org/fileformat2.html#the_write_ahead_log). Its page is the next write.
 */
function isCommitFrame({ call, data }: Write): boolean {
  if (call.name !== "pwrite64" || call.args[2] !== "24" || Number(call.args[3]) < 32) return false;
  const header = unquote(data.slice(0, data.lastIndexOf('"') + 1));
  return header.slice(4, 8) !== "\0\0\0\0";
}

/** A path argument; relative ones start at the descriptor before them. */
function absolute(args: readonly string[], at: number): string | null {
  const printed = args[at];
  if (!printed?.startsWith('"')) return null;
  const path = unquote(printed);
  if (path.startsWith("/")) return path;
  const folder = at > 0 ? pathOf(args[at - 1]) : null;
  return folder === null ? null : `${folder}/${path}`;
}
