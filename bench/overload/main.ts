/**
 * More than the server can do, for a minute: first what it can do (closed loop), then ten times that by a clock, whatever
 * becomes of it (open loop), then how soon it is as before. Prints and keeps what was accepted and how fast, what was
 * refused and how, memory, and the end.
 *
 *     deno run -A bench/overload/main.ts [--cost 0,20] [--times 10] [--seconds 60] [--size 5120] [--out FILE]
 *
 * `--cost`: milliseconds of the event loop that a plugin takes of each message; 0: none. With 0 the load generator cannot
 * reach ten times on a machine that it shares with the server; the report says what it did reach.
 */
import { parseArgs } from "node:util";
import { cpuSeconds, describeMachine, residentBytes, untilIdle } from "../machine.ts";
import { posternVersion } from "../postern.ts";
import { Server } from "../../tests/support/server.ts";
import { SmtpClient } from "../../tests/support/smtp_client.ts";
import { freshFolder, remove } from "../running.ts";
import { BENCH, load, type LoadResult } from "../tools.ts";

const { values } = parseArgs({
  options: {
    cost: { type: "string", default: "0,20" },
    times: { type: "string", default: "10" },
    seconds: { type: "string", default: "60" },
    size: { type: "string", default: "5120" },
    slots: { type: "string", default: "6000" },
    limits: { type: "string", default: "" },
    out: { type: "string", default: "" },
  },
});
const times = Number(values.times), seconds = Number(values.seconds), MIB = 1024 * 1024;

const CONFIG = (cost: number) =>
  `hostname: mx.bench.example
domains: ["*"]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { connectionsPerIp: 10000, ${values.limits} }
log: { level: warning }
plugins:
${cost > 0 ? `  - ${BENCH}/overload/costly.ts: { ms: ${cost} }\n` : ""}  - inbox: { everything: true }
`;

interface Full extends LoadResult {
  readonly lat_ms: Percentiles;
  readonly connected_ms: Percentiles;
  readonly dot_ms: Percentiles;
  readonly banner_ms: Percentiles;
  readonly late_arrivals: number;
}
type Percentiles = {
  readonly n?: number;
  readonly p50?: number;
  readonly p99?: number;
  readonly p999?: number;
  readonly max?: number;
};

async function shed(server: Server): Promise<string> {
  const text = await (await server.api.get("/metrics")).text();
  return text.split("\n").filter((line) =>
    /^postern_(shed|stressed|event_loop_late|messages_under|connections_waiting|memory_taken)/.test(line)
  ).join("; ");
}

/** Milliseconds of one whole session with a message; Infinity: refused. */
async function session(port: number): Promise<number> {
  const begin = performance.now();
  try {
    using client = await SmtpClient.ready(port, { deadline: 10_000 });
    const message = new TextEncoder().encode("Subject: x\r\n\r\nx\r\n");
    const reply = await client.deliver({ from: "a@load.example", to: ["b@sink.example"], message });
    return reply.code === 250 ? performance.now() - begin : Infinity;
  } catch {
    return Infinity;
  }
}

async function run(cost: number): Promise<Record<string, unknown>> {
  const folder = await freshFolder("overload");
  const server = await Server.start({ data: `${folder}/data`, config: CONFIG(cost) });
  const port = server.ports.smtp, pid = server.pid, w1 = ["--conns", "40", "--size", values.size, "--src-count", "50"];
  try {
    await load(port, [...w1, "--messages", "1000000", "--time-limit", "4"]); // compiled code, pools
    const closed = await load(port, [...w1, "--messages", "1000000", "--time-limit", "6"]);
    const capacity = closed.msgs_s;
    await untilIdle(pid, 30);
    const before = residentBytes(pid), cpu = cpuSeconds(pid);
    const memory: number[] = [];
    const watch = setInterval(() => memory.push(residentBytes(pid)), 500);
    const rate = Math.round(capacity * times), began = performance.now();
    const loaded = load(port, [
      ...["--rate", String(rate), "--conns", values.slots, "--messages", "100000000", "--time-limit", String(seconds)],
      ...["--size", values.size, "--src-count", "50", "--timeout", "30"],
    ]) as Promise<Full>;
    const open = await loaded;
    const took = (performance.now() - began) / 1000;
    clearInterval(watch);
    const ended = performance.now(), after = await shed(server);
    let good = 0, back = 0;
    while (good < 10 && performance.now() - ended < 60_000) {
      const ms = await session(port);
      if (ms > Math.max(200, 6 * cost)) good = 0;
      else if (++good === 1) back = performance.now() - ended;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    const used = cpuSeconds(pid) - cpu;
    const refused = Object.entries(open.errors).filter(([name]) => /:4\d\d$/.test(name)).reduce(
      (n, [, each]) => n + each,
      0,
    );
    const half = memory.slice(memory.length >> 1);
    return {
      cost,
      capacity,
      closedP99: closed.lat_ms.p99,
      offered: rate,
      reached: Math.round(open.conns_opened / open.elapsed_s),
      accepted: open.ok,
      acceptedPerSecond: Math.round(open.ok / took * 10) / 10,
      refused,
      sessionP50: open.lat_ms.p50,
      sessionP99: open.lat_ms.p99,
      sessionMost: open.lat_ms.max,
      connectedP50: open.connected_ms.p50,
      connectedP99: open.connected_ms.p99,
      connectedMost: open.connected_ms.max,
      dotP99: open.dot_ms.p99,
      dotMost: open.dot_ms.max,
      bannerP99: open.banner_ms.p99,
      errors: open.errors,
      late_arrivals: open.late_arrivals,
      memoryBefore: Math.round(before / MIB),
      memoryMost: Math.round(Math.max(...memory) / MIB),
      memorySecondHalf: [Math.round(Math.min(...half) / MIB), Math.round(Math.max(...half) / MIB)],
      backAfterMs: Math.round(back),
      cpu: Math.round(used * 10) / 10,
      shed: after,
      log: server.output.split("\n").filter((line) => / (trouble|notice) /.test(line)).slice(-6),
    };
  } finally {
    await server.stop().catch(() => server.kill());
    await server[Symbol.asyncDispose]();
    await remove(folder);
  }
}

const report: unknown[] = [];
for (const cost of values.cost.split(",").map(Number)) {
  const result = await run(cost);
  console.log(JSON.stringify(result, null, 1));
  report.push(result);
}
if (values.out) {
  const machine = describeMachine(BENCH), version = posternVersion();
  await Deno.writeTextFile(values.out, JSON.stringify({ machine, version, times, seconds, report }, null, 1));
}
