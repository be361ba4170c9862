/**
 * What a plugin apart costs: `deno run -A bench/sandbox/main.ts [--calls N] [--messages N] [--reps R] [--only trips|server]`.
 * First one call after the other through a pipeline with one plugin: outside, in a Worker, in a process; the median and the
 * 99th percentile of a round trip by what the plugin answers, and with bodies that it reads. Then the CPU of all processes
 * of a real server for 1,000 messages of 5 KB, a connection each (W1), with that plugin outside and apart, all servers in turn.
 * Non-job: what next() costs in the thread of the server.
 */
import { parseArgs } from "node:util";
import { EMPTY_DNS, memoryBody, SimulatedCounters } from "../../core/pipeline/testing/simulated_house.ts";
import { MemoryWriter } from "../../core/store/memory_body.ts";
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../core/model/envelope.ts";
import { ReceivedMessage } from "../../core/pipeline/contexts/received_message.ts";
import { TransactionContext } from "../../core/pipeline/contexts/transaction_context.ts";
import { Pipeline } from "../../core/pipeline/pipeline.ts";
import type { Plugin } from "../../core/pipeline/plugin.ts";
import { sandboxed } from "../../server.ts";
import { median } from "../asked.ts";
import { cpuSeconds, describeMachine, untilIdle } from "../machine.ts";
import { startPostern } from "../postern.ts";
import type { Running } from "../running.ts";
import { BUILD, load } from "../tools.ts";
import measured from "./plugin.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    calls: { type: "string", default: "5000" },
    messages: { type: "string", default: "2000" },
    reps: { type: "string", default: "7" },
    only: { type: "string" },
  },
});
const calls = Number(values.calls), messages = Number(values.messages), reps = Number(values.reps);
const MODULE = new URL("./plugin.ts", import.meta.url);

type Options = { readonly answer?: "next" | "async next" | "reply" | "awaits next"; readonly reads?: boolean };
const PLACES: Readonly<Record<string, (options: Options) => Plugin | Promise<Plugin>>> = {
  outside: (options) => measured(options),
  Worker: (options) => sandboxed(MODULE, options, {}),
  process: (options) => sandboxed(MODULE, options, { isolate: "process" }),
};
const TRIPS: readonly (readonly [name: string, options: Options, octets: number])[] = [
  ["return next()", {}, 0],
  ["async, return next()", { answer: "async next" }, 0],
  ["a reply", { answer: "reply" }, 0],
  ["awaits next()", { answer: "awaits next" }, 0],
  ["5 KB, read", { reads: true }, 5 * 1024],
  ["1 MB, read", { reads: true }, 1024 * 1024],
];

function contextOf(): TransactionContext {
  const now = () => Date.now();
  return new TransactionContext({
    host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
    dns: EMPTY_DNS,
    counters: new SimulatedCounters(now),
    now,
    emit: () => {},
    commit: () => Promise.resolve(null),
    receive: () => new MemoryWriter(),
    pause: () => Promise.resolve(false),
  }, {
    session: "s1",
    role: "mx",
    listener: "127.0.0.1:25",
    client: { ip: "192.0.2.1", port: 50000, tls: null, identity: null },
  });
}

/** One call in microseconds, of the phase mail, or of data with a message of so many octets. */
async function trip(pipeline: Pipeline, ctx: TransactionContext, message: Uint8Array<ArrayBuffer> | null) {
  ctx.begin({ id: "t1", sender: { local: "a", domain: "example.net" }, parameters: NO_MAIL_PARAMETERS });
  if (message !== null) {
    ctx.propose({ address: { local: "b", domain: "example.org" }, parameters: NO_RCPT_PARAMETERS });
    ctx.recipient = ctx.recipient!.withRoute({ to: "local", plugin: "inbox" });
    ctx.admit();
    ctx.complete(new ReceivedMessage(memoryBody(message), "7BIT"));
  }
  const began = performance.now();
  const reply = await pipeline.run(message === null ? "mail" : "data", ctx);
  const took = (performance.now() - began) * 1000;
  if (reply.verdict !== "accept") throw new Error(`answered ${reply}`);
  return took;
}

async function trips(): Promise<void> {
  console.log(`round trips, us           median      p99   (${calls} calls; a tenth of it with 1 MB)`);
  for (const [name, options, octets] of TRIPS) {
    const message = octets === 0 ? null : new Uint8Array(octets).fill(120);
    message?.set(new TextEncoder().encode("Subject: measured\r\n\r\n"));
    for (const [place, make] of Object.entries(PLACES)) {
      const plugin = await make(options), pipeline = new Pipeline([plugin], { partial: true }), ctx = contextOf();
      await plugin.start?.();
      const count = octets > 100_000 ? calls / 10 : calls, took: number[] = [];
      for (let n = 0; n < count * 1.3; n++) took.push(await trip(pipeline, ctx, message));
      await plugin.stop?.();
      const sorted = took.slice(count * 0.3).toSorted((a, b) => a - b);
      const figure = (value: number) => value.toFixed(value < 100 ? 1 : 0).padStart(9);
      const line = figure(median(sorted)) + figure(sorted[Math.floor(sorted.length * 0.99)]!);
      console.log(`${name.padEnd(21)} ${place.padEnd(8)}${line}`);
    }
  }
}

const SANDBOXES: Readonly<Record<string, string>> = {
  "no plugin": "",
  outside: `  - ${MODULE.pathname}: { reads: true }\n`,
  "in a Worker": `  - ${MODULE.pathname}: { reads: true }\n    sandbox: {}\n`,
  "in a process": `  - ${MODULE.pathname}: { reads: true }\n    sandbox: { isolate: process }\n`,
};

const LOAD = ["--conns", "20", "--per-conn", "1", "--size", "5120", "--to", "rcpt%d@bench.example"];

async function server(): Promise<void> {
  const subjects: { readonly name: string; readonly running: Running; readonly cost: number[] }[] = [];
  try {
    for (const [name, plugin] of Object.entries(SANDBOXES)) {
      const running = await startPostern({
        facts: {},
        config: `hostname: mx.bench.example
domains: [bench.example]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { connectionsPerIp: 1000 }
plugins:
${plugin}  - inbox: { everything: true }
`,
      });
      subjects.push({ name, running, cost: [] });
    }
    for (let rep = -1; rep < reps; rep++) { // the first warms up
      for (const { running, cost } of subjects) {
        await untilIdle(running.pid);
        const before = cpuSeconds(running.pid);
        await load(running.port, [...LOAD, "--messages", `${messages}`]);
        await untilIdle(running.pid);
        if (rep >= 0) cost.push((cpuSeconds(running.pid) - before) * 1000 / messages);
      }
    }
  } finally {
    for (const { running } of subjects) await running.stop();
  }
  console.log(`\nCPU seconds of all processes for 1,000 messages of 5 KB, a connection each (${reps} of ${messages})`);
  const bare = median(subjects[0]!.cost);
  for (const { name, cost } of subjects) {
    const took = median(cost);
    console.log(`${name.padEnd(13)} ${took.toFixed(3)}  ${name === "no plugin" ? "" : `+${(took - bare).toFixed(3)}`}`);
  }
}

await Deno.mkdir(BUILD, { recursive: true });
console.log(JSON.stringify(describeMachine(BUILD)));
if (values.only !== "server") await trips();
if (values.only !== "trips") await server();
