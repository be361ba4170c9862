/**
 * The destinations that have something due by itself, and when: a table beside the recipients, so that whoever is next
 * is found without walking over those who are not. Each row's `due` is never later than that of any live recipient of
 * the destination; it may be earlier, or have none at all behind it, until somebody looks. Whatever brings a recipient's
 * due moment forward says so here. (Triggers did it too, and made an insert half as dear again: docs/decisions/store.md.)
 * Non-job: recipients (leasing.ts, operations.ts).
 */
import type { Statements } from "./statements.ts";

const REMEMBERED = 20_000;

export class Destinations {
  readonly #sql: Statements;
  /** Of some of them: their row's `due` is no later than this. */
  readonly #known = new Map<string, number>();

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /** The transaction never was. */
  forget(): void {
    this.#known.clear();
  }

  /** Something of it is due then. */
  note(name: string, due: number): void {
    const known = this.#known.get(name);
    if (known !== undefined && known <= due) return;
    this.#sql.run(
      "insert into destination values (?, ?) on conflict (name) do update set due = excluded.due where excluded.due < due",
      ...[name, due],
    );
    this.#remember(name, due);
  }

  /** Makes its row what its recipients say. True when it was not so. */
  look(name: string): boolean {
    const { due } = this.#sql.get<{ due: number | null }>(
      "select min(due) as due from recipient where destination = ? and due is not null",
      name,
    )!;
    if (due === null) {
      this.#known.delete(name);
      return this.#sql.run("delete from destination where name = ?", name) > 0;
    }
    this.#remember(name, due);
    return this.#sql.run(
      "insert into destination values (?, ?) on conflict (name) do update set due = excluded.due where excluded.due <> due",
      ...[name, due],
    ) > 0;
  }

  /** Makes each row hold for all recipients, whoever wrote them: what had no row would never be tried. Once, at the start. */
  reconcile(): void {
    this.#known.clear();
    this.#sql.run(
      `insert into destination
         select destination, min(due) from recipient indexed by recipient_destination where due is not null
         group by destination
       on conflict (name) do update set due = excluded.due where excluded.due < due`,
    );
  }

  /** The recipients of a message were changed by a person. */
  lookAtAll(message: string): void {
    const rows = this.#sql.all<{ name: string }>(
      "select distinct destination as name from recipient where message = ?",
      message,
    );
    for (const { name } of rows) this.look(name);
  }

  #remember(name: string, due: number): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(name, due);
  }
}
