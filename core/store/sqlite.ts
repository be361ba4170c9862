/**
 * The embedded store, seen from the session thread: a database with one writer thread and one reader thread, and a
 * spool folder for large bodies. This file turns the interface into their questions.
 * Non-job: group commit (writer_queue.ts), SQL (operations.ts, sqlite_reader.ts), bodies (spool.ts).
 */
import { statfsSync } from "node:fs";
import { concat } from "../model/octets.ts";
import type { Observer } from "../observe/events.ts";
import { threadModule } from "../packed/contents.ts";
import { changeInPieces } from "./changing.ts";
import { CounterCache } from "./counters.ts";
import { durableBody, fileOf } from "./durable_body.ts";
import { diskError, durableFolder } from "./durable_write.ts";
import { type FolderLock, lockFolder } from "./lock.ts";
import type {
  DueRow,
  EntryChange,
  Operation,
  ReaderRequest,
  ReaderResults,
  Refused,
  Results,
  WriterReply,
  WriterRequest,
} from "./protocol.ts";
import { claimedLeases, encodeAdoption, encodeCommit, entryId, readEntryId } from "./rows.ts";
import { Spool } from "./spool.ts";
import { SpoolFile } from "./spool_file.ts";
import { StoredBodies } from "./stored_bodies.ts";
import { SqliteReading } from "./sqlite_reading.ts";
import {
  type Body,
  type BodyWriter,
  type CommitOptions,
  type DomainTotals,
  type Inboxes,
  type InboxPage,
  type InboxQuery,
  type Lease,
  type LeaseOptions,
  type NewMessage,
  type NewReport,
  type QuarantineStore,
  type QueueChange,
  type QueueItem,
  type QueueListQuery,
  type QueuePage,
  type QueueQuery,
  type QueueTotals,
  type RecipientOutcome,
  type Store,
  StoreError,
  type StoreHealth,
  type WholeItem,
} from "./store.ts";
import { DatabaseThread } from "./thread.ts";
import { type Answer, WriterQueue, type WriterThread } from "./writer_queue.ts";
import { Watchers } from "./watchers.ts";
import { WriterLines } from "./writer_lines.ts";

export interface SqliteOptions {
  /** The data folder; made when it is not there. */
  readonly folder: string;
  /** Octets of bodies in memory, all together (default 32 MiB). */
  readonly memoryBudget?: number;
  /** Octets up to which a body stays in memory and in the database; above it is a file (default 256 KiB). */
  readonly blobLimit?: number;
  /** Most octets of a header section (default 256 KiB). */
  readonly headLimit?: number;
  /** Told of trouble. */
  readonly observer?: Observer;
  /** Milliseconds that a write waits for what other threads bring (default 0). */
  readonly company?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Told of each batch that was written: its operations, and milliseconds. */
  readonly batch?: (operations: number, milliseconds: number) => void;
}

type Octets = ReadableStream<Uint8Array<ArrayBuffer>>;

const COUNTERS = 50_000; // in memory
const PIECE = 500; // rows that one transaction of a long change touches: commits get in between

/**
 * Opens the store in its folder, which it takes for itself.
 *
 * @throws {StoreError} one line: in use, not writable, full, damaged, from a newer version, on a network file system.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const { folder } = options;
  let lock: FolderLock | null = null;
  let store: SqliteStore | null = null;
  try {
    await durableFolder(folder);
    lock = await lockFolder(folder);
    await durableFolder(`${folder}/spool`);
    store = new SqliteStore(options, lock);
    await store.open();
    return store;
  } catch (error) {
    store?.abandon();
    lock?.release();
    throw diskError(error, `the data folder ${folder} cannot be used`);
  }
}

class SqliteStore implements Store {
  readonly inboxes: Inboxes;
  readonly quarantine: QuarantineStore;
  readonly lines: WriterLines;
  readonly #folder: string;
  readonly #spool: Spool;
  readonly #lock: FolderLock;
  readonly #now: () => number;
  readonly #observer: Observer | undefined;
  readonly #watchers: Watchers;
  readonly #writer: WriterQueue;
  readonly #bodies: StoredBodies;
  readonly #reader: SqliteReading;
  #counters: CounterCache | null = null;
  #first = true;
  #closed = false;
  #committing = 0;
  /** Called when no commit is under way. */
  #quiet: (() => void) | null = null;
  #free = { at: -Infinity, bytes: 0 };

  constructor(options: SqliteOptions, lock: FolderLock) {
    const { folder, memoryBudget, blobLimit, headLimit } = options;
    this.#folder = folder;
    this.#lock = lock;
    this.#now = options.now ?? Date.now;
    this.#observer = options.observer;
    this.#watchers = new Watchers((message) => this.#trouble(message));
    this.#spool = new Spool({
      folder: `${folder}/spool`,
      ...(memoryBudget === undefined ? {} : { budget: memoryBudget }),
      ...(blobLimit === undefined ? {} : { memoryLimit: blobLimit }),
      ...(headLimit === undefined ? {} : { headLimit }),
    });
    this.#reader = new SqliteReading(folder, (message) => this.#trouble(message));
    this.#writer = new WriterQueue({
      start: (died, refused) => this.#startWriter(died, refused),
      trouble: (message) => this.#trouble(message),
      ...options.batch && { batch: options.batch },
      ...options.company !== undefined && { company: options.company },
    });
    this.lines = new WriterLines({
      wrote: (word) => this.#writer.wrote(word),
      arrived: (id, inbox) => this.#watchers.tell("arrived", { id, inbox }),
    });
    this.quarantine = {
      total: () => this.#read({ ask: "quarantine" }),
      expire: ({ now }) => this.#expire(now),
    };
    this.#bodies = new StoredBodies({
      path: (file) => this.#spool.path(file),
      ask: (id, original) => this.#read({ ask: "body", id, original }),
    });
    this.inboxes = {
      names: () => this.#read({ ask: "names" }),
      list: (query) => this.#list(query),
      get: (id) => this.#read({ ask: "entry", id }),
      markRead: (id, read) => this.#write({ do: "mark", id, read }),
      remove: (what) => this.#remove(what),
      watch: (listener) => this.#watchers.add(listener),
    };
  }

  get counters(): CounterCache {
    return this.#counters!;
  }

  async open(): Promise<void> {
    await this.#writer.open();
    this.#first = false;
    const rows = await this.#read({ ask: "counters", limit: COUNTERS + 1 });
    this.#counters = new CounterCache({
      now: this.#now,
      limit: COUNTERS,
      load: (name) => this.#read({ ask: "counter", name }),
      list: (query) => this.#read({ ask: "namedCounters", query, now: this.#now() }),
      save: async (rows, now) => void await this.#write({ do: "count", rows, now }),
      ...(rows.length <= COUNTERS ? { all: rows } : {}),
    });
  }

  /** Ends the threads of a store that did not open. */
  abandon(): void {
    this.#closed = true;
    this.#writer.end();
    void this.#reader.end();
  }

  receive(id: string): BodyWriter {
    if (this.#closed) throw closed();
    return this.#spool.receive(id);
  }

  async commit(message: NewMessage, body: Body, options: CommitOptions = {}): Promise<readonly Lease[]> {
    const { claim, expires } = options;
    let { received } = options;
    this.#committing++;
    try {
      if (this.#closed) throw closed();
      if (message.recipients.length === 0 && message.deposits.length === 0) return []; // nobody would ever read it
      if (body.memory === null) body = await durableBody(this.#spool, message.id, body);
      if (received?.memory === null) received = await durableBody(this.#spool, message.id, received);
      const operation = encodeCommit(message, body.size, fileOf(body), {
        ...claim && { claim },
        ...expires !== undefined && { expires: Math.round(expires) },
        ...received && { original: { size: received.size, file: fileOf(received) } },
      });
      const octets = received?.memory ? concat([body.memory ?? NOTHING, received.memory]) : body.memory;
      const answer = await this.#writer.submit(operation, octets);
      for (const each of [body, received]) {
        if (each instanceof SpoolFile && (answer.fault === undefined || answer.lost)) each.keep();
      }
      taken(answer);
      for (let i = 0; i < operation.entries.length; i++) {
        this.#watchers.tell("arrived", { id: entryId(message.id, i + 1), inbox: operation.entries[i]!.name });
      }
      return claim === undefined ? [] : claimedLeases(message, body.size, claim);
    } finally {
      body.discard();
      received?.discard();
      if (--this.#committing === 0) this.#quiet?.();
    }
  }

  async lease(options: LeaseOptions): Promise<readonly Lease[]> {
    const { owner, now, seconds, limit, exclude = [], horizon = Number.MAX_SAFE_INTEGER } = options;
    const common = { do: "lease", owner, now, seconds, exclude, horizon: Math.round(horizon) } as const;
    const leases: Lease[] = [];
    for (let more = true; more && leases.length < limit;) { // in pieces: commits get in between
      try {
        const piece: Results["lease"] = await this.#write({ ...common, limit: limit - leases.length });
        leases.push(...piece.leases);
        more = piece.more;
      } catch (error) {
        if (leases.length === 0) throw error;
        return leases; // these are taken, whatever became of the next piece
      }
    }
    return leases;
  }

  async settle(
    { message: { id }, owner, until }: Lease,
    outcomes: readonly RecipientOutcome[],
    reports: readonly NewReport[] = [],
  ): Promise<boolean> {
    let size = 0;
    const commits = reports.filter(({ message }) => message.recipients.length > 0 || message.deposits.length > 0)
      .map(({ message, content }) => {
        const commit = encodeCommit(message, content.length, null);
        commit.at = size;
        size += content.length;
        return { commit, content };
      });
    const octets = commits.length === 0 ? null : concat(commits.map(({ content }) => content));
    const { done, arrived } = await this.#write({
      do: "settle",
      lease: { id, owner, until },
      outcomes,
      reports: commits.map(({ commit }) => commit),
      at: 0,
    }, octets);
    for (const entry of arrived) this.#watchers.tell("arrived", entry);
    return done;
  }

  async postpone({ destination, until }: { readonly destination: string; readonly until: number }): Promise<number> {
    let changed = 0, after: DueRow | null = [Number.MIN_SAFE_INTEGER, "", -1];
    do {
      const piece: Results["postpone"] = await this.#write(
        { do: "postpone", destination, until, after, limit: PIECE },
      );
      changed += piece.changed;
      after = piece.last;
    } while (after !== null);
    return changed;
  }

  nextDue({ now }: { readonly now: number }): Promise<number | null> {
    return this.#read({ ask: "due", after: now });
  }

  oldest(): Promise<number | null> {
    return this.#read({ ask: "oldest" });
  }

  queue(query: QueueListQuery): Promise<QueuePage> {
    return this.#read({ ask: "queue", query });
  }

  domains({ limit }: { readonly limit: number }): Promise<readonly DomainTotals[]> {
    return this.#read({ ask: "domains", limit });
  }

  totals(query: Pick<QueueQuery, "domain">): Promise<QueueTotals> {
    return this.#read({ ask: "totals", query });
  }

  item(id: string): Promise<QueueItem | null> {
    return this.#read({ ask: "item", id });
  }

  whole(id: string): Promise<WholeItem | null> {
    return this.#read({ ask: "whole", id });
  }

  async adopt(item: WholeItem, body: Body, received?: Body): Promise<boolean> {
    const { id } = item.message;
    this.#committing++;
    try {
      if (this.#closed) throw closed();
      if (body.memory === null) body = await durableBody(this.#spool, id, body);
      if (received?.memory === null) received = await durableBody(this.#spool, id, received);
      const operation = encodeAdoption(item, body.size, {
        file: fileOf(body),
        original: received ? { size: received.size, file: fileOf(received) } : null,
      });
      const octets = received?.memory ? concat([body.memory ?? NOTHING, received.memory]) : body.memory;
      const answer = await this.#writer.submit(operation, octets);
      // Nobody knows what of a failed write is there: a file that no row names goes at a later start
      const named = answer.fault === undefined ? answer.value === true : answer.fault === "io";
      for (const each of [body, received]) if (each instanceof SpoolFile && named) each.keep();
      return taken(answer) as boolean;
    } finally {
      body.discard();
      received?.discard();
      if (--this.#committing === 0) this.#quiet?.();
    }
  }

  change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    return changeInPieces(what, change, { now: this.#now, read: (r) => this.#read(r), write: (w) => this.#write(w) });
  }

  raw(id: string): Promise<Octets | null> {
    return this.#bodies.written(id);
  }

  content(id: string): Promise<Octets | null> {
    return this.#bodies.octets(id);
  }

  received(id: string): Promise<Octets | null> {
    return this.#bodies.octets(id, true);
  }

  #list(query: InboxQuery): Promise<InboxPage> {
    const before = query.before === undefined || readEntryId(query.before) !== null;
    return before ? this.#read({ ask: "list", query }) : Promise.resolve({ total: 0, messages: [] });
  }

  async #remove({ id = null, inbox = null }: { id?: string | null; inbox?: string | null }): Promise<number> {
    let removed = 0, last = "";
    for (;;) { // oldest first, until all that was there at the start is gone
      const page = id === null && last === ""
        ? await this.#list(inbox === null ? { limit: 1 } : { inbox, limit: 1 })
        : null;
      if (page !== null) last = page.messages[0]?.id ?? "";
      if (page !== null && last === "") return 0;
      const gone: readonly EntryChange[] = await this.#write({ do: "remove", id, inbox, limit: PIECE });
      for (const entry of gone) this.#watchers.tell("removed", entry);
      removed += gone.length;
      if (gone.length < PIECE || gone.some((entry) => entry.id >= last)) return removed;
    }
  }

  async #expire(now: number): Promise<readonly string[]> {
    const gone: readonly string[] = await this.#write({ do: "expire", now, limit: PIECE });
    return gone.length < PIECE ? gone : [...gone, ...await this.#expire(now)];
  }

  health(): StoreHealth {
    const now = performance.now();
    if (now - this.#free.at > 1000) {
      try {
        const { bavail, bsize } = statfsSync(this.#folder);
        this.#free = { at: now, bytes: Number(bavail) * Number(bsize) };
      } catch {
        this.#free = { at: now, bytes: 0 };
      }
    }
    return {
      writerWait: Math.max(this.#writer.wait, this.lines.wait),
      freeBytes: this.#free.bytes + this.#writer.freeBytes,
      bodyBytes: this.#spool.used,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#committing > 0) await new Promise<void>((resolve) => this.#quiet = resolve);
    try {
      await this.#counters?.flush();
      await this.#reader.end();
      await this.#writer.close();
      await this.#spool.settled();
    } finally {
      this.#lock.release();
    }
  }

  async #write<K extends Exclude<Operation["do"], "commit">>(
    operation: Operation & { readonly do: K },
    octets: Uint8Array | null = null,
  ): Promise<Results[K]> {
    if (this.#closed && operation.do !== "count") throw closed();
    return taken(await this.#writer.submit(operation, octets)) as Results[K];
  }

  async #read<K extends ReaderRequest["ask"]>(request: Extract<ReaderRequest, { ask: K }>): Promise<ReaderResults[K]> {
    if (this.#closed) throw closed();
    return await this.#reader.ask(request);
  }

  async #startWriter(died: (why: string) => void, refused: readonly Refused[]): Promise<WriterThread> {
    const lost = this.#first ? [] : await this.lines.ended();
    const worker = new Worker(threadModule(new URL("./sqlite_writer.ts", import.meta.url)), { type: "module" });
    const thread = new DatabaseThread<WriterRequest, WriterReply>(worker, died);
    const { outcomes: [outcome] } = await thread.ask(
      { ask: "open", folder: this.#folder, now: this.#now(), first: this.#first, refused: [...refused, ...lost] },
    );
    if (!outcome?.fault) return this.lines.began(thread);
    thread.end();
    throw new StoreError(outcome.fault, outcome.message);
  }

  #trouble(message: string): void {
    this.#observer?.({ type: "trouble", where: "store", message });
  }
}

const NOTHING = new Uint8Array(0);

function taken(answer: Answer): unknown {
  if (answer.fault !== undefined) throw new StoreError(answer.fault, answer.message);
  return answer.value;
}

function closed(): StoreError {
  return new StoreError("closed", "the store is closed");
}
