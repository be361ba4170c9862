/**
 * Why the database has pages of 16 KiB, and why bodies up to 256 KiB stand in it: SQLite alone, on one thread, with
 * the two rows of a message that goes to one inbox, in groups of 15.
 *
 *     deno run -A bench/store_pages.ts
 */
import { DatabaseSync } from "node:sqlite";
import process from "node:process";

const GROUP = 15;
const folder = await Deno.makeTempDir({ prefix: "postern-bench-" });
let files = 0;

function run(page: number, size: number, count: number): void {
  const db = new DatabaseSync(`${folder}/${files++}.db`);
  db.exec(`pragma page_size = ${page}; pragma auto_vacuum = incremental; pragma journal_mode = wal;
    pragma synchronous = full; pragma wal_autocheckpoint = ${Math.floor(16 * 1024 * 1024 / page)};
    create table message (id text not null unique, size integer, envelope text, body blob) strict;
    create table inbox (message text, n integer, name text, search text, primary key (message, n)) strict, without rowid;
    create unique index inbox_name on inbox (name, message)`);
  const [message, inbox, begin, commit] = [
    "insert into message values (?, ?, ?, ?)",
    "insert into inbox values (?, 1, 'bob@example.net', ?)",
    "begin immediate",
    "commit",
  ].map((sql) => db.prepare(sql));
  const body = new Uint8Array(size).fill(65), envelope = "x".repeat(900), search = "y".repeat(100);
  const cpu = process.cpuUsage(), start = performance.now();
  for (let n = 0; n < count;) {
    begin!.run();
    for (let i = 0; i < GROUP; i++, n++) {
      const id = `01ARZ3NDEKABC${String(n).padStart(13, "0")}`;
      message!.run(id, size, envelope, body);
      inbox!.run(id, search);
    }
    commit!.run();
  }
  const { user, system } = process.cpuUsage(cpu);
  const perThousand = (user + system) / 1e6 / count * 1000, perSecond = count / (performance.now() - start) * 1000;
  console.log(
    `page ${page}, ${size} octets: ${perThousand.toFixed(3)} CPU s per 1,000, ${Math.round(perSecond)} per s`,
  );
  db.close();
}

run(4096, 5000, 3000); // warm
for (const page of [4096, 8192, 16384, 32768]) {
  for (const [size, count] of [[5000, 12000], [100_000, 900], [250_000, 450]] as const) run(page, size, count);
}
await Deno.remove(folder, { recursive: true });
