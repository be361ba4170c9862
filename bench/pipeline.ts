/**
 * What next() costs: a phase with ten plugins that hand on, beside the same phase with none. How many promises each makes,
 * and the CPU that the ten add, collecting garbage included. The rows of a round run one right after the other, so a slow
 * minute of the machine hits them all, and what counts is the median of the differences.
 * Non-job: what observers do with what they are told (ledger/cost.ts), a whole server (main.ts).
 *
 *     deno run -A bench/pipeline.ts [--rounds N] [--phases N]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import v8 from "node:v8";
import { NO_MAIL_PARAMETERS } from "../core/model/envelope.ts";
import { ReceivedMessage } from "../core/pipeline/contexts/received_message.ts";
import { TransactionContext } from "../core/pipeline/contexts/transaction_context.ts";
import { Pipeline } from "../core/pipeline/pipeline.ts";
import { EMPTY_DNS, memoryBody, SimulatedCounters } from "../core/pipeline/testing/simulated_house.ts";
import { accept, key, type Next, on, parseAddress, type Phase, type Plugin } from "../mod.ts";
import { median } from "./asked.ts";
import { describeMachine } from "./machine.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { rounds: { type: "string", default: "101" }, phases: { type: "string", default: "1000" } },
});
const rounds = Number(values.rounds), phases = Number(values.phases);

/** Ten of them, each with a name of its own. */
const ten = (plugin: Plugin): Plugin[] => Array.from({ length: 10 }, (_, at) => ({ ...plugin, name: `plugin_${at}` }));
const SEEN = key<number>("seen");

// deno-lint-ignore require-await -- what is measured
const handsOn = async (_: unknown, next: Next) => next();

interface Row {
  readonly name: string;
  readonly phase: Phase;
  readonly plugins: readonly Plugin[];
  /** What was asked for: microseconds that they add, at most. */
  readonly most?: number;
}
/** Each beside the first row of its phase. */
const ROWS: readonly Row[] = [
  { name: "mail: none", phase: "mail", plugins: [] },
  { name: "mail: ten return next()", phase: "mail", plugins: ten(on("mail", (_, next) => next())), most: 10 },
  {
    name: "mail: ten look at a fact, leave one, return next()",
    phase: "mail",
    plugins: ten(on("mail", (ctx, next) => {
      if (ctx.sender?.domain === ctx.host.name) return accept();
      ctx.set(SEEN, 1);
      return next();
    })),
    most: 10,
  },
  {
    name: "mail: ten async, return next()",
    phase: "mail",
    plugins: ten(on("mail", handsOn)),
    most: 40,
  },
  {
    name: "mail: ten async, await next()",
    phase: "mail",
    plugins: ten(on("mail", async (_, next) => {
      const reply = await next();
      return reply;
    })),
    most: 40,
  },
  { name: "data: none", phase: "data", plugins: [] },
  { name: "data: ten return next()", phase: "data", plugins: ten(on("data", (_, next) => next())), most: 10 },
  {
    name: "data: ten async, return next()",
    phase: "data",
    plugins: ten(on("data", handsOn)),
    most: 40,
  },
];

let told: unknown; // kept, else the compiler sees that nobody looks
const ctx = new TransactionContext({
  host: { name: "mx.example.org", domains: ["example.org"], postmaster: null },
  dns: EMPTY_DNS,
  counters: new SimulatedCounters(),
  now: Date.now,
  emit: (event) => void (told = event),
  commit: () => Promise.resolve(null),
}, {
  session: "s01K0",
  role: "mx",
  listener: "127.0.0.1:25",
  client: { ip: "192.0.2.1", port: 50000, tls: null, identity: null },
});
const sender = parseAddress("alice@example.net"),
  message = new ReceivedMessage(memoryBody("Subject: x\n\nhi\n"), "7BIT");

/** Microseconds of CPU of a phase, all threads, the mean of `phases`: what others do on this machine counts little. */
async function cost({ pipeline, phase }: { readonly pipeline: Pipeline; readonly phase: Phase }): Promise<number> {
  const before = process.cpuUsage();
  for (let at = 0; at < phases; at++) {
    ctx.begin({ id: "01K0", sender, parameters: NO_MAIL_PARAMETERS });
    if (phase === "data") ctx.complete(message);
    const answer = pipeline.run(phase, ctx);
    if (answer instanceof Promise) await answer; // a phase without promises is not to pay for one here
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / phases;
}

/** Promises that one phase makes. */
async function promises(pipeline: Pipeline, phase: Phase): Promise<number> {
  ctx.begin({ id: "01K0", sender, parameters: NO_MAIL_PARAMETERS });
  if (phase === "data") ctx.complete(message);
  let made = 0;
  // deno-lint-ignore no-explicit-any -- the runtime has it, its types do not
  const stop = (v8 as any).promiseHooks.onInit(() => void made++);
  const answer = pipeline.run(phase, ctx), waited = answer instanceof Promise;
  if (waited) await answer;
  stop();
  return made - (waited ? 1 : 0); // the one of this await
}

const subjects = ROWS.map((row) => ({ ...row, pipeline: new Pipeline(row.plugins), costs: [] as number[] }));
for (let round = -20; round < rounds; round++) {
  for (const subject of subjects) {
    const micros = await cost(subject);
    if (round >= 0) subject.costs.push(micros);
  }
}

const { cores, cpu, deno } = describeMachine(".");
console.log(`${cores} cores (${cpu}), Deno ${deno}; us of CPU per phase, medians of ${rounds} rounds of ${phases}\n`);
console.log("| phase and plugins | us | the ten add | asked for at most | promises |");
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const { name, phase, pipeline, costs, most } of subjects) {
  const bare = subjects.find((each) => each.phase === phase)!;
  const added = median(costs.map((each, round) => each - bare.costs[round]!));
  const cells = [median(costs).toFixed(2), most ? added.toFixed(2) : "-", most ?? "-", await promises(pipeline, phase)];
  console.log(`| ${[name, ...cells].join(" | ")} |`);
}
if (told === undefined) throw new Error("nobody was told of anything");
