/**
 * Postern with one thread that accepts beside Postern with more of them, or beside another checkout of it: repetitions
 * interleaved, so that a slow minute of the machine hits all. Job: messages per second, the ratio, CPU per message by
 * thread. Non-job: other servers (main.ts), what saturates elsewhere (model.ts).
 */
import { parseArgs } from "node:util";
import { median } from "./asked.ts";
import { openSite, SENDER, type Site } from "./checks/site.ts";
import { type ByPart, cpuByPart, type Part, PARTS, total } from "./by_thread.ts";
import { describeMachine, untilIdle } from "./machine.ts";
import { NextHop } from "./next_hop.ts";
import { startPostern } from "./postern.ts";
import { relayConfiguration } from "./relays.ts";
import type { Running } from "./running.ts";
import { inboxConfiguration } from "./servers.ts";
import { BUILD, keyPair, load } from "./tools.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

const HELP = `deno run -A bench/threads.ts [options]
  --threads LIST     values of \`threads:\` to set beside each other (1,2)
  --workloads LIST   ${WORKLOADS.filter(({ tls }) => !tls).map(({ name }) => name).join(",")} (default W1,W2,W6)
  --reps N           interleaved repetitions (5)
  --messages N       messages of one repetition (8000)
  --against DIR      another checkout: each number of threads is measured with it too, and comes first
  --json FILE        the samples too`;

interface Variant {
  readonly name: string;
  readonly threads: number;
  readonly checkout: string | undefined;
}
interface Sample {
  readonly workload: string;
  readonly variant: string;
  readonly perSecond: number;
  readonly failed: number;
  readonly p50: number | null;
  readonly p99: number | null;
  /** CPU seconds per 1,000 messages. */
  readonly cpu: ByPart;
  readonly generator: number;
}

/** What stands beside the server: where its mail goes, where signed mail comes from. */
interface Beside {
  readonly nextHop: NextHop | null;
  readonly site: Site | null;
}

async function start(
  { threads, checkout }: Variant,
  { policy }: Workload,
  { nextHop, site }: Beside,
): Promise<Running> {
  let config = nextHop === null ? inboxConfiguration(await keyPair(), policy) : relayConfiguration(nextHop.port);
  if (site !== null) {
    config = config.replace(`"127.0.0.1:2525"`, (address) => `${address}, proxy: ["127.0.1.0/24"]`) +
      `dns: { servers: ["127.0.0.1:${site.dns}"] }\n`;
  }
  // Absent it is one thread, also in a checkout that does not know the word
  return await startPostern({ config: threads === 1 ? config : `${config}threads: ${threads}\n`, checkout, facts: {} });
}

interface Measured {
  readonly running: Running;
  readonly variant: Variant;
  readonly workload: Workload;
  readonly beside: Beside;
}

/** Come from the sender's address with his message. */
async function signedMail(site: Site): Promise<string[]> {
  const file = `${BUILD}/signed.eml`;
  await Deno.writeFile(file, site.message);
  return [
    "--message",
    file,
    "--src-count",
    "200",
    "--proxy",
    SENDER.ip,
    "--helo",
    SENDER.helo,
    "--from",
    `news@${SENDER.domain}`,
  ];
}

async function measure({ running, variant, workload, beside }: Measured, messages: number): Promise<Sample> {
  const { nextHop, site } = beside, more = site === null ? [] : await signedMail(site);
  const before = cpuByPart(running.pid);
  await nextHop?.reset();
  const result = await load(running.port, [...workload.args, ...more, "--messages", `${messages}`]);
  const words = running.died();
  if (words !== null) throw new Error(`${variant.name} died under ${workload.name}: ${words}`);
  const arrived = await nextHop?.waitForAll(result.ok) ?? null;
  await untilIdle(running.pid);
  const after = cpuByPart(running.pid), thousands = Math.max(1, result.ok) / 1000;
  const cpu = Object.fromEntries(PARTS.map((part) => [part, (after[part] - before[part]) / thousands])) as ByPart;
  return {
    workload: workload.name,
    variant: variant.name,
    perSecond: arrived ? arrived.messages / Math.max(arrived.last - result.t_begin, 0.001) : result.msgs_s,
    failed: result.failed,
    p50: result.lat_ms.p50 ?? null,
    p99: result.lat_ms.p99 ?? null,
    cpu,
    generator: (result.cpu_user_s + result.cpu_sys_s) / thousands,
  };
}

/** Rows of a workload; the ratio is the median of the ratios within a repetition, which were minutes of the same machine. */
function table(samples: readonly Sample[], variants: readonly Variant[]): string {
  const shown: readonly Part[] = ["main", "acceptors", "writer", "ledger", "helpers"];
  const of = (name: string) => samples.filter(({ variant }) => variant === name);
  const first = of(variants[0]!.name);
  const lines = [
    ["", "messages/s", "times the first", "CPU s per 1,000", ...shown, "generator", "p50 ms", "p99 ms", "failed"],
  ];
  for (const { name } of variants) {
    const own = of(name), mid = (value: (sample: Sample, index: number) => number) => median(own.map(value));
    lines.push([
      name,
      mid(({ perSecond }) => perSecond).toFixed(0),
      mid(({ perSecond }, i) => perSecond / first[i]!.perSecond).toFixed(2),
      `${mid(({ cpu }) => total(cpu)).toFixed(3)} (${
        mid(({ cpu }, i) => total(cpu) / total(first[i]!.cpu)).toFixed(2)
      })`,
      ...shown.map((part) => mid(({ cpu }) => cpu[part]).toFixed(3)),
      mid(({ generator }) => generator).toFixed(3),
      mid(({ p50 }) => p50 ?? NaN).toFixed(1),
      mid(({ p99 }) => p99 ?? NaN).toFixed(1),
      own.reduce((sum, { failed }) => sum + failed, 0).toFixed(0),
    ]);
  }
  const rule = lines[0]!.map((_, column) => column === 0 ? "---" : "---:");
  return [lines[0]!, rule, ...lines.slice(1)].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function variantsOf(numbers: string, against: string | undefined): Variant[] {
  return numbers.split(",").map(Number).flatMap((threads): Variant[] => {
    if (!(threads >= 1)) throw new Error(`not a number of threads: ${numbers}`);
    const own = { name: `threads: ${threads}`, threads, checkout: undefined };
    return against === undefined ? [own] : [{ name: `${own.name}, before`, threads, checkout: against }, own];
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      threads: { type: "string", default: "1,2" },
      workloads: { type: "string", default: "W1,W2,W6" },
      reps: { type: "string", default: "5" },
      messages: { type: "string", default: "8000" },
      against: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  await Deno.mkdir(BUILD, { recursive: true });
  const variants = variantsOf(values.threads, values.against && Deno.realPathSync(values.against));
  const { cores, cpu, kernel, deno, filesystem } = describeMachine(BUILD);
  console.log(`${cores} cores, ${cpu}, Linux ${kernel}, Deno ${deno}, ${filesystem}`);
  const samples: Sample[] = [], messages = Number(values.messages);
  for (const name of values.workloads.split(",")) {
    const workload = WORKLOADS.find((each) => each.name === name && !each.tls);
    if (workload === undefined) throw new Error(`unknown workload: ${name}`);
    console.log(`\n${workload.name}: ${workload.what}`);
    const beside: Beside = {
      nextHop: workload.relay ? await NextHop.start() : null,
      site: workload.signed ? await openSite(workload.size) : null,
    };
    const started: Measured[] = [];
    try {
      for (const variant of variants) {
        const measured = { running: await start(variant, workload, beside), variant, workload, beside };
        started.push(measured);
        await measure(measured, Math.min(messages, 4000)); // compiled code, files that have grown
      }
      for (let repetition = 0; repetition < Number(values.reps); repetition++) {
        const order = repetition % 2 === 0 ? started : started.toReversed(); // nobody is always behind the same
        for (const measured of order) samples.push(await measure(measured, messages));
      }
    } finally {
      for (const { running } of started) await running.stop();
      await beside.nextHop?.[Symbol.asyncDispose]();
      await beside.site?.[Symbol.asyncDispose]();
    }
    console.log(table(samples.filter((sample) => sample.workload === workload.name), variants));
  }
  if (values.json !== undefined) await Deno.writeTextFile(values.json, JSON.stringify(samples, null, 2) + "\n");
}

try {
  await main();
  Deno.exit(0);
} catch (error) {
  console.error(`bench: ${(error as Error).message}\n${HELP}`);
  Deno.exit(2);
}
