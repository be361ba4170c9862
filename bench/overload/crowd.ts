/**
 * Crowds that cost places and memory, not time: 5,000 idle connections on top of a queue of a million messages, and a
 * thousand connections that bring 50 MB each, some as fast as they can, some slowly. Prints how long the start took,
 * memory, and the time of a message that comes meanwhile.
 *
 *     deno run -A bench/overload/crowd.ts [--messages 1000000] [--idle 5000] [--streams 1000] [--megabytes 50] [--seconds 30]
 */
import { parseArgs } from "node:util";
import { freePort } from "../../tests/support/ports.ts";
import { Server } from "../../tests/support/server.ts";
import { SmtpClient } from "../../tests/support/smtp_client.ts";
import { residentBytes } from "../machine.ts";
import { freshFolder, remove } from "../running.ts";
import { BENCH, compiled } from "../tools.ts";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "1000000" },
    idle: { type: "string", default: "5000" },
    streams: { type: "string", default: "1000" },
    megabytes: { type: "string", default: "50" },
    seconds: { type: "string", default: "30" },
  },
});
const MIB = 1024 * 1024, idle = Number(values.idle), streams = Number(values.streams), seconds = Number(values.seconds);

/** Name service on a port where nobody is: every host is looked for in vain, and the queue keeps its messages. */
const config = () =>
  `hostname: mx.bench.example
domains: ["*"]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
dns: { servers: ["127.0.0.1:${freePort()}"], validating: false }
limits: { connections: 8000, connectionsPerIp: 10000, messageSize: 100MiB }
log: { level: warning }
plugins: [{ inbox: { everything: true } }]
`;

const memory = (server: Server) => Math.round(residentBytes(server.pid) / MIB);

/** Milliseconds of whole sessions with a message, one after the other for so long; refusals apart. */
async function newMail(server: Server, milliseconds: number): Promise<string> {
  const times: number[] = [], refused: number[] = [];
  const message = new TextEncoder().encode("Subject: new\r\n\r\nx\r\n");
  for (const end = performance.now() + milliseconds; performance.now() < end;) {
    const begin = performance.now();
    try {
      using client = await SmtpClient.ready(server.ports.smtp, { deadline: 30_000 });
      const { code } = await client.attempt({ from: "a@new.example", to: ["b@new.example"], message });
      (code === 250 ? times : refused).push(performance.now() - begin);
    } catch {
      refused.push(performance.now() - begin);
    }
    await new Promise((wake) => setTimeout(wake, 20));
  }
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.floor(times.length * part)]?.toFixed(0) ?? "-";
  return `${times.length} accepted, median ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms, most ${
    times.at(-1)?.toFixed(0) ?? "-"
  } ms; ${refused.length} refused`;
}

async function queueAndIdle(): Promise<void> {
  const folder = await freshFolder("crowd");
  const seeded = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${BENCH}/overload/seed.ts`, "--messages", values.messages, "--folder", `${folder}/data`],
    stdout: "null",
  });
  console.log(`seeding ${values.messages} messages`);
  if (!(await seeded.output()).success) throw new Error("the queue could not be made");
  const begin = performance.now();
  const server = await Server.start({ data: `${folder}/data`, config: config(), deadline: 120_000 });
  try {
    console.log(
      `start with ${values.messages} in the queue: ${((performance.now() - begin) / 1000).toFixed(1)} s, ${
        memory(server)
      } MiB`,
    );
    console.log(`new mail beside the queue: ${await newMail(server, 10_000)}`);
    const crowd = new Deno.Command(await compiled("smtpload"), {
      args: ["--port", String(server.ports.smtp), "--conns", String(idle), "--idle", "25", "--src-count", "50"],
      stdout: "piped",
    }).spawn();
    const said = crowd.output();
    console.log(`and ${idle} idle connections: ${await newMail(server, 20_000)}; ${memory(server)} MiB`);
    console.log(new TextDecoder().decode((await said).stdout).trim().split("\n").at(0));
  } finally {
    await server.stop().catch(() => server.kill());
    await server[Symbol.asyncDispose]();
    await remove(folder);
  }
}

/** Half as fast as it is taken, half 20 KB a second. */
async function streaming(): Promise<void> {
  const folder = await freshFolder("streams");
  const server = await Server.start({ data: `${folder}/data`, config: config() });
  const chunk = new TextEncoder().encode(`${"0123456789".repeat(7)}12345678\r\n`.repeat(200)); // 16 KB
  const total = Number(values.megabytes) * MIB, clients: SmtpClient[] = [], answers = new Map<string, number>();
  const tell = (word: string) => answers.set(word, (answers.get(word) ?? 0) + 1);
  try {
    const before = memory(server), end = performance.now() + seconds * 1000;
    let most = 0, octets = 0;
    const watch = setInterval(() => most = Math.max(most, memory(server)), 250);
    const mail = newMail(server, seconds * 1000);
    await Promise.all(Array.from({ length: streams }, async (_, number) => {
      try {
        const client = await SmtpClient.ready(server.ports.smtp, { deadline: 120_000 });
        clients.push(client);
        for (const line of [`MAIL FROM:<a@big.example> SIZE=${total}`, "RCPT TO:<b@big.example>", "DATA"]) {
          const { code } = await client.command(line);
          if (code >= 400) return tell(`${line.slice(0, 4)} ${code}`);
        }
        await client.send("Subject: big\r\n\r\n");
        for (let sent = 0; sent < total && performance.now() < end; sent += chunk.length, octets += chunk.length) {
          await client.send(chunk);
          if (number % 2 === 0) await new Promise((wake) => setTimeout(wake, 800));
        }
        if (performance.now() >= end) return tell("cut off by the end of the measurement");
        await client.send(".\r\n");
        tell(String((await client.reply()).code));
      } catch (error) {
        tell(String(error).slice(0, 60));
      }
    }));
    clearInterval(watch);
    console.log(
      `${streams} connections with ${values.megabytes} MB each, half of them slow, ${seconds} s: ${
        Math.round(octets / MIB)
      } MiB came, memory ${before} to at most ${most} MiB`,
    );
    console.log(`  they heard ${JSON.stringify(Object.fromEntries(answers))}`);
    console.log(`  new mail meanwhile: ${await mail}`);
    for (const client of clients) client.close();
    console.log(`  afterwards: ${await newMail(server, 3000)}; ${memory(server)} MiB`);
  } finally {
    await server.stop().catch(() => server.kill());
    await server[Symbol.asyncDispose]();
    await remove(folder);
  }
}

if (streams > 0) await streaming();
if (Number(values.messages) > 0) await queueAndIdle();
