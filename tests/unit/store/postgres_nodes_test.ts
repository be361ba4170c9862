/**
 * Two nodes on one database: who has what in hand, whose turn a destination is, what is heard of each other, and who takes
 * over. Each store here is a node; real processes that are killed are in the end-to-end tests.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { newId } from "../../../core/model/id.ts";
import { Connection } from "../../../core/store/postgres/connection.ts";
import { sqlState } from "../../../core/store/postgres/faults.ts";
import { openPostgresStore, type PostgresOptions } from "../../../core/store/postgres/mod.ts";
import { Pool } from "../../../core/store/postgres/pool.ts";
import { migrate, STEPS } from "../../../core/store/postgres/schema.ts";
import { parseDatabaseUrl } from "../../../core/store/postgres/url.ts";
import { type Store, StoreError } from "../../../core/store/store.ts";
import { PostgresServer, testWithPostgres } from "../../support/postgres.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { body, deposit, message, octets, put, read, recipient, T0 } from "./messages.ts";

const lease = { now: T0, seconds: 60, limit: 100 };

/** One for all tests here: each has a database of its own. */
let server: Promise<PostgresServer> | null = null;
Deno.test.afterAll(async () => {
  await (await server)?.[Symbol.asyncDispose]();
});

/** A database, and as many nodes on it as a test wants. */
class Site implements AsyncDisposable {
  readonly trouble: string[] = [];
  readonly #stack = new AsyncDisposableStack();
  private constructor(readonly server: PostgresServer, readonly url: string, readonly folder: TempFolder) {}

  static async make(): Promise<Site> {
    const shared = await (server ??= PostgresServer.start());
    const site = new Site(shared, await shared.database(), await TempFolder.make());
    site.#stack.use(site.folder);
    return site;
  }

  async node(name: string, more: Partial<PostgresOptions> = {}): Promise<Store> {
    const store = await openPostgresStore({
      url: this.url,
      folder: this.folder.at(name),
      node: name,
      now: () => T0,
      beat: 200,
      observer: (event) => event.type === "trouble" && this.trouble.push(event.message),
      ...more,
    });
    this.#stack.defer(() => store.close());
    return store;
  }

  /** A connection beside the stores, for looking and for harm. */
  async sql<T>(text: string, values: readonly (string | number)[] = []): Promise<readonly T[]> {
    const connection = await Connection.open(parseDatabaseUrl(this.url));
    try {
      return [...await connection.query<T>(text, values)];
    } finally {
      await connection.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

testWithPostgres(
  "postgres: nodes that start together make the tables once, and a newer format is refused",
  async () => {
    await using site = await Site.make();
    const stores = await Promise.all(["a", "b", "c"].map((name) => site.node(name)));
    await put(stores[0]!, { deposits: [deposit("box")] });
    assertEquals((await stores[2]!.inboxes.list({})).total, 1);
    await site.sql("update schema_version set version = version + 1");
    const refused = await assertRejects(() => site.node("d"), StoreError);
    assert(/newer version of Postern/.test(refused.message), refused.message);
    assert(!refused.message.includes(site.server.password), "no password in an error");
    await put(stores[1]!, { deposits: [deposit("box")] }); // those that run go on
  },
);

testWithPostgres("postgres: a server that syncs nothing is refused", async () => {
  await using careless = await PostgresServer.start({ settings: { fsync: "off" } });
  await using site = await Site.make();
  const url = await careless.database();
  const refused = await assertRejects(() => site.node("a", { url }), StoreError, "fsync off");
  assert(!refused.message.includes(careless.password), "no password in an error");
});

testWithPostgres("postgres: a step that fails leaves the tables as they were", async () => {
  await using site = await Site.make();
  const connection = await Connection.open(parseDatabaseUrl(site.url));
  await assertRejects(() => migrate(connection, "part", ["create table one (n int)", "create table one (n int)"]));
  assertEquals(
    (await connection.query("select 1 from pg_tables where tablename in ('one', 'schema_version')")).length,
    0,
  );
  await migrate(connection, "part", ["create table one (n int)"]);
  await migrate(connection, "part", ["create table one (n int)", "alter table one add column m int"]);
  assertEquals((await connection.query("select n, m from one")).length, 0);
  await connection.end();
});

testWithPostgres(
  "postgres: nodes go on while the first one of a newer version brings the tables forward under them",
  async () => {
    await using site = await Site.make();
    const a = await site.node("a"), b = await site.node("b");
    /** Everything that has a statement of its own, so that it is prepared before and asked again after. */
    const round = async (store: Store, domain: string) => {
      await put(store, { recipients: [recipient(`x@${domain}`)], deposits: [deposit("box")] });
      const [got] = await store.lease({ ...lease, owner: "w" });
      assertEquals(got!.recipients.map(({ address }) => address.domain), [domain]);
      const { id } = got!.message;
      assertEquals(await read(await store.content(id)), octets(100));
      assertEquals((await store.item(id))!.recipients.length, 1);
      assertEquals(await store.settle(got!, [{ index: 0, state: "delivered" }]), true);
      assertEquals(await store.counters.add("counted", 1, { seconds: 60 }) > 0, true);
      assertEquals((await store.inboxes.list({})).messages.length > 0, true);
    };
    for (const [place, store] of [a, b].entries()) await round(store, `before${place}.example`);
    const tables = await site.sql<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'postern'",
    );
    const adds = tables.map(({ name }) => `alter table ${name} add column later int not null default 7`);
    const under = Array.from({ length: 30 }, (_, i) => put(a, { deposits: [deposit(`box${i}`)] }));
    const connection = await Connection.open(parseDatabaseUrl(site.url));
    await migrate(connection, "store", [...STEPS, adds.join("; ")]);
    await connection.end();
    await Promise.all(under);
    for (const [place, store] of [a, b].entries()) await round(store, `after${place}.example`);
    await assertRejects(() => site.node("c"), StoreError, "newer version of Postern");
    assertEquals(site.trouble, []);
  },
);

testWithPostgres("postgres: a destination is one node's at a time, and many are shared out", async () => {
  await using site = await Site.make();
  const a = await site.node("a"), b = await site.node("b");
  await waitFor("the nodes to know of each other", async () => {
    await put(a, { recipients: [recipient("probe@probe.example")] });
    const [got] = await b.lease({ ...lease, owner: "w" });
    if (got) await b.settle(got, got.recipients.map(({ index }) => ({ index, state: "delivered" })));
    return (await site.sql<{ n: number }>("select count(*)::int as n from node"))[0]!.n === 2;
  });
  for (let i = 0; i < 6; i++) await put(a, { recipients: [recipient("x@one.example")] });
  const first = await a.lease({ ...lease, owner: "w", limit: 2 });
  assertEquals(first.length, 2);
  assertEquals(await b.lease({ ...lease, owner: "w" }), [], "the other node has the turn");
  assertEquals((await a.lease({ ...lease, owner: "w", limit: 1 })).length, 1, "and takes more");

  const claimed = message({ recipients: [recipient("y@one.example"), recipient("z@free.example")] });
  const claim = { owner: "w", until: T0 + 60_000 };
  const leases = await b.commit(claimed, await body(b, claimed.id, octets(50)), { claim });
  assertEquals(leases.map(({ recipients }) => recipients.map(({ address }) => address.domain)), [["free.example"]]);
  assertEquals((await b.item(claimed.id))!.recipients.map(({ state }) => state), ["ready", "active"]);

  // Given back when nothing of it is in hand: the rest is anybody's
  for (const each of first) await a.settle(each, [{ index: 0, state: "deferred", nextAttempt: T0 + 1 }]);
  const [last] = await a.lease({ ...lease, owner: "w", limit: 1 });
  assert(last !== undefined);
  await site.sql("update recipient set state = 'held', due = null, owner = null where state = 'active'");
  await waitFor("the turn to be given back", async () => (await b.lease({ ...lease, owner: "w" })).length > 0);
  await b.change({}, { do: "delete" });

  for (let i = 0; i < 40; i++) await put(a, { recipients: [recipient(`x@d${i}.example`, { nextAttempt: T0 - 1 })] });
  const [mine, others] = [await a.lease({ ...lease, owner: "w" }), await b.lease({ ...lease, owner: "w" })];
  assertEquals(mine.length + others.length, 40);
  assert(mine.length >= 15 && others.length >= 15, `${mine.length} and ${others.length}`);
  const ids = new Set([...mine, ...others].map(({ message: { id } }) => id));
  assertEquals(ids.size, 40, "each once");
});

testWithPostgres("postgres: what waits too long is taken by who asks, whoever else could", async () => {
  await using site = await Site.make();
  const a = await site.node("a");
  await site.node("b"); // it never asks
  for (let i = 0; i < 10; i++) await put(a, { recipients: [recipient(`x@d${i}.example`, { nextAttempt: T0 - 9000 })] });
  await waitFor("all of it", async () => (await a.lease({ ...lease, owner: "w" })).length === 10 || null);
});

testWithPostgres(
  "postgres: a node hears that mail waits and what comes to inboxes, also after its line was cut",
  async () => {
    await using site = await Site.make();
    const a = await site.node("a"), b = await site.node("b");
    let kicks = 0;
    const seen: string[] = [];
    b.watchQueue!(() => kicks++);
    b.inboxes.watch(({ type, id, inbox }) => seen.push(`${type} ${id} ${inbox}`));
    await waitFor("a word of mail", async () => {
      await put(a, { recipients: [recipient("x@x.example")] });
      return kicks > 0;
    });
    const { id } = await put(a, { deposits: [deposit("box"), deposit("two")] });
    await a.inboxes.remove({ id });
    await waitFor("what came and went", () => seen.length === 3);
    assertEquals(seen, [`arrived ${id} box`, `arrived ${id}.2 two`, `removed ${id} box`]);
    await b.inboxes.remove({});
    await waitFor("what one did oneself, told once", () => seen.length === 4);
    kicks = 0;
    await site.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' or pid <> pg_backend_pid() and application_name = 'postern'",
    );
    await waitFor("a kick for what may have been missed", () => kicks > 0);
    await waitFor("a word again", async () => {
      kicks = 0;
      await put(a, { recipients: [recipient("x@x.example")] });
      return await waitFor("it", () => kicks > 0, { deadline: 500 }).catch(() => false);
    }, { deadline: 30_000 });
  },
);

testWithPostgres(
  "case 75: what a dead node had in hand is another's, and its own late word counts for nothing",
  async () => {
    await using site = await Site.make();
    const a = await site.node("a", { beat: 1_000_000 }); // it shows no life after the first sign
    const sent = await put(a, { recipients: [recipient("x@x.example"), recipient("y@x.example")] });
    const [held] = await a.lease({ ...lease, owner: "w" });
    assertEquals(held!.recipients.length, 2);
    const b = await site.node("b", { silence: 600 });
    let kicks = 0;
    b.watchQueue!(() => kicks++);
    const [taken] = await waitFor("the lease to be taken over", async () => {
      const leases = await b.lease({ ...lease, owner: "w" });
      return leases.length > 0 ? leases : null;
    });
    assertEquals(taken!.message.id, sent.id);
    await waitFor("its dispatcher to be woken for it", () => kicks > 0);
    await waitFor("a word of it", () => site.trouble.some((each) => /node a shows no life/.test(each)));
    assertEquals(await a.settle(held!, [{ index: 0, state: "delivered" }]), false);
    assertEquals(await b.settle(taken!, [{ index: 0, state: "delivered" }, { index: 1, state: "failed" }]), true);
    assertEquals(await a.settle(held!, [{ index: 1, state: "delivered" }]), false);
    assertEquals((await b.item(sent.id))!.recipients.map(({ index, state }) => [index, state]), [[1, "failed"]]);
  },
);

testWithPostgres(
  "case 75: whoever has not shown life without a gap itself takes nobody for dead: the database was away from all",
  async () => {
    await using site = await Site.make();
    const a = await site.node("a", { beat: 1_000_000 });
    await put(a, { recipients: [recipient("x@x.example")] });
    const [held] = await a.lease({ ...lease, owner: "w" });
    await site.sql("update node set seen = now() - interval '1 hour'");
    const b = await site.node("b", { silence: 3_600_000 / 2 });
    const seen = async () => (await site.sql<{ at: string }>("select max(seen)::text as at from node"))[0]!.at;
    for (let beats = 0; beats < 3; beats++) {
      const last = await seen();
      await waitFor("a sign of life", async () => await seen() !== last);
    }
    assertEquals(await b.lease({ ...lease, owner: "w" }), [], "it is the other's still");
    assertEquals(await a.settle(held!, [{ index: 0, state: "delivered" }]), true);
    assertEquals(site.trouble.filter((each) => /no life/.test(each)), []);
  },
);

testWithPostgres("case 75: what a node took after it was buried, and did not live to give back, is free", async () => {
  await using site = await Site.make();
  const a = await site.node("a", { beat: 1_000_000 });
  const { id } = await put(a, { recipients: [recipient("x@x.example")] });
  await site.sql("delete from node");
  assertEquals((await a.lease({ ...lease, owner: "w" })).length, 1);
  const b = await site.node("b");
  const [taken] = await waitFor("it to be another's", async () => {
    const leases = await b.lease({ ...lease, owner: "w" });
    return leases.length > 0 ? leases : null;
  });
  assertEquals(taken!.message.id, id);
});

testWithPostgres("case 74: a node whose clock is behind leaves alone what another one plans", async () => {
  await using site = await Site.make();
  const hour = 3_600_000, a = await site.node("a", { now: () => T0 + hour }), b = await site.node("b");
  await waitFor(
    "it to be told",
    () => site.trouble.some((each) => /the clock of another node is 3600 s ahead/.test(each)),
  );
  const next = T0 + hour + 600_000;
  const { id } = await put(a, { recipients: [{ ...recipient("x@x.example"), state: "deferred", nextAttempt: next }] });
  assertEquals(await b.lease({ ...lease, owner: "w", horizon: T0 + 900_000 }), []);
  assertEquals((await b.item(id))!.recipients[0]!.nextAttempt, next);
});

testWithPostgres(
  "postgres: what a living node has in hand is its own, however late it is; one that leaves gives it back",
  async () => {
    await using site = await Site.make();
    const a = await site.node("a"), b = await site.node("b");
    const { id } = await put(a, { recipients: [recipient("x@x.example")] });
    const [held] = await a.lease({ ...lease, owner: "w" });
    assertEquals(await b.lease({ ...lease, now: T0 + 9e6, owner: "w" }), [], "a clock that is ahead takes nothing");
    assertEquals(await a.settle(held!, [{ index: 0, state: "ready" }]), true);
    assertEquals((await a.lease({ ...lease, owner: "w" })).length, 1);
    await a.close();
    assertEquals((await b.lease({ ...lease, owner: "w" })).map(({ message }) => message.id), [id]);
  },
);

testWithPostgres("postgres: two nodes that settle parts of one message at once leave nothing of it", async () => {
  await using site = await Site.make();
  const a = await site.node("a"), b = await site.node("b");
  for (let round = 0; round < 15; round++) {
    const { id } = await put(a, { recipients: [recipient(`x@a${round}.example`), recipient(`y@b${round}.example`)] });
    const leases = new Map<Store, Awaited<ReturnType<Store["lease"]>>>();
    await waitFor("both parts", async () => {
      for (const store of [a, b]) {
        leases.set(store, [
          ...leases.get(store) ?? [],
          ...await store.lease({ ...lease, now: T0 + 9000, owner: "w", limit: 1 }),
        ]);
      }
      return leases.get(a)!.length + leases.get(b)!.length === 2;
    });
    const settled = await Promise.all(
      [...leases].flatMap(([store, all]) =>
        all.map((each) => store.settle(each, each.recipients.map(({ index }) => ({ index, state: "delivered" }))))
      ),
    );
    assertEquals(settled, [true, true]);
    assertEquals([await a.item(id), await b.received(id)], [null, null]);
  }
  assertEquals(await site.sql("select id from message"), []);
});

testWithPostgres("postgres: counters of all nodes are one, and no addition is lost", async () => {
  await using site = await Site.make();
  const nodes = await Promise.all(["a", "b", "c"].map((name) => site.node(name)));
  const sums = await Promise.all(
    Array.from(
      { length: 150 },
      (_, i) => nodes[i % 3]!.counters.add(`n${i % 2}`, 1, { seconds: 60, durable: i % 7 === 0 }),
    ),
  );
  for (const parity of [0, 1]) {
    const of = sums.filter((_, i) => i % 2 === parity).sort((x, y) => x - y);
    assertEquals(of, Array.from({ length: 75 }, (_, i) => i + 1), "each sum is somebody's, once");
  }
  assertEquals(await nodes[2]!.counters.get("n0"), "75");
  await nodes[0]!.counters.put("n0", "no number", { seconds: 60 });
  assertEquals(await nodes[1]!.counters.add("n0", 2.5, { seconds: 1 }), 2.5);
  assertEquals(await nodes[1]!.counters.get("never"), undefined);
});

testWithPostgres("postgres: damaged rows are set aside with a reason, and all else goes on", async () => {
  await using site = await Site.make();
  const a = await site.node("a");
  const damage = async (text: string) => {
    const { id } = await put(a, { recipients: [recipient("x@x.example")] });
    await site.sql(text, [id]);
    return id;
  };
  const bad = [
    await damage("update message set version = 99 where id = $1::text"),
    await damage("update message set envelope = 'no JSON' where id = $1::text"),
    await damage("update message set body = 'short' where id = $1::text"),
    await damage("update recipient set facts = '{}' where message = $1::text"),
    await damage('update recipient set route = \'{"to":"nowhere"}\' where message = $1::text'),
    await damage("delete from message where id = $1::text"),
  ];
  const good = await put(a, { recipients: [recipient("x@x.example")] });
  assertEquals((await a.lease({ ...lease, owner: "w" })).map(({ message: { id } }) => id), [good.id]);
  const { corrupt } = await a.queue({});
  assertEquals(corrupt.map(({ id }) => id).sort(), [...bad].sort());
  for (const { id, why } of corrupt) assert(why.length > 5, `${id}: ${why}`);
  assertEquals((await a.totals({})).corrupt, bad.length);
  await site.sql("update message set version = 1 where id = $1::text", [bad[0]!]);
  assertEquals(await a.change({ id: bad[0]! }, { do: "retry" }), 1);
  assertEquals((await a.lease({ ...lease, owner: "w" })).map(({ message: { id } }) => id), [bad[0]]);
});

testWithPostgres(
  "postgres: pieces of large bodies go with their message, and those of no message after an hour",
  async () => {
    await using site = await Site.make();
    const a = await site.node("a", { blobLimit: 1000 });
    const left = async () => (await site.sql<{ n: number }>("select count(*)::int as n from chunk"))[0]!.n;
    const content = octets(700_000);
    const { id } = await put(a, { deposits: [deposit("box")] }, content);
    assertEquals(await left(), 3);
    const stream = (await a.raw(id))!.getReader(); // a reader who stops in the middle
    assertEquals((await stream.read()).value!.length, 256 * 1024);
    await stream.cancel();
    assertEquals(await read(await a.received(id)), content);
    const taken = message({ id, deposits: [deposit("box")] });
    await assertRejects(async () => await a.commit(taken, await body(a, newId(T0), content)), StoreError);
    await waitFor("the pieces of what was refused to go", async () => await left() === 3);
    await site.sql("insert into blob (name, at) values ('lost', now() - interval '61 minutes'), ('new', now())");
    await site.sql("insert into chunk values ('lost', 0, 'x'), ('new', 0, 'x')");
    await waitFor("the lost piece to go", async () => await left() === 4);
    await a.inboxes.remove({ id });
    await waitFor("the message's own pieces to go", async () => await left() === 1);
    assertEquals(await site.sql("select name from blob"), [{ name: "new" }]);
  },
);

testWithPostgres(
  "case 70: settings of an account, a database or a server change nothing of what the store keeps",
  async () => {
    await using site = await Site.make();
    for (
      const setting of [
        ...["synchronous_commit = off", "bytea_output = 'escape'", "standard_conforming_strings = off"],
        ...["extra_float_digits = -10", "default_transaction_isolation = 'serializable'", "datestyle = 'German'"],
        ...["timezone = 'Asia/Kolkata'", "search_path = 'pg_catalog'", "client_encoding = 'LATIN1'"],
      ]
    ) {
      await site.sql(`alter database ${site.url.slice(site.url.lastIndexOf("/") + 1)} set ${setting}`);
    }
    const store = await site.node("a");
    const sent = await put(store, { recipients: [recipient("x@x.example")] }, octets(3000));
    assertEquals(await read(await store.content(sent.id)), octets(3000));
    await store.counters.add("n", 123_456_789.25, { seconds: 60 });
    assertEquals(await store.counters.add("n", 1, { seconds: 60 }), 123_456_790.25);
    const names = ["synchronous_commit", "default_transaction_isolation"];
    const [row] = await site.sql(`select ${names.map((name) => `current_setting('${name}') as ${name}`).join(", ")}`);
    assertEquals(row, { synchronous_commit: "on", default_transaction_isolation: "read committed" });
  },
);

testWithPostgres("postgres: a database that cannot hold every text is refused at the start", async () => {
  await using site = await Site.make();
  for (const encoding of ["LATIN1", "SQL_ASCII"]) {
    const name = `of_${encoding.toLowerCase()}`;
    await site.sql(
      `create database ${name} template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`,
    );
    const refused = await assertRejects(() => site.node("a", { url: site.server.urlOf(name) }), StoreError);
    assert(refused.message.includes(`encoding ${encoding}, and must have UTF8`), refused.message);
  }
});

testWithPostgres("postgres: where the server has room for few connections, those few do the work of all", async () => {
  await using site = await Site.make();
  await site.sql("create role few login password 'few' connection limit 2");
  const trouble: string[] = [];
  const url = site.url.replace(/\/\/[^@]*@/, "//few:few@");
  const pool = new Pool({
    ...{ address: parseDatabaseUrl(url), size: 6, patience: 5000 },
    trouble: (message) => trouble.push(message),
  });
  try {
    const done = await Promise.all(
      Array.from({ length: 60 }, () => pool.use((connection) => connection.query("select pg_sleep(0.01)"))),
    );
    assertEquals(done.length, 60);
    assert(trouble.some((each) => /too many connections for role/.test(each)), trouble.join("; "));
  } finally {
    await pool.end();
  }
});

testWithPostgres(
  "postgres: a counter that the database cannot take harms none of its turn, and a list says what held it up",
  async () => {
    await using site = await Site.make();
    const store = await site.node("a");
    const add = (name: string) => store.counters.add(name, 1, { seconds: 60 });
    const odd = Array.from({ length: 2000 }, () => crypto.randomUUID()).join(""); // no index takes it
    const [first, refused, last] = await Promise.allSettled([add("a"), add(odd), add("b")]);
    assertEquals([first!.status, refused!.status, last!.status], ["fulfilled", "rejected", "fulfilled"]);
    const beside = await Connection.open(parseDatabaseUrl(site.url));
    await beside.query("begin");
    await beside.query("lock table recipient in access exclusive mode");
    const reader = await Connection.open(parseDatabaseUrl(site.url));
    await reader.query("set lock_timeout = 50");
    const refusal = await assertRejects(() =>
      reader.snapshot(async (inside) => {
        void inside.query("select count(*) from recipient"); // what follows only says that all is aborted
        await inside.query("select 1");
      })
    );
    assertEquals(sqlState(refusal), "55P03", String(refusal));
    await beside.query("rollback");
    await reader.snapshot((inside) => inside.query("select count(*) from recipient"));
    await reader.end();
    await beside.end();
  },
);
