/**
 * Each thing that the writer does, as SQL inside somebody else's transaction. Nothing here begins, commits or touches a
 * file; what is to be unlinked after the commit is handed out by `takeFiles`.
 * Non-job: transactions, failures, threads (sqlite_writer.ts); reading for people (sqlite_reader.ts).
 */
import type { DatabaseSync } from "node:sqlite";
import type { CommitOperation, CounterRow, EntryChange, Operation, Outcome, Refused, Results } from "./protocol.ts";
import {
  column,
  CorruptRow,
  decodeMessage,
  decodeRecipient,
  entryId,
  entrySender,
  isLocal,
  type MessageRow,
  newEntries,
  type NewEntry,
  readEntryId,
  type RecipientRow,
  ROW_VERSION,
} from "./rows.ts";
import { Filter, type SQLInputValue, type StatementSync } from "./schema.ts";
import type { Lease, RecipientOutcome, StoredMessage, StoredRecipient } from "./store.ts";

type Of<K extends Operation["do"]> = Extract<Operation, { do: K }>;

/** Columns of a MessageRow. */
export const MESSAGE = "id, version, received_at, size, envelope, file, length(body) as stored";
/** Columns of a RecipientRow. */
export const RECIPIENT = "idx, state, domain, local, next_attempt, attempts, last_reply, facts";

export class Operations {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Says what is wrong with a spool file, or null. */
  readonly #fileFault: (file: string, size: number) => string | null;
  #files: string[] = [];
  #notes: string[] = [];

  constructor(db: DatabaseSync, fileFault: (file: string, size: number) => string | null) {
    this.#db = db;
    this.#fileFault = fileFault;
  }

  /** Files that no row names any more once the transaction is durable. */
  takeFiles(): readonly string[] {
    const files = this.#files;
    this.#files = [];
    return files;
  }

  /** Sentences about rows that were set aside. */
  takeNotes(): readonly string[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  apply(operation: Operation, octets: ArrayBuffer): Outcome {
    return { value: this.#apply(operation, octets) };
  }

  #apply(operation: Operation, octets: ArrayBuffer): Results[Operation["do"]] {
    switch (operation.do) {
      case "commit":
        return this.#commit(operation, octets);
      case "lease":
        return this.#lease(operation);
      case "settle":
        return this.#settle(operation);
      case "change":
        return this.#change(operation);
      case "mark":
        return this.#mark(operation);
      case "remove":
        return this.#remove(operation);
      case "count":
        return this.#count(operation.rows, operation.now);
    }
  }

  #commit(operation: CommitOperation, octets: ArrayBuffer): null {
    const { id, receivedAt, size, envelope, file, at, recipients, sender, subject, entries } = operation;
    const body = file === null ? new Uint8Array(octets, at, size) : null;
    this.#run(
      "insert into message values (?, ?, ?, ?, ?, ?, ?)",
      id,
      ROW_VERSION,
      receivedAt,
      size,
      envelope,
      file,
      body,
    );
    for (const row of recipients) {
      const due = row.state === "held" || row.appointed ? null : row.next_attempt;
      this.#run(
        "insert into recipient values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, ?)",
        ...[
          id,
          row.idx,
          row.state,
          row.domain,
          row.local,
          row.next_attempt,
          row.attempts,
          row.last_reply,
          row.facts,
          due,
          row.appointed ? row.next_attempt : null,
        ],
      );
    }
    for (let i = 0; i < entries.length; i++) {
      this.#insertEntry(id, i + 1, entries[i]!, { sender, subject, size, receivedAt });
    }
    return null;
  }

  #insertEntry(
    id: string,
    n: number,
    entry: NewEntry,
    of: { readonly sender: string; readonly subject: string; readonly size: number; readonly receivedAt: number },
  ): void {
    const recipients = JSON.stringify(entry.recipients);
    this.#run(
      "insert into inbox values (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
      ...[id, n, entry.name, of.sender, recipients, of.subject, of.size, of.receivedAt, entry.search],
    );
  }

  #lease({ owner, now, seconds, limit, local, horizon }: Of<"lease">): readonly Lease[] {
    const until = now + seconds * 1000;
    const only = local ? "and local = 1" : "";
    this.#run(
      "update recipient set due = appointed, appointed = null where local in (?, 1) and appointed <= ?",
      ...[local ? 1 : 0, now],
    );
    const ids = new Set<string>();
    const collect = (where: string, moment: number) => {
      const statement = this.#prepare(`select message from recipient where ${where} ${only} order by due`);
      for (const row of statement.iterate(moment)) {
        if (ids.size === limit) break;
        ids.add(String(row.message));
      }
    };
    collect("due <= ?", now);
    collect("due > ? and state <> 'active'", horizon); // a lease ends by its own clock
    const leases: Lease[] = [];
    for (const id of ids) {
      const message = this.#message(id);
      if (message === null) continue;
      const rows = this.#all<RecipientRow>(
        `select ${RECIPIENT} from recipient
         where message = ? and (due <= ? or (due > ? and state <> 'active')) ${only} order by idx`,
        ...[id, now, horizon],
      );
      const recipients: StoredRecipient[] = [];
      for (const row of rows) {
        try {
          recipients.push({ ...decodeRecipient(row), state: "active" });
        } catch (error) {
          this.#setAside(id, error, row.idx);
          continue;
        }
        this.#run(
          "update recipient set state = 'active', due = ?, owner = ? where message = ? and idx = ?",
          ...[until, owner, id, row.idx],
        );
      }
      if (recipients.length > 0) leases.push({ message, recipients, owner, until });
    }
    return leases;
  }

  /** The message when its row and its file are whole; else it is set aside, and null. */
  #message(id: string): StoredMessage | null {
    try {
      const row = this.#get<MessageRow>(`select ${MESSAGE} from message where id = ?`, id);
      if (row === null) return this.#setOrphansAside();
      const message = decodeMessage(row);
      const fault = row.file === null ? null : this.#fileFault(row.file, row.size);
      if (fault !== null) throw new CorruptRow(fault);
      return message;
    } catch (error) {
      this.#setAside(id, error, null);
      return null;
    }
  }

  /** Lists the message as corrupt; its recipients (or the one) wait for a person. */
  #setAside(id: string, error: unknown, idx: number | null): void {
    if (!(error instanceof CorruptRow)) throw error;
    this.markCorrupt(id, error.message, idx);
  }

  /** Recipients without a message, all of them and without naming one: an id may be such that it cannot be read. */
  #setOrphansAside(): null {
    const orphans = `due is not null and
      (instr(message, char(0)) > 0 or not exists (select 1 from message where id = recipient.message))`;
    const why = "recipients without a message";
    this.#run(`insert or replace into corrupt select distinct message, ? from recipient where ${orphans}`, why);
    const changed = this.#run(
      `update recipient set state = 'corrupt', due = null, owner = null, last_reply = ? where ${orphans}`,
      why,
    );
    this.#notes.push(`${changed} recipients without a message are set aside`);
    return null;
  }

  markCorrupt(id: string, why: string, idx: number | null = null): void {
    this.#run("insert or replace into corrupt values (?, ?)", id, why);
    this.#run(
      `update recipient set state = 'corrupt', due = null, appointed = null, owner = null, last_reply = ?
       where message = ? and (idx = ? or ? is null)
         and (due is not null or state not in ('held', 'delivered', 'failed', 'expired'))`,
      ...[why, id, idx, idx],
    );
    this.#notes.push(`message ${id} is set aside: ${why}`);
  }

  #settle({ lease, outcomes }: Of<"settle">): Results["settle"] {
    const { id, owner, until } = lease;
    for (const { index } of outcomes) {
      const held = this.#get(
        "select 1 from recipient where message = ? and idx = ? and state = 'active' and owner = ? and due = ?",
        ...[id, index, owner, until],
      );
      if (held === null) return { done: false, arrived: [] };
    }
    const arrived: EntryChange[] = [];
    for (const outcome of outcomes) {
      this.#settleOne(id, outcome);
      if (outcome.deposits && outcome.deposits.length > 0) arrived.push(...this.#deposit(id, outcome));
    }
    this.#tidy(id);
    return { done: true, arrived };
  }

  #settleOne(id: string, outcome: RecipientOutcome): void {
    const { index, state, nextAttempt, appointed = false, lastReply, attempt = true } = outcome;
    const waits = state === "ready" || state === "deferred";
    this.#run(
      `update recipient set state = ?1, owner = null, attempts = attempts + ?2,
         next_attempt = coalesce(?3, next_attempt), due = case when ?4 then coalesce(?3, next_attempt) end,
         appointed = case when ?9 then coalesce(?3, next_attempt) end,
         last_reply = case when ?5 then ?6 else last_reply end
       where message = ?7 and idx = ?8`,
      ...[state, Number(attempt), nextAttempt ?? null, Number(waits && !appointed)],
      ...[Number(lastReply !== undefined), lastReply ?? null, id, index, Number(waits && appointed)],
    );
  }

  /** Entries for an outcome's deposits. A copy that is there already is not made twice. */
  #deposit(id: string, { deposits = [] }: RecipientOutcome): readonly EntryChange[] {
    const row = this.#get<MessageRow>(`select ${MESSAGE} from message where id = ?`, id);
    if (row === null) throw new CorruptRow("recipients without a message");
    const message = decodeMessage(row);
    const of = {
      sender: entrySender(message),
      subject: column(message.summary.subject),
      size: message.size,
      receivedAt: message.receivedAt,
    };
    return newEntries(deposits, message).map((entry) => {
      const there = this.#get<{ n: number; recipients: string; search: string }>(
        "select n, recipients, search from inbox where name = ? and message = ?",
        ...[entry.name, id],
      );
      if (there !== null) {
        const known = JSON.parse(there.recipients) as string[];
        const recipients = [...new Set([...known, ...entry.recipients])];
        const search = `${there.search}\n${entry.search}`;
        this.#run(
          "update inbox set recipients = ?, search = ? where message = ? and n = ?",
          ...[JSON.stringify(recipients), search, id, there.n],
        );
        return { id: entryId(id, there.n), inbox: entry.name };
      }
      const last = this.#get<{ n: number }>("select coalesce(max(n), 0) as n from inbox where message = ?", id)!;
      this.#insertEntry(id, last.n + 1, entry, of);
      return { id: entryId(id, last.n + 1), inbox: entry.name };
    });
  }

  /**
   * Delivered recipients go when nothing of the message is under way any more, and the message goes when neither a
   * recipient nor an inbox names it. What failed stays for a person.
   */
  #tidy(id: string): void {
    this.#run(
      `delete from recipient where message = ?1 and state = 'delivered' and not exists (
         select 1 from recipient where message = ?1 and state not in ('delivered', 'failed', 'expired'))`,
      id,
    );
    this.#deleteUnreferenced(id);
  }

  #deleteUnreferenced(id: string): void {
    const named = this.#get(
      "select 1 where exists (select 1 from recipient where message = ?1) or exists (select 1 from inbox where message = ?1)",
      id,
    );
    if (named !== null) return;
    const gone = this.#get<{ file: string | null }>("delete from message where id = ? returning file", id);
    if (gone?.file) this.#files.push(gone.file);
    this.#run("delete from corrupt where message = ?", id);
  }

  #change({ id, state, domain, change, now, before, limit }: Of<"change">): Results["change"] {
    const filter = new Filter().equal("message", id).equal("state", state).equal("domain", domain)
      .add("message < ?", before);
    const ids = this.#all<{ message: string }>(
      `select distinct message from recipient ${filter.where} order by message desc limit ?`,
      ...[...filter.values, limit],
    ).map(({ message }) => message);
    let changed = 0;
    for (const message of ids) changed += this.#changeOne(message, { state, domain, change, now });
    if (change.do === "delete" && id !== null && ids.length === 0) this.#deleteUnreferenced(id);
    return { changed, last: ids.length === limit ? ids.at(-1)! : null };
  }

  #changeOne(
    id: string,
    { state, domain, change, now }: Pick<Of<"change">, "state" | "domain" | "change" | "now">,
  ): number {
    const where = "message = ?1 and (?2 is null or state = ?2) and (?3 is null or domain = ?3)";
    const given: SQLInputValue[] = [id, state, domain];
    // Somebody works on an active recipient until its lease ends: whatever he reports must still fit the row.
    const idle = (states: string) => `(state in (${states}) or (state = 'active' and due <= ?4))`;
    switch (change.do) {
      case "retry":
        this.#run("delete from corrupt where message = ?", id);
        return this.#run(
          `update recipient set state = 'ready', next_attempt = ?4, due = ?4, appointed = null, owner = null
           where ${where} and ${idle("'ready', 'deferred', 'corrupt', 'failed', 'expired'")}`,
          ...[...given, now],
        );
      case "hold":
        return this.#run(
          `update recipient set state = 'held', due = null, appointed = null, owner = null, last_reply = ?5
           where ${where} and ${idle("'ready', 'deferred'")}`,
          ...[...given, now, change.reason],
        );
      case "release":
        return this.#run(
          `update recipient set state = 'ready', next_attempt = ?4, due = ?4 where ${where} and state = 'held'`,
          ...[...given, now],
        );
      case "route":
        return this.#run(
          `update recipient set facts = json_set(facts, '$.route', json(?5)), local = ?6
           where ${where} and ${idle("'ready', 'deferred', 'held'")} and json_valid(facts)`,
          ...[...given, now, JSON.stringify(change.route), isLocal(change.route)],
        );
      case "bounce":
        return 0;
      case "delete": {
        const changed = this.#run(`delete from recipient where ${where}`, ...given);
        this.#tidy(id);
        return changed;
      }
    }
  }

  #mark({ id, read }: Of<"mark">): boolean {
    const entry = readEntryId(id);
    if (entry === null) return false;
    const { message, n } = entry;
    return this.#run("update inbox set unread = ? where message = ? and n = ?", read ? 0 : 1, message, n) > 0;
  }

  #remove({ id, inbox, limit }: Of<"remove">): readonly EntryChange[] {
    const entry = id === null ? null : readEntryId(id);
    if (id !== null && entry === null) return [];
    const filter = new Filter().equal("name", inbox).equal("message", entry?.message).equal("n", entry?.n);
    const rows = this.#all<{ message: string; n: number; name: string }>(
      `select message, n, name from inbox ${filter.where} order by message, n limit ?`,
      ...[...filter.values, limit],
    );
    for (const { message, n } of rows) this.#run("delete from inbox where message = ? and n = ?", message, n);
    for (const message of new Set(rows.map((row) => row.message))) this.#deleteUnreferenced(message);
    return rows.map(({ message, n, name }) => ({ id: entryId(message, n), inbox: name }));
  }

  #count(rows: readonly CounterRow[], now: number): null {
    for (const row of rows) this.#run("insert or replace into counter values (?, ?, ?)", ...row);
    if (now > 0) this.#run("delete from counter where expires <= ?", now);
    return null;
  }

  /**
   * After a failed commit: whatever of the refused messages may have survived is gone with this transaction, which
   * also writes, so that the log's frames of the failed one are written over and no recovery can find them.
   */
  fence(refused: readonly Refused[]): void {
    this.#run("update fence set number = number + 1");
    for (const { id, file } of refused) {
      this.#run("delete from recipient where message = ?", id);
      this.#run("delete from inbox where message = ?", id);
      this.#run("delete from message where id = ?", id);
      if (file !== null) this.#files.push(file);
    }
  }

  /** The process that had these leases is gone: its recipients are due at once. */
  endLeases(): void {
    this.#run("update recipient set state = 'ready', due = next_attempt, owner = null where state = 'active'");
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #get<T = Record<string, unknown>>(sql: string, ...values: SQLInputValue[]): T | null {
    return (this.#prepare(sql).get(...values) ?? null) as T | null;
  }

  #all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }
}
