/**
 * The writer thread: the only place that writes to the database. What waits is one batch, a batch is one transaction
 * and one fsync of the log (group commit). A batch that one bad operation spoils is tried piece by piece; a commit that
 * failed is never tried again: nobody knows what a failed fsync left behind, so every operation of it is refused and a
 * fence is written before anything else (see Operations.fence).
 * Non-job: SQL of the operations (operations.ts), bodies before their row (spool.ts).
 */
import type { DatabaseSync } from "node:sqlite";
import { diskFault } from "./durable_write.ts";
import { Operations } from "./operations.ts";
import { setImmediate } from "node:timers";
import type {
  CommitOperation,
  LineBatch,
  LineReply,
  Operation,
  Outcome,
  Refused,
  WriterReply,
  WriterRequest,
} from "./protocol.ts";
import { isSpoolFile } from "./spool.ts";
import { FULL, IOERR, openDatabase, pragma, sqliteCode, type StatementSync } from "./schema.ts";
import { refusedOf } from "./rows.ts";
import { StoreError } from "./store.ts";

const ORPHAN_AGE = 3600_000; // SEMANTICS 25
const IDLE = 200; // milliseconds without a batch before the log is moved into the database
const VACUUM_PAGES = 64; // free pages given back to the file system in one idle moment
const MOST = 1000, MOST_OCTETS = 8 * 1024 * 1024; // of what several threads bring, in one transaction

/** What a thread brings at once. */
export interface Batch {
  readonly operations: readonly Operation[];
  /** Of all of them. */
  readonly octets: ArrayBuffer;
}
interface Placed {
  readonly operation: Operation;
  readonly octets: ArrayBuffer;
}

/** The database, its failures and its spool folder. One per thread. */
export class Writer {
  readonly #folder: string;
  readonly #db: DatabaseSync;
  readonly #operations: Operations;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #free: StatementSync;
  readonly #pageSize: number;
  /** Operations whose commit failed, until a fence is durable. */
  #refused: Refused[] | null = null;
  #trouble: string[] = [];
  #freeBytes = 0;
  #counted = 0;

  constructor(
    { folder, now, first, refused }: Extract<WriterRequest, { ask: "open" }>,
    db: DatabaseSync = openDatabase(`${folder}/postern.db`),
  ) {
    this.#folder = folder;
    this.#db = db;
    try {
      this.#operations = new Operations(this.#db, (file, size) => fileFault(`${folder}/spool/${file}`, size));
      this.#begin = this.#db.prepare("begin immediate");
      this.#commit = this.#db.prepare("commit");
      this.#rollback = this.#db.prepare("rollback");
      this.#free = this.#db.prepare("pragma freelist_count");
      this.#pageSize = pragma(this.#db, "page_size");
      syncFolder(folder); // the names of the database and its log
      this.#transact(() => {
        if (first) {
          this.#operations.leasing.endLeases();
          this.#checkFiles(now);
        }
        this.#operations.fence(refused);
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  batch(operations: readonly Operation[], octets: ArrayBuffer): WriterReply {
    return this.batches([{ operations, octets }])[0]!;
  }

  /** Of several threads, in one transaction. What there is to say beside the outcomes is said to the first. */
  batches(batches: readonly Batch[]): readonly WriterReply[] {
    const all = batches.flatMap(({ operations, octets }) => operations.map((operation) => ({ operation, octets })));
    const outcomes = this.#heal(all) ?? this.#run(all);
    const now = performance.now();
    if (now - this.#counted > 1000) {
      this.#counted = now;
      this.#countFree();
    }
    const trouble = this.#trouble;
    this.#trouble = [];
    let at = 0;
    return batches.map(({ operations: { length } }, place) => ({
      outcomes: outcomes.slice(at, at += length),
      free: this.#freeBytes,
      trouble: place === 0 ? trouble : [],
      written: place === 0 ? all.length : 0,
    }));
  }

  /** Moves the log into the database while nobody waits. True when there is more to do. */
  rest(): boolean {
    try {
      const state = this.#db.prepare("pragma wal_checkpoint(passive)").get();
      const free = Number(this.#free.get()!.freelist_count);
      if (free > VACUUM_PAGES) this.#db.prepare(`pragma incremental_vacuum(${VACUUM_PAGES})`).all();
      return free > VACUUM_PAGES && Number(state?.busy) === 0;
    } catch (error) {
      this.#trouble.push(`checkpoint: ${text(error)}`); // the log still has it all
      return false;
    }
  }

  close(): void {
    try {
      this.#db.prepare("pragma wal_checkpoint(truncate)").get();
    } finally {
      this.#db.close();
    }
  }

  #run(all: readonly Placed[]): readonly Outcome[] {
    let at = -1;
    try {
      const outcomes: Outcome[] = [];
      // A row may name a file only when the file's name is durable. One fsync for all of the batch.
      if (all.some(namesFile)) {
        syncFolder(`${this.#folder}/spool`);
      }
      this.#begin.run();
      for (at = 0; at < all.length; at++) {
        const { operation, octets } = all[at]!;
        outcomes.push(this.#operations.apply(operation, octets));
      }
      this.#commit.run();
      this.#after();
      return outcomes;
    } catch (error) {
      this.#forget();
      const committing = at === all.length, spoiled = at >= 0 && !committing && sqliteCode(error) !== IOERR;
      if (spoiled && all.length > 1) return all.map((one) => this.#heal([one])?.[0] ?? this.#alone(one));
      const outcome = this.#outcome(error);
      if (!spoiled) this.#trouble.push(outcome.message);
      if (committing) this.#fence(all);
      return all.map(() => outcome);
    }
  }

  #alone(one: Placed): Outcome {
    return this.#run([one])[0]!;
  }

  #transact(work: () => void): void {
    this.#begin.run();
    try {
      work();
      this.#commit.run();
    } catch (error) {
      this.#forget();
      throw error;
    }
    this.#after();
  }

  /** The transaction never was. */
  #forget(): void {
    this.#operations.forget();
    try {
      this.#rollback.run();
    } catch { /* SQLite did it by itself */ }
  }

  /** The transaction is durable: now files without a row may go, and people may hear of it. */
  #after(): void {
    for (const file of this.#operations.takeFiles()) {
      try {
        Deno.removeSync(`${this.#folder}/spool/${file}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) this.#trouble.push(`cannot remove spool/${file}: ${text(error)}`);
      }
    }
    this.#trouble.push(...this.#operations.aside.takeNotes());
  }

  #fence(all: readonly Placed[]): void {
    this.#refused ??= [];
    for (const { operation } of all) {
      if (operation.do === "commit") this.#refused.push(...refusedOf(operation));
    }
    this.#heal([]);
  }

  /** Null when all is well; else the refusal of each operation. */
  #heal(all: readonly Placed[]): readonly Outcome[] | null {
    const refused = this.#refused;
    if (refused === null) return null;
    try {
      this.#transact(() => this.#operations.fence(refused));
      this.#refused = null;
      return null;
    } catch (error) {
      const outcome = this.#outcome(error);
      return all.map(() => outcome);
    }
  }

  #outcome(error: unknown): Extract<Outcome, { fault: string }> {
    const code = sqliteCode(error);
    // SQLite tells ENOSPC as "full" but EDQUOT as an I/O error: ask the folder.
    const full = code === FULL || diskFault(error) === "full" || (code === IOERR && this.#noSpace());
    return { fault: full ? "full" : "io", message: `the store cannot write: ${text(error)}` };
  }

  #noSpace(): boolean {
    const path = `${this.#folder}/spool/space.probe`;
    try {
      const file = Deno.openSync(path, { write: true, create: true, truncate: true });
      try {
        file.writeSync(new Uint8Array(64 * 1024));
        file.syncSync();
      } finally {
        file.close();
        Deno.removeSync(path);
      }
      return false;
    } catch (error) {
      return diskFault(error) === "full";
    }
  }

  #countFree(): void {
    try {
      this.#freeBytes = Number(this.#free.get()!.freelist_count) * this.#pageSize;
    } catch { /* the next batch tells what is wrong */ }
  }

  /** Rows whose file is missing or cut are set aside; old files without a row are removed. */
  #checkFiles(now: number): void {
    const files = new Set<string>();
    for (const row of this.#db.prepare("select id, size, file from message where file is not null").all()) {
      const file = String(row.file);
      files.add(file);
      const fault = fileFault(`${this.#folder}/spool/${file}`, Number(row.size));
      if (fault !== null) this.#operations.aside.mark(String(row.id), fault);
    }
    for (const { file } of this.#db.prepare("select file from original where file is not null").all()) {
      files.add(String(file)); // one that is missing harms nobody but who asks for it
    }
    for (const { name, isFile } of Deno.readDirSync(`${this.#folder}/spool`)) {
      const path = `${this.#folder}/spool/${name}`;
      if (!isFile || files.has(name) || !isSpoolFile(name)) continue; // what is not ours is not ours to remove
      const age = now - (Deno.statSync(path).mtime?.getTime() ?? now);
      if (age > ORPHAN_AGE) Deno.removeSync(path);
    }
  }
}

function namesFile({ operation }: Placed): boolean {
  if (operation.do !== "commit" && operation.do !== "adopt") return false;
  const { file, original } = operation.do === "adopt" ? operation.message : operation;
  return file !== null || original !== null && original.file !== null;
}

function fileFault(path: string, size: number): string | null {
  try {
    const found = Deno.statSync(path);
    if (!found.isFile) return `its spool file is not a file`;
    return found.size === size ? null : `its spool file has ${found.size} octets instead of ${size}`;
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "its spool file is missing" : `its spool file: ${text(error)}`;
  }
}

function syncFolder(path: string): void {
  const folder = Deno.openSync(path);
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// ---- The thread ------------------------------------------------------------------------------------------------------

interface Thread {
  onmessage: ((event: MessageEvent<WriterRequest>) => void) | null;
  postMessage(reply: WriterReply): void;
}

/** Answers requests in their order; what other threads bring by lines of their own goes into the same transactions. */
export function serve(thread: Thread): void {
  let writer: Writer | null = null;
  let shared = false;
  let asked: { readonly batch: Batch; answer(reply: WriterReply): void }[] = [];
  let idle: ReturnType<typeof setTimeout> | undefined;
  const rest = () => {
    if (writer?.rest()) idle = setTimeout(rest, IDLE);
  };
  const once = (work: () => void): void => {
    let outcome: Outcome = { value: null };
    try {
      work();
    } catch (error) {
      const fault = error instanceof StoreError ? error.fault : sqliteCode(error) === FULL ? "full" : diskFault(error);
      const message = error instanceof StoreError ? error.message : `the database cannot be used: ${text(error)}`;
      outcome = { fault: fault === "full" ? "full" : "io", message };
    }
    thread.postMessage({ outcomes: [outcome], free: 0, trouble: [], written: 0 });
  };
  const write = () => {
    let count = 0, operations = 0, size = 0;
    for (const { batch } of asked) {
      operations += batch.operations.length;
      size += batch.octets.byteLength;
      if (count > 0 && (operations > MOST || size > MOST_OCTETS)) break;
      count++;
    }
    if (count === 0) return;
    const taken = asked.slice(0, count);
    asked = asked.slice(count);
    const replies = writer?.batches(taken.map(({ batch }) => batch));
    for (const [place, { batch, answer }] of taken.entries()) answer(replies?.[place] ?? closed(batch));
    if (asked.length > 0) setImmediate(write);
    clearTimeout(idle);
    idle = setTimeout(rest, IDLE);
  };
  const take = (batch: Batch, answer: (reply: WriterReply) => void) => {
    asked.push({ batch, answer });
    if (asked.length === 1) setImmediate(write); // what others have brought meanwhile comes in this turn
  };
  const line = (port: MessagePort) => {
    shared = true;
    port.onmessage = ({ data: { operations, octets } }: MessageEvent<LineBatch>) =>
      take({ operations: JSON.parse(operations) as CommitOperation[], octets }, ({ outcomes, ...rest }) => {
        const done = outcomes.every(({ fault }) => fault === undefined);
        port.postMessage({ ...rest, outcomes: done ? null : outcomes } satisfies LineReply);
      });
  };
  thread.onmessage = ({ data }) => {
    clearTimeout(idle);
    switch (data.ask) {
      case "open":
        return once(() => writer = new Writer(data));
      case "close":
        while (asked.length > 0) write();
        clearTimeout(idle);
        return once(() => {
          writer?.close();
          writer = null;
        });
      case "serve":
        return once(() => line(data.port));
      case "batch":
        if (shared) return take(data, (reply) => thread.postMessage(reply));
        thread.postMessage(writer!.batch(data.operations, data.octets));
        idle = setTimeout(rest, IDLE);
    }
  };
}

function closed({ operations }: Batch): WriterReply {
  const outcome = { fault: "io", message: "the store is closed" } as const;
  return { outcomes: operations.map(() => outcome), free: 0, trouble: [], written: 0 };
}

// In a test that imports this file there is no thread to serve.
if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Thread);
