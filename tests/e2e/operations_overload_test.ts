/**
 * More than the server can do (case 79): it says so at once, keeps what it accepted, its 250 comes in bounded time, its
 * memory stays, and it goes on by itself when the load ends.
 */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { addedOnly, join, mail, octets } from "../support/bytes.ts";
import { Server } from "../support/server.ts";
import { ConnectionClosed, queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

const MIB = 1024 * 1024;
const CONFIG = (limits = "") =>
  `hostname: mx.local.example
domains: ["*"]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [{ inbox: { everything: true } }]
limits: { ${limits} }
log: { level: error }
`;

/** Resident memory of the process, octets. */
function resident(server: Server): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${server.pid}/status`))?.[1];
  return Number(kilobytes) * 1024;
}
async function bodyBytes(server: Server): Promise<number> {
  const text = await (await server.api.get("/metrics")).text();
  return Number(/^postern_bodies_bytes (\d+)/m.exec(text)?.[1] ?? NaN);
}
function message(name: string): Uint8Array<ArrayBuffer> {
  return mail(`From: a@example.org\nSubject: ${name}\n\nText\n`);
}

Deno.test("case 79: 200 connections that never pause: nothing accepted is lost, latency and memory are bounded", async () => {
  await using server = await Server.start({ config: CONFIG() });
  const filler = octets(`${"x".repeat(76)}\r\n`.repeat(60)); // 5 KB in all
  const accepted = new Map<string, string>(), latencies: number[] = [], odd = new Set<string>();
  const wave = async (seconds: number, wave: number) => {
    const end = performance.now() + seconds * 1000;
    await Promise.all(Array.from({ length: 200 }, async (_, number) => {
      try {
        using client = await SmtpClient.ready(server.ports.smtp, { deadline: 30_000 });
        for (let index = 0; performance.now() < end; index++) {
          const name = `load ${wave}-${number}-${index}`;
          await client.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<box@local.example>\r\nDATA\r\n");
          await client.expect(250);
          await client.expect(250);
          await client.expect(354);
          await client.send(join(message(name), filler, octets(".\r\n")));
          const started = performance.now();
          const reply = await client.reply();
          latencies.push(performance.now() - started);
          const id = queuedAs(reply);
          if (id) accepted.set(name, id);
          else odd.add(reply.raw.trim());
        }
        await client.quit();
      } catch (error) {
        if (!(error instanceof ConnectionClosed)) odd.add(String(error).slice(0, 100));
      }
    }));
  };
  await wave(5, 0); // what a server takes once: compiled code, pools, caches, the ledger's thread and its log
  const before = resident(server);
  await wave(5, 1);
  const after = resident(server);
  for (const answer of odd) assertMatch(answer, /(^|got ")4[25]\d[ -]/, "only a refusal for now");
  assert(accepted.size > 500, `${accepted.size} accepted`);
  latencies.sort((a, b) => a - b);
  const slowest = latencies.at(-1)!;
  assertLess(slowest, 8000, "the last 250 in milliseconds");
  assertLess(after - before, 120 * MIB, "octets of growth under the same load");
  console.log(
    `${accepted.size} accepted, latency p50 ${latencies[latencies.length >> 1]!.toFixed(0)} ms, most ${
      slowest.toFixed(0)
    } ms, ` +
      `grown by ${((after - before) / MIB).toFixed(1)} MiB`,
  );

  const { total } = await server.api.json<{ total: number }>("/api/v1/messages?limit=1");
  assertEquals(total, accepted.size, "no message is there twice or without its 250");
  const found = new Map((await server.api.messages()).map(({ id, subject }) => [id, subject]));
  for (const [name, id] of accepted) assertEquals(found.get(id), name);
  using client = await SmtpClient.ready(server.ports.smtp);
  const started = performance.now();
  const last = message("after");
  const id = queuedAs(await client.deliver({ from: "a@b.c", to: ["box@local.example"], message: last }));
  assertLess(performance.now() - started, 2000, "as quick as ever");
  assertEquals(addedOnly((await server.api.raw(id!))!, last), null);
  assertEquals(await bodyBytes(server), 0);
});

Deno.test("case 79: a writer that is behind: 421 at connect and 451 at MAIL within six seconds, and back by itself", async () => {
  await using server = await Server.start({ config: CONFIG() });
  const send = async (client: SmtpClient) =>
    await client.deliver({ from: "a@b.c", to: ["box@local.example"], message: message("stuck") });
  using waiting = await SmtpClient.ready(server.ports.smtp);
  using patient = await SmtpClient.ready(server.ports.smtp);
  assertEquals((await send(waiting)).code, 250);
  const db = new DatabaseSync(`${server.data}/postern.db`);
  db.exec("begin immediate"); // another hand on the database: no commit gets through
  const stuck = send(waiting);
  const started = performance.now();
  const greeting = await waitFor("a refusal at connect", async () => {
    using client = await SmtpClient.connect(server.ports.smtp);
    const reply = await client.reply();
    return reply.code === 421 && reply.raw;
  }, { deadline: 9000, every: 250 });
  assertMatch(greeting, /^421 Too busy now/); //                             no enhanced status in a greeting, RFC 2034 4
  assertLess(performance.now() - started, 8000);
  const refused = await patient.command("MAIL FROM:<a@b.c>");
  assertMatch(refused.raw, /^451 4\.3\.2 Too busy now \(ref [0-9A-Z]{8}\)\r\n$/);
  db.exec("rollback");
  db.close();
  assertEquals((await stuck).code, 250, "what was begun is finished");
  assertEquals((await send(patient)).code, 250);
  using fresh = await SmtpClient.ready(server.ports.smtp);
  assertEquals((await send(fresh)).code, 250);
  assertEquals((await server.api.messages()).length, 4);
});

Deno.test("case 79: a database that stays locked is 451, never a 250, and nothing of it comes later", async () => {
  await using server = await Server.start({ config: CONFIG() });
  const db = new DatabaseSync(`${server.data}/postern.db`);
  db.exec("begin immediate");
  using client = await SmtpClient.ready(server.ports.smtp);
  const reply = await client.deliver({ from: "a@b.c", to: ["box@local.example"], message: message("locked") });
  assertMatch(reply.raw, /^451 4\.3\.0 /);
  db.exec("rollback");
  db.close();
  assertEquals((await client.deliver({ from: "a@b.c", to: ["b@c.d"], message: message("free") })).code, 250);
  assertEquals((await server.api.messages()).map(({ subject }) => subject), ["free"]);
});

Deno.test("case 79: a thousand connections inside a message of 50 MB: memory is bounded, and comes free", async () => {
  const hard = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1] ?? 1024);
  const count = Math.min(1000, Math.floor((hard - 400) / 2)); // a socket and a file each in the server, a socket here
  await using server = await Server.start({ config: CONFIG("connections: 2000, lag: 1s") });
  {
    using first = await SmtpClient.ready(server.ports.smtp);
    assert(queuedAs(await first.deliver({ from: "a@b.c", to: ["box@local.example"], message: message("first") })));
  }
  const before = resident(server);
  const chunk = octets(`${"0123456789".repeat(7)}12345678\r\n`.repeat(410)); // 32 KB
  const clients: SmtpClient[] = [];
  let most = 0;
  const watch = setInterval(() => most = Math.max(most, resident(server)), 50);
  try {
    await Promise.all(Array.from({ length: count }, async () => {
      const client = await SmtpClient.ready(server.ports.smtp, { deadline: 60_000 });
      clients.push(client);
      await client.command("MAIL FROM:<a@example.org> SIZE=52000000", 250);
      await client.command("RCPT TO:<box@local.example>", 250);
      await client.command("DATA", 354);
      await client.send("Subject: part\r\n\r\n");
      for (let i = 0; i < 3; i++) await client.send(chunk);
    }));
    await waitFor("all of it to have come", async () => await bodyBytes(server) > 0);
    assertLess(await bodyBytes(server), 32 * MIB * 1.25 + 1, "the budget of all bodies");
    using neighbour = await SmtpClient.ready(server.ports.smtp);
    assert(
      queuedAs(await neighbour.deliver({ from: "a@b.c", to: ["box@local.example"], message: message("between") })),
    );
    await neighbour.quit();
  } finally {
    clearInterval(watch);
    for (const client of clients) client.close();
  }
  console.log(`${count} connections with 100 KB each: grown by ${((most - before) / MIB).toFixed(0)} MiB at most`);
  assertLess(most - before, 150_000_000);
  await waitFor("the memory of bodies to be free", async () => await bodyBytes(server) === 0);
  await waitFor("the spool to be empty", () => [...Deno.readDirSync(`${server.data}/spool`)].length === 0);
  assertEquals((await server.api.messages()).map(({ subject }) => subject), ["between", "first"]);
});
