/**
 * Who is tried next, as SQL inside the writer's transaction: leases of what is due, and the postponing of a destination.
 * Nothing here walks a queue: with a million rows due, most of them of a destination that is left out, a lease looks at
 * some thousands of index rows, and still finds everybody's. docs/decisions/store.md has the figures.
 * Non-job: which destinations to leave out, when to try again (core/delivery).
 */
import type { Operation, Results } from "./protocol.ts";
import { decodeRecipient, RECIPIENT, type RecipientRow } from "./rows.ts";
import type { SetAside } from "./set_aside.ts";
import type { Statements } from "./statements.ts";
import type { Lease, StoredMessage, StoredRecipient } from "./store.ts";

type Of<K extends Operation["do"]> = Extract<Operation, { do: K }>;
/** One destination's part of a message: what a lease covers. */
interface Part {
  readonly message: string;
  readonly destination: string;
}

const FORWARD = 1000; // rows that one transaction brings forward
const WALK = 2000; // index rows that the walk in order of due moment looks at, and so many more for each lease wanted:
const WALK_EACH = 4;
const DESTINATIONS = 500; // that one transaction asks one by one

/** `?` is a JSON array of names. */
const NOT_IN = "not in (select value from json_each(?))";

export class Leasing {
  readonly #sql: Statements;
  readonly #aside: SetAside;

  constructor(sql: Statements, aside: SetAside) {
    this.#sql = sql;
    this.#aside = aside;
  }

  /** `more`: one transaction's work is done and not everything was seen. */
  lease(operation: Of<"lease">): Results["lease"] {
    const { now, limit, exclude } = operation;
    const forward = this.#bringForward(operation);
    const taking = new Taking(this.#sql, this.#aside, operation);
    taking.take(this.#owed(now, Math.ceil(limit / 2))); // the others have a right to the rest
    const out = JSON.stringify(exclude);
    if (taking.room > 0) taking.take(this.#oldest(now, { room: taking.room, budget: WALK + WALK_EACH * limit, out }));
    const asked = this.#destinations(taking, { now, out });
    if (taking.room > 0) taking.take(this.#owed(now, taking.room));
    return { leases: taking.leases, more: forward || asked };
  }

  /**
   * A moment that a sender appointed (RFC 4865) and that has come is a due moment like any other from now on. What waits
   * beyond the horizon was planned by a clock that ran ahead; a lease ends by its own clock and is none of that.
   */
  #bringForward({ now, horizon }: Of<"lease">): boolean {
    const appointed = this.#sql.run(
      `update recipient set due = appointed, appointed = null where (message, idx) in
         (select message, idx from recipient where appointed <= ? limit ${FORWARD})`,
      now,
    );
    const planned = this.#sql.run(
      `update recipient set next_attempt = ?1, due = min(?1, coalesce(deadline, ?1)) where (message, idx) in
         (select message, idx from recipient where due > ?2 and state <> 'active' limit ${FORWARD})`,
      ...[now, horizon],
    );
    return appointed === FORWARD || planned === FORWARD;
  }

  /** Parts with a recipient whose sender is owed a word, the longest overdue first. */
  #owed(now: number, most: number): readonly Part[] {
    return parts(
      this.#sql.iterate<Part>(
        "select message, destination from recipient where deadline <= ? and due <= ? order by deadline",
        ...[now, now],
      ),
      most,
    );
  }

  /** Parts in order of their due moment, as far as a bounded walk finds them between those of excluded destinations. */
  #oldest(
    now: number,
    { room, budget, out }: { readonly room: number; readonly budget: number; readonly out: string },
  ): readonly Part[] {
    return parts(
      this.#sql.iterate<Part>(
        `select message, destination from
           (select message, destination, due from recipient where due <= ? order by due limit ?)
         where destination ${NOT_IN} order by due`,
        ...[now, budget, out],
      ),
      room,
    );
  }

  /**
   * The destinations that have something due, those that wait longest first, and a fair part of the oldest of each. True
   * when there may be more that were not asked.
   */
  #destinations(taking: Taking, { now, out }: { readonly now: number; readonly out: string }): boolean {
    for (let asked = 0; taking.room > 0;) {
      if (asked >= DESTINATIONS) return true;
      const names = this.#sql.all<{ name: string }>(
        `select name from destination where due <= ? and name ${NOT_IN} order by due limit ${DESTINATIONS}`,
        ...[now, out],
      );
      if (names.length === 0) return false;
      const share = Math.ceil(taking.room / names.length), before = taking.room;
      let corrected = 0;
      for (const { name } of names) {
        const rows = this.#sql.iterate<Part>(
          "select message, destination from recipient where destination = ? and due <= ? order by due",
          ...[name, now],
        );
        taking.take(parts(rows, Math.min(share, taking.room)));
        corrected += this.#correct(name);
      }
      if (taking.room === before && corrected === 0) return false; // a name that is no text: nobody can ask for it
      asked += names.length;
    }
    return false;
  }

  /** Rows that go or wait longer leave their destination's `due` as it was, too early; here it becomes what it is. */
  #correct(name: string): number {
    const { due } = this.#sql.get<{ due: number | null }>(
      "select min(due) as due from recipient where destination = ? and due is not null",
      name,
    )!;
    if (due === null) return this.#sql.run("delete from destination where name = ?", name);
    return this.#sql.run("update destination set due = ? where name = ? and due <> ?", due, name, due);
  }

  /** One piece of it; `last` is where the next begins. */
  postpone({ destination, until, after, limit }: Of<"postpone">): Results["postpone"] {
    const rows = this.#sql.all<{ due: number; message: string; idx: number }>(
      `select due, message, idx from recipient
       where destination = ?1 and due < ?2 and (due, message, idx) > (?3, ?4, ?5) order by due, message, idx limit ?6`,
      ...[destination, until, ...after, limit],
    );
    let changed = 0;
    for (const { message, idx } of rows) {
      changed += this.#sql.run(
        `update recipient set state = 'deferred', attempts = attempts + 1, next_attempt = ?1,
           due = min(?1, coalesce(deadline, ?1))
         where message = ?2 and idx = ?3 and state in ('ready', 'deferred') and next_attempt < ?1`,
        ...[until, message, idx],
      );
    }
    const last = rows.length < limit ? undefined : rows.at(-1)!;
    return { changed, last: last ? [last.due, last.message, last.idx] : null };
  }

  /** The process that had these leases is gone: its recipients are due at once. */
  endLeases(): void {
    this.#sql.run(
      `update recipient set state = 'ready', due = min(next_attempt, coalesce(deadline, next_attempt)), owner = null
       where state = 'active'`,
    );
  }
}

/** The first so many different ones. */
function parts(rows: Iterable<Part>, most: number): readonly Part[] {
  const found = new Map<string, Part>();
  if (most <= 0) return [];
  for (const row of rows) {
    const key = `${row.message} ${row.destination}`;
    if (found.has(key)) continue;
    found.set(key, row);
    if (found.size === most) break;
  }
  return [...found.values()];
}

/** The leases of one call as they come together. */
class Taking {
  readonly leases: Lease[] = [];
  readonly #sql: Statements;
  readonly #aside: SetAside;
  readonly #operation: Of<"lease">;
  readonly #until: number;
  readonly #excluded: ReadonlySet<string>;

  constructor(sql: Statements, aside: SetAside, operation: Of<"lease">) {
    this.#sql = sql;
    this.#aside = aside;
    this.#operation = operation;
    this.#until = operation.now + operation.seconds * 1000;
    this.#excluded = new Set(operation.exclude);
  }

  get room(): number {
    return this.#operation.limit - this.leases.length;
  }

  /** What is due of these parts is leased from now on; what cannot be read is set aside. Each message is read once. */
  take(wanted: readonly Part[]): void {
    const messages = new Map<string, StoredMessage | null>(), due = new Map<string, Map<string, RecipientRow[]>>();
    for (const { message: id, destination } of wanted) {
      let message = messages.get(id);
      if (message === undefined) {
        messages.set(id, message = this.#aside.message(id));
        if (message !== null) due.set(id, this.#due(id));
      }
      const rows = due.get(id)?.get(destination);
      if (message === null || rows === undefined) continue;
      const recipients = rows.map((row) => this.#lease(id, row)).filter((recipient) => recipient !== null);
      if (recipients.length === 0) continue;
      this.leases.push({ message, recipients, owner: this.#operation.owner, until: this.#until });
    }
  }

  /** Due recipients of a message by destination. */
  #due(id: string): Map<string, RecipientRow[]> {
    const { now } = this.#operation, due = new Map<string, RecipientRow[]>();
    const rows = this.#sql.all<RecipientRow>(
      `select ${RECIPIENT} from recipient where message = ? and due <= ? order by idx`,
      ...[id, now],
    );
    for (const row of rows) {
      if (this.#excluded.has(row.destination) && (row.deadline === null || row.deadline > now)) continue;
      const part = due.get(row.destination);
      if (part) part.push(row);
      else due.set(row.destination, [row]);
    }
    return due;
  }

  #lease(id: string, row: RecipientRow): StoredRecipient | null {
    let recipient: StoredRecipient;
    try {
      recipient = { ...decodeRecipient(row), state: "active" };
    } catch (error) {
      this.#aside.because(error, id, row.idx);
      return null;
    }
    this.#sql.run(
      "update recipient set state = 'active', due = ?, owner = ? where message = ? and idx = ?",
      ...[this.#until, this.#operation.owner, id, row.idx],
    );
    return recipient;
  }
}
