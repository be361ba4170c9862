/**
 * A few connections that are shared: each is used by one at a time, thrown away when it is broken, and made again with a
 * growing pause while the database is away. Every use has a deadline, also with a server that has stopped answering.
 * Finds out what became of a transaction whose COMMIT nobody answered. Non-job: what is asked.
 */
import { Connection, type ConnectionOptions } from "./connection.ts";
import {
  ConnectionLost,
  endsSession,
  mayGoThroughAgain,
  storeFault,
  type TransactionName,
  UnknownOutcome,
} from "./faults.ts";
import { Pauses } from "../pauses.ts";
import { StoreError } from "../store.ts";
import type { DatabaseAddress } from "./url.ts";

export interface PoolOptions extends ConnectionOptions {
  readonly address: DatabaseAddress;
  /** Most connections. */
  readonly size: number;
  /** Milliseconds in which a use must be over (default 20 s). */
  readonly deadline?: number;
  /** Milliseconds that somebody waits for a database that is away, or for the end of a transaction (default 8 s). */
  readonly patience?: number;
  readonly trouble?: (message: string) => void;
  /** Told when that is over. */
  readonly notice?: (message: string) => void;
}
export interface UseOptions {
  /** Milliseconds, instead of the pool's. */
  readonly deadline?: number;
}

const FIRST_PAUSE = 100, LONGEST_PAUSE = 5000;
const PATIENCE = 8000;
const MOST_WAITING = 10_000;
const AGAIN = 3;

export class Pool {
  readonly #options: PoolOptions;
  readonly #free: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting = new Set<() => void>();
  /** They would make a connection, and wait until they may try again. */
  readonly #pausing = new Pauses();
  #used = 0;
  #failures = 0;
  /** No attempt to connect before, on the monotonic clock. */
  #notBefore = 0;
  #ended = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get #patience(): number {
    return this.#options.patience ?? PATIENCE;
  }

  /** Something that can be done twice: after a broken connection it is. @throws {StoreError} */
  async use<T>(work: (connection: Connection) => Promise<T>, options: UseOptions = {}): Promise<T> {
    try {
      return await this.#again(work, options);
    } catch (error) {
      throw storeFault(error);
    }
  }

  /** All or nothing. @throws {StoreError} it never was; {UnknownOutcome} */
  async transaction<T>(work: (connection: Connection) => Promise<T>, options: UseOptions = {}): Promise<T> {
    const until = performance.now() + this.#patience;
    for (;;) {
      let result: { readonly value: T } | null = null;
      try {
        return await this.#again(
          (connection) =>
            connection.transaction(async (inside) => {
              const value = await work(inside);
              result = { value };
              return value;
            }),
          options,
        );
      } catch (error) {
        if (!(error instanceof UnknownOutcome)) throw storeFault(error);
        const committed = await this.isCommitted(error.transaction).catch(() => null);
        if (committed === true) return result!.value;
        if (committed === null || performance.now() > until) throw error; // else it never was, and may be now
      }
    }
  }

  /**
   * What became of it. A transaction that still goes on is ended first, but one that only waits for a standby is waited for.
   * Null: nobody can say, since the server was restarted, or it is too long ago, or it may be on no standby.
   *
   * @throws when the database cannot be asked within the deadline.
   */
  isCommitted({ xid, pid, life }: TransactionName): Promise<boolean | null> {
    const until = performance.now() + this.#patience;
    let ended = false, doubtful = false;
    return this.#again(async (connection) => {
      for (;;) {
        if (connection.life !== life) return null; // its numbers may be those of others now
        const [row] = await connection.query<{ status: string | null }>(
          "select pg_xact_status($1::text::xid8) as status",
          [xid],
        );
        const status = row!.status;
        // Who is ended while he waits for a standby has committed here, and perhaps nowhere else
        if (status === null || status === "committed" && doubtful) return null;
        if (status !== "in progress") return status === "committed";
        if (performance.now() > until) throw new ConnectionLost("the transaction does not end");
        if (!ended) {
          const gone = await connection.query<{ doubtful: boolean }>(
            `select pg_terminate_backend(pid), current_setting('synchronous_standby_names') <> '' as doubtful
               from pg_stat_activity where pid = $1::int and wait_event is distinct from 'SyncRep'`,
            [pid],
          );
          doubtful = gone.some((each) => each.doubtful);
          ended = gone.length > 0;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }, { deadline: 2 * this.#patience });
  }

  /** Lets everything under way fail, and comes to an end. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    this.#pausing.endAll();
    await Promise.all([...this.#all].map((each) => each.end()));
    this.#all.clear();
  }

  async #again<T>(work: (connection: Connection) => Promise<T>, options: UseOptions): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#once(work, options);
      } catch (error) {
        const again = error instanceof ConnectionLost || mayGoThroughAgain(error);
        if (!again || error instanceof Late || tries === AGAIN || this.#ended) throw error;
      }
    }
  }

  async #once<T>(work: (connection: Connection) => Promise<T>, { deadline }: UseOptions): Promise<T> {
    const limit = deadline ?? this.#options.deadline ?? 20_000;
    const connection = await this.#take(limit);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      connection.destroy();
    }, limit);
    try {
      return await work(connection);
    } catch (error) {
      if (endsSession(error)) connection.destroy();
      if (late && !(error instanceof UnknownOutcome)) throw new Late(`no answer within ${limit} ms`);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#give(connection);
    }
  }

  async #take(limit: number): Promise<Connection> {
    if (this.#ended) throw new StoreError("closed", "the store is closed");
    if (this.#used < this.#options.size) this.#used++;
    else await this.#turn(limit);
    const free = this.#spare();
    if (free !== null) return free;
    try {
      return await this.#connect(Math.min(limit, this.#patience));
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** A connection that nobody uses now. */
  #spare(): Connection | null {
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined) return null;
      if (connection.alive) return connection;
      this.#all.delete(connection);
    }
  }

  /** Somebody who is done hands his place on. */
  async #turn(limit: number): Promise<void> {
    if (this.#waiting.size >= MOST_WAITING) throw new StoreError("busy", "too much is waiting for the database");
    await new Promise<void>((resolve, reject) => {
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(wake);
        reject(new Late(`no connection was free for ${limit} ms`));
      }, limit);
      this.#waiting.add(wake);
    });
    if (this.#ended) throw new StoreError("closed", "the store is closed");
  }

  async #connect(patience: number): Promise<Connection> {
    const until = performance.now() + patience;
    for (let why = "";;) {
      const pause = Math.min(this.#notBefore, until) - performance.now();
      if (pause > 0) await this.#pausing.wait(pause); // or until somebody is done with a connection that works
      if (this.#ended) throw new StoreError("closed", "the store is closed");
      const free = this.#spare(); // the server may have no room for another one, and these go on
      if (free !== null) return free;
      if (this.#notBefore > performance.now()) { // woken for a connection that another one has got, or it is too late
        if (performance.now() < until) continue;
        throw new Late(`cannot be reached: ${why || "it was not a moment ago"}`);
      }
      try {
        const connection = await Connection.open(this.#options.address, this.#options);
        if (this.#failures > 0) this.#options.notice?.("the database answers again");
        this.#failures = 0;
        this.#notBefore = 0;
        this.#all.add(connection);
        return connection;
      } catch (error) {
        const { message } = error as Error;
        if (this.#failures++ === 0) this.#options.trouble?.(`the database cannot be reached: ${message}`);
        const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(10, this.#failures));
        this.#notBefore = performance.now() + longest * (0.5 + Math.random() / 2);
        why = message;
        const some = [...this.#all].some((each) => each.alive);
        if (this.#notBefore > until && !some) throw new Late(`cannot be reached: ${message}`);
      }
    }
  }

  #give(connection: Connection): void {
    if (connection.alive && !this.#ended) this.#free.push(connection);
    else this.#all.delete(connection);
    this.#leave();
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#used--;
      if (this.#free.length > 0) this.#pausing.endOne();
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

/** Its time is over: not tried again. */
class Late extends ConnectionLost {}
