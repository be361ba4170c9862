/**
 * What the ledger costs: `deno run -A bench/ledger/cost.ts [--messages N] [--reps R] [--only NAME]`.
 * CPU of all threads of the server for an accepted message of 5 KB: everything into an inbox, and a plain mx, in a connection
 * of its own (W1) or a hundred in one (W2), each with the ledger and without it one right after the other: what counts is
 * the median of the differences. And what the observer of metrics takes for the same events.
 * Non-job: searching it (million.ts).
 */
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { openSqliteLedger } from "../../core/ledger/sqlite.ts";
import type { Event } from "../../core/observe/events.ts";
import { Metrics } from "../../core/observe/metrics.ts";
import { Happening } from "../../tests/unit/ledger/happenings.ts";
import { median } from "../asked.ts";
import { cpuSeconds, describeMachine, untilIdle } from "../machine.ts";
import { startPostern } from "../postern.ts";
import { freshFolder, remove, type Running } from "../running.ts";
import { BUILD, load } from "../tools.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    messages: { type: "string", default: "2000" },
    reps: { type: "string", default: "21" },
    only: { type: "string" },
  },
});
const messages = Number(values.messages), reps = Number(values.reps);

/** Everything that both have. */
const inbox = (rest: string) =>
  `hostname: mx.bench.example
domains: [bench.example]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { connectionsPerIp: 1000 }
plugins:
${rest}`;
const INBOX = inbox("  - inbox: { everything: true }\n");
const SETS: readonly (readonly [name: string, each: number, config: string])[] = [
  ["inbox, W1", 1, INBOX],
  ["inbox, W2", 100, INBOX],
  [
    "plain mx, W1",
    1,
    inbox(`  - rate_limit: { messagesPerIp: 1000000/1m }
  - helo
  - headers
  - inbox: { everything: true }
`),
  ],
];

const wanted = SETS.filter(([name]) => values.only === undefined || name === values.only);
const LOAD = ["--conns", "20", "--size", "5120"];

interface Subject {
  readonly set: string;
  /** Messages of a connection. */
  readonly each: number;
  readonly ledger: boolean;
  readonly running: Running;
  readonly cost: number[];
}

await Deno.mkdir(BUILD, { recursive: true });
console.log(JSON.stringify(describeMachine(BUILD)), `${messages} messages, ${reps} repetitions`);
const subjects: Subject[] = [];
try {
  for (const [set, each, config] of wanted) {
    for (const ledger of [false, true]) {
      const text = ledger ? config : `${config}ledger: off\n`;
      subjects.push({ set, each, ledger, running: await startPostern({ facts: {}, config: text }), cost: [] });
    }
  }
  for (let rep = -1; rep < reps; rep++) { // the first warms up
    for (const { running, each, cost } of subjects) {
      await untilIdle(running.pid);
      const before = cpuSeconds(running.pid);
      await load(running.port, [
        "--messages",
        `${messages}`,
        "--per-conn",
        `${each}`,
        "--to",
        "rcpt%d@bench.example",
        ...LOAD,
      ]);
      await untilIdle(running.pid);
      if (rep >= 0) cost.push((cpuSeconds(running.pid) - before) / messages * 1e6);
    }
  }
  console.log("| configuration | without, us | with, us | the ledger | share |\n| - | -: | -: | -: | -: |");
  for (const [set] of wanted) {
    const [off, on] = [false, true].map((ledger) =>
      subjects.find((each) => each.set === set && each.ledger === ledger)!.cost
    ) as [number[], number[]];
    const without = median(off), more = median(on.map((each, rep) => each - off[rep]!));
    const share = (more / without * 100).toFixed(1);
    console.log(`| ${set} | ${without.toFixed(0)} | ${median(on).toFixed(0)} | ${more.toFixed(0)} | ${share} % |`);
  }
} finally {
  for (const { running } of subjects) await running.stop();
}
console.log(
  `the ledger alone: ${
    (await ledgerCost()).toFixed(1)
  } us of CPU, its thread included, for the events of such a message`,
);
console.log(`metrics: ${observerCost(new Metrics().observe).toFixed(2)} us of CPU for the events of such a message`);

/** Microseconds of all threads of this process for the events of one message, written to a file. */
async function ledgerCost(): Promise<number> {
  const folder = await freshFolder("ledger"), ledger = openSqliteLedger({ folder: `${folder}/ledger` });
  const some = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const session = new Happening(ledger.observe, { at: Date.now(), ip: `192.0.2.${i % 250}` });
      session.decide("helo", "helo", "next");
      session.decide("mail", "rate_limit", "next");
      session.accept(`user${i % 977}@example${i % 61}.net`, [`rcpt${i}@bench.example`]);
      session.close();
      if (i % 100 === 99) await ledger.flush(); // some 200 messages a second, in batches of half a second
    }
  };
  await some(5_000);
  const before = cpuUsage();
  await some(20_000);
  const { user, system } = cpuUsage(before);
  await ledger.close();
  await remove(folder);
  return (user + system) / 20_000;
}

/** Microseconds of this process for the events of one message. */
function observerCost(observe: (event: Event) => void): number {
  const events: Event[] = [];
  for (let i = 0; i < 100; i++) {
    const session = new Happening((event) => events.push(event), { at: 1.79e12 + i });
    session.accept("ada@example.net", ["bob@example.org"]);
    session.close();
  }
  const rounds = 2000;
  for (let round = 0; round < rounds; round++) for (const event of events) observe(event);
  const before = performance.now();
  for (let round = 0; round < rounds; round++) for (const event of events) observe(event);
  return (performance.now() - before) * 1000 / rounds / 100;
}
