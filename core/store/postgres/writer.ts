/**
 * Group commit: commits and outcomes wait here until a lane is free, then all that wait go in one transaction. A batch that
 * fails for one of them is tried one by one. Where the connection is lost with COMMIT under way the outcome is found out;
 * who cannot be told is refused, and what he was refused is removed before anything else is written (case 70).
 * Non-job: the statements (committing.ts, settling.ts).
 */
import { setImmediate } from "node:timers";
import { StoreError } from "../store.ts";
import { type Commit, insert } from "./committing.ts";
import { type Connection, rows } from "./connection.ts";
import { isOfOne, storeFault, type TransactionName, UnknownOutcome } from "./faults.ts";
import type { Pool } from "./pool.ts";
import { deleteUnreferenced, lockMessages, type Settle, settle, type Settled } from "./settling.ts";

export interface WriterOptions {
  readonly pool: Pool;
  /** This node's id. */
  readonly node: string;
  trouble(message: string): void;
  /** A batch was answered: so many operations, and milliseconds. */
  batch?(operations: number, milliseconds: number): void;
}
/** What the claim of a commit has brought: places of recipients. */
export type Taken = ReadonlySet<number>;
type Work =
  | { readonly do: "commit"; readonly commit: Commit }
  | { readonly do: "settle"; readonly settle: Settle };
interface Waiting {
  readonly work: Work;
  readonly octets: number;
  readonly since: number;
  readonly resolve: (result: Taken | Settled) => void;
  readonly reject: (error: unknown) => void;
}
/** Said to be refused while it was not sure that nothing of it is kept. */
interface Refused {
  readonly transaction: TransactionName;
  readonly ids: readonly string[];
}

const LANES = 2;
const MOST = 500;
const MOST_OCTETS = 8 * 1024 * 1024;
const PATIENCE = 10_000; // operations that may wait
const RECIPIENT = 500; // octets of one in a statement, as far as a batch is concerned
const NOBODY: Taken = new Set();

export class Writer {
  readonly #options: WriterOptions;
  #waiting: Waiting[] = [];
  readonly #flights = new Set<readonly Waiting[]>();
  /** What is under way is about these rows: who is about them too waits, so that what came first is first. */
  readonly #busy = new Set<string>();
  #refused: Refused[] = [];
  #clearing: Promise<void> | null = null;
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Milliseconds that the oldest operation has waited. */
  get wait(): number {
    let since = this.#waiting[0]?.since ?? Infinity;
    for (const [first] of this.#flights) since = Math.min(since, first!.since);
    return since === Infinity ? 0 : performance.now() - since;
  }

  /** @throws {StoreError} */
  commit(commit: Commit): Promise<Taken> {
    const octets = (commit.body.octets?.length ?? 0) + (commit.received?.octets?.length ?? 0) +
      commit.recipients.length * RECIPIENT;
    return this.#submit({ do: "commit", commit }, octets) as Promise<Taken>;
  }

  /** @throws {StoreError} */
  settle(settle: Settle): Promise<Settled> {
    const octets = settle.reports.reduce((sum, { body }) => sum + (body.octets?.length ?? 0), 0);
    return this.#submit({ do: "settle", settle }, octets) as Promise<Settled>;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#flights.size === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #submit(work: Work, octets: number): Promise<Taken | Settled> {
    if (this.#waiting.length >= PATIENCE) {
      return Promise.reject(new StoreError("busy", "too much is waiting for the database"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, octets, since: performance.now(), resolve, reject });
      this.#schedule();
    });
  }

  // At the end of the event loop's turn, so that all sessions that were ready in it share a transaction.
  #schedule(): void {
    if (this.#scheduled || this.#flights.size >= LANES) return;
    this.#scheduled = true;
    setImmediate(this.#send);
  }

  readonly #send = (): void => {
    this.#scheduled = false;
    while (this.#flights.size < LANES && this.#waiting.length > 0) {
      const { batch, keys } = this.#take();
      if (batch.length === 0) return; // the end of what is under way comes back here
      this.#flights.add(batch);
      const began = performance.now();
      void this.#write(batch).finally(() => {
        this.#flights.delete(batch);
        for (const key of keys) this.#busy.delete(key);
        this.#options.batch?.(batch.length, performance.now() - began);
        if (this.#waiting.length > 0) this.#schedule();
        else if (this.#flights.size === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
      });
    }
  };

  /** As many as fit, none of which is about a row that another is about. */
  #take(): { readonly batch: readonly Waiting[]; readonly keys: readonly string[] } {
    const all: string[] = [];
    let count = 0, octets = 0;
    for (; count < this.#waiting.length && count < MOST; count++) {
      const next = this.#waiting[count]!, keys = keysOf(next.work);
      if (count > 0 && octets + next.octets > MOST_OCTETS || keys.some((key) => this.#busy.has(key))) break;
      octets += next.octets;
      for (const key of keys) this.#busy.add(key);
      all.push(...keys);
    }
    return { batch: this.#waiting.splice(0, count), keys: all };
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#clear();
      const results = await this.#options.pool.transaction((connection) => this.#apply(connection, batch));
      for (const [place, { resolve }] of batch.entries()) resolve(results[place]!);
    } catch (error) {
      if (batch.length > 1 && isOfOne(error)) {
        for (const each of batch) await this.#write([each]);
        return;
      }
      if (error instanceof UnknownOutcome) this.#refuse(error, batch);
      const fault = storeFault(error);
      for (const { reject } of batch) reject(fault);
      // The database is away: who has come meanwhile need not find that out by himself, one batch after the other
      if (!isOfOne(error) && fault.fault === "io") { for (const { reject } of this.#waiting.splice(0)) reject(fault); }
    }
  }

  async #apply(connection: Connection, batch: readonly Waiting[]): Promise<readonly (Taken | Settled)[]> {
    const { node } = this.#options;
    const settles = batch.flatMap(({ work }) => work.do === "settle" ? [work.settle] : []);
    const settled = new Map<Settle, Settled>();
    if (settles.length > 0) {
      const results = await settle(connection, settles, node);
      for (const [place, each] of settles.entries()) settled.set(each, results[place]!);
    }
    const commits = batch.flatMap(({ work }) =>
      work.do === "commit" ? [work.commit] : settled.get(work.settle)!.done ? work.settle.reports : []
    );
    const taken = await insert(connection, commits, node);
    return batch.map(({ work }) =>
      work.do === "commit" ? taken.get(work.commit.operation.id) ?? NOBODY : settled.get(work.settle)!
    );
  }

  #refuse({ transaction }: UnknownOutcome, batch: readonly Waiting[]): void {
    const ids = batch.flatMap(({ work }) => work.do === "commit" ? [work.commit.operation.id] : []);
    if (ids.length > 0) this.#refused.push({ transaction, ids });
    this.#options.trouble(`the database did not say whether ${batch.length} operations were written; they are refused`);
  }

  /** What was refused is not there later, whatever has become of its transaction. @throws while nobody can say. */
  #clear(): Promise<void> {
    if (this.#refused.length === 0) return Promise.resolve();
    return this.#clearing ??= this.#clearAll().finally(() => this.#clearing = null);
  }

  async #clearAll(): Promise<void> {
    const { pool } = this.#options;
    for (const refused of [...this.#refused]) {
      if (await pool.isCommitted(refused.transaction) !== false) {
        const given = rows(refused.ids), named = "message in (select json_array_elements_text($1::text::json))";
        await pool.transaction((connection) => {
          void lockMessages(connection, refused.ids);
          void connection.query(`delete from recipient where ${named}`, [given]);
          void connection.query(`delete from inbox where ${named}`, [given]);
          return deleteUnreferenced(connection, given);
        });
      }
      this.#refused = this.#refused.filter((each) => each !== refused);
    }
  }

  /** Clears what was refused while nothing else is written. */
  async settleRefused(): Promise<void> {
    await this.#clear().catch(() => {}); // the next write or the next beat tries again
  }
}

function keysOf(work: Work): readonly string[] {
  if (work.do === "commit") return [work.commit.operation.id];
  const { id, outcomes, reports } = work.settle;
  return [...outcomes.map(({ index }) => `${id} ${index}`), ...reports.map(({ operation }) => operation.id)];
}
