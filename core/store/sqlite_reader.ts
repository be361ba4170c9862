/**
 * The reader thread: lists, searches and bodies, over a read-only connection, so that a long search holds up no mail.
 * Every answer is of one moment, and sees every commit that was answered before it was asked.
 * Non-job: anything that writes; a row found damaged here is reported, the writer sets it aside when it meets it.
 */
import type { DatabaseSync } from "node:sqlite";
import { idTime } from "../model/id.ts";
import type { CounterRow, ReaderRequest, ReaderResults, StoredBody } from "./protocol.ts";
import {
  CorruptRow,
  decodeEntry,
  decodeMessage,
  decodeRecipient,
  type InboxRow,
  MESSAGE,
  type MessageRow,
  readEntryId,
  RECIPIENT,
  type RecipientRow,
  searchable,
} from "./rows.ts";
import { Filter, openDatabase, type SQLInputValue } from "./schema.ts";
import { ORDERS, queueFilter } from "./queue_filter.ts";
import type {
  DomainTotals,
  InboxPage,
  InboxQuery,
  QuarantineTotal,
  QueueItem,
  QueueListQuery,
  QueuePage,
  QueueQuery,
  QueueState,
  QueueTotals,
  StoredRecipient,
  WholeItem,
} from "./store.ts";

const INBOX = "message, n, name, unread, sender, recipients, subject, size, received_at";

/** The answers, one method for each request. */
export class Reader {
  readonly #db: DatabaseSync;
  constructor(folder: string) {
    this.#db = openDatabase(`${folder}/postern.db`, { readOnly: true });
  }

  answer(request: ReaderRequest): ReaderResults[keyof ReaderResults] {
    this.#db.exec("begin");
    try {
      return this.#answer(request);
    } finally {
      this.#db.exec("commit");
    }
  }

  close(): void {
    this.#db.close();
  }

  #answer(request: ReaderRequest): ReaderResults[keyof ReaderResults] {
    switch (request.ask) {
      case "queue":
        return this.#queue(request.query);
      case "totals":
        return this.#totals(request.query);
      case "domains":
        return this.#domains(request.limit);
      case "matching":
        return this.#matching(request);
      case "item":
        return this.#item(request.id, []);
      case "whole":
        return this.#whole(request.id);
      case "quarantine":
        return this.#get<QuarantineTotal>(
          "select count(*) as messages, coalesce(sum(size), 0) as octets from quarantine",
        )!;
      case "body":
        return (request.original ? this.#original(request.id) : null) ?? this.#body(request.id);
      case "due":
        return this.#due(request.after);
      case "oldest": // ids are in order of time, and so is the index: what is held before it is passed over there
        return this.#get<{ at: number }>(
          `select received_at as at from message where id = (select message from recipient indexed by recipient_list
             where state in ('ready', 'active', 'deferred') order by message limit 1)`,
        )?.at ?? null;
      case "names":
        return this.#all<ReaderResults["names"][number]>(
          "select name, count(*) as total, sum(unread) as unread from inbox group by name order by name",
        );
      case "list":
        return this.#list(request.query);
      case "entry":
        return this.#entry(request.id);
      case "counter":
        return this.#counter(request.name);
      case "counters":
        return this.#counters("limit ?", request.limit);
      case "namedCounters": {
        const { query: { prefix, limit, after = "" }, now } = request;
        return this.#counters(
          "where name >= ? and name > ? and name < ? || char(1114111) and expires > ? order by name limit ?",
          ...[prefix, after, prefix, now, limit],
        );
      }
      default:
        return null;
    }
  }

  #queue(query: QueueListQuery): QueuePage {
    const { limit = 100, offset = 0, order = "newest" } = query, filter = queueFilter(query);
    const { total } = this.#get<{ total: number }>(
      `select count(distinct message) as total from recipient indexed by recipient_list ${filter.where}`,
      ...filter.values,
    )!;
    const ids = this.#all<{ message: string }>(
      `select message from recipient indexed by recipient_list ${filter.where} group by message
         order by ${ORDERS[order]} limit ? offset ?`,
      ...[...filter.values, Math.max(0, Math.min(limit, 1000)), Math.max(0, offset)],
    );
    const known = this.#all<{ id: string; why: string }>(
      "select message as id, why from corrupt order by message desc limit 1000",
    );
    const corrupt = new Map(known.map((row) => [row.id, row.why]));
    const items: QueueItem[] = [];
    for (const { message } of ids) {
      const faults: string[] = [];
      const item = this.#item(message, faults);
      if (faults.length > 0) corrupt.set(message, faults.join("; "));
      if (item !== null) items.push(item);
    }
    return { total, items, corrupt: [...corrupt].map(([id, why]) => ({ id, why })) };
  }

  /** Ids that a change by filter is about, the newest first. */
  #matching({ query, before, limit }: Extract<ReaderRequest, { ask: "matching" }>): readonly string[] {
    const filter = queueFilter(query).add("message < ?", before);
    return this.#all<{ message: string }>(
      `select distinct message from recipient indexed by recipient_list ${filter.where} order by message desc limit ?`,
      ...[...filter.values, limit],
    ).map(({ message }) => message);
  }

  #domains(limit: number): readonly DomainTotals[] {
    const rows = this.#all<Omit<DomainTotals, "oldest"> & { first: string }>(
      `select domain, sum(state = 'ready') as ready, sum(state = 'active') as active,
         sum(state = 'deferred') as deferred, sum(state = 'held') as held, min(message) as first
       from recipient indexed by recipient_list where state in ('ready', 'active', 'deferred', 'held')
       group by domain order by count(*) desc, domain limit ?`,
      Math.max(0, Math.min(limit, 1000)),
    );
    return rows.map(({ first, ...rest }) => ({ ...rest, oldest: idTime(first) }));
  }

  /** One walk over the index, whatever stands in it. */
  #totals({ domain }: Pick<QueueQuery, "domain">): QueueTotals {
    const filter = new Filter().equal("domain", domain);
    const rows = this.#all<{ state: QueueState; count: number }>(
      `select state, count(*) as count from
         (select distinct message, state from recipient indexed by recipient_list ${filter.where}) group by state`,
      ...filter.values,
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  }

  /** What can be read of it; null when that is nothing. */
  #item(id: string, faults: string[]): QueueItem | null {
    const read = <T>(decode: () => T): T | null => {
      try {
        return decode();
      } catch (error) {
        if (!(error instanceof CorruptRow)) throw error;
        faults.push(error.message);
        return null;
      }
    };
    const rows = this.#all<RecipientRow>(`select ${RECIPIENT} from recipient where message = ? order by idx`, id);
    if (rows.length === 0) return null;
    const row = this.#get<MessageRow>(`select ${MESSAGE} from message where id = ?`, id);
    if (row === null) {
      faults.push("recipients without a message");
      return null;
    }
    const message = read(() => decodeMessage(row));
    if (message === null) return null;
    const recipients = rows.map((row) => read(() => decodeRecipient(row)))
      .filter((recipient): recipient is StoredRecipient => recipient !== null);
    return recipients.length > 0 ? { message, recipients } : null;
  }

  /** Whole, or an error: what leaves this store half would be lost half. */
  #whole(id: string): WholeItem | null {
    const faults: string[] = [], item = this.#item(id, faults);
    if (faults.length > 0) throw new CorruptRow(`message ${id} is corrupt: ${faults.join("; ")}`);
    if (item === null) return null;
    const appointed = new Set(
      this.#all<{ idx: number }>("select idx from recipient where message = ? and appointed is not null", id)
        .map(({ idx }) => idx),
    );
    return {
      message: item.message,
      recipients: item.recipients.map((each) => appointed.has(each.index) ? { ...each, appointed: true } : each),
      expires: this.#get<{ expires: number }>("select expires from quarantine where message = ?", id)?.expires ?? null,
      receivedSize: this.#get<{ size: number }>("select size from original where message = ?", id)?.size ?? null,
    };
  }

  #body(id: string): StoredBody | null {
    const entry = readEntryId(id);
    const row = entry && this.#get<MessageRow & { body: Uint8Array<ArrayBuffer> | null }>(
      `select ${MESSAGE}, body from message where id = ?`,
      entry.message,
    );
    if (!row) return null;
    const found = { octets: row.body, file: row.file, size: row.size };
    try {
      return { ...found, edits: decodeMessage(row).edits, why: "" };
    } catch (error) {
      if (!(error instanceof CorruptRow)) throw error;
      return { ...found, edits: null, why: error.message };
    }
  }

  #original(id: string): StoredBody | null {
    const entry = readEntryId(id);
    const row = entry && this.#get<{ octets: Uint8Array<ArrayBuffer> | null; file: string | null; size: number }>(
      "select body as octets, file, size from original where message = ?",
      entry.message,
    );
    return row && { ...row, edits: null, why: "" };
  }

  #due(after: number): number | null {
    const { due, appointed } = this.#get<{ due: number | null; appointed: number | null }>(
      `select (select min((select min(due) from recipient where destination = name and due > ?1))
           from destination where due <= ?1) as due,
         (select min(appointed) from recipient where appointed > ?1) as appointed`,
      after,
    )!;
    let next = Math.min(due ?? Infinity, appointed ?? Infinity);
    const later = this.#db.prepare("select name, due from destination where due > ? order by due").iterate(after);
    for (const { name, due } of later) { // never later than what is due there: look at each until none can be earlier
      if (due as number >= next) break;
      const found = this.#get<{ due: number | null }>(
        "select min(due) as due from recipient where destination = ? and due > ?",
        ...[name as string, after],
      )!;
      next = Math.min(next, found.due ?? Infinity);
    }
    return next === Infinity ? null : next;
  }

  #list({ inbox, q, limit = 50, before }: InboxQuery): InboxPage {
    const filter = new Filter().equal("name", inbox).add("instr(search, ?) > 0", q ? searchable(q) : null);
    const { total } = this.#get<{ total: number }>(
      `select count(*) as total from inbox ${filter.where}`,
      ...filter.values,
    )!;
    const than = before === undefined ? null : readEntryId(before);
    filter.add("(message, n) < (?, ?)", than?.message, than?.n);
    const rows = this.#all<InboxRow>(
      `select ${INBOX} from inbox ${filter.where} order by message desc, n desc limit ?`,
      ...[...filter.values, Math.max(0, Math.min(limit, 500))],
    );
    return { total, messages: rows.map(decodeEntry) };
  }

  #entry(id: string): ReaderResults["entry"] {
    const at = readEntryId(id);
    const row = at && this.#get<InboxRow>(`select ${INBOX} from inbox where message = ? and n = ?`, at.message, at.n);
    const message = row && this.#get<MessageRow>(`select ${MESSAGE} from message where id = ?`, row.message);
    return row && message ? { entry: decodeEntry(row), message: decodeMessage(message) } : null;
  }

  #counter(name: string): CounterRow | null {
    const row = this.#get<{ name: string; value: string; expires: number }>(
      "select name, value, expires from counter where name = ?",
      name,
    );
    return row && [row.name, row.value, row.expires];
  }

  #counters(rest: string, ...values: SQLInputValue[]): readonly CounterRow[] {
    const rows = this.#all<{ name: string; value: string; expires: number }>(
      `select name, value, expires from counter ${rest}`,
      ...values,
    );
    return rows.map(({ name, value, expires }) => [name, value, expires]);
  }

  #get<T = Record<string, unknown>>(sql: string, ...values: SQLInputValue[]): T | null {
    return (this.#db.prepare(sql).get(...values) ?? null) as T | null;
  }

  #all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#db.prepare(sql).all(...values) as T[];
  }
}

// ---- The thread ------------------------------------------------------------------------------------------------------

export type ReaderReply =
  | { readonly value: ReaderResults[keyof ReaderResults]; readonly fault?: undefined }
  | { readonly fault: "full" | "io"; readonly message: string };
interface Thread {
  onmessage: ((event: MessageEvent<ReaderRequest>) => void) | null;
  postMessage(reply: ReaderReply, transfer: Transferable[]): void;
}

/** Answers requests in their order. */
export function serve(thread: Thread): void {
  let reader: Reader | null = null;
  thread.onmessage = ({ data }) => {
    let reply: ReaderReply = { value: null };
    const transfer: Transferable[] = [];
    try {
      if (data.ask === "open") reader = new Reader(data.folder);
      else if (data.ask === "close") reader?.close();
      else {
        const value = reader!.answer(data);
        if (data.ask === "body" && (value as StoredBody | null)?.octets) {
          transfer.push((value as StoredBody).octets!.buffer);
        }
        reply = { value };
      }
    } catch (error) {
      reply = { fault: "io", message: error instanceof Error ? error.message : String(error) };
    }
    thread.postMessage(reply, transfer);
  };
}

if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Thread);
