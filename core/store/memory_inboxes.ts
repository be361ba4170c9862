/**
 * The mailboxes of the dev inbox in memory. Non-job: the messages themselves (memory.ts).
 */
import { decodeEntry, entrySender, type InboxRow, newEntries, type NewEntry, readEntryId, searchable } from "./rows.ts";
import type { Inboxes, InboxMessage, InboxPage, InboxQuery, NewDeposit, StoredMessage } from "./store.ts";
import { Watchers } from "./watchers.ts";

interface MemoryInboxesOptions {
  /** Answers in a later turn, unless the store is closed by then. */
  ask<T>(answer: () => T): Promise<T>;
  message(id: string): StoredMessage | undefined;
  /** A copy of that message is gone. */
  tidy(id: string): void;
  trouble(message: string): void;
}
interface Entry {
  row: InboxRow;
  search: string;
}

export class MemoryInboxes implements Inboxes {
  readonly #options: MemoryInboxesOptions;
  readonly #watchers: Watchers;
  #entries: Entry[] = [];

  constructor(options: MemoryInboxesOptions) {
    this.#options = options;
    this.#watchers = new Watchers((message) => options.trouble(message));
  }

  names(): ReturnType<Inboxes["names"]> {
    return this.#options.ask(() => this.#names());
  }
  list(query: InboxQuery): Promise<InboxPage> {
    return this.#options.ask(() => this.#list(query));
  }
  get(id: string): ReturnType<Inboxes["get"]> {
    return this.#options.ask(() => this.#get(id));
  }
  markRead(id: string, read: boolean): Promise<boolean> {
    return this.#options.ask(() => this.#mark(id, read));
  }
  remove(what: { readonly id?: string; readonly inbox?: string }): Promise<number> {
    return this.#options.ask(() => this.#remove(what));
  }
  watch(listener: Parameters<Inboxes["watch"]>[0]): () => void {
    return this.#watchers.add(listener);
  }

  /** Whether a mailbox has a copy of the message. */
  holds(id: string): boolean {
    return this.#entries.some(({ row }) => row.message === id);
  }

  /** Enters copies of a message, and tells of them. */
  deposit(message: StoredMessage, deposits: readonly NewDeposit[]): void {
    for (const entry of newEntries(deposits, message)) {
      const n = this.#enter(message, entry);
      this.#watchers.tell("arrived", { id: n === 1 ? message.id : `${message.id}.${n}`, inbox: entry.name });
    }
  }

  #enter(message: StoredMessage, { name, recipients, search }: NewEntry): number {
    const copies = this.#entries.filter(({ row }) => row.message === message.id);
    const there = copies.find(({ row }) => row.name === name);
    if (there) { // a copy that is there already is not made twice
      const all = new Set([...JSON.parse(there.row.recipients) as string[], ...recipients]);
      there.row = { ...there.row, recipients: JSON.stringify([...all]) };
      there.search += `\n${search}`;
      return there.row.n;
    }
    const n = Math.max(0, ...copies.map(({ row }) => row.n)) + 1;
    const row: InboxRow = {
      message: message.id,
      n,
      name,
      unread: 1,
      sender: entrySender(message),
      recipients: JSON.stringify(recipients),
      subject: message.summary.subject,
      size: message.size,
      received_at: message.receivedAt,
    };
    this.#entries.push({ row, search });
    return n;
  }

  #names(): readonly { readonly name: string; readonly total: number; readonly unread: number }[] {
    const names = new Map<string, { name: string; total: number; unread: number }>();
    for (const { row: { name, unread } } of this.#entries) {
      const sum = names.get(name) ?? { name, total: 0, unread: 0 };
      sum.total++;
      sum.unread += unread;
      names.set(name, sum);
    }
    return [...names.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  #list({ inbox, q, limit = 50, before }: InboxQuery): InboxPage {
    const text = q === undefined ? "" : searchable(q);
    const found = this.#entries
      .filter(({ row, search }) => (inbox === undefined || row.name === inbox) && search.includes(text))
      .map(({ row }) => row)
      .sort((a, b) => a.message === b.message ? b.n - a.n : a.message < b.message ? 1 : -1);
    const than = before === undefined ? undefined : readEntryId(before);
    if (than === null) return { total: 0, messages: [] };
    const older = than === undefined
      ? found
      : found.filter(({ message, n }) => message < than.message || (message === than.message && n < than.n));
    return { total: found.length, messages: older.slice(0, Math.max(0, Math.min(limit, 500))).map(decodeEntry) };
  }

  #entry(id: string): Entry | undefined {
    const at = readEntryId(id);
    return this.#entries.find(({ row }) => row.message === at?.message && row.n === at.n);
  }

  #get(id: string): { readonly entry: InboxMessage; readonly message: StoredMessage } | null {
    const entry = this.#entry(id);
    return entry ? { entry: decodeEntry(entry.row), message: this.#options.message(entry.row.message)! } : null;
  }

  #mark(id: string, read: boolean): boolean {
    const entry = this.#entry(id);
    if (entry) entry.row = { ...entry.row, unread: read ? 0 : 1 };
    return entry !== undefined;
  }

  #remove({ id, inbox }: { readonly id?: string; readonly inbox?: string }): number {
    const only = id === undefined ? undefined : this.#entry(id);
    if (id !== undefined && only === undefined) return 0;
    const goes = (entry: Entry) =>
      (only === undefined || entry === only) && (inbox === undefined || entry.row.name === inbox);
    const gone = this.#entries.filter(goes);
    this.#entries = this.#entries.filter((entry) => !goes(entry));
    for (const { row } of gone) {
      this.#options.tidy(row.message);
      this.#watchers.tell("removed", { id: decodeEntry(row).id, inbox: row.name });
    }
    return gone.length;
  }
}
