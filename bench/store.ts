/**
 * What the store costs by itself, without network and protocol: CPU seconds per 1,000 durable messages, of all threads,
 * messages per second, and how long a commit takes.
 *
 *     deno run -A bench/store.ts [--sessions 20] [--size 5000] [--messages 20000] [--work 100] [--limit OCTETS]
 *
 * `sessions` clients write a body, commit it and begin again; `work` is about so many microseconds of other work per
 * message on the session thread, standing for network, parsing and plugins. A run without the store is measured first
 * and subtracted. With `--queue` a message goes to one of a thousand domains instead of an inbox: what a row of the
 * queue costs with its indexes. With `--flood N`, N writers instead each get 2 MB of a body that does not end, in chunks of 16 KB, and
 * the growth of the process is printed.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { newId } from "../core/model/id.ts";
import { openSqliteStore } from "../core/store/sqlite.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../core/model/envelope.ts";
import type { NewRecipient } from "../core/store/store.ts";

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "20" },
    size: { type: "string", default: "5000" },
    messages: { type: "string", default: "20000" },
    work: { type: "string", default: "100" },
    limit: { type: "string", default: "" },
    folder: { type: "string", default: "" },
    flood: { type: "string", default: "" },
    queue: { type: "boolean", default: false },
  },
});
const sessions = Number(values.sessions), size = Number(values.size), messages = Number(values.messages);
const work = Number(values.work);
const folder = values.folder || await Deno.makeTempDir({ prefix: "postern-bench-" });
const store = await openSqliteStore({
  folder,
  ...(values.limit ? { blobLimit: Number(values.limit) } : {}),
  observer: (event) => console.error(event),
});

const content = new Uint8Array(size).fill(65);
content.set(new TextEncoder().encode("From: a@example.org\r\nSubject: x\r\n\r\n"));
const prepend =
  "Received: from client.example (localhost [127.0.0.1])\r\n\tby mx.example.org (Postern) with ESMTP\r\n" +
  "\tid 01ARZ3NDEKTSV4RRFFQ69G5FAV for <bob@example.net>;\r\n\tSun, 22 Nov 2026 19:00:00 +0000\r\n";
const bob = { local: "bob", domain: "example.net" };
function elsewhere(index: number): NewRecipient {
  const address = { local: "bob", domain: `d${index % 1000}.example` }, now = Date.now();
  return {
    address,
    original: address,
    parameters: NO_RCPT_PARAMETERS,
    route: { to: "remote" },
    destination: `mx:${address.domain}`,
    deadline: now + 4 * 3600_000,
    state: "ready",
    nextAttempt: now,
    lastReply: null,
  };
}

let started = 0, sink = 0;
const latencies: number[] = [];
function spin(rounds: number): void {
  for (let i = 0; i < rounds; i++) sink = (sink * 31 + i) | 0;
}
const ROUNDS = 1e7;
let perMicrosecond = Infinity;
for (let i = 0; i < 5; i++) {
  const begin = performance.now();
  spin(ROUNDS);
  perMicrosecond = Math.min(perMicrosecond, ROUNDS / (performance.now() - begin) / 1000);
}
async function session(count: number, stores: boolean): Promise<void> {
  while (started < count) {
    started++;
    await new Promise((resolve) => setImmediate(resolve)); // the socket's turn of the event loop
    spin(work * perMicrosecond);
    if (!stores) continue;
    const id = newId(Date.now());
    const writer = store.receive(id);
    for (let at = 0; at < size; at += 65536) {
      const wait = writer.write(content.subarray(at, at + 65536));
      if (wait) await wait;
    }
    const body = await writer.finish();
    const commit = performance.now();
    await store.commit({
      id,
      sender: { local: "alice", domain: "example.org" },
      parameters: NO_MAIL_PARAMETERS,
      origin: {
        session: "s" + id,
        ip: "127.0.0.1",
        helo: "c.example",
        identity: null,
        protocol: "ESMTP",
        listener: "l",
      },
      receivedAt: Date.now(),
      edits: { prepend, drop: [] },
      summary: { from: "a@example.org", to: "bob@example.net", subject: "x" },
      ...(values.queue
        ? { recipients: [elsewhere(started)], deposits: [] }
        : { recipients: [], deposits: [{ inbox: "bob@example.net", address: bob, original: bob }] }),
    }, body);
    latencies.push(performance.now() - commit);
  }
}
/** CPU seconds and seconds of the clock. */
async function run(count: number, stores = true): Promise<readonly [number, number]> {
  started = latencies.length = 0;
  const cpu = process.cpuUsage(), begin = performance.now();
  await Promise.all(Array.from({ length: sessions }, () => session(count, stores)));
  const { user, system } = process.cpuUsage(cpu);
  return [(user + system) / 1e6, (performance.now() - begin) / 1000];
}

if (values.flood) {
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1024;
  const before = rss(), writers = Array.from({ length: Number(values.flood) }, (_, i) => store.receive(`FLOOD${i}`));
  let most = before;
  const watch = setInterval(() => most = Math.max(most, rss()), 50), chunk = content.slice(0, 16_384);
  await Promise.all(writers.map(async (writer) => {
    for (let sent = 0; sent < 2e6; sent += chunk.length) {
      await new Promise((resolve) => setImmediate(resolve));
      await writer.write(chunk);
    }
  }));
  clearInterval(watch);
  console.log(`${values.flood} writers of 2 MB: the process grew by at most ${Math.round(most - before)} MiB`);
  for (const writer of writers) writer.abort();
  await store.close();
  if (!values.folder) await Deno.remove(folder, { recursive: true });
  Deno.exit(0);
}

await run(Math.min(2000, messages)); // warm
const [other] = await run(messages, false);
const [cpu, seconds] = await run(messages);
latencies.sort((a, b) => a - b);
const at = (part: number) => latencies[Math.floor(latencies.length * part)]!.toFixed(2);
console.log(
  `${sessions} sessions, ${size} octets, ${messages} messages, ${work} us other work: ` +
    `${((cpu - other) / messages * 1000).toFixed(3)} CPU s per 1,000, ${Math.round(messages / seconds)} messages/s, ` +
    `commit ms: median ${at(0.5)}, 99% ${at(0.99)}`,
);
await store.close();
if (!values.folder) await Deno.remove(folder, { recursive: true });
