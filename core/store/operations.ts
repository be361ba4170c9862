/**
 * Each thing that the writer does, as SQL inside somebody else's transaction. Nothing here begins, commits or touches a
 * file; what is to be unlinked after the commit is handed out by `takeFiles`.
 * Non-job: transactions, failures, threads (sqlite_writer.ts); what is leased (leasing.ts); reading (sqlite_reader.ts).
 */
import type { DatabaseSync } from "node:sqlite";
import { Destinations } from "./destinations.ts";
import { Leasing } from "./leasing.ts";
import type { CommitOperation, CounterRow, EntryChange, Operation, Outcome, Refused, Results } from "./protocol.ts";
import {
  column,
  CorruptRow,
  decodeMessage,
  dueAt,
  entryId,
  entrySender,
  folded,
  MESSAGE,
  type MessageRow,
  newEntries,
  type NewEntry,
  readEntryId,
  type RecipientRow,
  ROW_VERSION,
} from "./rows.ts";
import { isTo, named, says } from "./queue_filter.ts";
import { Filter, type SQLInputValue } from "./schema.ts";
import { SetAside } from "./set_aside.ts";
import { Statements } from "./statements.ts";
import type { RecipientOutcome } from "./store.ts";

/** What an outcome leaves as it is. */
type WaitingRow = Pick<RecipientRow, "next_attempt" | "last_reply" | "deadline" | "destination">;
type Of<K extends Operation["do"]> = Extract<Operation, { do: K }>;

/** What a person may send elsewhere. */
const WAITS = "'ready', 'deferred', 'held'";
/** Due at once; `?4` is now. */
const NOW = "next_attempt = ?4, due = min(?4, coalesce(deadline, ?4)), appointed = null, owner = null";

export class Operations {
  readonly aside: SetAside;
  readonly leasing: Leasing;
  readonly #sql: Statements;
  readonly #destinations: Destinations;
  #files: string[] = [];

  constructor(db: DatabaseSync, fileFault: (file: string, size: number) => string | null) {
    this.#sql = new Statements(db);
    this.aside = new SetAside(this.#sql, fileFault);
    this.#destinations = new Destinations(this.#sql);
    this.leasing = new Leasing(this.#sql, { aside: this.aside, destinations: this.#destinations });
  }

  /** The transaction never was. */
  forget(): void {
    this.takeFiles();
    this.aside.takeNotes();
    this.leasing.forget();
    this.#destinations.forget();
  }

  /** Files that no row names any more once the transaction is durable. */
  takeFiles(): readonly string[] {
    const files = this.#files;
    this.#files = [];
    return files;
  }

  apply(operation: Operation, octets: ArrayBuffer): Outcome {
    return { value: this.#apply(operation, octets) };
  }

  #apply(operation: Operation, octets: ArrayBuffer): Results[Operation["do"]] {
    switch (operation.do) {
      case "commit":
        return this.#commit(operation, octets);
      case "adopt":
        return this.#adopt(operation, octets);
      case "lease":
        return this.leasing.lease(operation);
      case "settle":
        return this.#settle(operation, octets);
      case "postpone":
        return this.leasing.postpone(operation);
      case "change":
        return this.#change(operation);
      case "mark":
        return this.#mark(operation);
      case "remove":
        return this.#remove(operation);
      case "expire":
        return this.#expire(operation);
      case "count":
        return this.#count(operation.rows, operation.now);
    }
  }

  /** The body stands at `base` and the operation's own `at`. */
  #commit(operation: CommitOperation, octets: ArrayBuffer, base = 0): null {
    const { id, receivedAt, size, envelope, file, at, original, expires, claim, recipients, sender, subject, entries } =
      operation;
    const body = file === null ? new Uint8Array(octets, base + at, size) : null;
    this.#sql.run(
      "insert into message values (?, ?, ?, ?, ?, ?, ?)",
      id,
      ROW_VERSION,
      receivedAt,
      size,
      envelope,
      file,
      body,
    );
    if (original !== null) {
      const from = base + at + (file === null ? size : 0);
      const octetsOf = original.file === null ? new Uint8Array(octets, from, original.size) : null;
      this.#sql.run("insert into original values (?, ?, ?, ?)", id, original.size, original.file, octetsOf);
    }
    if (expires !== null) {
      this.#sql.run("insert into quarantine values (?, ?, ?)", id, expires, size + (original?.size ?? 0));
    }
    for (const row of recipients) {
      const taken = row.state === "ready" ? claim : null;
      const waits = row.state === "ready" || row.state === "deferred";
      const due = waits ? taken?.until ?? dueAt(row.next_attempt, row.deadline) : null;
      this.#sql.run(
        `insert into recipient (message, idx, state, domain, destination, next_attempt, attempts, last_reply, facts,
           deadline, due, appointed, owner) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[id, row.idx, taken === null ? row.state : "active", row.domain, row.destination, row.next_attempt],
        ...[row.attempts, row.last_reply, row.facts, row.deadline],
        ...[row.appointed ? null : due, row.appointed ? due : null, taken?.owner ?? null],
      );
      if (due !== null && !row.appointed) this.#destinations.note(row.destination, due);
    }
    for (let i = 0; i < entries.length; i++) {
      this.#insertEntry(id, i + 1, entries[i]!, { sender, subject, size, receivedAt });
    }
    return null;
  }

  /** As it was in the store that it comes from. */
  #adopt({ message, at }: Of<"adopt">, octets: ArrayBuffer): boolean {
    const { id, recipients } = message;
    if (this.#sql.get("select 1 from message where id = ?", id) !== null) return false;
    this.#commit(message, octets, at);
    for (const { idx, state, told, released, last_reply } of recipients) {
      this.#sql.run(
        "update recipient set told = ?, released = ? where message = ? and idx = ?",
        ...[told, released, id, idx],
      );
      if (state === "corrupt") this.#sql.run("insert or ignore into corrupt values (?, ?)", id, last_reply ?? "");
    }
    return true;
  }

  #insertEntry(
    id: string,
    n: number,
    entry: NewEntry,
    of: { readonly sender: string; readonly subject: string; readonly size: number; readonly receivedAt: number },
  ): void {
    const recipients = JSON.stringify(entry.recipients);
    this.#sql.run(
      "insert into inbox values (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
      ...[id, n, entry.name, of.sender, recipients, of.subject, of.size, of.receivedAt, entry.search],
    );
  }

  #settle({ lease, outcomes, reports, at }: Of<"settle">, octets: ArrayBuffer): Results["settle"] {
    const { id, owner, until } = lease;
    if (reports.length === 0 && outcomes.length === 1 && this.#lastDelivered(lease, outcomes[0]!)) {
      return { done: true, arrived: [] };
    }
    const rows = outcomes.map(({ index }) =>
      this.#sql.get<WaitingRow>(
        `select next_attempt, last_reply, deadline, destination from recipient
         where message = ? and idx = ? and state = 'active' and owner = ? and due = ?`,
        ...[id, index, owner, until],
      )
    );
    // What a person deleted meanwhile is left out: else what became of the others would be forgotten, and made again
    const isThere = (index: number) =>
      this.#sql.get("select 1 from recipient where message = ? and idx = ?", id, index) !== null;
    if (rows.every((row) => row === null) || outcomes.some(({ index }, at) => rows[at] === null && isThere(index))) {
      return { done: false, arrived: [] };
    }
    const arrived: EntryChange[] = [], destinations = new Set<string>();
    for (const [place, outcome] of outcomes.entries()) {
      const row = rows[place] ?? null;
      if (row === null) continue;
      destinations.add(row.destination).add(outcome.destination ?? row.destination);
      this.#settleOne(id, outcome, row);
      if (outcome.deposits && outcome.deposits.length > 0) arrived.push(...this.#deposit(id, outcome));
    }
    this.#tidy(id);
    for (const name of destinations) this.#destinations.look(name);
    for (const report of reports) {
      this.#commit(report, octets, at);
      arrived.push(...report.entries.map(({ name }, place) => ({ id: entryId(report.id, place + 1), inbox: name })));
    }
    return { done: true, arrived };
  }

  /** What most mail comes to, in fewer steps: its only recipient has it, and nothing of the message is left to say. */
  #lastDelivered(
    { id, owner, until }: Of<"settle">["lease"],
    { index, state, deposits = [] }: RecipientOutcome,
  ): boolean {
    if (state !== "delivered" || deposits.length > 0) return false;
    const gone = this.#sql.get<{ destination: string }>(
      `delete from recipient where message = ?1 and idx = ?2 and state = 'active' and owner = ?3 and due = ?4
         and not exists (select 1 from recipient as other where other.message = ?1 and other.idx <> ?2)
       returning destination`,
      ...[id, index, owner, until],
    );
    if (gone === null) return false;
    this.#deleteUnreferenced(id);
    this.#destinations.look(gone.destination);
    return true;
  }

  #settleOne(id: string, outcome: RecipientOutcome, row: WaitingRow): void {
    const { index, state, nextAttempt = row.next_attempt, appointed = false, attempt = true } = outcome;
    const { lastReply = row.last_reply, destination = row.destination, deadline = row.deadline, told = null } = outcome;
    const due = state === "ready" || state === "deferred" ? dueAt(nextAttempt, deadline) : null;
    this.#sql.run(
      `update recipient set state = ?, owner = null, attempts = attempts + ?, next_attempt = ?, deadline = ?, due = ?,
         appointed = ?, last_reply = ?, destination = ?, told = coalesce(?, told), released = max(released, ?)
       where message = ? and idx = ?`,
      ...[state, Number(attempt), nextAttempt, deadline, appointed ? null : due, appointed ? due : null],
      ...[lastReply, destination, told, Number(state === "held"), id, index],
    );
  }

  /** Entries for an outcome's deposits. A copy that is there already is not made twice. */
  #deposit(id: string, { deposits = [] }: RecipientOutcome): readonly EntryChange[] {
    const row = this.#sql.get<MessageRow>(`select ${MESSAGE} from message where id = ?`, id);
    if (row === null) throw new CorruptRow("recipients without a message");
    const message = decodeMessage(row);
    const of = {
      sender: entrySender(message),
      subject: column(message.summary.subject),
      size: message.size,
      receivedAt: message.receivedAt,
    };
    return newEntries(deposits, message).map((entry) => {
      const there = this.#sql.get<{ n: number; recipients: string; search: string }>(
        "select n, recipients, search from inbox where name = ? and message = ?",
        ...[entry.name, id],
      );
      if (there !== null) {
        const known = JSON.parse(there.recipients) as string[];
        const recipients = [...new Set([...known, ...entry.recipients])];
        const search = `${there.search}\n${entry.search}`;
        this.#sql.run(
          "update inbox set recipients = ?, search = ? where message = ? and n = ?",
          ...[JSON.stringify(recipients), search, id, there.n],
        );
        return { id: entryId(id, there.n), inbox: entry.name };
      }
      const last = this.#sql.get<{ n: number }>("select coalesce(max(n), 0) as n from inbox where message = ?", id)!;
      this.#insertEntry(id, last.n + 1, entry, of);
      return { id: entryId(id, last.n + 1), inbox: entry.name };
    });
  }

  /**
   * Delivered recipients go when nothing of the message is under way any more, and so do failed ones whose sender was
   * told; what nobody was told of stays for a person. The message goes when neither a recipient nor an inbox names it.
   */
  #tidy(id: string): void {
    this.#sql.run(
      `delete from recipient
       where message = ?1 and (state = 'delivered' or state in ('failed', 'expired') and told is not null)
         and not exists (
           select 1 from recipient where message = ?1 and state not in ('delivered', 'failed', 'expired'))`,
      id,
    );
    this.#deleteUnreferenced(id);
  }

  #deleteUnreferenced(id: string): void {
    const named = this.#sql.get(
      "select 1 where exists (select 1 from recipient where message = ?1) or exists (select 1 from inbox where message = ?1)",
      id,
    );
    if (named !== null) return;
    const gone = this.#sql.get<{ file: string | null }>("delete from message where id = ? returning file", id);
    if (gone?.file) this.#files.push(gone.file);
    this.#dropOriginal(id);
    this.#sql.run("delete from quarantine where message = ?", id);
    this.#sql.run("delete from corrupt where message = ?", id);
  }

  /** A message that holds nothing any more. */
  #leaveQuarantine(id: string): void {
    this.#sql.run(
      `delete from quarantine where message = ?1
         and not exists (select 1 from recipient where message = ?1 and state = 'held')`,
      id,
    );
  }

  /** Only what is in it since it came: what a person or a rule holds of the same message later has no end. */
  #expire({ now, limit }: Of<"expire">): readonly string[] {
    const doomed = "state = 'held' and released = 0";
    this.#sql.run(
      `delete from quarantine where expires <= ?
         and not exists (select 1 from recipient where message = quarantine.message and ${doomed})`,
      now,
    );
    const ids = this.#sql.all<{ message: string }>(
      "delete from quarantine where message in (select message from quarantine where expires <= ? limit ?) returning message",
      ...[now, limit],
    ).map(({ message }) => message);
    for (const id of ids) {
      this.#sql.run(`delete from recipient where message = ? and ${doomed}`, id);
      this.#tidy(id);
    }
    return ids;
  }

  #dropOriginal(id: string): void {
    const gone = this.#sql.get<{ file: string | null }>("delete from original where message = ? returning file", id);
    if (gone?.file) this.#files.push(gone.file);
  }

  #change({ id, ids: given, state, domain, q, to, change, now, before, limit }: Of<"change">): Results["change"] {
    const filter = new Filter().equal("message", id).equal("state", state).equal("domain", domain)
      .add("message < ?", before);
    const ids = given ?? this.#sql.all<{ message: string }>(
      `select distinct message from recipient indexed by recipient_list ${filter.where} order by message desc limit ?`,
      ...[...filter.values, limit],
    ).map(({ message }) => message);
    let changed = 0;
    for (const message of ids) {
      changed += this.#changeOne(message, { state, domain, q, to, change, now });
      this.#leaveQuarantine(message);
      this.#destinations.lookAtAll(message);
    }
    if (change.do === "delete" && id !== null && ids.length === 0) this.#deleteUnreferenced(id);
    return { changed, last: ids.length === limit ? ids.at(-1)! : null };
  }

  #changeOne(
    id: string,
    { state, domain, q, to, change, now }: Pick<Of<"change">, "state" | "domain" | "q" | "to" | "change" | "now">,
  ): number {
    const where = `message = ?1 and (?2 is null or state = ?2) and (?3 is null or domain = ?3)
      and (?5 is null or ${says("?5")}) and (?6 is null or ${isTo("?6")})`;
    const given: SQLInputValue[] = [id, state, domain, now, q === null ? null : folded(q), named(to)];
    // Somebody works on an active recipient until its lease ends: whatever he reports must still fit the row.
    const idle = (states: string) => `(state in (${states}) or (state = 'active' and due <= ?4))`;
    switch (change.do) {
      case "retry":
        this.#sql.run("delete from corrupt where message = ?", id);
        return this.#sql.run(
          `update recipient set state = 'ready', ${NOW} where ${where}
             and ${idle("'ready', 'deferred', 'corrupt', 'failed', 'expired'")}`,
          ...given,
        );
      case "hold":
        return this.#sql.run(
          `update recipient set state = 'held', released = 1, due = null, appointed = null, owner = null, last_reply = ?7
           where ${where} and ${idle("'ready', 'deferred'")}`,
          ...[...given, change.reason],
        );
      case "release":
        return this.#sql.run(
          `update recipient set state = 'ready', released = 1, ${NOW} where ${where} and state = 'held'`,
          ...given,
        );
      case "route":
        return this.#sql.run(
          `update recipient set facts = json_set(facts, '$.route', json(?7)),
             destination = coalesce(?8, 'mx:' || lower(domain)),
             state = iif(state = 'held', 'held', 'ready'), owner = null, appointed = null,
             next_attempt = iif(state = 'held', next_attempt, ?4),
             due = iif(state = 'held', null, min(?4, coalesce(deadline, ?4)))
           where ${where} and ${idle(WAITS)} and json_valid(facts)`,
          ...[...given, JSON.stringify(change.route), change.destination],
        );
      case "bounce":
        return this.#sql.run(
          `update recipient set facts = json_set(facts, '$.route', json(?7)), destination = 'report', state = 'ready',
             ${NOW} where ${where} and ${idle(WAITS)} and json_valid(facts)`,
          ...[...given, JSON.stringify({ to: "report", action: "failed", reason: change.reason })],
        );
      case "delete": {
        const changed = this.#sql.run(`delete from recipient where ${where}`, ...given);
        this.#tidy(id);
        return changed;
      }
    }
  }

  #mark({ id, read }: Of<"mark">): boolean {
    const entry = readEntryId(id);
    if (entry === null) return false;
    const { message, n } = entry;
    return this.#sql.run("update inbox set unread = ? where message = ? and n = ?", read ? 0 : 1, message, n) > 0;
  }

  #remove({ id, inbox, limit }: Of<"remove">): readonly EntryChange[] {
    const entry = id === null ? null : readEntryId(id);
    if (id !== null && entry === null) return [];
    const filter = new Filter().equal("name", inbox).equal("message", entry?.message).equal("n", entry?.n);
    const rows = this.#sql.all<{ message: string; n: number; name: string }>(
      `select message, n, name from inbox ${filter.where} order by message, n limit ?`,
      ...[...filter.values, limit],
    );
    for (const { message, n } of rows) this.#sql.run("delete from inbox where message = ? and n = ?", message, n);
    for (const message of new Set(rows.map((row) => row.message))) this.#deleteUnreferenced(message);
    return rows.map(({ message, n, name }) => ({ id: entryId(message, n), inbox: name }));
  }

  #count(rows: readonly CounterRow[], now: number): null {
    for (const row of rows) this.#sql.run("insert or replace into counter values (?, ?, ?)", ...row);
    if (now > 0) this.#sql.run("delete from counter where expires <= ?", now);
    return null;
  }

  /**
   * After a failed commit: whatever of the refused messages may have survived is gone with this transaction, which
   * also writes, so that the log's frames of the failed one are written over and no recovery can find them.
   */
  fence(refused: readonly Refused[]): void {
    this.#sql.run("update fence set number = number + 1");
    for (const { id, file } of refused) {
      this.#sql.run("delete from recipient where message = ?", id);
      this.#sql.run("delete from inbox where message = ?", id);
      this.#sql.run("delete from message where id = ?", id);
      this.#dropOriginal(id);
      this.#sql.run("delete from quarantine where message = ?", id);
      if (file !== null) this.#files.push(file);
    }
  }
}
