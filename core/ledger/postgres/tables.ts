/**
 * The tables of a ledger in PostgreSQL, of one version of their form, and the stretches of time that entries lie in: a
 * partition each, so that what is too old or too much goes at once. All nodes make and drop them, one at a time.
 * Non-job: what is written there (batch.ts), what is asked (archive.ts).
 */
import type { Pool } from "../../store/postgres/pool.ts";
import { migrate } from "../../store/postgres/schema.ts";
import { type Sql, sqlOf, type Transaction } from "./asking.ts";
import { StoreError } from "../../store/store.ts";
import { NUMBERS } from "../archive/numbers.ts";
import { PLUGIN_COUNTS } from "../recording/tally.ts";
import { timeKey } from "./keys.ts";

/** Names the locks of ours among all that a database has. */
const LOCK = 0x504f4c47; // "POLG"
const HOUR = 3600_000, DAY = 24 * HOUR;
/** A stretch has at most this share of what all may have, so that dropping one drops little. */
const SHARES = 8;
/** Rows that one statement deletes. */
const PIECE = 10_000;
const PARTED = ["entry", "session", "late"] as const;

const FORM = `
  create table ledger_setting (name text primary key, value text not null);
  create table ledger_stretch (start bigint primary key, stop bigint not null);
  create table ledger_entry (key text collate "C" not null, head text not null, part text not null,
    words tsvector not null, primary key (key)) partition by range (key);
  create index ledger_entry_words on ledger_entry using gin (words) with (fastupdate = on);
  create table ledger_session (key text collate "C" not null, head text not null, part text not null,
    primary key (key)) partition by range (key);
  create sequence ledger_late_n;
  create table ledger_late (n bigint not null default nextval('ledger_late_n'), key text collate "C" not null,
    data text not null) partition by range (key);
  create index ledger_late_key on ledger_late (key, n);
  create table ledger_audit (n bigserial primary key, at bigint not null, subject text not null, data text not null);
  create index ledger_audit_at on ledger_audit (at);
  create index ledger_audit_subject on ledger_audit (subject);
  create table ledger_minute (at bigint primary key, queue bigint, ${
  NUMBERS.map((each) => `${each} bigint not null`).join(", ")
});
  create table ledger_plugin (at bigint not null, plugin text not null, ${
  PLUGIN_COUNTS.map((each) => `${each} bigint not null`).join(", ")
}, primary key (at, plugin));
`;
/** Steps from one form of the tables to the next: one more for each change, and none is ever changed. */
const STEPS: readonly string[] = [FORM];

export interface Stretch {
  readonly start: number;
  readonly stop: number;
}
export interface Bounds {
  readonly keep: number | null;
  readonly size: number | null;
}

export class Tables {
  readonly #pool: Pool;
  readonly #sql: Sql;
  readonly #bounds: Bounds;
  readonly #period: number;
  #made = false;
  /** The newest first, as last read. */
  #stretches: readonly Stretch[] = [];

  constructor(pool: Pool, bounds: Bounds) {
    this.#pool = pool;
    this.#sql = sqlOf(pool);
    this.#bounds = bounds;
    this.#period = Math.max(HOUR, Math.min(DAY, Math.floor((bounds.keep ?? Infinity) / 24 / HOUR) * HOUR || HOUR));
  }

  /**
   * Makes them, or brings them up to date. With `make: false` nothing is made: false when there are none.
   *
   * @throws {StoreError} they are of a newer version.
   */
  async prepare({ make = true }: { readonly make?: boolean } = {}): Promise<boolean> {
    if (this.#made) return true;
    if (!make) {
      const [row] = await this.#sql`select to_regclass('ledger_stretch') is not null as there`;
      if (row!["there"] !== true) return false;
    }
    await this.#pool.use((connection) => migrate(connection, "ledger", STEPS));
    return this.#made = true;
  }

  /** One node at a time; nobody who writes mail's story waits long for it. */
  #alone<T>(work: (sql: Transaction) => Promise<T>): Promise<T> {
    return this.#sql.begin(async (sql) => {
      await sql`set local lock_timeout = 3000`;
      await sql`select pg_advisory_xact_lock(${LOCK})`;
      return await work(sql);
    });
  }

  /** A value that all nodes share: the first one's. */
  async shared(name: string, make: () => string): Promise<string> {
    await this.#sql`insert into ledger_setting values (${name}, ${make()}) on conflict do nothing`;
    const [row] = await this.#sql`select value from ledger_setting where name = ${name}`;
    return row!["value"] as string;
  }

  /** The newest first. */
  async stretches(): Promise<readonly Stretch[]> {
    return this.#stretches = await readStretches(this.#sql);
  }

  /** Forgets which there are: somebody else dropped one. */
  refresh(): void {
    this.#stretches = [];
  }

  /** Whether what is of a moment should still be there, as far as was last seen. */
  isKept(at: number, now: number): boolean {
    const { keep } = this.#bounds, oldest = this.#stretches.at(-1);
    return (keep === null || at > now - keep) && (oldest === undefined || at >= oldest.start);
  }

  /** Whether a moment has its stretch; with `make` it has from now on. */
  async has(at: number, { make }: { readonly make: boolean }): Promise<boolean> {
    const within = ({ start, stop }: Stretch) => start <= at && at < stop;
    if (this.#stretches.some(within)) return true;
    if (!make && this.#stretches.length > 0) return false; // dropped, as the last look said
    if ((await this.stretches()).some(within)) return true;
    if (!make) return false;
    await this.#alone(async (sql) => {
      const known = await readStretches(sql);
      if (!known.some(within)) await makeStretch(sql, await this.#room(sql, known, at));
    });
    await this.stretches();
    return true;
  }

  /** The time around a moment that no other one has. */
  async #room(sql: Transaction, known: readonly Stretch[], at: number): Promise<Stretch> {
    const last = known.find(({ stop }) => stop <= at), { size } = this.#bounds;
    let period = this.#period;
    if (last !== undefined && size !== null) { // at the pace of the last one
      const octets = await octetsOf(sql, last);
      if (octets / (last.stop - last.start) * period > size / SHARES) period = HOUR;
    }
    const start = Math.floor(at / period) * period, next = known.findLast((each) => each.start > at);
    return { start: Math.max(start, last?.stop ?? 0), stop: Math.min(start + period, next?.start ?? Infinity) };
  }

  /** Drops the oldest stretches while they are too old or all is too much; the newest stays. Returns how many went. */
  async tidy(now: number): Promise<number> {
    const { keep, size } = this.#bounds;
    let dropped = 0;
    try {
      for (;;) {
        const known = await this.stretches(), oldest = known.at(-1);
        if (oldest === undefined) break;
        const past = keep !== null && oldest.stop <= now - keep;
        const much = size !== null && known.length > 1 && await this.octets() > size;
        if (!past && !much) break;
        await this.#alone((sql) => dropStretch(sql, oldest));
        dropped++;
      }
    } catch (error) {
      if (!(error instanceof StoreError) || error.fault !== "busy") throw error; // somebody reads there: the next time
    }
    const before = keep !== null ? now - keep : (await this.stretches()).at(-1)?.start ?? 0;
    for (const [table, column] of [["minute", "at"], ["plugin", "at"], ["audit", "at"]] as const) {
      await this.#sql.unsafe(
        `delete from ledger_${table} where ctid = any (array(select ctid from ledger_${table} where ${column} < $1 limit ${PIECE}))`,
        [before],
      );
    }
    return dropped;
  }

  /** Of all that entries take, indexes too. */
  async octets(): Promise<number> {
    const [row] = await this.#sql`select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::float8 as octets
      from pg_inherits where inhparent in ('ledger_entry'::regclass, 'ledger_session'::regclass, 'ledger_late'::regclass)`;
    return Number(row!["octets"]);
  }
}

async function readStretches(sql: Sql | Transaction): Promise<readonly Stretch[]> {
  const rows = await sql`select start::float8 as start, stop::float8 as stop from ledger_stretch order by start desc`;
  return rows.map((row) => ({ start: Number(row["start"]), stop: Number(row["stop"]) }));
}

async function makeStretch(sql: Transaction, { start, stop }: Stretch): Promise<void> {
  for (const table of PARTED) {
    await sql.unsafe(
      `create table ledger_${table}_${start} partition of ledger_${table} for values from ('${timeKey(start)}') to ('${
        timeKey(stop)
      }')`,
    );
  }
  await sql`insert into ledger_stretch values (${start}, ${stop})`;
}

async function dropStretch(sql: Transaction, { start }: Stretch): Promise<void> {
  for (const table of PARTED) await sql.unsafe(`drop table if exists ledger_${table}_${start}`);
  await sql`delete from ledger_stretch where start = ${start}`;
}

async function octetsOf(sql: Transaction, { start }: Stretch): Promise<number> {
  const names = PARTED.map((each) => `coalesce(pg_total_relation_size(to_regclass('ledger_${each}_${start}')), 0)`);
  const [row] = await sql.unsafe(`select (${names.join(" + ")})::float8 as octets`);
  return Number(row!["octets"]);
}
