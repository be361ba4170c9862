/**
 * One file of the ledger: a stretch of time with its entries, the index over their words, what came late, counts of each
 * minute. Old stretches go by being unlinked, so nothing is ever deleted row by row.
 * Non-job: which stretch (slices.ts), what is asked (archive.ts).
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { StoreError } from "../../store/store.ts";
import { type Head, ID, keyOf, type Late, SLOTS, timeOf } from "../codec.ts";
import { Damage, SliceStatements } from "./damage.ts";
import type { PluginCount } from "../ledger.ts";
import { type Counted, PLUGIN_COUNTS } from "../recording/tally.ts";
import { MINUTE, type MinuteRow, NUMBERS, PLUGIN_STEP } from "./numbers.ts";
import { WORD_CHARACTERS } from "./tokens.ts";

const APPLICATION = 0x504f4c47; // "POLG"
const VERSION = 1;
const TABLES = `
  create table entry (key integer primary key, head text not null, part text not null) strict;
  create table session (key integer primary key, head text not null, part text not null) strict;
  create virtual table word using fts5 (text, content='', detail=none, columnsize=0,
    tokenize="ascii tokenchars '${WORD_CHARACTERS}'");
  insert into word (word, rank) values ('automerge', 16);
  create table late (n integer primary key, key integer not null, id text not null, data text not null) strict;
  create index late_key on late (key);
  create table audit (n integer primary key, at integer not null, subject text not null, data text not null) strict;
  create index audit_subject on audit (subject);
  create table minute (at integer primary key, queue integer, ${
  NUMBERS.map((each) => `${each} integer not null`)
}) strict;
  create table plugin (at integer not null, plugin text not null,
    ${PLUGIN_COUNTS.map((each) => `${each} integer not null`)}, primary key (at, plugin)) strict, without rowid;
  create table total (entries integer not null) strict;
  insert into total values (0);
  pragma user_version = ${VERSION};
  pragma application_id = ${APPLICATION};
`;

/** Pages that one row takes to fill them. */
const FILL = 4096;

/** A row as it is written. */
export interface Row {
  readonly key: number;
  readonly head: Head;
  readonly headText: string;
  readonly part: string;
  readonly words: string;
}

export class Slice {
  /** Where it begins, milliseconds since 1970. */
  readonly start: number;
  readonly path: string | null;
  readonly #db: DatabaseSync;
  readonly #sql: SliceStatements;

  /** @throws when the file is none of ours, damaged, or cannot be had. `path` null: in memory. */
  constructor(start: number, path: string | null, options: { readonly readOnly?: boolean } = {}) {
    const { readOnly = false } = options;
    this.start = start;
    this.path = path;
    if (path !== null && !readOnly) {
      Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 }).close(); // SQLite would: 0644
    }
    this.#db = new DatabaseSync(path ?? ":memory:", { readOnly });
    this.#sql = new SliceStatements(this.#db, start);
    try {
      this.#db.exec("pragma busy_timeout = 5000");
      if (!readOnly) this.#prepare();
      this.#check();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  #prepare(): void {
    const fresh = this.#number("pragma user_version") === 0 && this.#number("select count(*) from sqlite_schema") === 0;
    // The last second may be lost in a power cut; the file is whole all the same
    this.#db.exec(`pragma journal_mode = wal; pragma synchronous = normal; pragma wal_autocheckpoint = 2000;
      pragma journal_size_limit = ${16 * 1024 * 1024}; pragma cache_size = -4096; pragma temp_store = memory;
      pragma secure_delete = fast`); // what is replaced leaves nothing in its page
    if (fresh) this.#db.exec(`begin; ${TABLES} commit`);
  }

  #check(): void {
    const application = this.#number("pragma application_id"), version = this.#number("pragma user_version");
    if (application !== APPLICATION) throw new StoreError("io", "it is not a ledger of Postern");
    if (version !== VERSION) throw new StoreError("io", `it has format ${version}, this version knows ${VERSION}`);
  }

  #number(sql: string): number {
    return Number(Object.values(this.#sql.get(sql) ?? { none: 0 })[0]);
  }

  // ---- Writing -------------------------------------------------------------------------------------------------------

  /** All of it or nothing. @throws what SQLite says. */
  transact<T>(work: () => T): T {
    this.#sql.run("begin immediate");
    try {
      const result = work();
      this.#sql.run("commit");
      return result;
    } catch (error) {
      try {
        this.#sql.run("rollback");
      } catch { /* SQLite did it by itself */ }
      throw error;
    }
  }

  /** In order of their keys: the index likes that. Within a transaction. */
  add(rows: readonly Row[]): void {
    for (const row of rows) {
      const key = this.#place(row);
      if (key !== null) this.#sql.run("insert into word (rowid, text) values (?, ?)", key, row.words);
    }
    if (rows.length > 0) this.#sql.run("update total set entries = entries + ?", rows.length);
  }

  /** Where the row found room in its millisecond; null: nowhere, or it is there already. */
  #place({ key, head, headText, part }: Row): number | null {
    for (let tried = 0; tried < SLOTS; tried++) {
      if (this.#sql.run("insert or ignore into entry values (?, ?, ?)", key + tried, headText, part) === 1) {
        return key + tried;
      }
      if (this.#headAt(key + tried)?.[ID] === head[ID]) return null;
    }
    return null;
  }

  addSession(key: number, head: string, part: string): void {
    this.#sql.run("insert or replace into session values (?, ?, ?)", key, head, part);
  }
  addLate(id: string, data: string): void {
    this.#sql.run("insert into late (key, id, data) values (?, ?, ?)", keyOf(id), id, data);
  }
  addAudit(at: number, subject: string, data: string): void {
    this.#sql.run("insert into audit (at, subject, data) values (?, ?, ?)", at, subject, data);
  }

  count({ at, counts, commit, delay, queue, plugins }: Counted): void {
    const minute = Math.floor(at / MINUTE) * MINUTE;
    this.#sql.run(ADD_MINUTE, minute, queue, ...counts, ...commit, ...delay);
    const step = Math.floor(at / PLUGIN_STEP) * PLUGIN_STEP;
    for (const [plugin, numbers] of plugins) this.#sql.run(ADD_PLUGIN, step, plugin, ...numbers);
  }

  /** Another row in the place of the one at this key. */
  replace(key: number, before: string, row: Pick<Row, "headText" | "part" | "words">): void {
    this.#sql.run("insert into word (word, rowid, text) values ('delete', ?, ?)", key, before);
    this.#sql.run("update entry set head = ?, part = ? where key = ?", row.headText, row.part, key);
    this.#sql.run("insert into word (rowid, text) values (?, ?)", key, row.words);
  }

  /** Whether pages that become free are written over too: dear, so only while something has to go. */
  overwrites(on: boolean): void {
    this.#db.exec(`pragma secure_delete = ${on ? "on" : "fast"}`);
  }

  /** Writes over what once stood in free pages, and gives the log back. Outside of a transaction. */
  scrub(): void {
    const free = this.#number("pragma freelist_count"), octets = this.#number("pragma page_size") - 4; // 4: the next one
    if (free > 0) {
      this.transact(() => {
        this.#db.exec("create table nothing (octets blob not null)");
        for (let left = free; left > 0; left -= FILL) {
          this.#sql.run("insert into nothing values (zeroblob(?))", Math.min(left, FILL) * octets);
        }
        this.#db.exec("drop table nothing");
      });
    }
    this.rest();
  }

  /** Statements for what is seldom done (forget.ts). */
  get sql(): SliceStatements {
    return this.#sql;
  }

  // ---- Reading -------------------------------------------------------------------------------------------------------

  #headAt(key: number): Head | null {
    const row = this.#sql.get<{ head: string }>("select head from entry where key = ?", key);
    if (row === null) return null;
    try {
      return JSON.parse(row.head);
    } catch {
      throw new Damage(this.start, "an entry in it is no JSON");
    }
  }

  /** Keys that match, the newest first, from `above` (exclusive) down to `from`. */
  keys(
    match: string,
    { from, above, limit }: { readonly from: number; readonly above: number; readonly limit: number },
  ): number[] {
    const rows = match === ""
      ? this.#sql.all<{ key: number }>(
        "select key from entry where key >= ? and key < ? order by key desc limit ?",
        from,
        above,
        limit,
      )
      : this.#sql.all<{ key: number }>(
        `select rowid as key from word where word match ? and rowid >= ? and rowid <= ? order by rowid desc limit ?`,
        match,
        from,
        above - 1,
        limit,
      );
    return rows.map(({ key }) => key);
  }

  head(key: number): Head {
    const head = this.#headAt(key);
    if (head === null) throw new Damage(this.start, "its index names an entry that is not there");
    return head;
  }

  /** The entry of an identifier, or null. */
  find(id: string): { readonly key: number; readonly head: Head; readonly part: string } | null {
    return this.#find("entry", id);
  }
  findSession(id: string): { readonly key: number; readonly head: Head; readonly part: string } | null {
    return this.#find("session", id);
  }
  #find(table: "entry" | "session", id: string): { key: number; head: Head; part: string } | null {
    const from = timeOf(id) * SLOTS;
    const rows = this.#sql.all<{ key: number; head: string }>(
      `select key, head from ${table} where key >= ? and key < ?`,
      from,
      from + 2 * SLOTS,
    );
    for (const { key, head } of rows) {
      const read: Head = JSON.parse(head);
      if (read[ID] !== id) continue;
      return {
        key,
        head: read,
        part: this.#sql.get<{ part: string }>(`select part from ${table} where key = ?`, key)!.part,
      };
    }
    return null;
  }

  late(id: string): Late[] {
    const rows = this.#sql.all<{ id: string; data: string }>(
      "select id, data from late where key = ? order by n",
      keyOf(id),
    );
    return rows.filter((row) => row.id === id).map(({ data }) => JSON.parse(data));
  }

  audits(where: string, ...values: SQLInputValue[]): string[] {
    return this.#sql.all<{ data: string }>(`select data from audit ${where}`, ...values).map(({ data }) => data);
  }

  minutes(since: number, until: number, step: number): MinuteRow[] {
    const rows = this.#sql.all<{ step: number; queue: number | null; numbers: string }>(
      `select cast((at - ?) / ? as integer) as step, max(at), queue, ${SUMS} as numbers
       from minute where at >= ? and at < ? group by 1 order by 1`,
      since,
      step,
      since,
      until,
    );
    return rows.map(({ step: at, queue, numbers }) => ({
      at: since + at * step,
      queue,
      numbers: numbers.split(",").map(Number),
    }));
  }

  plugins(since: number): (Record<string, number> & { readonly plugin: PluginCount["plugin"] })[] {
    return this.#sql.all(
      `select plugin, ${
        PLUGIN_COUNTS.map((each) => `sum(${each}) as ${each}`)
      } from plugin where at >= ? group by plugin`,
      Math.floor(since / PLUGIN_STEP) * PLUGIN_STEP,
    );
  }

  get entries(): number {
    return this.#sql.get<{ entries: number }>("select entries from total")!.entries;
  }
  get octets(): number {
    return this.#number("pragma page_count") * this.#number("pragma page_size");
  }
  oldest(): number | null {
    const row = this.#sql.get<{ key: number | null }>("select min(key) as key from entry");
    return row === null || row.key === null ? null : Math.floor(row.key / SLOTS);
  }

  /** Moves the log into the file and gives its room back: from now on others are written. */
  rest(): void {
    try {
      this.#db.prepare("pragma wal_checkpoint(truncate)").get();
    } catch { /* the log still has it all */ }
  }

  close(): void {
    this.#db.close();
  }
}

/** One text for a row: forty columns would cost ten times as much to hand over. */
const SUMS = NUMBERS.map((each) => `sum(${each})`).join(" || ',' || ");
const ADD_MINUTE = `insert into minute values (?, ?, ${NUMBERS.map(() => "?")})
  on conflict do update set queue = coalesce(excluded.queue, queue),
  ${NUMBERS.map((each) => `${each} = ${each} + excluded.${each}`)}`;
const ADD_PLUGIN = `insert into plugin values (?, ?, ${PLUGIN_COUNTS.map(() => "?")})
  on conflict do update set ${PLUGIN_COUNTS.map((each) => `${each} = ${each} + excluded.${each}`)}`;
