/**
 * `deno run -A bench/memory.ts`: how much Postern grows (a) while 1,000 connections have each sent 2 MB of a message of
 * 50 MB, (b) per idle connection with 5,000 of them held. Resident memory of the process from /proc, sampled.
 */
import { parseArgs } from "node:util";
import { Server } from "../tests/support/server.ts";
import { SmtpClient } from "../tests/support/smtp_client.ts";
import { residentBytes, untilIdle } from "./machine.ts";
import { BUILD, compiled } from "./tools.ts";

const MB = 1_000_000;

/** The highest resident size from now on until `stop`. */
class Peak {
  #highest = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(readonly pid: number) {
    this.#timer = setInterval(() => this.look(), 50);
    this.look();
  }
  look(): number {
    return this.#highest = Math.max(this.#highest, residentBytes(this.pid));
  }
  stop(): number {
    clearInterval(this.#timer);
    return this.look();
  }
}

/** Sends the first `octets` of a message announced with 50 MB and stays inside DATA. */
async function halfMessage(port: number, octets: number): Promise<SmtpClient> {
  const line = `${"0123456789".repeat(7)}12345678\r\n`; // 80 octets
  const chunk = new TextEncoder().encode(line.repeat(800));
  const client = await SmtpClient.ready(port, { deadline: 120_000 });
  await client.command("MAIL FROM:<memory@client.example> SIZE=52000000", 250);
  await client.command("RCPT TO:<memory@inbox.example>", 250);
  await client.command("DATA", 354);
  await client.send("Subject: memory\r\nFrom: memory@client.example\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n");
  for (let sent = 0; sent < octets; sent += chunk.length) await client.send(chunk);
  return client;
}

async function inside(server: Server, connections: number, octets: number): Promise<void> {
  await untilIdle(server.pid);
  const before = residentBytes(server.pid), peak = new Peak(server.pid);
  const outcomes = await Promise.allSettled(
    Array.from({ length: connections }, () => halfMessage(server.ports.smtp, octets)),
  );
  await untilIdle(server.pid);
  const held = residentBytes(server.pid), highest = peak.stop();
  const clients = outcomes.flatMap((outcome) => outcome.status === "fulfilled" ? [outcome.value] : []);
  const failures = outcomes.flatMap((outcome) => outcome.status === "rejected" ? [String(outcome.reason)] : []);
  for (const client of clients) client.close();
  console.log(
    `inside DATA: ${clients.length} connections with ${octets / MB} MB each: idle ${(before / MB).toFixed(0)} MB, ` +
      `highest +${((highest - before) / MB).toFixed(0)} MB, at the end +${
        ((held - before) / MB).toFixed(0)
      } MB (to hold: +150 MB)`,
  );
  for (const failure of new Set(failures)) console.log(`  failed: ${failure}`);
}

async function idle(server: Server, connections: number): Promise<void> {
  await untilIdle(server.pid);
  const before = residentBytes(server.pid);
  const child = new Deno.Command(await compiled("smtpload"), {
    // 50 source addresses: one alone has no more than some 28,000 ports, many of them still in TIME_WAIT
    args: `--port ${server.ports.smtp} --conns ${connections} --idle 6 --timeout 60 --src-count 50`.split(" "),
    stdout: "piped",
  }).spawn();
  let text = "", held = 0;
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (held || !text.includes("holding")) continue;
    await untilIdle(server.pid, 4);
    held = residentBytes(server.pid);
  }
  const [first, last] = text.trim().split("\n").map((line) => JSON.parse(line));
  console.log(
    `idle: ${first.holding} connections held, ${last.failed} failed ${JSON.stringify(last.errors)}, ` +
      `${((held - before) / 1024 / first.holding).toFixed(1)} KB each (to hold: 20 KB, 5,000 without an error)`,
  );
}

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "1000" },
    octets: { type: "string", default: String(2 * MB) },
    idle: { type: "string", default: "5000" },
  },
});
/** Each measurement with a server that has done nothing yet. */
async function measured(what: (server: Server) => Promise<void>): Promise<void> {
  await Deno.mkdir(`${BUILD}/run`, { recursive: true });
  const data = await Deno.makeTempDir({ dir: `${BUILD}/run`, prefix: "memory-" });
  const server = await Server.start({ data: `${data}/data` });
  try {
    await what(server);
  } finally {
    await server.stop().catch(() => server.kill());
    await server[Symbol.asyncDispose]();
    await Deno.remove(data, { recursive: true });
  }
}

await measured((server) => inside(server, Number(values.connections), Number(values.octets)));
await measured((server) => idle(server, Number(values.idle)));
Deno.exit(0);
