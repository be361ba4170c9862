/**
 * The tables of the embedded store and how a database file is opened: ours or refused, old ones brought up to date in
 * one transaction, newer and damaged ones left as they are. docs/decisions/store.md has the reasons and the figures.
 * Non-job: queries.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { StoreError } from "./store.ts";

export type { SQLInputValue, StatementSync };

const APPLICATION = 0x504f5354; // "POST", in the file's header: nobody else's database is taken for ours
const PAGE = 16384;
const CHECKED = 64 * 1024 * 1024; // a file up to this size is checked whole at the start

/**
 * Step n brings version n to n + 1. A released step is never changed.
 *
 * `due` is the moment from which a worker may take a recipient: its next attempt, or the end of a lease. Null when
 * nothing will happen by itself, so the indexes of what is due hold live rows only. `appointed` is a moment that the sender chose
 * (RFC 4865): once it has come it becomes `due`, until then the row is out of the way of what our own clock planned.
 * The table `original` has what was received where another body goes on in its place (`CommitOptions.received`).
 * The table `quarantine` names messages that hold something for a person, and until when; what a person holds is not there.
 * The table `destination` is destinations.ts's. `recipient_list` answers for lists and totals of every kind: it is in
 * order of id, so mail that comes in is added at its end.
 */
export const STEPS: readonly string[] = [
  `
  create table message (
    id text not null unique, version integer not null, received_at integer not null, size integer not null,
    envelope text not null, file text, body blob
  ) strict;
  create index message_file on message (file) where file is not null;
  create table recipient (
    message text not null, idx integer not null, state text not null, domain text not null, local integer not null,
    next_attempt integer not null, attempts integer not null, last_reply text, facts text not null,
    due integer, owner text,
    primary key (message, idx)
  ) strict, without rowid;
  create index recipient_due on recipient (due) where due is not null;
  create index recipient_due_local on recipient (due) where due is not null and local = 1;
  create table inbox (
    message text not null, n integer not null, name text not null, unread integer not null, sender text not null,
    recipients text not null, subject text not null, size integer not null, received_at integer not null,
    search text not null,
    primary key (message, n)
  ) strict, without rowid;
  create unique index inbox_name on inbox (name, message);
  create table counter (name text primary key, value text not null, expires integer not null) strict, without rowid;
  create index counter_expires on counter (expires);
  create table corrupt (message text primary key, why text not null) strict, without rowid;
  create table fence (number integer not null) strict;
  insert into fence values (0);
`,
  `
  alter table recipient add column appointed integer;
  create index recipient_appointed on recipient (local, appointed) where appointed is not null;
`,
  `
  drop index recipient_due;
  drop index recipient_due_local;
  drop index recipient_appointed;
  alter table recipient drop column local;
  alter table recipient add column destination text not null default '';
  alter table recipient add column deadline integer;
  alter table recipient add column told integer;
  alter table recipient add column released integer not null default 0;
  update recipient set destination = case
    when not json_valid(facts) then 'mx:' || lower(domain)
    when facts ->> '$.route.to' = 'local' then 'local:' || coalesce(facts ->> '$.route.plugin', '')
    when facts ->> '$.route.via' is not null then 'via:' || (facts ->> '$.route.via')
    else 'mx:' || lower(domain) end;
  create index recipient_destination on recipient (destination, due, message, idx) where due is not null;
  create index recipient_deadline on recipient (deadline, due, destination)
    where deadline is not null and due is not null;
  create index recipient_appointed on recipient (appointed) where appointed is not null;
  create index recipient_list on recipient (message, state, domain);
  create table destination (name text primary key, due integer not null) strict, without rowid;
  create index destination_due on destination (due);
  insert into destination select destination, min(due) from recipient where due is not null group by destination;
`,
  `
  create table original (message text primary key, size integer not null, file text, body blob) strict, without rowid;
  create index original_file on original (file) where file is not null;
  create table quarantine (message text primary key, expires integer not null, size integer not null) strict, without rowid;
  create index quarantine_expires on quarantine (expires);
`,
];

export interface OpenOptions {
  readonly readOnly?: boolean;
  readonly steps?: readonly string[];
}

/**
 * Opens the file, makes it when it is not there, and brings it up to date.
 *
 * @throws {StoreError} with one sentence; the file is as it was.
 */
export function openDatabase(path: string, options: OpenOptions = {}): DatabaseSync {
  const { readOnly = false, steps = STEPS } = options;
  let db: DatabaseSync | null = null;
  try {
    if (!readOnly) Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 }).close(); // SQLite: 0644
    db = new DatabaseSync(path, { readOnly });
    db.exec("pragma busy_timeout = 10000");
    const fresh = isFresh(db);
    if (!fresh) check(db, path, steps.length);
    if (readOnly) return db;
    // Both are fixed with the first table. A page holds a usual message, which saves overflow chains.
    if (fresh) db.exec(`pragma page_size = ${PAGE}; pragma auto_vacuum = incremental`);
    // FULL: fsync of the log at each commit. The log is written over, not cut, so that fsync finds its size unchanged.
    db.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 1000;
      pragma journal_size_limit = ${64 * 1024 * 1024}; pragma cache_size = -16384; pragma temp_store = memory`);
    migrate(db, steps);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof StoreError) throw error;
    const fault = sqliteCode(error) === FULL ? "full" : "io";
    const text = error instanceof Error ? error.message : String(error);
    const why = /not a database|malformed/.test(text) ? `is damaged (${text}); put a backup in its place` : `: ${text}`;
    throw new StoreError(fault, `cannot open the database ${path}${why.startsWith(":") ? why : `: it ${why}`}`);
  }
}

/** Nothing stands in it: it was just made, or its maker was killed before the first table. */
function isFresh(db: DatabaseSync): boolean {
  return pragma(db, "user_version") === 0 && db.prepare("select count(*) as n from sqlite_schema").get()!.n === 0;
}

function check(db: DatabaseSync, path: string, known: number): void {
  const version = pragma(db, "user_version"), application = pragma(db, "application_id");
  const pages = pragma(db, "page_count");
  if (application !== APPLICATION) throw new StoreError("io", `${path} is not a database of Postern`);
  if (version > known) {
    throw new StoreError(
      "io",
      `${path} was written by a newer version of Postern (format ${version}, this one knows ${known})`,
    );
  }
  if (pages * pragma(db, "page_size") > CHECKED) return;
  const found = String(Object.values(db.prepare("pragma quick_check(1)").get()!)[0]);
  if (found !== "ok") throw new StoreError("io", `the database ${path} is damaged (${found.split("\n")[0]})`);
  return;
}

function migrate(db: DatabaseSync, steps: readonly string[]): void {
  const version = pragma(db, "user_version");
  if (version === steps.length) return;
  db.exec("begin immediate");
  try {
    for (const step of steps.slice(version)) db.exec(step);
    db.exec(`pragma user_version = ${steps.length}; pragma application_id = ${APPLICATION}`);
    db.prepare("commit").run();
  } catch (error) {
    try {
      db.exec("rollback");
    } catch { /* SQLite did it by itself */ }
    throw error;
  }
}

/** The value of a pragma that has one number. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`pragma ${name}`).get() ?? { none: 0 })[0]);
}

/** Conditions that are there only when they have a value, so that SQLite sees which index serves. */
export class Filter {
  readonly #conditions: string[] = [];
  readonly values: SQLInputValue[] = [];

  add(condition: string, ...values: (SQLInputValue | undefined)[]): this {
    if (values.some((value) => value === undefined || value === null)) return this;
    this.#conditions.push(condition);
    this.values.push(...values as SQLInputValue[]);
    return this;
  }

  equal(column: string, value: SQLInputValue | undefined): this {
    return this.add(`${column} = ?`, value);
  }

  get where(): string {
    return this.#conditions.length === 0 ? "" : `where ${this.#conditions.join(" and ")}`;
  }
}

export const FULL = 13, IOERR = 10; // SQLITE_FULL, SQLITE_IOERR

/** SQLite's primary result code, or 0 when the error is none of SQLite's. */
export function sqliteCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  if (typeof code === "number") return code & 0xff;
  return /disk is full/.test(String((error as Error | null)?.message)) ? FULL : 0;
}
