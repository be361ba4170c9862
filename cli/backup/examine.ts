/**
 * Looks whether a data folder can be used: its database whole, every row readable, every body there with its octets. Reads
 * one moment of it, of a server that runs too. Non-job: the sums of a backup (verify.ts), mending anything.
 */
import { DatabaseSync } from "node:sqlite";
import {
  CorruptRow,
  decodeMessage,
  decodeRecipient,
  MESSAGE,
  type MessageRow,
  RECIPIENT,
  type RecipientRow,
} from "../../core/store/rows.ts";
import { openDatabase, pragma, STEPS } from "../../core/store/schema.ts";
import { type QueueTotals, StoreError } from "../../core/store/store.ts";
import { hasTable } from "./database.ts";
import { there } from "./files.ts";

/** Faults that are told one by one. */
const MOST = 100;

export class Faults {
  readonly told: string[] = [];
  count = 0;

  add(sentence: string): void {
    this.count++;
    if (this.told.length < MOST) this.told.push(sentence);
  }
}

export interface Examined {
  /** Messages, those of the dev inbox too. */
  readonly messages: number;
  /** Messages by the states of their recipients. */
  readonly states: QueueTotals;
  /** Copies in mailboxes of the dev inbox. */
  readonly inbox: number;
  /** Octets of all bodies. */
  readonly octets: number;
  /** Messages that the server had set aside as corrupt. */
  readonly aside: number;
}

/** `progress` is told of messages. */
export function examine(
  folder: string,
  faults: Faults,
  progress: (done: number) => void = () => {},
): Examined | null {
  const path = `${folder}/postern.db`;
  let db: DatabaseSync;
  try {
    db = openDatabase(path, { readOnly: true });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    faults.add(error.message);
    return null;
  }
  try {
    db.exec("begin");
    const damage = integrity(db);
    for (const each of damage) faults.add(`${path}: ${each}`);
    return damage.length > 0 ? null : new Examining(db, folder, faults).run(progress);
  } catch (error) {
    if (!/malformed|not a database|disk I\/O/.test(String(error))) throw error;
    faults.add(`${path}: ${error instanceof Error ? error.message : error}`);
    return null;
  } finally {
    db.close();
  }
}

/** What SQLite finds wrong with a file. */
export function integrityOf(path: string): readonly string[] {
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    db.exec("pragma busy_timeout = 10000");
    return integrity(db);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    db?.close();
  }
}

function integrity(db: DatabaseSync): readonly string[] {
  const rows = db.prepare("pragma integrity_check(10)").all().map((row) => String(Object.values(row)[0]));
  return rows.length === 1 && rows[0] === "ok" ? [] : rows;
}

class Examining {
  /** Rows of an older version are brought up to date at the start: till then their columns are others. */
  readonly #current: boolean;

  constructor(readonly db: DatabaseSync, readonly folder: string, readonly faults: Faults) {
    this.#current = pragma(db, "user_version") === STEPS.length;
  }

  run(progress: (done: number) => void): Examined {
    const aside = new Set(this.#all<{ message: string }>("select message from corrupt").map(({ message }) => message));
    let messages = 0, octets = 0;
    const rows = this.db.prepare(`select ${MESSAGE} from message`).iterate() as Iterable<unknown> as Iterable<
      MessageRow
    >;
    for (const row of rows) {
      progress(++messages);
      octets += row.size;
      if (!aside.has(row.id)) this.#message(row);
    }
    if (this.#current) this.#recipients(aside);
    this.#originals(aside);
    this.#entries(aside);
    const states = this.#all<{ state: string; count: number }>(
      "select state, count(distinct message) as count from recipient group by state",
    );
    return {
      messages,
      states: Object.fromEntries(states.map(({ state, count }) => [state, count])),
      inbox: this.#all<{ n: number }>("select count(*) as n from inbox")[0]!.n,
      octets,
      aside: aside.size,
    };
  }

  #message(row: MessageRow): void {
    const fault = faultOf(() => decodeMessage(row));
    if (fault !== null) this.faults.add(`message ${row.id}: ${fault}`);
    if (row.file !== null) this.#file(row.id, row.file, row.size);
  }

  #file(id: string, file: string, size: number): void {
    const found = there(() => Deno.statSync(`${this.folder}/spool/${file}`));
    if (found?.size === size || found === null && !this.#isThere(id)) return; // delivered meanwhile
    const what = found === null ? "is missing" : `has ${found.size} octets instead of ${size}`;
    this.faults.add(`message ${id}: spool/${file} ${what}`);
  }

  /** In the database as it is now. */
  #isThere(id: string): boolean {
    const db = new DatabaseSync(`${this.folder}/postern.db`, { readOnly: true });
    try {
      db.exec("pragma busy_timeout = 10000");
      return db.prepare("select 1 from message where id = ?").get(id) !== undefined;
    } finally {
      db.close();
    }
  }

  #recipients(aside: ReadonlySet<string>): void {
    const rows = this.db.prepare(`select message, ${RECIPIENT} from recipient`).iterate() as Iterable<unknown>;
    for (const row of rows as Iterable<RecipientRow & { message: string }>) {
      const fault = aside.has(row.message) ? null : faultOf(() => decodeRecipient(row));
      if (fault !== null) this.faults.add(`message ${row.message}: ${fault}`);
    }
    const orphans = this.#all<{ message: string }>(
      `select distinct message from recipient where message not in (select id from message) limit ${MOST}`,
    );
    for (const { message } of orphans) {
      if (!aside.has(message)) this.faults.add(`message ${message}: recipients without a message`);
    }
  }

  #originals(aside: ReadonlySet<string>): void {
    if (!hasTable(this.db, "original")) return;
    const rows = this.#all<{ message: string; size: number; file: string | null; stored: number | null }>(
      "select message, size, file, length(body) as stored from original",
    );
    for (const { message, size, file, stored } of rows) {
      if (file !== null) this.#file(message, file, size);
      else if ((stored ?? 0) !== size && !aside.has(message)) {
        this.faults.add(`message ${message}: what was received has ${stored ?? 0} octets instead of ${size}`);
      }
    }
  }

  /** Of the dev inbox. */
  #entries(aside: ReadonlySet<string>): void {
    const orphans = this.#all<{ message: string }>(
      `select distinct message from inbox where message not in (select id from message) limit ${MOST}`,
    );
    for (const { message } of orphans) {
      if (!aside.has(message)) this.faults.add(`message ${message}: in the dev inbox without a message`);
    }
  }

  #all<T>(sql: string): T[] {
    return this.db.prepare(sql).all() as T[];
  }
}

function faultOf(decode: () => unknown): string | null {
  try {
    decode();
    return null;
  } catch (error) {
    if (error instanceof CorruptRow) return error.message;
    throw error;
  }
}
