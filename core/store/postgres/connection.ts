/**
 * One connection to a database, for as long as it lasts: opened, asked, and thrown away whole when anything is wrong with
 * it. It never connects again by itself, so that no statement of a transaction can land outside of it.
 * Non-job: another one (pool.ts), what is asked.
 */
import type { Socket } from "node:net";
import postgres from "postgres";
import { ConnectionLost, endsSession, type TransactionName, UnknownOutcome } from "./faults.ts";
import { openSocket } from "./socket.ts";
import type { DatabaseAddress, DatabaseHost } from "./url.ts";

export type Value = string | number | boolean | null | Uint8Array;
/** Rows, and how many were changed. */
export type Rows<T> = readonly T[] & { readonly count: number };

export interface ConnectionOptions {
  /** Milliseconds until it must be there (default 5000). */
  readonly timeout?: number;
  /** Schema that names without one mean (default postern). */
  readonly schema?: string;
  /** Milliseconds after which the server gives a statement up (default 15 s). */
  readonly statementTimeout?: number;
  /** Its statements all find what they want by an index, whatever the server believes of tables that change by the second. */
  readonly indexed?: boolean;
  readonly notified?: (channel: string, payload: string) => void;
}

/**
 * What an account, a database or a server may have set otherwise, and what the statements rely on: that each sees what was
 * committed before it, that a regular expression and a number arrive as they were written, that octets come back.
 */
const RELIED_ON = {
  default_transaction_isolation: "read committed",
  standard_conforming_strings: "on",
  bytea_output: "hex",
  extra_float_digits: "1",
};
const LOCK_TIMEOUT = 5000, IDLE_IN_TRANSACTION = 30_000;
/** postgres.js waits so long before it connects again by itself, seconds: by then this one is thrown away, and may not. */
const LATER = 5;

export class Connection {
  readonly #sql: postgres.Sql;
  readonly #socket: { current: Socket | null };
  readonly #closed = Promise.withResolvers<void>();
  #alive = true;
  /** Process of the server, and the server's life. */
  #pid = 0;
  #life = "";
  /** What has gone wrong first in the transaction under way: all that follows only says that it is aborted. */
  #fault: unknown = null;

  private constructor(address: DatabaseAddress, at: DatabaseHost, options: ConnectionOptions) {
    const { timeout = 5000, schema = "postern", statementTimeout = 15_000, indexed = false, notified } = options;
    const holder = this.#socket = { current: null as Socket | null };
    const socket = async () => {
      if (holder.current !== null || !this.#alive) throw new ConnectionLost("the connection ended");
      const opened = holder.current = await openSocket(at, address.tls, timeout);
      if (!this.#alive) opened.destroy(); // given up meanwhile
      return opened;
    };
    const given = {
      ...{ host: at.host, port: at.port, user: address.user, pass: address.password, database: address.database },
      ssl: false,
      ...{ max: 1, max_pipeline: 1000, fetch_types: false, idle_timeout: 0, max_lifetime: null, backoff: () => LATER },
      ...{ connect_timeout: Math.max(1, Math.ceil(timeout / 1000)), target_session_attrs: undefined, socket },
      types: { int8: { to: 20, from: [20], parse: Number, serialize: String } },
      connection: {
        ...RELIED_ON,
        application_name: "postern",
        search_path: schema,
        statement_timeout: statementTimeout,
        lock_timeout: LOCK_TIMEOUT,
        idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION,
        client_min_messages: "warning",
        ...indexed && { enable_seqscan: "off" },
      },
      onnotice: () => {},
      onnotify: notified,
      onclose: () => this.destroy(),
    };
    this.#sql = postgres(given as unknown as postgres.Options<Record<string, postgres.PostgresType>>);
  }

  /** To the first of its hosts that takes writes. @throws the last one's error. */
  static async open(address: DatabaseAddress, options: ConnectionOptions = {}): Promise<Connection> {
    let fault: unknown;
    for (const host of address.hosts) {
      const connection = new Connection(address, host, options);
      const timer = setTimeout(() => connection.destroy(), options.timeout ?? 5000);
      try {
        await connection.#greet();
        return connection;
      } catch (error) {
        connection.destroy();
        fault = error;
      } finally {
        clearTimeout(timer);
      }
    }
    throw fault;
  }

  async #greet(): Promise<void> {
    // Processes of the server that are nobody's are others after each crash, also where the first one goes on
    const [state] = await this.query<
      { standby: boolean; pid: number; readonly: string; life: string | null; waits: string }
    >(
      `select pg_is_in_recovery() as standby, pg_backend_pid() as pid,
         current_setting('transaction_read_only') as readonly, current_setting('synchronous_commit') as waits,
         case when pg_is_in_recovery() then null else concat_ws(' ', left(pg_walfile_name(pg_current_wal_lsn()), 8),
           extract(epoch from pg_postmaster_start_time()), (select string_agg(pid::text, ' ' order by pid)
             from pg_stat_activity where usesysid is null and datid is null)) end as life`,
    );
    if (state!.standby || state!.readonly === "on") throw new ConnectionLost("the server takes no writes: a standby");
    // Off by default, for everybody: what is answered must be on disk all the same, and only we know what need not be
    if (state!.waits === "off") await this.query("set synchronous_commit = on");
    this.#pid = state!.pid;
    this.#life = state!.life ?? "";
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The same text as long as the server neither was restarted, nor crashed, nor gave its place to another one. */
  get life(): string {
    return this.#life;
  }

  /** Resolves when it is no more. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Sent at once, in the order of the calls; answers come in that order too. */
  query<T = Record<string, unknown>>(text: string, values: readonly Value[] = []): Promise<Rows<T>> {
    if (!this.#alive) return Promise.reject(new ConnectionLost("the connection ended"));
    const clean = values.map((value) => typeof value === "string" ? cleaned(value) : value);
    const asked = this.#sql.unsafe(text, clean as never[], { prepare: values.length > 0 }).then(
      (rows) => rows as unknown as Rows<T>,
      (error) => {
        const lost = endsSession(error);
        const fault = !lost || error instanceof ConnectionLost ? error : new ConnectionLost(error.message);
        this.#fault ??= fault;
        if (lost) this.destroy();
        throw fault;
      },
    );
    asked.catch(() => {}); // whoever does not wait for it hears of it from the next one
    return asked;
  }

  /**
   * All or nothing. Resolves once it is committed; an UnknownOutcome says that it may be, every other error that it is not.
   */
  async transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    this.#fault = null;
    const begun = this.query("begin");
    const name = this.query<{ xid: string }>("select pg_current_xact_id()::text as xid");
    let result: T, transaction: TransactionName;
    try {
      await begun;
      result = await work(this);
      transaction = { xid: (await name)[0]!.xid, pid: this.#pid, life: this.#life };
    } catch (error) {
      const fault = this.#fault ?? error;
      if (this.#alive) await this.query("rollback").catch(() => this.destroy());
      throw this.#alive || fault instanceof ConnectionLost ? fault : new ConnectionLost((fault as Error).message);
    }
    try {
      const { command } = await this.query("commit") as unknown as { command: string };
      if (command === "COMMIT") return result;
    } catch (error) {
      if (this.#alive) throw error; // the server has said no
      throw new UnknownOutcome(transaction, error instanceof Error ? error.message : String(error));
    }
    throw this.#fault ?? new ConnectionLost("the transaction was rolled back");
  }

  /** Everything of one moment. Nothing is written, so an end that is not heard of is a failed question. */
  async snapshot<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    this.#fault = null;
    void this.query("begin isolation level repeatable read read only");
    try {
      const result = await work(this);
      await this.query("commit");
      return result;
    } catch (error) {
      const fault = this.#fault ?? error;
      await this.query("rollback").catch(() => this.destroy());
      throw fault;
    }
  }

  /** At once, whatever is under way: it fails with ConnectionLost. */
  destroy(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#socket.current?.destroy();
    void this.#sql.end({ timeout: 0 }).catch(() => {});
    this.#closed.resolve();
  }

  /** Says goodbye. */
  async end(): Promise<void> {
    if (!this.#alive) return;
    this.#alive = false;
    const socket = this.#socket.current;
    const timer = setTimeout(() => socket?.destroy(), 1000);
    await this.#sql.end({ timeout: 1 }).catch(() => {});
    clearTimeout(timer);
    socket?.destroy();
    this.#closed.resolve();
  }
}

const ODD = /[\0\ud800-\udfff]/;

/** A text as a column can hold it: PostgreSQL has no NUL, and UTF-8 no half of a pair. */
export function cleaned(text: string): string {
  return ODD.test(text) ? text.replaceAll("\0", " ").toWellFormed() : text;
}

/** Rows as one parameter, for `json_to_recordset($n::text::json)`. */
export function rows(values: readonly unknown[]): string {
  return JSON.stringify(values, (_, value) => typeof value === "string" ? cleaned(value) : value);
}
