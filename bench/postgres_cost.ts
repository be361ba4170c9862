/**
 * What PostgreSQL costs for a message that is committed and settled: CPU of the server's processes and of this one, round
 * trips and WAL, by how many sessions commit at once. The server is one of its own with fsync. Non-job: leasing from a
 * long queue (store_postgres.ts), whole nodes.
 *
 *     deno run -A --lock=tests/deno.lock bench/postgres_cost.ts [--messages 4000] [--sessions 1,20,100]
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { Connection } from "../core/store/postgres/connection.ts";
import { openPostgresStore } from "../core/store/postgres/mod.ts";
import { parseDatabaseUrl } from "../core/store/postgres/url.ts";
import { PostgresServer } from "../tests/support/postgres.ts";
import { TempFolder } from "../tests/support/temp.ts";
import { body, deposit, message, recipient } from "../tests/unit/store/messages.ts";
import { cpuSeconds } from "./machine.ts";

const { values } = parseArgs({
  options: { messages: { type: "string", default: "4000" }, sessions: { type: "string", default: "1,20,100" } },
});
const SIZE = 5120;
const content = new TextEncoder().encode("Subject: x\r\n\r\n".padEnd(SIZE, "The quick brown fox jumps over the dog. "));

await using server = await PostgresServer.start({ settings: { max_wal_size: "4GB", log_min_messages: "warning" } });
await using folder = await TempFolder.make();
const url = await server.database();
const store = await openPostgresStore({ url, folder: folder.path, observer: (event) => console.error(event) });
const watching = await Connection.open(parseDatabaseUrl(url));

interface Reading {
  readonly server: number;
  readonly own: number;
  readonly commits: number;
  readonly octets: number;
  readonly at: number;
}
async function reading(): Promise<Reading> {
  const [row] = await watching.query<{ commits: number; octets: number }>(
    `select sum(xact_commit)::float8 as commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as octets
       from pg_stat_database`,
  );
  const { user, system } = process.cpuUsage();
  return { server: cpuSeconds(server.pid), own: (user + system) / 1e6, ...row!, at: performance.now() };
}

/** So many at once, each one message after the other; `queued`: to a next hop that takes it at once, else into an inbox. */
async function through(sessions: number, { count, queued }: { count: number; queued: boolean }): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: sessions }, async (_, i) => {
    while (left-- > 0) {
      const now = Date.now(), claim = { owner: "bench", until: now + 3600_000 };
      const sent = queued
        ? message({ recipients: [recipient(`x@s${i}.example`, { nextAttempt: now })] })
        : message({ deposits: [deposit(`s${i}`)] });
      const leases = await store.commit(sent, await body(store, sent.id, content), queued ? { claim } : {});
      for (const lease of leases) await store.settle(lease, [{ index: 0, state: "delivered" }]);
    }
  }));
}

console.log(
  "5 KB                             messages/s   CPU s per 1,000: server   own   commits each   WAL octets each",
);
for (const queued of [false, true]) {
  for (const sessions of values.sessions.split(",").map(Number)) {
    const count = Math.min(Number(values.messages), sessions * 200);
    await through(sessions, { count: Math.ceil(count / 4), queued });
    const before = await reading();
    await through(sessions, { count, queued });
    const took = (performance.now() - before.at) / 1000;
    const after = await reading(), each = (name: keyof Reading) => (after[name] - before[name]) / count;
    console.log(
      `${queued ? "committed and settled" : "into an inbox        "} ${`${sessions}`.padStart(4)} at once ` +
        `${(count / took).toFixed(0).padStart(8)} ${(each("server") * 1000).toFixed(3).padStart(23)} ` +
        `${(each("own") * 1000).toFixed(3)} ${each("commits").toFixed(2).padStart(10)} ${
          each("octets").toFixed(0).padStart(14)
        }`,
    );
  }
}
watching.destroy();
await store.close();
Deno.exit(0);
