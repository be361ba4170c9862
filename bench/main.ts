/**
 * `deno task bench`: Postern as shipped beside other servers on this machine, repetitions interleaved, so that a slow
 * minute of the machine hits all. Job: the order of the runs. Non-job: servers (servers.ts), load (tools.ts).
 */
import { parseArgs } from "node:util";
import { programOf } from "../tests/support/debian.ts";
import { cpuSeconds, describeMachine, untilIdle } from "./machine.ts";
import { NextHop } from "./next_hop.ts";
import { markdown, type Report, type Sample, type Subject } from "./report.ts";
import type { Candidate, Running } from "./running.ts";
import { CANDIDATES, installPeers } from "./servers.ts";
import { BENCH, BUILD, load } from "./tools.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

const HELP = `deno task bench [options]
  --workloads LIST   ${WORKLOADS.map((w) => w.name).join(",")} 
                     (default W1,W2,W2p,W3,W6,T1,T1r,T1m,T2,T4)
  --peers LIST       ${CANDIDATES.map((c) => c.name).join(",")} (default: those installed); postern is always there
  --reps N           interleaved repetitions (3)
  --seconds S        about how long one repetition loads a server (4)
  --messages N       messages of one repetition, instead of --seconds
  --no-strace        leave out the count of fsyncs
  --install-peers    npm install smtp-server and Haraka into bench/.build first
  --out NAME         bench/results/NAME.md and .json (default: the date)`;

interface Options {
  readonly workloads: readonly Workload[];
  readonly candidates: readonly Candidate[];
  readonly repetitions: number;
  readonly seconds: number;
  readonly messages: number | null;
  readonly strace: string | null;
}

/** Loads a server and measures it until it is idle again. */
async function measure(
  running: Running,
  workload: Workload,
  count: number,
  nextHop: NextHop | null,
): Promise<Omit<Sample, "repetition" | "server">> {
  const used = () => running.cpuSeconds?.() ?? cpuSeconds(running.pid), before = used();
  await nextHop?.reset();
  const result = await load(running.port, [...workload.args, "--messages", `${count}`]);
  const words = running.died();
  if (words !== null) throw new Error(`the server died under ${workload.name}: ${words}`);
  const arrived = await nextHop?.waitForAll(result.ok) ?? null;
  await untilIdle(running.pid, 60, used);
  const cpu = used() - before;
  const relayed = arrived && {
    acceptedPerSecond: result.msgs_s,
    connectionsPer1000: arrived.connections / Math.max(1, arrived.messages) * 1000,
    missing: result.ok - arrived.messages,
  };
  return {
    workload: workload.name,
    count,
    ok: result.ok,
    failed: result.failed,
    hung: result.hung,
    clean: result.conns_clean,
    resumed: result.resumed === undefined ? null : result.resumed / Math.max(1, result.conns_opened),
    perSecond: arrived ? arrived.messages / Math.max(arrived.last - result.t_begin, 0.001) : result.msgs_s,
    relayed,
    cpuPer1000: cpu / Math.max(1, result.ok) * 1000,
    p50: result.lat_ms.p50 ?? null,
    p99: result.lat_ms.p99 ?? null,
    generator: (result.cpu_user_s + result.cpu_sys_s) / Math.max(result.elapsed_s, 0.001),
    errors: result.errors,
  };
}

/** Warms the server up and finds how many messages load it for about `seconds`. */
async function calibrate(
  running: Running,
  workload: Workload,
  { seconds, nextHop }: { readonly seconds: number; readonly nextHop: NextHop | null },
): Promise<number> {
  if (workload.count) return workload.count;
  const least = workload.size >= 100_000 ? 100 : 400;
  let messages = least;
  for (const target of [Math.min(1, seconds), seconds]) {
    const { perSecond } = await measure(running, workload, messages, nextHop);
    messages = Math.round(Math.min(200_000, Math.max(least, perSecond * target)));
  }
  return messages;
}

/** fsync and fdatasync calls per message in a short run under strace, or null when strace saw nothing usable. */
async function countSyncs(
  candidate: Candidate,
  workload: Workload,
  { strace, nextHop }: { readonly strace: string; readonly nextHop: NextHop | null },
): Promise<number | null> {
  const trace = `${BUILD}/syncs-${candidate.name}`;
  // With --seccomp-bpf only the traced calls stop, so the server runs at nearly its own speed.
  const running = await candidate.start({
    under: [strace, "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o", trace],
    next: nextHop?.port,
  });
  const count = async () => (await Deno.readTextFile(trace)).match(/\b(fsync|fdatasync)\(/g)?.length ?? 0;
  try {
    const before = await count();
    const { ok } = await measure(running, workload, workload.size >= 100_000 ? 400 : 2000, nextHop);
    return ok > 0 ? (await count() - before) / ok : null;
  } finally {
    await running.stop();
    await Deno.remove(trace).catch(() => {});
  }
}

function takesPart(candidate: Candidate, workload: Workload): boolean {
  if ((candidate.over === "relay") !== (workload.relay ?? false)) return false;
  if (!workload.relay && candidate.over !== "both" && candidate.over !== (workload.tls ? "tls" : "plain")) return false;
  if (workload.policy !== undefined) return false; // threads.ts
  return workload.only?.includes(candidate.name) ?? true;
}

async function runAll(options: Options): Promise<Report> {
  const samples: Sample[] = [], skipped: string[] = [];
  const subjects = new Map<string, Subject>();
  const present = options.candidates.filter((candidate) => {
    const missing = candidate.missing();
    if (missing) skipped.push(`${candidate.name} (${missing})`);
    return !missing;
  });
  for (const workload of options.workloads) {
    console.log(`${workload.name}: ${workload.what}`);
    const nextHop = workload.relay ? await NextHop.start() : null;
    const started: { candidate: Candidate; running: Running; messages: number }[] = [];
    try {
      for (const candidate of present) {
        if (!takesPart(candidate, workload)) continue;
        const running = await candidate.start({ next: nextHop?.port }).catch((error: Error) => {
          if (candidate.name.startsWith("postern")) throw error;
          skipped.push(`${candidate.name} in ${workload.name} (${error.message})`);
          return null;
        });
        if (!running) continue;
        const entry = { candidate, running, messages: options.messages ?? 0 };
        started.push(entry);
        const { name, promise } = candidate;
        if (!subjects.has(name)) {
          subjects.set(name, { name, promise, version: candidate.version(), facts: running.facts, syncs: {} });
        }
        entry.messages ||= await calibrate(running, workload, { seconds: options.seconds, nextHop });
      }
      for (let repetition = 1; repetition <= options.repetitions; repetition++) {
        for (const { candidate, running, messages } of started) {
          const sample = { server: candidate.name, repetition, ...await measure(running, workload, messages, nextHop) };
          samples.push(sample);
          console.log(
            `  ${repetition} ${candidate.name.padEnd(12)} ${
              sample.perSecond.toFixed(0).padStart(7)
            } ${workload.unit}/s  ` +
              `${sample.cpuPer1000.toFixed(3)} CPU s per 1,000  p99 ${sample.p99?.toFixed(1) ?? "-"} ms  ` +
              `${sample.failed} failed${workload.tls ? `, ${sample.hung} hung` : ""}` +
              (sample.relayed
                ? `, ${sample.relayed.missing} missing  ${
                  sample.relayed.connectionsPer1000.toFixed(0)
                } connections per 1,000`
                : ""),
          );
        }
      }
    } finally {
      for (const { running } of started) await running.stop();
    }
    for (const { candidate } of options.strace && !workload.tls ? started : []) {
      if (!candidate.promise.startsWith("durable")) continue;
      const syncs = await countSyncs(candidate, workload, { strace: options.strace!, nextHop }).catch(
        (error: Error) => {
          console.error(`  strace of ${candidate.name}: ${error.message}`);
          return null;
        },
      );
      const subject = subjects.get(candidate.name)!;
      if (syncs !== null) {
        subjects.set(subject.name, { ...subject, syncs: { ...subject.syncs, [workload.name]: syncs } });
      }
    }
    await nextHop?.[Symbol.asyncDispose]();
  }
  return {
    date: new Date().toISOString(),
    machine: describeMachine(BUILD),
    subjects: [...subjects.values()],
    skipped,
    samples,
  };
}

function chosen<T extends { readonly name: string }>(list: readonly T[], names: string): T[] {
  return names.split(",").map((name) => {
    const found = list.find((item) => item.name === name);
    if (!found) throw new Error(`unknown: ${name}; known are ${list.map((item) => item.name).join(", ")}`);
    return found;
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      workloads: { type: "string", default: "W1,W2,W2p,W3,W6,T1,T1r,T1m,T2,T4" },
      peers: { type: "string" },
      reps: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
      messages: { type: "string" },
      "no-strace": { type: "boolean", default: false },
      "install-peers": { type: "boolean", default: false },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values["install-peers"]) await installPeers();
  await Deno.mkdir(BUILD, { recursive: true });
  const peers = values.peers === undefined ? CANDIDATES : chosen(
    CANDIDATES,
    ["postern", "postern-relay", ...values.peers.split(",").filter((name) => name && !/^postern(-relay)?$/.test(name))]
      .join(
        ",",
      ),
  );
  const workloads = chosen(WORKLOADS, values.workloads);
  const report = await runAll({
    workloads,
    candidates: peers,
    repetitions: Number(values.reps),
    seconds: Number(values.seconds),
    messages: values.messages ? Number(values.messages) : null,
    strace: values["no-strace"] ? null : programOf("strace"),
  });
  const text = markdown(report, workloads);
  const name = `${BENCH}/results/${values.out ?? report.date.slice(0, 19).replaceAll(":", "")}`;
  await Deno.mkdir(`${BENCH}/results`, { recursive: true });
  await Deno.writeTextFile(`${name}.json`, JSON.stringify(report, null, 2) + "\n");
  await Deno.writeTextFile(`${name}.md`, text);
  console.log(`\n${text}\n${name}.md, ${name}.json`);
  return 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`bench: ${(error as Error).message}\n${HELP}`);
  Deno.exit(2);
}
