/**
 * The store of several nodes in one PostgreSQL database. This file puts its parts together.
 * Non-job: SQL (the files beside it), bodies while they are received (spool.ts).
 */
import { statfsSync } from "node:fs";
import { hostname } from "node:os";
import type { Observer } from "../../observe/events.ts";
import { diskError, durableFolder } from "../durable_write.ts";
import { type FolderLock, lockFolder } from "../lock.ts";
import type { EntryChange } from "../protocol.ts";
import { claimedLeases } from "../rows.ts";
import { isSpoolFile, Spool } from "../spool.ts";
import {
  type Body,
  type BodyWriter,
  type CommitOptions,
  type DomainTotals,
  type Inboxes,
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
} from "../store.ts";
import { Watchers } from "../watchers.ts";
import { adopt } from "./adopting.ts";
import { Bodies } from "./bodies.ts";
import { Changing } from "./changing.ts";
import { arrivals, encode, encodeAdopted, type PlacedBody } from "./committing.ts";
import { Connection } from "./connection.ts";
import { PostgresCounters } from "./counters.ts";
import { storeFault } from "./faults.ts";
import { Leasing } from "./leasing.ts";
import { Node } from "./node.ts";
import { Pool } from "./pool.ts";
import { postponeAll } from "./postponing.ts";
import { Reading } from "./reading.ts";
import { migrate } from "./schema.ts";
import { type DatabaseAddress, parseDatabaseUrl } from "./url.ts";
import { Writer } from "./writer.ts";

export interface PostgresOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`; several hosts are tried in order. */
  readonly url: string;
  /**
   * The data folder, which it takes for itself; made when it is not there. In its `spool` are bodies while they are
   * received, and nothing that has to outlive the process.
   */
  readonly folder: string;
  /** What other nodes call this one, for people (default the host's name). */
  readonly node?: string;
  /** Octets of bodies in memory, all together (default 32 MiB). */
  readonly memoryBudget?: number;
  /** Octets up to which a body stays in memory and in its row; above it lies in pieces (default 256 KiB). */
  readonly blobLimit?: number;
  /** Most octets of a header section (default 256 KiB). */
  readonly headLimit?: number;
  /** Milliseconds between two signs of life (default 5000). */
  readonly beat?: number;
  /** This node takes over from one that has been silent for so long, milliseconds (default 15,000). */
  readonly silence?: number;
  /** Milliseconds in which the database must have done what it is asked (default 20 s); else it counts as refused. */
  readonly deadline?: number;
  /** Told of trouble. */
  readonly observer?: Observer;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Told of each batch that was written: its operations, and milliseconds. */
  readonly batch?: (operations: number, milliseconds: number) => void;
}

type Octets = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Connections: for what is written, leases and counters; for lists and bodies. One more listens. */
const WRITING = 5, READING = 3;
/** A long search may take so long, milliseconds. */
const SEARCH = 60_000;

/**
 * Opens the store, and makes or updates its tables.
 *
 * @throws {StoreError} one line, without the password: not reachable, refused, a standby, of a newer version.
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const address = parseDatabaseUrl(options.url), { folder } = options;
  let lock: FolderLock | null = null;
  try {
    await durableFolder(folder);
    lock = await lockFolder(folder);
    await emptyFolder(`${folder}/spool`);
  } catch (error) {
    lock?.release();
    throw diskError(error, `the data folder ${folder} cannot be used`);
  }
  const store = new PostgresStore(options, address, lock);
  try {
    const connection = await Connection.open(address);
    try {
      await migrate(connection, "store");
    } finally {
      await connection.end();
    }
    await store.open();
    return store;
  } catch (error) {
    await store.abandon();
    const { fault, message } = storeFault(error);
    throw new StoreError(
      fault,
      `the database ${address.shown} cannot be used: ${message.replace(/^the database: /, "")}`,
    );
  }
}

/** What is there belonged to commits that never were. */
async function emptyFolder(folder: string): Promise<void> {
  await durableFolder(folder);
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && isSpoolFile(name)) await Deno.remove(`${folder}/${name}`);
  }
}

class PostgresStore implements Store {
  readonly inboxes: Inboxes;
  readonly quarantine: QuarantineStore;
  readonly counters: PostgresCounters;
  readonly #id = crypto.randomUUID();
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #observer: Observer | undefined;
  readonly #spool: Spool;
  readonly #write: Pool;
  readonly #read: Pool;
  readonly #writer: Writer;
  readonly #bodies: Bodies;
  readonly #leasing: Leasing;
  readonly #changing: Changing;
  readonly #reading: Reading;
  readonly #node: Node;
  readonly #watchers: Watchers;
  readonly #queueWatchers = new Set<{ readonly listener: () => void }>();
  #closed = false;
  #committing = 0;
  /** Called when no commit is under way. */
  #quiet: (() => void) | null = null;
  #free = { at: -Infinity, bytes: 0 };
  /** Asks for what other nodes may have left lying. */
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PostgresOptions, address: DatabaseAddress, lock: FolderLock) {
    const { folder, memoryBudget, blobLimit, headLimit, now = Date.now, node = hostname(), beat, silence } = options;
    const trouble = (message: string) => this.#trouble(message);
    const notice = (message: string) => this.#say("notice", message);
    this.#folder = folder;
    this.#lock = lock;
    this.#observer = options.observer;
    this.#watchers = new Watchers(trouble);
    this.#spool = new Spool({
      folder: `${folder}/spool`,
      ...(memoryBudget === undefined ? {} : { budget: memoryBudget }),
      ...(blobLimit === undefined ? {} : { memoryLimit: blobLimit }),
      ...(headLimit === undefined ? {} : { headLimit }),
    });
    const pool = this.#write = new Pool({
      ...{ address, size: WRITING, indexed: true, trouble, notice },
      ...options.deadline !== undefined && { deadline: options.deadline },
    });
    this.#read = new Pool({ address, size: READING, deadline: SEARCH, statementTimeout: SEARCH });
    this.#writer = new Writer({ pool, node: this.#id, trouble, ...options.batch && { batch: options.batch } });
    this.#bodies = new Bodies({ write: pool, read: this.#read });
    this.#changing = new Changing({ pool, now });
    this.#reading = new Reading(this.#read);
    this.counters = new PostgresCounters({ pool, now });
    this.#node = new Node({
      ...{ address, pool, id: this.#id, name: node, now },
      ...beat !== undefined && { beat },
      ...silence !== undefined && { silence },
      kick: () => this.#kick(),
      changed: ({ type, id, inbox }) => this.#watchers.tell(type, { id, inbox }),
      chores: () => this.#chores(),
      ...{ trouble, notice },
    });
    this.#leasing = new Leasing({
      ...{ pool, node: this.#id, nodes: () => this.#node.count, ahead: () => this.#node.ahead, trouble },
      left: (milliseconds) => {
        this.#node.tell({ queue: true });
        this.#again ??= setTimeout(() => {
          this.#again = undefined;
          this.#kick();
        }, milliseconds);
      },
    });
    const ask = <T>(work: () => Promise<T>): Promise<T> => this.#ask(work);
    this.quarantine = {
      total: () => ask(() => this.#reading.quarantined()),
      expire: ({ now }) => ask(() => this.#changing.expire(now)),
    };
    this.inboxes = {
      names: () => ask(() => this.#reading.names()),
      list: (query) => ask(() => this.#reading.list(query)),
      get: (id) => ask(() => this.#reading.entry(id)),
      markRead: (id, read) => ask(() => this.#changing.markRead(id, read)),
      remove: (what) => ask(() => this.#changing.remove(what, (gone) => this.#tell("removed", gone))),
      watch: (listener) => this.#watchers.add(listener),
    };
  }

  async open(): Promise<void> {
    await this.#node.start();
  }

  /** Lets go of a store that did not open. */
  async abandon(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#write.end(), this.#read.end()]);
    await this.#node.stop();
    this.#lock.release();
  }

  receive(id: string): BodyWriter {
    if (this.#closed) throw closed();
    return this.#spool.receive(id);
  }

  async commit(message: NewMessage, body: Body, options: CommitOptions = {}): Promise<readonly Lease[]> {
    const { claim, received } = options, placed: PlacedBody[] = [];
    this.#committing++;
    try {
      if (this.#closed) throw closed();
      if (message.recipients.length === 0 && message.deposits.length === 0) return []; // nobody would ever read it
      const place = async (each: Body) => {
        const found = await this.#bodies.place(each);
        placed.push(found);
        return found;
      };
      const commit = encode(
        message,
        await place(body),
        { ...options, received: received ? await place(received) : null },
        this.#id,
      );
      const taken = await this.#writer.commit(commit);
      placed.length = 0;
      this.#tell("arrived", arrivals(commit));
      const leases = claim === undefined ? [] : claimedLeases(message, body.size, claim).flatMap((lease) => {
        const recipients = lease.recipients.filter(({ index }) => taken.has(index));
        return recipients.length === 0 ? [] : [{ ...lease, recipients }];
      });
      if (message.recipients.some(({ state }, index) => state === "ready" && !taken.has(index))) {
        this.#node.tell({ queue: true });
      }
      return leases;
    } catch (error) {
      throw storeFault(error);
    } finally {
      body.discard();
      received?.discard();
      // What was refused may be there for all we know until the writer has seen to it; then its pieces go an hour later
      for (const each of placed) void this.#bodies.drop(each).catch(() => {});
      if (--this.#committing === 0) this.#quiet?.();
    }
  }

  async adopt(item: WholeItem, body: Body, received?: Body): Promise<boolean> {
    const placed: PlacedBody[] = [];
    this.#committing++;
    try {
      if (this.#closed) throw closed();
      for (const each of received ? [body, received] : [body]) placed.push(await this.#bodies.place(each));
      const done = await adopt(this.#write, encodeAdopted(item, placed[0]!, placed[1] ?? null));
      if (done) placed.length = 0;
      this.#node.tell({ queue: true });
      return done;
    } catch (error) {
      throw storeFault(error);
    } finally {
      body.discard();
      received?.discard();
      for (const each of placed) void this.#bodies.drop(each).catch(() => {});
      if (--this.#committing === 0) this.#quiet?.();
    }
  }

  async lease(options: LeaseOptions): Promise<readonly Lease[]> {
    return await this.#ask(() => this.#leasing.lease(options));
  }

  async settle(
    { message: { id }, owner, until }: Lease,
    outcomes: readonly RecipientOutcome[],
    reports: readonly NewReport[] = [],
  ): Promise<boolean> {
    return await this.#ask(async () => {
      const { done, arrived } = await this.#writer.settle({
        ...{ id, owner, until, outcomes },
        reports: reports.filter(({ message }) => message.recipients.length > 0 || message.deposits.length > 0)
          .map(({ message, content }) =>
            encode(message, { size: content.length, octets: content, blob: null }, {}, this.#id)
          ),
      });
      this.#tell("arrived", arrived);
      return done;
    });
  }

  postpone({ destination, until }: { readonly destination: string; readonly until: number }): Promise<number> {
    return this.#ask(() => postponeAll(this.#write, { destination, until }));
  }

  nextDue({ now }: { readonly now: number }): Promise<number | null> {
    return this.#ask(() => this.#reading.nextDue(now));
  }

  oldest(): Promise<number | null> {
    return this.#ask(() => this.#reading.oldest());
  }

  queue(query: QueueListQuery): Promise<QueuePage> {
    return this.#ask(() => this.#reading.queue(query));
  }

  domains({ limit }: { readonly limit: number }): Promise<readonly DomainTotals[]> {
    return this.#ask(() => this.#reading.domains(limit));
  }

  totals(query: Pick<QueueQuery, "domain">): Promise<QueueTotals> {
    return this.#ask(() => this.#reading.totals(query));
  }

  item(id: string): Promise<QueueItem | null> {
    return this.#ask(() => this.#reading.item(id));
  }

  whole(id: string): Promise<WholeItem | null> {
    return this.#ask(() => this.#reading.whole(id));
  }

  async change(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number> {
    const changed = await this.#ask(() => this.#changing.change(what, change));
    if (changed > 0) this.#node.tell({ queue: true });
    return changed;
  }

  raw(id: string): Promise<Octets | null> {
    return this.#ask(() => this.#bodies.written(id));
  }

  content(id: string): Promise<Octets | null> {
    return this.#ask(() => this.#bodies.octets(id));
  }

  received(id: string): Promise<Octets | null> {
    return this.#ask(() => this.#bodies.octets(id, true));
  }

  watchQueue(listener: () => void): () => void {
    const entry = { listener };
    this.#queueWatchers.add(entry);
    return () => void this.#queueWatchers.delete(entry);
  }

  /** Free is what the disk of bodies under way has; of the database's nobody knows. */
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
    return { writerWait: this.#writer.wait, freeBytes: this.#free.bytes, bodyBytes: this.#spool.used };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#committing > 0) await new Promise<void>((resolve) => this.#quiet = resolve);
    try {
      await this.#writer.idle();
      await this.counters.idle();
      clearTimeout(this.#again);
      await this.#node.stop();
      await Promise.all([this.#write.end(), this.#read.end()]);
      await this.#spool.settled();
    } finally {
      this.#lock.release();
    }
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closed();
    try {
      return await work();
    } catch (error) {
      throw this.#closed
        ? closed()
        : error instanceof TypeError || error instanceof RangeError
        ? error
        : storeFault(error);
    }
  }

  async #chores(): Promise<void> {
    await this.#writer.settleRefused();
    if (await this.#leasing.giveBackLost()) this.#kick();
    while (await this.#bodies.clear()) { /* there may be more */ }
    while (await this.counters.clear()) { /* there may be more */ }
  }

  /** Here and to the other nodes. */
  #tell(type: "arrived" | "removed", entries: readonly EntryChange[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) this.#watchers.tell(type, entry);
    this.#node.tell({ inboxes: entries.map((entry) => ({ type, ...entry })) });
  }

  #kick(): void {
    for (const { listener } of this.#queueWatchers) {
      try {
        listener();
      } catch (error) {
        this.#trouble(`a listener of the queue threw: ${error}`);
      }
    }
  }

  #trouble(message: string): void {
    this.#say("trouble", message);
  }
  #say(type: "trouble" | "notice", message: string): void {
    this.#observer?.({ type, where: "store", message });
  }
}

function closed(): StoreError {
  return new StoreError("closed", "the store is closed");
}
