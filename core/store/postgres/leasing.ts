/**
 * Who is tried next, over all nodes: leases of what is due, a fair part of each destination's oldest, and none of what
 * another node has in hand or has the turn for. Between nodes no clock counts: what a living node has leased is its own
 * until it is done with it, and what a dead one had is due again (node.ts). A lease's end counts at its own node.
 * Non-job: which destinations to leave out, when to try again (core/delivery).
 */
import { CorruptRow, decodeMessage, decodeRecipient } from "../rows.ts";
import type { Lease, LeaseOptions, StoredMessage, StoredRecipient } from "../store.ts";
import { hasTurn, ownerOf, turns } from "./committing.ts";
import { type Connection, rows } from "./connection.ts";
import { look, noting } from "./destinations.ts";
import type { Pool } from "./pool.ts";
import { setAside } from "./set_aside.ts";
import { MESSAGE, type MessageRow, RECIPIENT, type RecipientRow } from "./stored_rows.ts";

export interface LeasingOptions {
  readonly pool: Pool;
  readonly node: string;
  /** How many nodes there are. */
  nodes(): number;
  /** By how much a living node's clock is ahead of this one's, milliseconds. */
  ahead(): number;
  /** Something was left to other nodes: they should hear of it, and this one asks again after so many milliseconds. */
  left(milliseconds: number): void;
  trouble(message: string): void;
}
/** One destination's part of a message: what a lease covers. */
interface Part {
  readonly message: string;
  readonly destination: string;
}

const FORWARD = 1000; // rows that one transaction brings forward
const DESTINATIONS = 500; // that one round asks
const ROUNDS = 8;
/** A destination waits so long for another node that has few, milliseconds. */
const OTHERS_FIRST = 2000;
/** After so long a transaction whose connection was lost is over at the server too, milliseconds. */
const LATE_COMMIT = 60_000;

export class Leasing {
  readonly #options: LeasingOptions;
  /** The end of the last call's leases: no two calls have the same. */
  #until = 0;
  /** Calls of which nobody knows whether they took something. */
  readonly #lost = new Map<number, { readonly owner: string; readonly at: number }>();

  constructor(options: LeasingOptions) {
    this.#options = options;
  }

  async lease(options: LeaseOptions): Promise<readonly Lease[]> {
    const end = options.now + options.seconds * 1000;
    const until = this.#until = end <= this.#until && this.#until - end < 1000 ? this.#until + 1 : end;
    try {
      return await this.#lease(options, until);
    } catch (error) {
      this.#lost.set(until, { owner: ownerOf(this.#options.node, options.owner), at: performance.now() });
      throw error;
    }
  }

  /** What calls took whose answer was lost is due again: nobody here knows of it. Resolves to whether there was such. */
  async giveBackLost(): Promise<boolean> {
    let some = false;
    for (const [until, { owner, at }] of [...this.#lost]) {
      const found = await this.#options.pool.transaction((connection) =>
        noting(
          connection,
          `update recipient set state = 'ready', due = least(next_attempt, coalesce(deadline, next_attempt)), owner = null
             where owner = $1::text and due = $2::bigint and state = 'active' returning destination, due`,
          [owner, until],
        )
      );
      some ||= found > 0;
      if (performance.now() - at > LATE_COMMIT) this.#lost.delete(until);
    }
    return some;
  }

  async #lease(options: LeaseOptions, until: number): Promise<readonly Lease[]> {
    const { pool, node } = this.#options, visited = new Set<string>();
    while (await this.#forward(options)) { /* more of the same */ }
    const leases = await pool.transaction(async (connection) => {
      visited.clear(); // it may be the second try
      const taking = new Taking(connection, { node, until }, options);
      await taking.take(await taking.owed(Math.ceil(options.limit / 2))); // the others have a right to the rest
      await this.#destinations(taking, visited);
      if (taking.room > 0) await taking.take(await taking.owed(taking.room));
      for (const note of taking.notes) this.#options.trouble(note);
      return taking.leases;
    });
    await look(pool, [...visited].sort()).catch(() => {}); // an earlier moment than what is true costs a look
    return leases;
  }

  /** What was appointed and has come, and what a clock that ran ahead has planned (case 74). True: there may be more. */
  async #forward({ now, horizon = Number.MAX_SAFE_INTEGER }: LeaseOptions): Promise<boolean> {
    // What a node plans whose clock is still ahead is brought back only once the clock is: else it would plan it again
    const bound = Math.round(Math.min(Number.MAX_SAFE_INTEGER, horizon + this.#options.ahead()));
    const named = "(message, idx) in (select message, idx from recipient where";
    const locked = `limit ${FORWARD} for update skip locked)`;
    const [found] = await this.#options.pool.use((connection) =>
      connection.query<{ some: boolean }>(
        `select exists (select 1 from recipient where appointed <= $1::bigint) or
           exists (select 1 from recipient where due > $2::bigint and state <> 'active') as some`,
        [now, bound],
      )
    );
    if (!found!.some) return false;
    const changed = await this.#options.pool.transaction(async (connection) => [
      await noting(
        connection,
        `update recipient set due = appointed, appointed = null where ${named} appointed <= $1::bigint ${locked}
           returning destination, due`,
        [now],
      ),
      await noting(
        connection,
        `update recipient set next_attempt = $1::bigint, due = least($1::bigint, coalesce(deadline, $1::bigint))
           where ${named} due > $2::bigint and state <> 'active' ${locked} returning destination, due`,
        [now, bound],
      ),
    ]);
    return changed.some((count) => count === FORWARD);
  }

  /** The destinations that have something due, those that wait longest first, and a fair part of the oldest of each. */
  async #destinations(taking: Taking, visited: Set<string>): Promise<void> {
    const exhausted = new Set(taking.options.exclude ?? []);
    for (let round = 0; round < ROUNDS && taking.room > 0; round++) {
      const names = await this.#turns(taking, [...exhausted]);
      if (names.length === 0) return;
      const share = Math.ceil(taking.room / names.length);
      const oldest = await taking.oldest(names, share);
      const before = taking.leases.length;
      await taking.take(oldest.slice(0, taking.room));
      const got = new Map<string, number>();
      for (const { recipients: [first] } of taking.leases.slice(before)) {
        got.set(first!.destination, (got.get(first!.destination) ?? 0) + 1);
      }
      for (const name of names) {
        visited.add(name);
        if ((got.get(name) ?? 0) < share) exhausted.add(name);
      }
    }
  }

  /** Of those that are due: without a turn, ours, or free and now ours. */
  async #turns(taking: Taking, exclude: readonly string[]): Promise<readonly string[]> {
    const { node, nodes } = this.#options, { connection, options: { now } } = taking;
    const found = await connection.query<{ name: string; due: number; ours: boolean }>(
      `select d.name, d.due, t.node is not null as ours from destination d left join turn t on t.destination = d.name
         where d.due <= $1::bigint and d.name not in (select json_array_elements_text($2::text::json))
           and (t.node is null or t.node = $3::text)
         order by d.due limit $4::int`,
      [now, rows(exclude), node, Math.min(taking.room, DESTINATIONS)],
    );
    const free = found.filter(({ name, ours }) => !ours && hasTurn(name));
    const open = found.filter(({ name, ours }) => ours || !hasTurn(name)).map(({ name }) => name);
    if (free.length === 0) return open;
    // Others have a right to their part of all that is to be tried, unless they leave it lying
    let most = free.length;
    const others = nodes() - 1;
    if (others > 0) {
      const [had] = await connection.query<{ all: number; ours: number }>(
        `select count(*) as all, count(*) filter (where node = $1::text) as ours from turn`,
        [node],
      );
      most = Math.ceil((free.length + had!.all) / (others + 1)) - had!.ours;
    }
    const wanted = free.filter(({ due }, place) => place < most || now - due > OTHERS_FIRST);
    if (wanted.length < free.length) this.#options.left(OTHERS_FIRST);
    const had = await turns(connection, wanted.map(({ name }) => ({ destination: name })), node);
    return [...open, ...had.map(({ destination }) => destination)];
  }
}

/** The leases of one call as they come together. */
class Taking {
  readonly leases: Lease[] = [];
  /** Sentences about rows that were set aside. */
  readonly notes: string[] = [];
  readonly #owner: string;
  readonly #until: number;
  readonly #excluded: ReadonlySet<string>;
  /** A row may be taken: nobody has it, or its lease at this node is over. `$1`: now, `$2`, `$3`: the node's owners. */
  readonly #may = "due <= $1::bigint and (state <> 'active' or owner >= $2::text and owner < $3::text)";
  readonly #ours: readonly [number, string, string];

  readonly node: string;

  constructor(
    readonly connection: Connection,
    { node, until }: { readonly node: string; readonly until: number },
    readonly options: LeaseOptions,
  ) {
    this.node = node;
    this.#owner = ownerOf(node, options.owner);
    this.#until = until;
    this.#excluded = new Set(options.exclude);
    this.#ours = [options.now, `${node}/`, `${node}0`];
  }

  get room(): number {
    return this.options.limit - this.leases.length;
  }

  /** Parts with a recipient whose sender is owed a word, the longest overdue first. */
  async owed(most: number): Promise<readonly Part[]> {
    if (most <= 0) return [];
    const found = await this.connection.query<Part>(
      `select message, destination from (
           select message, destination, deadline from recipient r where deadline <= $1::bigint and ${this.#may}
             and not exists (select 1 from turn t where t.destination = r.destination and t.node <> $4::text)
           order by deadline limit 5000
         ) as r group by message, destination order by min(deadline), message limit $5::int`,
      [...this.#ours, this.node, most],
    );
    const shared = found.filter(({ destination }) => hasTurn(destination));
    const had = new Set((await turns(this.connection, shared, this.node)).map(({ destination }) => destination));
    return found.filter(({ destination }) => !hasTurn(destination) || had.has(destination));
  }

  /** The first so many parts of each of these destinations. */
  oldest(names: readonly string[], share: number): Promise<readonly Part[]> {
    return this.connection.query<Part>(
      `select p.message, d.name as destination from json_array_elements_text($4::text::json) with ordinality as d (name, place)
         cross join lateral (
           select due, message, row_number() over () as n from (
             select due, message from recipient where destination = d.name and ${this.#may}
               group by due, message order by due, message limit $5::int
           ) as o
         ) as p order by p.n, d.place`,
      [...this.#ours, rows(names), share],
    );
  }

  /** What is due of these parts is leased from now on; what cannot be read is set aside. */
  async take(wanted: readonly Part[]): Promise<void> {
    if (wanted.length === 0) return;
    const given = rows(wanted);
    const due = this.connection.query<RecipientRow>(
      `select ${RECIPIENT} from recipient where (message, destination) in
           (select message, destination from json_to_recordset($4::text::json) as g (message text, destination text))
         and ${this.#may} order by message, idx for update skip locked`,
      [...this.#ours, given],
    );
    const stored = await this.connection.query<MessageRow>(
      `select ${MESSAGE} from message where id in
         (select message from json_to_recordset($1::text::json) as g (message text))`,
      [given],
    );
    const messages = new Map(stored.map((row) => [row.id, row])), parts = new Map<string, RecipientRow[]>();
    for (const row of await due) {
      if (this.#excluded.has(row.destination) && (row.deadline === null || row.deadline > this.options.now)) continue;
      const key = `${row.message} ${row.destination}`, part = parts.get(key);
      if (part) part.push(row);
      else parts.set(key, [row]);
    }
    const taken: { readonly message: string; readonly idx: number }[] = [];
    for (const { message: id, destination } of wanted) {
      const part = parts.get(`${id} ${destination}`);
      if (part === undefined || !parts.delete(`${id} ${destination}`)) continue;
      const message = await this.#message(id, messages.get(id));
      if (message === null) continue;
      const recipients: StoredRecipient[] = [];
      for (const row of part) {
        const recipient = await this.#recipient(id, row);
        if (recipient !== null) recipients.push(recipient);
      }
      if (recipients.length === 0) continue;
      taken.push(...recipients.map(({ index }) => ({ message: id, idx: index })));
      this.leases.push({ message, recipients, owner: this.options.owner, until: this.#until });
    }
    if (taken.length === 0) return;
    await this.connection.query(
      `update recipient r set state = 'active', due = $2::bigint, owner = $3::text
         from json_to_recordset($1::text::json) as g (message text, idx int)
         where r.message = g.message and r.idx = g.idx`,
      [rows(taken), this.#until, this.#owner],
    );
  }

  async #message(id: string, row: MessageRow | undefined): Promise<StoredMessage | null> {
    try {
      if (row === undefined) throw new CorruptRow("recipients without a message");
      return decodeMessage(row);
    } catch (error) {
      this.notes.push(await setAside(this.connection, error, { id }));
      return null;
    }
  }

  async #recipient(id: string, row: RecipientRow): Promise<StoredRecipient | null> {
    try {
      return { ...decodeRecipient(row), state: "active" };
    } catch (error) {
      this.notes.push(await setAside(this.connection, error, { id, idx: row.idx }));
      return null;
    }
  }
}
