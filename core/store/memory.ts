/**
 * A store that forgets with the process: for tests, for trying things out, and as the plainest statement of what the
 * interface means. The same contract suite runs over it as over the one on disk. Non-job: durability.
 */
import { applyEdits } from "../model/edits.ts";
import type { Observer } from "../observe/events.ts";
import { CounterCache } from "./counters.ts";
import { decodeEntry, entrySender, type InboxRow, newEntries, type NewEntry, readEntryId, searchable } from "./rows.ts";
import { octetStream, Spool } from "./spool.ts";
import {
  type Body,
  type BodyWriter,
  type Counters,
  FINAL_STATES,
  type Inboxes,
  type InboxMessage,
  type InboxPage,
  type InboxQuery,
  type Lease,
  type NewDeposit,
  type NewMessage,
  type QueueChange,
  type QueueItem,
  type QueuePage,
  type QueueQuery,
  type RecipientOutcome,
  type Store,
  type StoredMessage,
  type StoredRecipient,
  StoreError,
  type StoreHealth,
} from "./store.ts";
import { Watchers } from "./watchers.ts";

export interface MemoryOptions {
  /** Octets of bodies under way (default 32 MiB). */
  readonly memoryBudget?: number;
  readonly observer?: Observer;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Recipient {
  facts: Mutable<StoredRecipient>;
  /** When a worker may take it: the next attempt, or the end of a lease. Null: not by itself. */
  due: number | null;
  /** The sender chose that moment. */
  appointed: boolean;
  owner: string | null;
}
interface Message {
  readonly message: StoredMessage;
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly recipients: Recipient[];
}
interface Entry {
  row: InboxRow;
  search: string;
}
type Octets = ReadableStream<Uint8Array<ArrayBuffer>>;

export class MemoryStore implements Store {
  readonly inboxes: Inboxes;
  readonly counters: Counters;
  readonly #spool: Spool;
  readonly #now: () => number;
  readonly #messages = new Map<string, Message>();
  #entries: Entry[] = [];
  readonly #watchers: Watchers;
  #closed = false;

  constructor(options: MemoryOptions = {}) {
    const { memoryBudget, observer, now = Date.now } = options;
    this.#now = now;
    this.#spool = new Spool({
      folder: null,
      ...(memoryBudget === undefined ? {} : { budget: memoryBudget, memoryLimit: memoryBudget }),
    });
    this.#watchers = new Watchers((message) => observer?.({ type: "trouble", where: "store", message }));
    this.counters = new CounterCache({
      now,
      limit: Infinity,
      all: [],
      load: () => Promise.resolve(null),
      save: () => Promise.resolve(),
    });
    this.inboxes = {
      names: () => this.#ask(() => this.#names()),
      list: (query) => this.#ask(() => this.#list(query)),
      get: (id) => this.#ask(() => this.#get(id)),
      markRead: (id, read) => this.#ask(() => this.#mark(id, read)),
      remove: (what) => this.#ask(() => this.#remove(what)),
      watch: (listener) => this.#watchers.add(listener),
    };
  }

  receive(id: string): BodyWriter {
    if (this.#closed) throw closed();
    return this.#spool.receive(id);
  }

  async commit(message: NewMessage, body: Body): Promise<void> {
    try {
      if (this.#closed) throw closed();
      const octets = body.memory ?? new Uint8Array(await new Response(body.stream()).arrayBuffer());
      if (this.#messages.has(message.id)) throw new StoreError("io", `message ${message.id} is there already`);
      const { recipients, deposits, ...facts } = structuredClone(message) as NewMessage;
      if (recipients.length === 0 && deposits.length === 0) return;
      const stored: StoredMessage = { ...facts, size: body.size, version: 1 };
      this.#messages.set(message.id, {
        message: stored,
        octets: octets.slice(),
        recipients: recipients.map(({ appointed = false, ...recipient }, index) => ({
          facts: { ...recipient, index, attempts: 0 },
          due: recipient.state === "held" ? null : recipient.nextAttempt,
          appointed,
          owner: null,
        })),
      });
      await Promise.resolve(); // as with a disk, nobody hears of it before the caller goes on
      this.#deposit(stored, deposits);
    } finally {
      body.discard();
    }
  }

  lease(
    options: { owner: string; now: number; seconds: number; limit: number; local?: boolean; horizon?: number },
  ): Promise<readonly Lease[]> {
    return this.#ask(() => {
      const { owner, now, seconds, limit, local = false, horizon = Infinity } = options;
      const until = now + seconds * 1000;
      const mine = ({ due, appointed, facts }: Recipient) =>
        due !== null && (due <= now || (due > horizon && facts.state !== "active" && !appointed)) &&
        (!local || facts.route.to === "local");
      const found = [...this.#messages.values()]
        .map((item) => ({ item, due: item.recipients.filter(mine) }))
        .filter(({ due }) => due.length > 0)
        .sort((a, b) => Math.min(...a.due.map((r) => r.due!)) - Math.min(...b.due.map((r) => r.due!)));
      return found.slice(0, limit).map(({ item, due }): Lease => {
        for (const recipient of due) {
          recipient.facts.state = "active";
          recipient.due = until;
          recipient.owner = owner;
        }
        return { message: item.message, recipients: due.map(({ facts }) => structuredClone(facts)), owner, until };
      });
    });
  }

  settle(lease: Lease, outcomes: readonly RecipientOutcome[]): Promise<boolean> {
    return this.#ask(() => {
      const item = this.#messages.get(lease.message.id);
      const pairs = outcomes.map((outcome) => {
        const recipient = item?.recipients.find(({ facts }) => facts.index === outcome.index);
        const held = recipient?.facts.state === "active" && recipient.owner === lease.owner &&
          recipient.due === lease.until;
        return held ? { recipient, outcome } : null;
      });
      if (item === undefined || pairs.includes(null)) return false;
      for (const { recipient, outcome } of pairs as { recipient: Recipient; outcome: RecipientOutcome }[]) {
        const { facts } = recipient, { state, nextAttempt, lastReply, attempt = true, deposits = [] } = outcome;
        recipient.appointed = outcome.appointed ?? false;
        facts.state = state;
        facts.attempts += attempt ? 1 : 0;
        facts.nextAttempt = nextAttempt ?? facts.nextAttempt;
        if (lastReply !== undefined) facts.lastReply = lastReply;
        recipient.due = state === "ready" || state === "deferred" ? facts.nextAttempt : null;
        recipient.owner = null;
        this.#deposit(item.message, structuredClone(deposits) as readonly NewDeposit[]);
      }
      this.#tidy(item);
      return true;
    });
  }

  nextDue({ local = false }: { readonly local?: boolean } = {}): Promise<number | null> {
    return this.#ask(() => {
      let next: number | null = null;
      for (const { recipients } of this.#messages.values()) {
        for (const { due, facts } of recipients) {
          if (due !== null && (!local || facts.route.to === "local") && (next === null || due < next)) next = due;
        }
      }
      return next;
    });
  }

  queue(query: QueueQuery): Promise<QueuePage> {
    return this.#ask(() => {
      const found = this.#matching(query);
      const limit = Math.max(0, Math.min(query.limit ?? 100, 1000));
      return { total: found.length, items: found.slice(0, limit).map(itemOf), corrupt: [] };
    });
  }

  item(id: string): Promise<QueueItem | null> {
    return this.#ask(() => {
      const item = this.#messages.get(id);
      return item && item.recipients.length > 0 ? itemOf(item) : null;
    });
  }

  change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    return this.#ask(() => {
      const query: QueueQuery = "id" in what ? {} : what;
      const items = "id" in what
        ? [this.#messages.get(what.id)].filter((item) => item !== undefined)
        : this.#matching(query).slice(0, query.limit);
      let changed = 0;
      for (const item of items) {
        for (const recipient of [...item.recipients]) {
          if (matches(recipient, query) && this.#changeOne(item, recipient, change)) changed++;
        }
        this.#tidy(item);
      }
      return changed;
    });
  }

  raw(id: string): Promise<Octets | null> {
    return this.#ask(() => {
      const item = this.#find(id);
      return item ? applyEdits(octetStream(item.octets), item.message.edits) : null;
    });
  }

  received(id: string): Promise<Octets | null> {
    return this.#ask(() => {
      const item = this.#find(id);
      return item ? octetStream(item.octets) : null;
    });
  }

  health(): StoreHealth {
    return { writerWait: 0, freeBytes: this.#spool.budget - this.#spool.used, bodyBytes: this.#spool.used };
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  async #ask<T>(answer: () => T): Promise<T> {
    await Promise.resolve();
    if (this.#closed) throw closed();
    return answer();
  }

  #find(id: string): Message | undefined {
    const at = readEntryId(id);
    return at === null ? undefined : this.#messages.get(at.message);
  }

  #matching(query: QueueQuery): Message[] {
    return [...this.#messages.values()]
      .filter(({ recipients }) => recipients.some((recipient) => matches(recipient, query)))
      .sort((a, b) => a.message.id < b.message.id ? 1 : -1);
  }

  #changeOne(item: Message, recipient: Recipient, change: QueueChange): boolean {
    const { facts } = recipient;
    // Somebody works on an active recipient until its lease ends: whatever he reports must still fit.
    const state = facts.state === "active" && recipient.due! <= this.#now() ? "ready" : facts.state;
    const ready = () => {
      facts.state = "ready";
      facts.nextAttempt = recipient.due = this.#now();
      recipient.owner = null;
      return true;
    };
    switch (change.do) {
      case "retry":
        return ["ready", "deferred", "corrupt", "failed", "expired"].includes(state) && ready();
      case "release":
        return state === "held" && ready();
      case "hold":
        if (state !== "ready" && state !== "deferred") return false;
        Object.assign(recipient, { due: null, owner: null });
        Object.assign(facts, { state: "held", lastReply: change.reason });
        return true;
      case "route":
        if (state !== "ready" && state !== "deferred" && state !== "held") return false;
        facts.route = change.route;
        return true;
      case "delete":
        item.recipients.splice(item.recipients.indexOf(recipient), 1);
        return true;
    }
  }

  /** Delivered recipients go when nothing is under way any more; a message goes when nothing names it. */
  #tidy(item: Message): void {
    const { message: { id }, recipients } = item;
    if (recipients.every(({ facts }) => FINAL_STATES.includes(facts.state))) {
      const left = recipients.filter(({ facts }) => facts.state !== "delivered");
      recipients.splice(0, recipients.length, ...left);
    }
    if (recipients.length === 0 && !this.#entries.some(({ row }) => row.message === id)) this.#messages.delete(id);
  }

  // ---- Inboxes -------------------------------------------------------------------------------------------------------

  #deposit(message: StoredMessage, deposits: readonly NewDeposit[]): void {
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
    return entry ? { entry: decodeEntry(entry.row), message: this.#messages.get(entry.row.message)!.message } : null;
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
      const item = this.#messages.get(row.message);
      if (item) this.#tidy(item);
      this.#watchers.tell("removed", { id: decodeEntry(row).id, inbox: row.name });
    }
    return gone.length;
  }
}

function matches({ facts }: Recipient, { state, domain }: QueueQuery): boolean {
  return (state === undefined || facts.state === state) && (domain === undefined || facts.address.domain === domain);
}

function itemOf({ message, recipients }: Message): QueueItem {
  return { message, recipients: recipients.map(({ facts }) => structuredClone(facts)) };
}

function closed(): StoreError {
  return new StoreError("closed", "the store is closed");
}
