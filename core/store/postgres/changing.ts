/**
 * What people do to the queue and the inboxes, piece by piece so that commits get in between. The row of the message is
 * locked first, as everywhere. Non-job: which messages match (reading.ts).
 */
import type { EntryChange } from "../protocol.ts";
import { entryId, folded, readEntryId } from "../rows.ts";
import type { QueueChange, QueueQuery } from "../store.ts";
import { type Connection, rows, type Value } from "./connection.ts";
import { noting } from "./destinations.ts";
import type { Pool } from "./pool.ts";
import { Filter, IS_TO, named, queueFilter, SAYS } from "./queue_filter.ts";
import { deleteUnreferenced, lockMessages, tidy } from "./settling.ts";

/** Messages that one transaction touches. */
const PIECE = 500;
/** What a person may send elsewhere. */
const WAITS = "'ready', 'deferred', 'held'";

export class Changing {
  readonly #pool: Pool;
  readonly #now: () => number;

  constructor({ pool, now }: { readonly pool: Pool; readonly now: () => number }) {
    this.#pool = pool;
    this.#now = now;
  }

  /** Resolves to how many recipients were changed. */
  async change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    if ("id" in what) return await this.#piece([what.id], {}, change);
    let changed = 0, before: string | null = null, left = what.limit ?? Infinity;
    do {
      const limit = Math.min(PIECE, left);
      const ids: readonly string[] = await this.#matching(what, before, limit);
      if (ids.length > 0) changed += await this.#piece(ids, what, change);
      before = ids.length === limit ? ids.at(-1)! : null;
      left -= limit;
    } while (before !== null && left > 0);
    return changed;
  }

  async #matching(query: QueueQuery, before: string | null, limit: number): Promise<readonly string[]> {
    const filter = queueFilter(query).add("message < $::text", before), most = filter.place(limit);
    const found = await this.#pool.use((connection) =>
      connection.query<{ message: string }>(
        `select distinct message from recipient ${filter.where} order by message desc limit ${most}::int`,
        filter.values,
      )
    );
    return found.map(({ message }) => message);
  }

  #piece(ids: readonly string[], { state, domain, q, to }: QueueQuery, change: QueueChange): Promise<number> {
    return this.#pool.transaction(async (connection) => { // it may be the second try
      const filter = new Filter().add("message in (select json_array_elements_text($::text::json))", rows(ids))
        .add("state = $::text", state).add("domain = $::text", domain)
        .add(SAYS, q === undefined ? null : folded(q)).add(IS_TO, named(to));
      void lockMessages(connection, ids);
      const changed = await changeRows(connection, filter, { change, now: this.#now() });
      if (change.do === "retry") void connection.query(`delete from corrupt where ${IN}`, [rows(ids)]);
      void connection.query(
        `delete from quarantine where ${IN}
           and not exists (select 1 from recipient r where r.message = quarantine.message and state = 'held')`,
        [rows(ids)],
      );
      if (change.do === "delete") await tidy(connection, ids);
      return changed;
    });
  }

  async markRead(id: string, read: boolean): Promise<boolean> {
    const entry = readEntryId(id);
    if (entry === null) return false;
    const { count } = await this.#pool.use((connection) =>
      connection.query("update inbox set unread = $1::smallint where message = $2::text and n = $3::int", [
        read ? 0 : 1,
        entry.message,
        entry.n,
      ])
    );
    return count > 0;
  }

  /** Removes copies, oldest first, until all that was there at the start is gone; tells of each piece. */
  async remove(
    { id, inbox }: { readonly id?: string; readonly inbox?: string },
    removed: (gone: readonly EntryChange[]) => void,
  ): Promise<number> {
    const entry = id === undefined ? undefined : readEntryId(id);
    if (entry === null) return 0;
    const wanted = () =>
      new Filter().add("name = $::text", inbox).add("message = $::text", entry?.message).add("n = $::int", entry?.n);
    const newest = wanted();
    const [last] = await this.#pool.use((connection) =>
      connection.query<{ message: string }>(
        `select message from inbox ${newest.where} order by message desc limit 1`,
        newest.values,
      )
    );
    if (last === undefined) return 0;
    let sum = 0;
    for (;;) {
      const filter = wanted().add("message <= $::text", last.message);
      const gone = await this.#pool.transaction(async (connection) => {
        const found = await connection.query<{ message: string; n: number; name: string }>(
          `select message, n, name from inbox ${filter.where} order by message, n limit ${PIECE}`,
          filter.values,
        );
        const ids = [...new Set(found.map(({ message }) => message))];
        void lockMessages(connection, ids);
        const deleted = await connection.query<{ message: string; n: number; name: string }>(
          `delete from inbox i using json_to_recordset($1::text::json) as g (message text, n int)
             where i.message = g.message and i.n = g.n returning i.message, i.n, i.name`,
          [rows(found)],
        );
        await deleteUnreferenced(connection, rows(ids));
        const entries = deleted.map(({ message, n, name }) => ({ id: entryId(message, n), inbox: name }))
          .sort((a, b) => a.id < b.id ? -1 : 1);
        return { entries, more: found.length === PIECE }; // some of them somebody else may have removed
      });
      removed(gone.entries);
      sum += gone.entries.length;
      if (!gone.more) return sum;
    }
  }

  /** Only what is in quarantine since it came: what a person or a rule holds of the same message later has no end. */
  async expire(now: number): Promise<readonly string[]> {
    const doomed = "state = 'held' and released = 0", all: string[] = [];
    for (;;) {
      const ids = await this.#pool.transaction(async (connection) => {
        const found = (await connection.query<{ message: string }>(
          "select message from quarantine where expires <= $1::bigint order by message limit $2::int for update skip locked",
          [now, PIECE],
        )).map(({ message }) => message);
        if (found.length === 0) return { found, gone: [] };
        void lockMessages(connection, found);
        const gone = await connection.query<{ message: string }>(
          `delete from recipient where ${IN} and ${doomed} returning message`,
          [rows(found)],
        );
        void connection.query(`delete from quarantine where ${IN}`, [rows(found)]);
        await tidy(connection, found);
        return { found, gone: [...new Set(gone.map(({ message }) => message))] };
      });
      all.push(...ids.gone);
      if (ids.found.length < PIECE) return all;
    }
  }
}

const IN = "message in (select json_array_elements_text($1::text::json))";

function changeRows(
  connection: Connection,
  filter: Filter,
  { change, now }: { readonly change: QueueChange; readonly now: number },
): Promise<number> {
  const at = `${filter.place(now)}::bigint`;
  // Somebody works on an active recipient until its lease ends: whatever he reports must still fit the row.
  const idle = (states: string) => `(state in (${states}) or state = 'active' and due <= ${at})`;
  const soon = `next_attempt = ${at}, due = least(${at}, coalesce(deadline, ${at})), appointed = null, owner = null`;
  const update = (set: string, condition: string) =>
    noting(
      connection,
      `update recipient set ${set} ${filter.where} and ${condition} and ${at} is not null returning destination, due`,
      filter.values as (string | number)[],
    );
  const text = (value: Value) => `${filter.place(value)}::text`;
  switch (change.do) {
    case "retry":
      return update(`state = 'ready', ${soon}`, idle("'ready', 'deferred', 'corrupt', 'failed', 'expired'"));
    case "hold":
      return update(
        `state = 'held', released = 1, due = null, appointed = null, owner = null, last_reply = ${text(change.reason)}`,
        idle("'ready', 'deferred'"),
      );
    case "release":
      return update(`state = 'ready', released = 1, ${soon}`, "state = 'held'");
    case "route":
      return update(
        `route = ${text(JSON.stringify(change.route))},
           destination = coalesce(${text(change.destination)}, 'mx:' || lower(domain)),
           state = case when state = 'held' then 'held' else 'ready' end, owner = null, appointed = null,
           next_attempt = case when state = 'held' then next_attempt else ${at} end,
           due = case when state = 'held' then null else least(${at}, coalesce(deadline, ${at})) end`,
        idle(WAITS),
      );
    case "bounce":
      return update(
        `route = ${text(JSON.stringify({ to: "report", action: "failed", reason: change.reason }))},
           destination = 'report', state = 'ready', ${soon}`,
        idle(WAITS),
      );
    case "delete":
      return connection.query(
        `delete from recipient ${filter.where} and ${at} is not null`,
        filter.values,
      ).then(({ count }) => count);
  }
}
