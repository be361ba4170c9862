/**
 * The store in PostgreSQL, on a server of its own with fsync: how many messages a node commits and settles, and what it
 * costs to lease from a queue of a million of which nine tenths wait for one destination that is not tried now.
 *
 *     deno run -A --lock=tests/deno.lock bench/store_postgres.ts [--messages 1000000] [--explain]
 *
 * The rows are written by SQL, modelled on one that the store has written. `--explain` shows the server's plans.
 */
import { parseArgs } from "node:util";
import { Connection } from "../core/store/postgres/connection.ts";
import { openPostgresStore } from "../core/store/postgres/mod.ts";
import { parseDatabaseUrl } from "../core/store/postgres/url.ts";
import type { Lease, Store } from "../core/store/store.ts";
import { PostgresServer } from "../tests/support/postgres.ts";
import { TempFolder } from "../tests/support/temp.ts";
import { body, message, octets, recipient } from "../tests/unit/store/messages.ts";

const { values } = parseArgs({
  options: { messages: { type: "string", default: "1000000" }, explain: { type: "boolean", default: false } },
});
const messages = Number(values.messages), HOUR = 3600_000, NOW = Date.now(), LIMIT = 100;
const DEAD = "mx:dead.example", lease = { owner: "bench", seconds: 900, limit: LIMIT, horizon: NOW + 24 * HOUR };

async function timed<T>(what: string, work: () => Promise<T>, said = (_: T) => ""): Promise<T> {
  const begin = performance.now(), result = await work();
  console.log(`${what.padEnd(46)} ${(performance.now() - begin).toFixed(1).padStart(9)} ms  ${said(result)}`);
  return result;
}
function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  return `median ${sorted[sorted.length >> 1]!.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms`;
}

/** So many sessions at once commit with a claim and settle as delivered, until all are done. */
async function through(store: Store, sessions: number, count: number): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: sessions }, async (_, i) => {
    while (left-- > 0) {
      const sent = message({ recipients: [recipient(`x@s${i}.example`, { nextAttempt: NOW })] });
      const claim = { owner: "bench", until: NOW + HOUR };
      const leases = await store.commit(sent, await body(store, sent.id, octets(5000)), { claim });
      for (const each of leases) await store.settle(each, [{ index: 0, state: "delivered" }]);
    }
  }));
}

async function seed(connection: Connection): Promise<void> {
  await connection.query("set statement_timeout = 0");
  const domain = "case when i % 10 > 0 then 'dead.example' else 'd' || (i / 10) % 1000 || '.example' end";
  await connection.query(
    `insert into message select 'S' || lpad(i::text, 25, '0'), version, received_at, size, envelope, sender, blob, body
       from message, generate_series(1, ${messages}) as g (i)`,
  );
  await connection.query(
    `insert into recipient select 'S' || lpad(i::text, 25, '0'), 0, 'ready', d, 'mx:' || d, address, original, ${
      NOW - HOUR
    } + i,
         0, null, facts, route, ${NOW + HOUR} + i, null, 0, ${NOW - HOUR} + i, null, null
       from recipient, generate_series(1, ${messages}) as g (i), lateral (select ${domain}) as x (d)`,
  );
  await connection.query(
    "insert into destination select destination, min(due) from recipient where due is not null group by 1 on conflict do nothing",
  );
  await connection.query("vacuum analyze");
}

await using server = await PostgresServer.start({
  settings: { shared_buffers: "512MB", max_wal_size: "4GB", log_min_messages: "warning" },
});
await using folder = await TempFolder.make();
const url = await server.database();
const store = await openPostgresStore({ url, folder: folder.path, observer: (event) => console.error(event) });
for (const sessions of [1, 5, 20, 100]) {
  const count = sessions * 100;
  const begin = performance.now();
  await through(store, sessions, count);
  const seconds = (performance.now() - begin) / 1000;
  console.log(
    `${sessions} sessions, empty queue: ${Math.round(count / seconds)} messages/s committed, claimed and delivered`,
  );
}
const model = message({
  recipients: [recipient("x@model.example", { nextAttempt: NOW + 9 * HOUR, state: "deferred" })],
});
await store.commit(model, await body(store, model.id, octets(1000)));
const connection = await Connection.open(parseDatabaseUrl(url), { statementTimeout: 0 });
await timed(`seeded ${messages} messages`, () => seed(connection));
const now = () => Date.now();
await timed("first lease, nothing left out", () => store.lease({ ...lease, now: now() }), (l) => `${l.length} leases`);
const times: number[] = [], settles: number[] = [];
let taken = 0;
await timed("100 leases, the dead destination left out", async () => {
  for (let i = 0; i < 100; i++) {
    const begin = performance.now();
    const leases: readonly Lease[] = await store.lease({ ...lease, now: now(), exclude: [DEAD] });
    times.push(performance.now() - begin);
    taken += leases.length;
    const settling = performance.now();
    await Promise.all(leases.map((each) => store.settle(each, [{ index: 0, state: "delivered" }])));
    settles.push(performance.now() - settling);
  }
}, () => `${taken} leases, each call ${spread(times)}; to settle ${LIMIT}: ${spread(settles)}`);
const all = [DEAD, ...Array.from({ length: 1000 }, (_, i) => `mx:d${i}.example`)];
await timed("lease, every destination left out", () => store.lease({ ...lease, now: now(), exclude: all }), (l) => {
  return `${l.length} leases`;
});
await timed("next due", () => store.nextDue({ now: now() }));
await timed("list", () => store.queue({}), ({ total }) => `${total} messages`);
await timed("totals", () => store.totals({}), (all) => JSON.stringify(all));
await timed("list d7.example", () => store.queue({ domain: "d7.example" }), ({ total }) => `${total} messages`);
const commits: number[] = [];
let postponed = false;
await timed("postpone the dead destination", async () => {
  const work = store.postpone({ destination: DEAD, until: NOW + 2 * HOUR, now: now() }).finally(() => postponed = true);
  while (!postponed) {
    const sent = message({ recipients: [recipient("x@new.example", { nextAttempt: NOW })] });
    const begin = performance.now();
    await store.commit(sent, await body(store, sent.id, octets(1000)));
    commits.push(performance.now() - begin);
  }
  return await work;
}, (n) => `${n} recipients; ${commits.length} commits meanwhile, ${spread(commits)}`);
times.length = 0;
for (let i = 0; i < 50; i++) {
  const begin = performance.now();
  await store.lease({ ...lease, now: now(), exclude: [DEAD] });
  times.push(performance.now() - begin);
}
console.log(`leases after that: ${spread(times)}`);
await through(store, 20, 200);
const begin = performance.now();
await through(store, 100, 5000);
console.log(
  `100 sessions, the queue of a million: ${Math.round(5000 / ((performance.now() - begin) / 1000))} messages/s`,
);
if (values.explain) {
  for (
    const text of [
      `select due, message from recipient where destination = '${DEAD}' and due <= ${now()}
         and (state <> 'active' or owner >= 'x/' and owner < 'x0') group by due, message order by due, message limit 50`,
      `select name, due from destination where due <= ${now()} and name not in ('${DEAD}') order by due limit 100`,
      `select message, destination from recipient r where deadline <= ${now()} and due <= ${now()} order by deadline limit 5000`,
      `select min(due) from recipient where due > ${now()}`,
      `select message, idx from recipient where due > ${NOW + 24 * HOUR} and state <> 'active' limit 1000`,
    ]
  ) {
    const plan = await connection.query<{ "QUERY PLAN": string }>(`explain (analyze, buffers) ${text}`);
    console.log(plan.map((row) => row["QUERY PLAN"]).join("\n"), "\n");
  }
}
await connection.end();
await timed("close", () => store.close());
