/**
 * Lists, searches and totals. Each answer is of one moment: what is asked in several statements is asked in one snapshot.
 * Non-job: bodies (bodies.ts), anything that writes; a row found damaged is reported here and set aside by who leases it.
 */
import { idTime } from "../../model/id.ts";
import {
  CorruptRow,
  decodeEntry,
  decodeMessage,
  decodeRecipient,
  type InboxRow,
  readEntryId,
  searchable,
} from "../rows.ts";
import type {
  DomainTotals,
  Inboxes,
  InboxPage,
  InboxQuery,
  QuarantineTotal,
  QueueItem,
  QueueListQuery,
  QueuePage,
  QueueQuery,
  QueueTotals,
  StoredRecipient,
  WholeItem,
} from "../store.ts";
import { type Connection, rows } from "./connection.ts";
import type { Pool } from "./pool.ts";
import { Filter, ORDERS, queueFilter } from "./queue_filter.ts";
import { MESSAGE, type MessageRow, RECIPIENT, type RecipientRow } from "./stored_rows.ts";

const INBOX = "message, n, name, unread, sender, recipients, subject, size, received_at";
const MOST = 1000;

export class Reading {
  readonly #pool: Pool;
  constructor(pool: Pool) {
    this.#pool = pool;
  }

  queue(query: QueueListQuery): Promise<QueuePage> {
    const { limit = 100, offset = 0, order = "newest" } = query;
    return this.#snapshot(async (connection) => { // it may be the second try
      const filter = queueFilter(query);
      const counted = connection.query<{ total: number }>(
        `select count(*) as total from (select distinct message from recipient ${filter.where}) as m`,
        [...filter.values],
      );
      const listed = connection.query<{ message: string }>(
        `select message from recipient ${filter.where} group by message order by ${ORDERS[order]}
           limit ${filter.place(bounded(limit, MOST))}::int offset ${filter.place(Math.max(0, offset))}::bigint`,
        filter.values,
      );
      const known = await connection.query<{ id: string; why: string }>(
        `select message as id, why from corrupt order by message desc limit ${MOST}`,
      );
      const corrupt = new Map(known.map(({ id, why }) => [id, why]));
      const ids = (await listed).map(({ message }) => message), items: QueueItem[] = [];
      const found = await itemsOf(connection, ids);
      for (const id of ids) {
        const { item, faults } = found.get(id)!;
        if (faults.length > 0) corrupt.set(id, faults.join("; "));
        if (item !== null) items.push(item);
      }
      return { total: (await counted)[0]!.total, items, corrupt: [...corrupt].map(([id, why]) => ({ id, why })) };
    });
  }

  async item(id: string): Promise<QueueItem | null> {
    return await this.#snapshot(async (connection) => (await itemsOf(connection, [id])).get(id)!.item);
  }

  /** @throws {CorruptRow} */
  whole(id: string): Promise<WholeItem | null> {
    return this.#snapshot(async (connection) => {
      const others = connection.query<{ idx: number }>(
        "select idx from recipient where message = $1::text and appointed is not null",
        [id],
      );
      const kept = connection.query<Kept>(
        `select (select expires from quarantine where message = $1::text) as expires,
           (select size from original where message = $1::text) as size`,
        [id],
      );
      const { item, faults } = (await itemsOf(connection, [id])).get(id)!;
      if (faults.length > 0) throw new CorruptRow(`message ${id} is corrupt: ${faults.join("; ")}`);
      if (item === null) return null;
      const appointed = new Set((await others).map(({ idx }) => idx)),
        [{ expires, size }] = (await kept) as readonly Kept[] as [Kept];
      return {
        message: item.message,
        recipients: item.recipients.map((each) => appointed.has(each.index) ? { ...each, appointed: true } : each),
        expires,
        receivedSize: size,
      };
    });
  }

  /** One walk over the index, whatever stands in it. */
  async totals({ domain }: Pick<QueueQuery, "domain">): Promise<QueueTotals> {
    const filter = new Filter().add("domain = $::text", domain);
    const found = await this.#all<{ state: string; count: number }>(
      `select state, count(*) as count from (select distinct message, state from recipient ${filter.where}) as s
         group by state`,
      filter.values,
    );
    return Object.fromEntries(found.map(({ state, count }) => [state, count]));
  }

  async domains(limit: number): Promise<readonly DomainTotals[]> {
    const found = await this.#all<Omit<DomainTotals, "oldest"> & { first: string }>(
      `select domain, count(*) filter (where state = 'ready') as ready, count(*) filter (where state = 'active') as active,
         count(*) filter (where state = 'deferred') as deferred, count(*) filter (where state = 'held') as held,
         min(message) as first
       from recipient where state in ('ready', 'active', 'deferred', 'held')
       group by domain order by count(*) desc, domain limit $1::int`,
      [bounded(limit, MOST)],
    );
    return found.map(({ first, ...rest }) => ({ ...rest, oldest: idTime(first) }));
  }

  async quarantined(): Promise<QuarantineTotal> {
    const [row] = await this.#all<QuarantineTotal>(
      "select count(*) as messages, coalesce(sum(size), 0)::bigint as octets from quarantine",
    );
    return row!;
  }

  async nextDue(after: number): Promise<number | null> {
    const [row] = await this.#all<{ next: number | null }>(
      `select least((select min(due) from recipient where due > $1::bigint),
         (select min(appointed) from recipient where appointed > $1::bigint)) as next`,
      [after],
    );
    return row!.next;
  }

  async oldest(): Promise<number | null> {
    const [row] = await this.#all<{ at: number }>(
      `select received_at as at from message where id = (select message from recipient
         where state in ('ready', 'active', 'deferred') order by message limit 1)`,
    );
    return row?.at ?? null;
  }

  names(): ReturnType<Inboxes["names"]> {
    return this.#all(
      "select name, count(*) as total, sum(unread)::bigint as unread from inbox group by name order by name",
    );
  }

  list({ inbox, q, limit = 50, before }: InboxQuery): Promise<InboxPage> {
    const than = before === undefined ? undefined : readEntryId(before);
    if (than === null) return Promise.resolve({ total: 0, messages: [] });
    return this.#snapshot(async (connection) => {
      const filter = new Filter().add("name = $::text", inbox)
        .add("strpos(search, $::text) > 0", q ? searchable(q) : null);
      const counted = connection.query<{ total: number }>(
        `select count(*) as total from inbox ${filter.where}`,
        [...filter.values],
      );
      if (than !== undefined) {
        filter.and(`(message, n) < (${filter.place(than.message)}::text, ${filter.place(than.n)}::int)`);
      }
      const found = await connection.query<InboxRow>(
        `select ${INBOX} from inbox ${filter.where} order by message desc, n desc
           limit ${filter.place(bounded(limit, 500))}::int`,
        filter.values,
      );
      return { total: (await counted)[0]!.total, messages: found.map(decodeEntry) };
    });
  }

  async entry(id: string): ReturnType<Inboxes["get"]> {
    const at = readEntryId(id);
    if (at === null) return null;
    return await this.#snapshot(async (connection) => {
      const [entry] = await connection.query<InboxRow>(
        `select ${INBOX} from inbox where message = $1::text and n = $2::int`,
        [at.message, at.n],
      );
      const [row] = await connection.query<MessageRow>(`select ${MESSAGE} from message where id = $1::text`, [
        at.message,
      ]);
      return entry === undefined || row === undefined
        ? null
        : { entry: decodeEntry(entry), message: decodeMessage(row) };
    });
  }

  async #all<T>(text: string, values: Filter["values"] = []): Promise<readonly T[]> {
    return [...await this.#pool.use((connection) => connection.query<T>(text, values))];
  }

  #snapshot<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#pool.use((connection) => connection.snapshot(work));
  }
}

function bounded(limit: number, most: number): number {
  return Math.max(0, Math.min(limit, most));
}

interface Kept {
  readonly expires: number | null;
  readonly size: number | null;
}
interface Found {
  /** What can be read of it; null when that is nothing. */
  readonly item: QueueItem | null;
  readonly faults: string[];
}

async function itemsOf(connection: Connection, ids: readonly string[]): Promise<ReadonlyMap<string, Found>> {
  const named = "in (select json_array_elements_text($1::text::json))", given = rows(ids);
  const messages = connection.query<MessageRow>(`select ${MESSAGE} from message where id ${named}`, [given]);
  const byMessage = new Map<string, RecipientRow[]>();
  for (
    const row of await connection.query<RecipientRow>(
      `select ${RECIPIENT} from recipient where message ${named} order by message, idx`,
      [given],
    )
  ) {
    const of = byMessage.get(row.message);
    if (of) of.push(row);
    else byMessage.set(row.message, [row]);
  }
  const byId = new Map((await messages).map((row) => [row.id, row]));
  return new Map(ids.map((id) => [id, itemOf(byId.get(id), byMessage.get(id) ?? [])]));
}

function itemOf(row: MessageRow | undefined, recipients: readonly RecipientRow[]): Found {
  const faults: string[] = [];
  const read = <T>(decode: () => T): T | null => {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof CorruptRow)) throw error;
      faults.push(error.message);
      return null;
    }
  };
  if (recipients.length === 0) return { item: null, faults };
  if (row === undefined) return { item: null, faults: ["recipients without a message"] };
  const message = read(() => decodeMessage(row));
  if (message === null) return { item: null, faults };
  const good = recipients.map((each) => read(() => decodeRecipient(each)))
    .filter((each): each is StoredRecipient => each !== null);
  return { item: good.length > 0 ? { message, recipients: good } : null, faults };
}
