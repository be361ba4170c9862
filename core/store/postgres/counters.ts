/**
 * Counters that all nodes share: each addition is made in the database, so that two nodes never count from the same sum.
 * What is asked in one turn, and while the statement before it is under way, goes in one transaction; it waits for the
 * disk only where somebody wants it durable. Nothing is remembered here: another node may have changed it.
 * When an entry ends is said by the clock of the node that writes it, and judged by that of the one that asks.
 * Non-job: whose counter it is and what it means.
 */
import { type CounterEntry, type CounterOptions, type CounterQuery, type Counters, StoreError } from "../store.ts";
import { cleaned, type Connection, rows } from "./connection.ts";
import { isOfOne, storeFault } from "./faults.ts";
import type { Pool } from "./pool.ts";

interface Asked {
  readonly do: "get" | "put" | "add";
  readonly name: string;
  readonly value: string;
  readonly amount: number;
  readonly expires: number;
  readonly durable: boolean;
  readonly resolve: (value: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

const MOST = 1000, PATIENCE = 20_000;
/** The last moment that a Date has. */
const LAST = 8.64e15;
/** What has ended stays so long, for nodes whose clocks are behind, milliseconds. */
const KEPT = 600_000;
/** What counts as a number; every other value counts as nothing. */
const NUMBER = "^-?(\\d+(\\.\\d*)?|\\.\\d+)(e[+-]?\\d{1,3})?$";

export class PostgresCounters implements Counters {
  readonly #pool: Pool;
  readonly #now: () => number;
  #waiting: Asked[] = [];
  #running = false;
  #idle: (() => void)[] = [];

  constructor({ pool, now }: { readonly pool: Pool; readonly now: () => number }) {
    this.#pool = pool;
    this.#now = now;
  }

  get(name: string): Promise<string | undefined> {
    return this.#ask({ do: "get", name, value: "", amount: 0, expires: 0, durable: false });
  }

  async put(name: string, value: string, { seconds, durable = false }: CounterOptions): Promise<void> {
    await this.#ask({ do: "put", name, value, amount: 0, expires: endOf(seconds, this.#now()), durable });
  }

  async add(name: string, amount: number, { seconds, durable = false }: CounterOptions): Promise<number> {
    const expires = endOf(seconds, this.#now());
    return Number(await this.#ask({ do: "add", name, value: "", amount, expires, durable }));
  }

  async list({ prefix, limit, after = "" }: CounterQuery): Promise<readonly CounterEntry[]> {
    await this.idle();
    const found = await this.#pool.use((connection) =>
      connection.query<CounterEntry>(
        `select name, value, expires from counter where name >= $1::text and name > $2::text
           and starts_with(name, $1::text) and name < $1::text || chr(1114111) and expires > $3::bigint
           order by name limit $4::bigint`,
        [prefix, after, this.#now(), Math.max(0, limit)],
      )
    );
    return [...found];
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (!this.#running && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Takes away what has ended some time ago. True when there may be more. */
  async clear(): Promise<boolean> {
    const { count } = await this.#pool.use((connection) =>
      connection.query(
        `delete from counter where name in (select name from counter where expires <= $1::bigint
           order by expires limit ${MOST} for update skip locked)`,
        [this.#now() - KEPT],
      )
    );
    return count === MOST;
  }

  #ask(asked: Omit<Asked, "resolve" | "reject">): Promise<string | undefined> {
    if (this.#waiting.length >= PATIENCE) {
      return Promise.reject(new StoreError("busy", "too many counters wait for the database"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...asked, name: cleaned(asked.name), resolve, reject });
      if (!this.#running) {
        this.#running = true;
        queueMicrotask(() => void this.#run());
      }
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#answer(this.#take());
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Where one of them is at fault, a name that no index takes, the others are none the worse. */
  async #answer(batch: readonly Asked[]): Promise<void> {
    try {
      await this.#write(batch);
    } catch (error) {
      if (batch.length > 1 && isOfOne(error)) {
        for (const each of batch) await this.#answer([each]);
        return;
      }
      const fault = storeFault(error);
      for (const { reject } of batch) reject(fault);
    }
  }

  /** As many as can go in any order: of one name, only additions or only questions. */
  #take(): readonly Asked[] {
    const kinds = new Map<string, Asked["do"]>();
    let count = 0;
    for (; count < this.#waiting.length && count < MOST; count++) {
      const { name, do: kind } = this.#waiting[count]!, known = kinds.get(name);
      if (known !== undefined && (known !== kind || kind === "put")) break;
      kinds.set(name, kind);
    }
    return this.#waiting.splice(0, count);
  }

  async #write(batch: readonly Asked[]): Promise<void> {
    const of = (kind: Asked["do"]) => batch.filter((each) => each.do === kind);
    const gets = of("get"), puts = of("put"), adds = of("add");
    if (gets.length === batch.length) {
      const values = await this.#pool.use((connection) => read(connection, gets, this.#now()));
      for (const { name, resolve } of gets) resolve(values.get(name));
      return;
    }
    const [values, sums] = await this.#pool.transaction(async (connection) => {
      if (!batch.some(({ durable }) => durable)) void connection.query("set local synchronous_commit = off");
      const written = puts.length > 0 ? write(connection, puts) : null;
      const added = adds.length > 0 ? add(connection, adds, this.#now()) : null;
      const values = gets.length > 0 ? await read(connection, gets, this.#now()) : null;
      await written;
      return [values, await added] as const;
    });
    for (const { resolve } of puts) resolve(undefined);
    for (const { name, resolve } of gets) resolve(values!.get(name));
    const left = new Map(sums);
    for (const { name, amount, resolve } of [...adds].reverse()) { // the last of a turn sees the sum of all
      const sum = left.get(name)!;
      left.set(name, sum - amount);
      resolve(String(sum));
    }
  }
}

async function read(
  connection: Connection,
  gets: readonly Asked[],
  now: number,
): Promise<ReadonlyMap<string, string>> {
  const found = await connection.query<{ name: string; value: string }>(
    `select name, value from counter
       where name in (select json_array_elements_text($1::text::json)) and expires > $2::bigint`,
    [rows([...new Set(gets.map(({ name }) => name))]), now],
  );
  return new Map(found.map(({ name, value }) => [name, value]));
}

/** In the order of names, so that two nodes wait for each other in one direction only. */
function write(connection: Connection, puts: readonly Asked[]): Promise<unknown> {
  return connection.query(
    `insert into counter select name, value, expires
       from json_to_recordset($1::text::json) as g (name text, value text, expires bigint) order by name collate "C"
       on conflict (name) do update set value = excluded.value, expires = excluded.expires`,
    [rows(puts.map(({ name, value, expires }) => ({ name, value, expires })))],
  );
}

/** A counter that has ended begins again, one that lives keeps its end. Resolves to the sums. */
async function add(
  connection: Connection,
  adds: readonly Asked[],
  now: number,
): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, { name: string; amount: number; expires: number }>();
  for (const { name, amount, expires } of adds) {
    const there = sums.get(name);
    if (there) there.amount += amount;
    else sums.set(name, { name, amount, expires });
  }
  const found = await connection.query<{ name: string; value: string }>(
    `insert into counter as c select name, amount::text, expires
       from json_to_recordset($1::text::json) as g (name text, amount float8, expires bigint) order by name collate "C"
       on conflict (name) do update set
         value = case when c.expires <= $2::bigint then excluded.value
           else (case when c.value ~* '${NUMBER}' then c.value::float8 else 0 end + excluded.value::float8)::text end,
         expires = case when c.expires <= $2::bigint then excluded.expires else c.expires end
     returning name, value`,
    [rows([...sums.values()]), now],
  );
  return new Map(found.map(({ name, value }) => [name, Number(value)]));
}

/**
 * When it expires, a whole number.
 *
 * @throws {RangeError}
 */
function endOf(seconds: number, now: number): number {
  if (typeof seconds !== "number" || Number.isNaN(seconds)) {
    throw new RangeError(`a counter lives for a number of seconds, not ${seconds}`);
  }
  return Math.round(Math.max(0, Math.min(LAST, now + seconds * 1000)));
}
