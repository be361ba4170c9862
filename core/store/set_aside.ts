/**
 * Rows that cannot be read: they are listed as corrupt with a reason and wait for a person, and everything else goes on.
 * Part of the writer's transaction. Non-job: what makes a row unreadable (rows.ts).
 */
import { CorruptRow, decodeMessage, MESSAGE, type MessageRow } from "./rows.ts";
import type { Statements } from "./statements.ts";
import type { StoredMessage } from "./store.ts";

export class SetAside {
  readonly #sql: Statements;
  /** Says what is wrong with a spool file, or null. */
  readonly #fileFault: (file: string, size: number) => string | null;
  #notes: string[] = [];

  constructor(sql: Statements, fileFault: (file: string, size: number) => string | null) {
    this.#sql = sql;
    this.#fileFault = fileFault;
  }

  /** Sentences about rows that were set aside. */
  takeNotes(): readonly string[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  /** The message when its row and its file are whole; else it is set aside, and null. */
  message(id: string): StoredMessage | null {
    try {
      const row = this.#sql.get<MessageRow>(`select ${MESSAGE} from message where id = ?`, id);
      if (row === null) return this.#orphans();
      const message = decodeMessage(row);
      const fault = row.file === null ? null : this.#fileFault(row.file, row.size);
      if (fault !== null) throw new CorruptRow(fault);
      return message;
    } catch (error) {
      this.because(error, id);
      return null;
    }
  }

  /** Lists the message as corrupt when that is what the error says, else throws it. */
  because(error: unknown, id: string, idx: number | null = null): void {
    if (!(error instanceof CorruptRow)) throw error;
    this.mark(id, error.message, idx);
  }

  /** Lists the message as corrupt; its recipients (or the one) wait for a person. */
  mark(id: string, why: string, idx: number | null = null): void {
    this.#sql.run("insert or replace into corrupt values (?, ?)", id, why);
    this.#sql.run(
      `update recipient set state = 'corrupt', due = null, appointed = null, owner = null, last_reply = ?
       where message = ? and (idx = ? or ? is null)
         and (due is not null or state not in ('held', 'delivered', 'failed', 'expired'))`,
      ...[why, id, idx, idx],
    );
    this.#notes.push(`message ${id} is set aside: ${why}`);
  }

  /** Recipients without a message, all of them and without naming one: an id may be such that it cannot be read. */
  #orphans(): null {
    const orphans = `due is not null and
      (instr(message, char(0)) > 0 or not exists (select 1 from message where id = recipient.message))`;
    const why = "recipients without a message";
    this.#sql.run(`insert or replace into corrupt select distinct message, ? from recipient where ${orphans}`, why);
    const changed = this.#sql.run(
      `update recipient set state = 'corrupt', due = null, owner = null, last_reply = ? where ${orphans}`,
      why,
    );
    this.#notes.push(`${changed} recipients without a message are set aside`);
    return null;
  }
}
