/**
 * A queue of a million messages of 1 KB: nine tenths wait for one destination that is not tried now, the rest for a
 * thousand others. Prints what it costs, in time and in CPU time of all threads, to open it, to lease from it,
 * to list it, and to postpone the dead destination while mail comes in, and how much memory the process has.
 *
 *     deno run -A bench/store_million.ts [--messages 1000000] [--folder FOLDER]
 *
 * The rows are written by the store's own writer, on this thread and a thousand to a transaction. A folder that is given
 * is kept, and one that has a queue already is used as it is: everything is due, for the moments lie in the past.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { newId } from "../core/model/id.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../core/model/envelope.ts";
import type { CommitOperation } from "../core/store/protocol.ts";
import { encodeCommit } from "../core/store/rows.ts";
import { openSqliteStore } from "../core/store/sqlite.ts";
import { Writer } from "../core/store/sqlite_writer.ts";
import type { NewMessage, Store } from "../core/store/store.ts";

const { values } = parseArgs({
  options: { messages: { type: "string", default: "1000000" }, folder: { type: "string", default: "" } },
});
const messages = Number(values.messages);
const folder = values.folder || await Deno.makeTempDir({ prefix: "postern-bench-" });
const BATCH = 1000, SIZE = 1024, HOUR = 3600_000, NOW = Date.now(), LIMIT = 100;
const DEAD = "dead.example", exclude = [`mx:${DEAD}`];

const origin = { session: "s1", ip: "192.0.2.1", helo: "c.example", identity: null, protocol: "ESMTP", listener: "l" };
const prepend =
  "Received: from client.example (localhost [127.0.0.1])\r\n\tby mx.example.org (Postern) with ESMTP\r\n" +
  "\tid 01ARZ3NDEKTSV4RRFFQ69G5FAV for <bob@example.net>;\r\n\tSun, 22 Nov 2026 19:00:00 +0000\r\n";
function message(index: number, receivedAt: number): NewMessage {
  const domain = index % 10 > 0 ? DEAD : `d${Math.floor(index / 10) % 1000}.example`;
  const address = { local: `user${index}`, domain };
  return {
    id: newId(receivedAt),
    sender: { local: "news", domain: "example.org" },
    parameters: NO_MAIL_PARAMETERS,
    origin,
    receivedAt,
    edits: { ...NO_EDITS, prepend },
    summary: { from: "News <news@example.org>", to: `user${index}@${domain}`, subject: `News of today, ${index}` },
    recipients: [{
      address,
      original: address,
      parameters: NO_RCPT_PARAMETERS,
      route: { to: "remote" },
      destination: `mx:${domain}`,
      deadline: NOW + HOUR + index,
      state: "ready",
      nextAttempt: receivedAt,
      lastReply: null,
    }],
    deposits: [],
  };
}

function seed(): void {
  Deno.mkdirSync(`${folder}/spool`, { recursive: true });
  const writer = new Writer({ ask: "open", folder, now: NOW, first: true, refused: [] });
  const octets = new Uint8Array(SIZE).fill(65).buffer;
  for (let index = 0; index < messages; index += BATCH) {
    const operations: CommitOperation[] = [];
    for (let i = index; i < Math.min(messages, index + BATCH); i++) {
      operations.push(encodeCommit(message(i, NOW - HOUR + i), SIZE, null)); // all of them share a body
    }
    const bad = writer.batch(operations, octets).outcomes.find(({ fault }) => fault);
    if (bad) throw new Error(JSON.stringify(bad));
  }
  writer.close();
}

function rss(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1024;
}
async function timed<T>(what: string, work: () => T | Promise<T>, said = (_: T) => ""): Promise<T> {
  const cpu = process.cpuUsage(), begin = performance.now(), result = await work(), took = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu), used = (user + system) / 1000;
  const both = [took, used].map((each) => each.toFixed(each < 10 ? 1 : 0).padStart(7)).join(" ms, ");
  console.log(`${what.padEnd(44)} ${both} ms of CPU  ${said(result)}`);
  return result;
}
function spread(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  return `median ${sorted[sorted.length >> 1]!.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms`;
}
async function commitOne(store: Store, index: number): Promise<number> {
  const begin = performance.now(), made = message(index * 10, Date.now()), writer = store.receive(made.id);
  await writer.write(new Uint8Array(SIZE));
  await store.commit(made, await writer.finish());
  return performance.now() - begin;
}

let isNew = true;
try {
  isNew = Deno.statSync(`${folder}/postern.db`).size < SIZE * messages;
} catch { /* not there */ }
if (isNew) await timed(`seeded ${messages} messages`, seed);
console.log(`database: ${Math.round(Deno.statSync(`${folder}/postern.db`).size / 1024 / 1024)} MiB`);
const first = rss();
const store = await timed("open", () => openSqliteStore({ folder, observer: (event) => console.error(event) }));
const lease = { owner: "bench", seconds: 900, limit: LIMIT, horizon: NOW + 24 * HOUR };
const now = () => Date.now();

await timed("first lease, nothing left out", () => store.lease({ ...lease, now: now() }), (l) => `${l.length} leases`);
const times: number[] = [];
let taken = 0;
await timed("100 leases, the dead destination left out", async () => {
  for (let i = 0; i < 100; i++) {
    const begin = performance.now();
    taken += (await store.lease({ ...lease, now: now(), exclude })).length;
    times.push(performance.now() - begin);
  }
}, () => `${taken} leases, ${spread(times)}`);
const all = [...exclude, ...Array.from({ length: 1000 }, (_, i) => `mx:d${i}.example`)];
await timed("lease, every destination left out", () => store.lease({ ...lease, now: now(), exclude: all }), (l) => {
  return `${l.length} leases`;
});
await timed("next due", () => store.nextDue({ now: now() }));
await timed("list", () => store.queue({}), ({ total }) => `${total} messages`);
await timed("list, limit 1000", () => store.queue({ limit: 1000 }), ({ items }) => `${items.length} items`);
for (
  const query of [
    { domain: DEAD },
    { domain: "d7.example" },
    { state: "ready" },
    { state: "active" },
    { state: "held" },
    { state: "ready", domain: DEAD },
    { state: "active", domain: DEAD },
    { state: "held", domain: DEAD },
    { state: "active", domain: "d7.example" },
  ] as const
) await timed(`list ${Object.values(query).join(", ")}`, () => store.queue(query), ({ total }) => `${total} messages`);
await timed(
  "hold a domain",
  () => store.change({ domain: "d7.example" }, { do: "hold", reason: "x" }),
  (n) => `${n} recipients`,
);
const waits: number[] = [];
let postponed = false;
await timed("postpone the dead destination", async () => {
  const work = store.postpone({ destination: exclude[0]!, until: NOW + 2 * HOUR, now: now() })
    .finally(() => postponed = true);
  for (let i = 0; !postponed; i++) waits.push(await commitOne(store, i));
  return await work;
}, (n) => `${n} recipients; ${waits.length} commits meanwhile, ${spread(waits)}`);
await timed("lease, owed a word: all of them", () => store.lease({ ...lease, now: NOW + 3 * HOUR, exclude }), (l) => {
  return `${l.length} leases, ${new Set(l.map(({ recipients }) => recipients[0]!.destination)).size} destinations`;
});
console.log(`memory: ${Math.round(rss())} MiB, before the store was opened ${Math.round(first)} MiB`);
await timed("close", () => store.close());
const again = await timed("open again", () => openSqliteStore({ folder }));
await again.close();
console.log(`memory: ${Math.round(rss())} MiB`);
if (!values.folder) await Deno.remove(folder, { recursive: true });
