/** Statements of one database, each prepared once. Non-job: transactions. */
import type { DatabaseSync } from "node:sqlite";
import type { SQLInputValue, StatementSync } from "./schema.ts";

export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** The first row, or null. */
  get<T = Record<string, unknown>>(sql: string, ...values: SQLInputValue[]): T | null {
    return (this.#prepare(sql).get(...values) ?? null) as T | null;
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  /** Rows as they are found; who stops early leaves the rest unread. */
  iterate<T>(sql: string, ...values: SQLInputValue[]): IterableIterator<T> {
    return this.#prepare(sql).iterate(...values) as IterableIterator<T>;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (!statement) this.#prepared.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }
}
