/**
 * Group commit, the session thread's half: operations wait here until the writer thread is free, then all that wait go
 * in one message with one buffer. Starts the writer again when it died.
 * Non-job: the transaction (sqlite_writer.ts).
 */
import { setImmediate } from "node:timers";
import type { Operation, Outcome, Refused, WriterReply, WriterRequest } from "./protocol.ts";
import type { DatabaseThread } from "./thread.ts";
import type { LineWord } from "./lines.ts";
import { refusedOf } from "./rows.ts";
import { StoreError } from "./store.ts";

export type WriterThread = DatabaseThread<WriterRequest, WriterReply>;
export interface WriterQueueOptions {
  /** Starts a thread with the database open, told of what must not be there. */
  start(died: (why: string) => void, refused: readonly Refused[]): Promise<WriterThread>;
  trouble(message: string): void;
  /** Milliseconds that a batch waits for as many operations as the last one had (default 0: it does not wait). */
  readonly company?: number;
  /** A batch was answered: so many operations, and how long the writer had it, milliseconds. */
  batch?(operations: number, milliseconds: number): void;
}
export type Answer = Outcome & {
  /** The writer died with it: nobody knows yet what is in the database, so its file must stay. */
  readonly lost?: true;
};
interface Waiting {
  readonly operation: Operation;
  readonly octets: Uint8Array | null;
  readonly since: number;
  readonly resolve: (answer: Answer) => void;
}

const MOST = 1000; // operations in one batch
const MOST_OCTETS = 8 * 1024 * 1024;
const PATIENCE = 10_000; // operations that may wait
const RETRY = 1000; // milliseconds between two attempts to start the writer again
const NOTHING = new ArrayBuffer(0);

export class WriterQueue {
  readonly #options: WriterQueueOptions;
  #waiting: Waiting[] = [];
  #flight: readonly Waiting[] = [];
  /** When it went to the writer. */
  #sent = 0;
  #thread: WriterThread | null = null;
  #starting = false;
  #tried = 0;
  #scheduled = false;
  #gathering: ReturnType<typeof setTimeout> | null = null;
  /** Operations of the last batch. */
  #last = 0;
  #refused: Refused[] = [];
  #idle: (() => void)[] = [];
  /** Octets in free pages of the database, as last told. */
  freeBytes = 0;

  constructor(options: WriterQueueOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const refused = this.#refused;
    this.#refused = [];
    try {
      this.#thread = await this.#options.start(this.#died, refused);
    } catch (error) {
      this.#refused.push(...refused); // they must not be there, whenever the next thread starts
      throw error;
    }
  }

  /** Milliseconds that the oldest operation has waited. */
  get wait(): number {
    const oldest = this.#flight[0] ?? this.#waiting[0];
    return oldest === undefined ? 0 : performance.now() - oldest.since;
  }

  /** Another thread's write was answered. */
  wrote({ operations, milliseconds, free }: LineWord): void {
    this.freeBytes = free;
    if (operations > 0) this.#options.batch?.(operations, milliseconds);
  }

  submit(operation: Operation, octets: Uint8Array | null = null): Promise<Answer> {
    if (this.#waiting.length >= PATIENCE) throw new StoreError("busy", "too much is waiting for the store");
    return new Promise((resolve) => {
      this.#waiting.push({ operation, octets, since: performance.now(), resolve });
      this.#schedule();
    });
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#flight.length === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    await this.idle();
    const thread = this.#thread;
    this.#thread = null;
    if (thread === null) return;
    const { outcomes: [outcome] } = await thread.ask({ ask: "close" });
    thread.end();
    if (outcome?.fault) this.#options.trouble(`closing: ${outcome.message}`); // what was committed is in the log
  }

  /** Ends the thread, whatever it does. */
  end(): void {
    this.#thread?.end();
    this.#thread = null;
  }

  // At the end of the event loop's turn, so that all sessions that were ready in it share an fsync and two thread
  // switches. Waiting longer for company was measured: it saves nothing and costs latency.
  #schedule(): void {
    if (this.#scheduled || this.#flight.length > 0) return;
    const { company = 0 } = this.#options;
    // What other threads bring comes one after the other: as much as last time is about to
    if (company > 0 && this.#waiting.length < this.#last) this.#gathering ??= setTimeout(() => this.#soon(), company);
    else this.#soon();
  }

  #soon(): void {
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    this.#gathering = null;
    if (this.#scheduled || this.#flight.length > 0) return;
    this.#scheduled = true;
    setImmediate(this.#send);
  }

  readonly #send = (): void => {
    this.#scheduled = false;
    if (this.#waiting.length === 0 || this.#flight.length > 0) return; // one batch at a time, or answers go astray
    if (this.#thread === null) return this.#withoutThread();
    let count = 0, size = 0;
    for (; count < this.#waiting.length && count < MOST; count++) {
      const length = this.#waiting[count]!.octets?.length ?? 0;
      if (count > 0 && size + length > MOST_OCTETS) break;
      size += length;
    }
    const batch = this.#waiting.splice(0, count);
    const buffer = size === 0 ? NOTHING.slice(0) : new ArrayBuffer(size);
    const octets = new Uint8Array(buffer);
    let at = 0;
    for (const { operation, octets: body } of batch) {
      if (body === null || !("at" in operation)) continue;
      octets.set(body, at);
      operation.at = at;
      at += body.length;
    }
    this.#flight = batch;
    this.#last = batch.length;
    this.#sent = performance.now();
    const operations = batch.map(({ operation }) => operation);
    this.#thread.ask({ ask: "batch", operations, octets: buffer }, [buffer]).then(this.#answered, this.#lost);
  };

  readonly #answered = ({ outcomes, free, trouble, written }: WriterReply): void => {
    const batch = this.#flight;
    this.#flight = [];
    this.freeBytes = free;
    if (written > 0) this.#options.batch?.(written, performance.now() - this.#sent);
    for (const message of trouble) this.#options.trouble(message);
    for (let i = 0; i < batch.length; i++) batch[i]!.resolve(outcomes[i]!);
    this.#next();
  };

  readonly #lost = (error: StoreError): void => {
    const batch = this.#flight;
    this.#flight = [];
    for (const { operation } of batch) {
      if (operation.do === "commit") this.#refused.push(...refusedOf(operation));
    }
    for (const { resolve } of batch) resolve({ fault: "io", message: error.message, lost: true });
    this.#next();
  };

  #next(): void {
    if (this.#waiting.length > 0) return this.#schedule();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  readonly #died = (why: string): void => {
    this.#options.trouble(`the writer thread ended: ${why}`);
    this.#thread = null;
    this.#restart();
  };

  #withoutThread(): void {
    if (!this.#starting && performance.now() - this.#tried > RETRY) this.#restart();
    if (this.#starting) return; // whoever waits goes on waiting; the end of the attempt decides
    const batch = this.#waiting.splice(0);
    for (const { resolve } of batch) resolve({ fault: "io", message: "the store's writer is not running" });
    this.#next();
  }

  #restart(): void {
    this.#starting = true;
    this.#tried = performance.now();
    this.open().then(
      () => this.#options.trouble("the writer thread runs again"),
      (error) => this.#options.trouble(`the writer thread cannot be started again: ${error.message}`),
    ).finally(() => {
      this.#starting = false;
      if (this.#waiting.length > 0) this.#schedule();
    });
  }
}
