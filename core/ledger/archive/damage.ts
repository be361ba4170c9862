/**
 * Tells which file of the ledger is damaged: SQLite says that one is, and a question may have looked into thirty.
 * Non-job: what is done about it (slices.ts).
 */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { sqliteCode } from "../../store/schema.ts";
import { Statements } from "../../store/statements.ts";

/** A stretch whose file cannot be read. */
export class Damage extends Error {
  override readonly name = "Damage";
  constructor(readonly start: number, why: string) {
    super(why);
  }
}

/** True when the file is to blame, not the disk. */
export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error);
  return error instanceof Damage || code === 11 || code === 26 || // SQLITE_CORRUPT, SQLITE_NOTADB
    /not a database|malformed|vtable constructor failed/.test(error instanceof Error ? error.message : String(error));
}

/** Statements of one stretch. @throws {Damage} of each. */
export class SliceStatements extends Statements {
  readonly #start: number;

  constructor(db: DatabaseSync, start: number) {
    super(db);
    this.#start = start;
  }

  override run(sql: string, ...values: SQLInputValue[]): number {
    return this.#named(() => super.run(sql, ...values));
  }
  override get<T = Record<string, unknown>>(sql: string, ...values: SQLInputValue[]): T | null {
    return this.#named(() => super.get<T>(sql, ...values));
  }
  override all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#named(() => super.all<T>(sql, ...values));
  }

  #named<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isDamage(error)) throw error;
      throw new Damage(this.#start, error instanceof Error ? error.message : String(error));
    }
  }
}
