/**
 * One node among several: says every few seconds that it lives, takes over what a dead one had in hand, gives turns back
 * that it no longer uses, and hears what the others say (LISTEN). All of it over one connection of its own, which is made
 * again when it is lost; then everybody who waits is woken, for what may have been missed. The database's clock alone
 * decides who is dead. Non-job: leases (leasing.ts).
 */
import { Connection, rows } from "./connection.ts";
import { noting } from "./destinations.ts";
import type { Pool } from "./pool.ts";
import type { DatabaseAddress } from "./url.ts";

export interface NodeOptions {
  readonly address: DatabaseAddress;
  readonly pool: Pool;
  readonly id: string;
  readonly name: string;
  /** This node's clock, milliseconds since 1970. */
  now(): number;
  /** Milliseconds between two signs of life (default 5000). */
  readonly beat?: number;
  /** Another node that has been silent for so long is dead, milliseconds (default 15,000). */
  readonly silence?: number;
  /** Something in the queue may be due. */
  kick(): void;
  /** A copy came to an inbox of another node, or went. */
  changed(change: InboxChange): void;
  /** With each sign of life: what wants doing once in a while. */
  chores(): Promise<void>;
  trouble(message: string): void;
  /** That is over. */
  notice(message: string): void;
}
export interface InboxChange {
  readonly type: "arrived" | "removed";
  readonly id: string;
  readonly inbox: string;
}
/** What nodes say to each other: who says it, whether mail waits, and what changed in inboxes. */
interface Word {
  readonly from: string;
  readonly queue: boolean;
  readonly inboxes: readonly (readonly [type: "a" | "r", id: string, inbox: string])[];
}

const CHANNEL = "postern";
const BEAT = 5000, SILENCE = 15_000;
/** Milliseconds that words are gathered before they are said. */
const GATHER = 50;
const MOST_WORDS = 50, MOST_OCTETS = 7000; // PostgreSQL takes payloads up to 8000 octets
/** Who leaves does not wait longer for a database that does not answer, milliseconds. */
const LAST_WORDS = 3000;
const FIRST_PAUSE = 200, LONGEST_PAUSE = 5000;
/** Clocks of nodes that differ by more are spoken of, milliseconds. */
const APART = 60_000;

export class Node {
  readonly #options: NodeOptions;
  #connection: Connection | null = null;
  #nodes = 1;
  #queue = false;
  #inboxes: [type: "a" | "r", id: string, inbox: string][] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #speaking: Promise<void> = Promise.resolve();
  #running: Promise<void> | null = null;
  #stopped = false;
  /** The last sign of life, and since when there was no gap between two, on the monotonic clock. */
  #beaten = -Infinity;
  #steady = 0;
  #ahead = 0;
  #wake: () => void = () => {};

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  /** Nodes that live, this one too. */
  get count(): number {
    return this.#nodes;
  }

  /** By how much the clock of a node that lives is ahead of this one's, milliseconds. */
  get ahead(): number {
    return this.#ahead;
  }

  /** The first sign of life, and from then on by itself. @throws what the first one met */
  async start(): Promise<void> {
    await this.#beat(await this.#connect());
    this.#running = this.#run();
  }

  /** Tells the other nodes, soon and together with what else there is to say. */
  tell({ queue = false, inboxes = [] }: { readonly queue?: boolean; readonly inboxes?: readonly InboxChange[] }): void {
    this.#queue ||= queue;
    if (this.#nodes > 1) {
      for (const { type, id, inbox } of inboxes) this.#inboxes.push([type === "arrived" ? "a" : "r", id, inbox]);
    }
    if (!this.#queue && this.#inboxes.length === 0 || this.#nodes === 1) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#speaking = this.#speaking.then(() => this.#speak());
    }, GATHER);
  }

  /** Leaves: what it had in hand is due at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#wake();
    await this.#running;
    await this.#speaking;
    const connection = this.#connection;
    if (!connection?.alive) return; // the others do it soon
    const timer = setTimeout(() => connection.destroy(), LAST_WORDS);
    await connection.transaction(async (inside) => {
      await release(inside, [this.#options.id]);
      const word: Word = { from: this.#options.id, queue: true, inboxes: [] };
      return await inside.query("select pg_notify($1::text, $2::text)", [CHANNEL, JSON.stringify(word)]);
    }).catch(() => {});
    clearTimeout(timer);
    await connection.end();
  }

  async #connect(): Promise<Connection> {
    const { address } = this.#options;
    const connection = this.#connection = await Connection.open(address, {
      indexed: true,
      notified: (_, payload) => this.#heard(payload),
    });
    await connection.query(`listen ${CHANNEL}`);
    void connection.closed.then(() => this.#wake());
    return connection;
  }

  async #run(): Promise<void> {
    let failures = 0, lost = false;
    while (!this.#stopped) {
      const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
      await this.#pause(lost ? longest * (0.5 + Math.random() / 2) : this.#options.beat ?? BEAT);
      if (this.#stopped) return;
      try {
        const known = this.#connection?.alive ? this.#connection : null;
        await this.#timely(async () => await this.#beat(known ?? await this.#connect()));
        if (known === null) this.#options.kick(); // what was said meanwhile was not heard
        if (lost) this.#options.notice("the database is heard again");
        failures = 0;
        lost = false;
      } catch (error) {
        if (!lost) this.#options.trouble(`no sign of life to the database: ${(error as Error).message}`);
        this.#connection?.destroy();
        lost = true;
        failures++;
        continue;
      }
      await this.#options.chores().catch((error) => this.#options.trouble(String(error.message ?? error)));
    }
  }

  /** A server that does not answer is a lost one. */
  async #timely(work: () => Promise<void>): Promise<void> {
    const timer = setTimeout(() => this.#connection?.destroy(), 2 * BEAT);
    try {
      await work();
    } finally {
      clearTimeout(timer);
    }
  }

  async #beat(connection: Connection): Promise<void> {
    const { id, name, silence = SILENCE, kick, trouble } = this.#options;
    const [seen] = await connection.query<{ away: boolean; skew: number; most: number | null }>(
      `insert into node (id, name, skew)
         values ($1::text, $2::text, $3::bigint - (extract(epoch from clock_timestamp()) * 1000)::bigint)
         on conflict (id) do update set seen = now(), skew = excluded.skew
         returning xmax = 0 as away, skew, (select max(skew) from node where id <> $1::text) as most`,
      [id, name, Math.round(this.#options.now())],
    );
    this.#compare(seen!.skew, seen!.most ?? seen!.skew);
    if (seen!.away && this.#running !== null) {
      trouble("the other nodes took this one for dead: what it had in hand is theirs now");
      kick();
    }
    const steady = this.#isSteady();
    const dead = await connection.transaction(async (inside) => {
      const found = steady
        ? await inside.query<{ id: string; name: string }>(
          `delete from node where id in (select id from node where seen < now() - $1::int * interval '1 millisecond'
             order by id for update skip locked) returning id, name`,
          [silence],
        )
        : [];
      const strays = (await inside.query<{ id: string }>(STRAYS)).map((stray) => ({ ...stray, name: "that has left" }));
      if (found.length + strays.length > 0) await release(inside, [...found, ...strays].map(({ id }) => id));
      return [...found, ...strays];
    });
    for (const { name } of dead) trouble(`node ${name} shows no life any more: what it had in hand is due again`);
    if (dead.length > 0) {
      kick();
      this.tell({ queue: true });
    }
    const [{ nodes }] = await connection.query<{ nodes: number }>(
      "select count(*)::int as nodes from node",
    ) as unknown as [{ nodes: number }];
    this.#nodes = Math.max(1, nodes);
    if (await giveBack(connection, id) > 0) this.tell({ queue: true });
  }

  /**
   * Whether it has shown life without a gap for as long as others must be silent to be dead. Else the database was away,
   * from them as from this one: they have not had the time to show that they live.
   */
  #isSteady(): boolean {
    const { beat = BEAT, silence = SILENCE } = this.#options, at = performance.now();
    if (at - this.#beaten > Math.max(2 * beat, silence - beat)) this.#steady = at;
    this.#beaten = at;
    return at - this.#steady >= silence;
  }

  /** Both are distances from the database's clock. */
  #compare(own: number, most: number): void {
    const ahead = Math.max(0, most - own);
    if (ahead > APART && this.#ahead <= APART) {
      const seconds = Math.round(ahead / 1000);
      this.#options.trouble(`the clock of another node is ${seconds} s ahead of this one's: one of them is wrong`);
    }
    this.#ahead = ahead;
  }

  async #speak(): Promise<void> {
    while (this.#queue || this.#inboxes.length > 0) {
      const inboxes: Word["inboxes"][number][] = [];
      for (let octets = 0; this.#inboxes.length > 0 && inboxes.length < MOST_WORDS;) {
        const next = this.#inboxes[0]!;
        octets += 3 * (next[1].length + next[2].length) + 20;
        if (octets > MOST_OCTETS && inboxes.length > 0) break;
        this.#inboxes.shift();
        if (octets <= MOST_OCTETS) inboxes.push(next); // a name that does not fit at all is not told
      }
      const word: Word = { from: this.#options.id, queue: this.#queue, inboxes };
      this.#queue = false;
      try {
        await this.#options.pool.use((connection) =>
          connection.query("select pg_notify($1::text, $2::text)", [CHANNEL, JSON.stringify(word)])
        );
      } catch { // who did not hear it looks by himself within a minute
        this.#inboxes = [];
      }
    }
  }

  #heard(payload: string): void {
    let word: Word;
    try {
      word = JSON.parse(payload);
    } catch {
      return; // somebody else's
    }
    if (word.from === this.#options.id) return;
    if (word.queue) this.#options.kick();
    for (const [type, id, inbox] of word.inboxes ?? []) {
      this.#options.changed({ type: type === "a" ? "arrived" : "removed", id, inbox });
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * Nodes that are no more and have something in hand all the same: it was committed after they were taken for dead, and they
 * did not live to say so. From one node's owners to the next one's, by the index.
 */
const STRAYS = `
  with recursive o (owner) as (
    (select owner from recipient where owner is not null order by owner limit 1)
    union all
    select (select r.owner from recipient r where r.owner >= split_part(o.owner, '/', 1) || '0' order by r.owner limit 1)
      from o where o.owner is not null
  ), holder (id) as (
    select split_part(owner, '/', 1) from o where owner is not null union select node from turn
  )
  select id from holder where id not in (select id from node) order by id`;

/** What these nodes had in hand is due again, and their turns are free. */
async function release(connection: Connection, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    void connection.query("delete from node where id = $1::text", [id]);
    void connection.query("delete from turn where node = $1::text", [id]);
    await noting(
      connection,
      `update recipient set state = 'ready', due = least(next_attempt, coalesce(deadline, next_attempt)), owner = null
         where owner >= $1::text and owner < $2::text returning destination, due`,
      [`${id}/`, `${id}0`],
    );
  }
}

/** Turns at destinations of which nothing is in hand, and nobody is about to take something. Resolves to how many. */
async function giveBack(connection: Connection, id: string): Promise<number> {
  return await connection.transaction(async (inside) => {
    const locked = await inside.query<{ destination: string }>(
      "select destination from turn where node = $1::text order by destination for update skip locked",
      [id],
    );
    if (locked.length === 0) return 0;
    // Another statement: it sees what was taken before the locks were had
    const { count } = await inside.query(
      `delete from turn where node = $1::text and destination in (select json_array_elements_text($2::text::json))
         and destination not in
           (select destination from recipient where owner >= $3::text and owner < $4::text)`,
      [id, rows(locked.map(({ destination }) => destination)), `${id}/`, `${id}0`],
    );
    return count;
  });
}
