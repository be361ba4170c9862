/**
 * `deno run -A bench/binary.ts [--messages N] [--reps N] [--binary FILE]`: one file beside the sources, in turn, so that a
 * slow minute of the machine hits both: time and CPU until the server is ready, and CPU per 1,000 messages of W1.
 * Non-job: other servers (main.ts).
 */
import { parseArgs } from "node:util";
import { median } from "./asked.ts";
import { cpuSeconds, untilIdle } from "./machine.ts";
import { BENCH, load } from "./tools.ts";
import { WORKLOADS } from "./workloads.ts";
import { Server } from "../tests/support/server.ts";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "3000" },
    reps: { type: "string", default: "7" },
    binary: { type: "string", default: `${BENCH}/../dist/postern` },
  },
});
const ROOT = `${BENCH}/..`;
const { start } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)).tasks as { readonly start: string };
/** As `deno task start`, without `serve`. */
const sources = [Deno.execPath(), ...start.split(" ").slice(1, -2), `${ROOT}/cli/main.ts`];
const programs = { sources, binary: [Deno.realPathSync(values.binary)] };
const CONFIG = `hostname: mx.example.org
postmaster: ops@example.org
listeners: [{ address: "127.0.0.1:2525" }]
plugins: [{ inbox: { everything: true } }]
admin: {}
`;

interface Sample {
  /** Milliseconds until /healthz and the greeting answer. */
  readonly ready: number;
  /** CPU milliseconds until then. */
  readonly startCpu: number;
  /** CPU seconds for 1,000 messages. */
  readonly cpu: number;
}

async function measure(program: readonly string[]): Promise<Sample> {
  const workload = WORKLOADS.find(({ name }) => name === "W1")!, count = Number(values.messages);
  const began = performance.now();
  await using server = await Server.start({ config: CONFIG, program, deadline: 60_000 });
  const ready = performance.now() - began, startCpu = cpuSeconds(server.pid) * 1000;
  const run = async (messages: number) => {
    const { ok } = await load(server.ports.smtp, [...workload.args, "--messages", `${messages}`]);
    if (ok !== messages) throw new Error(`${messages - ok} of ${messages} messages were not taken`);
    await untilIdle(server.pid);
  };
  await run(500); // what is compiled at the first messages
  const before = cpuSeconds(server.pid);
  await run(count);
  const cpu = (cpuSeconds(server.pid) - before) / count * 1000;
  await server.stop();
  return { ready, startCpu, cpu };
}

const samples: Record<keyof typeof programs, Sample[]> = { sources: [], binary: [] };
for (let rep = 0; rep < Number(values.reps); rep++) {
  const names = rep % 2 === 0 ? ["sources", "binary"] as const : ["binary", "sources"] as const;
  for (const name of names) samples[name].push(await measure(programs[name]));
}
const shown = (name: keyof typeof programs, key: keyof Sample) => median(samples[name].map((each) => each[key]));
console.log("| | sources | one file | ratio of pairs, median |\n|---|---|---|---|");
for (
  const [key, title, unit, digits] of [
    ["ready", "until it is ready", "ms", 0],
    ["startCpu", "CPU until then", "ms", 0],
    ["cpu", "CPU per 1,000 messages", "s", 3],
  ] as const
) {
  const pairs = samples.binary.map((each, index) => each[key] / samples.sources[index]![key]);
  const figures = (["sources", "binary"] as const).map((name) => `${shown(name, key).toFixed(digits)} ${unit}`);
  console.log(`| ${title} | ${figures.join(" | ")} | ${median(pairs).toFixed(3)} |`);
}
