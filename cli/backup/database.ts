/**
 * A database of one moment, taken while others write to it, and what is asked of it: which spool files it names. Everything
 * is read in one transaction and written to a file of its own, so the server waits for nothing; its log grows meanwhile.
 * Non-job: whether the rows can be read (examine.ts).
 */
import { backup, DatabaseSync } from "node:sqlite";
import { synced } from "./files.ts";

const MAGIC = "SQLite format 3\0";
/** What SQLite puts beside a database; a copy has it all in one file. */
export const BESIDE = /\.db-(?:wal|shm|journal)$/;

/** True for a file that begins as SQLite's do. */
export function isDatabase(path: string): boolean {
  using file = Deno.openSync(path, { read: true });
  const head = new Uint8Array(MAGIC.length);
  const count = file.readSync(head) ?? 0;
  return count === head.length && new TextDecoder("latin1").decode(head) === MAGIC;
}

/** Copies a database as it is at this moment; durable but for its name. @throws what SQLite says. */
export async function snapshot(from: string, to: string): Promise<void> {
  Deno.openSync(to, { write: true, createNew: true, mode: 0o600 }).close(); // SQLite would make it 0644
  const db = new DatabaseSync(from, { readOnly: true });
  try {
    db.exec("pragma busy_timeout = 10000");
    try {
      db.prepare("vacuum into ?").run(to);
    } catch (error) { // a process that may not write everywhere may attach nothing, and this attaches
      if (!/too many attached databases/.test(String(error))) throw error;
      await backup(db, to, { rate: ALL }); // in one step, which is one moment
      settle(to);
    }
  } finally {
    db.close();
  }
  synced(to);
}

/** Pages; a database has no more. */
const ALL = 2 ** 31 - 1;

/** What was copied page by page: a file that needs none beside it, and damage is told. */
function settle(path: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("pragma journal_mode = delete");
    const found = String(Object.values(db.prepare("pragma quick_check(1)").get()!)[0]);
    if (found !== "ok") throw new Error(`database disk image is malformed (${found.split("\n")[0]})`);
  } finally {
    db.close();
  }
}

export interface SpoolName {
  readonly message: string;
  readonly file: string;
}

/** The spool files that a database names, those of received originals too. */
export function* spoolNames(path: string): Generator<SpoolName> {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    for (const sql of ["select id as message, file from message where file is not null", ...originals(db)]) {
      for (const { message, file } of db.prepare(sql).iterate()) yield { message: String(message), file: String(file) };
    }
  } finally {
    db.close();
  }
}

/** Databases of old have none. */
function originals(db: DatabaseSync): readonly string[] {
  return hasTable(db, "original") ? ["select message, file from original where file is not null"] : [];
}

export function hasTable(db: DatabaseSync, name: string): boolean {
  return db.prepare("select 1 from sqlite_schema where type = 'table' and name = ?").get(name) !== undefined;
}

/** Which of these messages a database still has. */
export function stillThere(path: string, ids: readonly string[]): ReadonlySet<string> {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.exec("pragma busy_timeout = 10000");
    const find = db.prepare("select 1 from message where id = ?");
    return new Set(ids.filter((id) => find.get(id) !== undefined));
  } finally {
    db.close();
  }
}

/** Takes messages out of a copy: the server has done with them since it was made. */
export function dropMessages(path: string, ids: readonly string[]): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("begin");
    const tables = ["recipient", "inbox", "original", "quarantine", "corrupt"].filter((each) => hasTable(db, each));
    for (const table of tables) {
      const remove = db.prepare(`delete from ${table} where message = ?`);
      for (const id of ids) remove.run(id);
    }
    const remove = db.prepare("delete from message where id = ?");
    for (const id of ids) remove.run(id);
    db.exec("commit");
  } finally {
    db.close();
  }
  synced(path);
}
