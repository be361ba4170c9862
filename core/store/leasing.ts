/**
 * Who is tried next, as SQL inside the writer's transaction: leases of what is due, and the postponing of a destination.
 * Nothing here walks the queue: a lease asks the destinations that have something due for the oldest of each, so a million
 * rows of one that is left out cost nothing. docs/decisions/store.md has the figures.
 * Non-job: which destinations to leave out, when to try again (core/delivery).
 */
import type { Destinations } from "./destinations.ts";
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
const DESTINATIONS = 500; // that one transaction asks one by one

export class Leasing {
  readonly #sql: Statements;
  readonly #aside: SetAside;
  readonly #known: Destinations;
  /** What lies beyond this was brought forward, once `#unchecked` is null. */
  #horizon = Infinity;
  /** Destinations behind this name may have something beyond the horizon. */
  #unchecked: string | null = null;

  constructor(sql: Statements, parts: { readonly aside: SetAside; readonly destinations: Destinations }) {
    this.#sql = sql;
    this.#aside = parts.aside;
    this.#known = parts.destinations;
  }

  /** The transaction never was: what is remembered of it did not happen. */
  forget(): void {
    this.#horizon = Infinity;
  }

  /** `more`: one transaction's work is done and not everything was seen. */
  lease(operation: Of<"lease">): Results["lease"] {
    const { now, limit } = operation;
    if (this.#appointed(now) || this.#planned(operation)) return { leases: [], more: true };
    const taking = new Taking(this.#sql, this.#aside, operation);
    taking.take(this.#owed(now, Math.ceil(limit / 2))); // the others have a right to the rest
    const asked = this.#destinations(taking, operation);
    if (taking.room > 0) taking.take(this.#owed(now, taking.room));
    return { leases: taking.leases, more: asked };
  }

  /** A moment that a sender appointed (RFC 4865) and that has come is a due moment like any other from now on. */
  #appointed(now: number): boolean {
    const rows = this.#sql.all<{ destination: string; due: number }>(
      `update recipient set due = appointed, appointed = null where (message, idx) in
         (select message, idx from recipient where appointed <= ? limit ${FORWARD}) returning destination, due`,
      now,
    );
    for (const { destination, due } of rows) this.#known.note(destination, due);
    return rows.length === FORWARD;
  }

  /**
   * What waits beyond the horizon was planned by a clock that ran ahead (a lease ends by its own clock and is none of
   * that). There can be some only at the start and where the horizon came nearer: then each destination is asked once.
   */
  #planned({ now, horizon }: Of<"lease">): boolean {
    if (horizon < this.#horizon) this.#unchecked = "";
    this.#horizon = horizon;
    if (this.#unchecked === null) return false;
    const names = this.#sql.all<{ name: string }>(
      `select name from destination where name > ? order by name limit ${DESTINATIONS}`,
      this.#unchecked,
    );
    for (const { name } of names) {
      const changed = this.#sql.run(
        `update recipient set next_attempt = ?1, due = min(?1, coalesce(deadline, ?1)) where (message, idx) in
           (select message, idx from recipient where destination = ?2 and due > ?3 and state <> 'active'
            limit ${FORWARD})`,
        ...[now, name, horizon],
      );
      if (changed > 0) this.#known.look(name);
      if (changed === FORWARD) return true; // more of the same, and then those behind it
      this.#unchecked = name;
    }
    if (names.length < DESTINATIONS) this.#unchecked = null;
    return this.#unchecked !== null;
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

  /**
   * The destinations that have something due, those that wait longest first, and a fair part of the oldest of each. True
   * when there may be more that were not asked.
   */
  #destinations(taking: Taking, { now, exclude }: Of<"lease">): boolean {
    const out = JSON.stringify(exclude);
    for (let asked = 0; taking.room > 0;) {
      if (asked >= DESTINATIONS) return true;
      const names = this.#sql.all<{ name: string }>(
        `select name from destination where due <= ? and name not in (select value from json_each(?))
         order by due limit ?`,
        ...[now, out, Math.min(taking.room, DESTINATIONS)],
      );
      if (names.length === 0) return false;
      const share = Math.ceil(taking.room / names.length), before = taking.room;
      let corrected = 0;
      for (const { name } of names) {
        const rows = this.#sql.iterate<Part>(
          "select message, destination from recipient where destination = ? and due <= ? order by due, message, idx",
          ...[name, now],
        );
        taking.take(parts(rows, Math.min(share, taking.room)));
        if (this.#known.look(name)) corrected++;
      }
      if (taking.room === before && corrected === 0) return false; // a name that is no text: nobody can ask for it
      asked += names.length;
    }
    return false;
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
      // What waits already keeps its state: an index less to change.
      changed += this.#postponeOne("where state = 'deferred'", { until, message, idx }) ||
        this.#postponeOne(", state = 'deferred' where state = 'ready'", { until, message, idx });
    }
    const last = rows.length < limit ? undefined : rows.at(-1)!;
    return { changed, last: last ? [last.due, last.message, last.idx] : null };
  }

  #postponeOne(rest: string, { until, message, idx }: { until: number; message: string; idx: number }): number {
    return this.#sql.run(
      `update recipient set attempts = attempts + 1, next_attempt = ?1, due = min(?1, coalesce(deadline, ?1)) ${rest}
         and message = ?2 and idx = ?3 and next_attempt < ?1`,
      ...[until, message, idx],
    );
  }

  /** The process that had these leases is gone: its recipients are due at once. */
  endLeases(): void {
    this.#sql.run(
      `update recipient set state = 'ready', due = min(next_attempt, coalesce(deadline, next_attempt)), owner = null
       where (message, idx) in
         (select message, idx from recipient indexed by recipient_list where state = 'active')`,
    );
    this.#known.reconcile();
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
  /** Each is read once, however many destinations it has: a thousand of a thousand rows each would hold up every commit. */
  readonly #messages = new Map<
    string,
    { readonly message: StoredMessage; readonly due: Map<string, RecipientRow[]> } | null
  >();

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

  /** What is due of these parts is leased from now on; what cannot be read is set aside. */
  take(wanted: readonly Part[]): void {
    for (const { message: id, destination } of wanted) {
      const found = this.#read(id), rows = found?.due.get(destination);
      if (found === null || rows === undefined) continue;
      const { message, due } = found;
      due.delete(destination); // taken
      const recipients = rows.map((row) => this.#lease(id, row)).filter((recipient) => recipient !== null);
      if (recipients.length === 0) continue;
      this.leases.push({ message, recipients, owner: this.#operation.owner, until: this.#until });
    }
  }

  #read(id: string) {
    let found = this.#messages.get(id);
    if (found === undefined) {
      const message = this.#aside.message(id);
      this.#messages.set(id, found = message === null ? null : { message, due: this.#due(id) });
    }
    return found;
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
