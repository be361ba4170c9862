/**
 * How much more several nodes take and hand on than one, on one PostgreSQL database of this machine: all of them share its
 * cores with the database, the load and the next hop, so the CPU that each part costs says more than the messages per
 * second. Job: start, load, print. Non-job: what is lost when one dies (tests/nodes/).
 */
import { parseArgs } from "node:util";
import { PostgresServer } from "../../tests/support/postgres.ts";
import { Cluster } from "../../tests/nodes/cluster.ts";
import { median } from "../asked.ts";
import { cpuSeconds, describeMachine } from "../machine.ts";
import { NextHop } from "../next_hop.ts";
import { BUILD, load } from "../tools.ts";

const HELP = `deno run -A bench/nodes/main.ts [options]
  --nodes LIST    numbers of nodes to set beside each other (1,2,4)
  --messages N    messages of one repetition, of all nodes together (4000)
  --conns N       connections at once, of all nodes together (40)
  --per-conn N    messages of a connection (10)
  --streams N     loads, each to a destination of its own, at most 6 (4)
  --reps N        interleaved repetitions (3)`;

interface Sample {
  /** Messages per second: 250 said, and come to the next hop. */
  readonly accepted: number;
  readonly relayed: number;
  readonly p99: number;
  readonly failed: number;
  /** CPU seconds per 1,000 messages. */
  readonly nodes: number;
  readonly database: number;
  /** Of the database for each message: transactions, and times that its log was brought to the disk. */
  readonly transactions: number;
  readonly syncs: number;
}
interface Work {
  readonly transactions: number;
  readonly syncs: number;
}
interface Asked {
  readonly messages: number;
  readonly conns: number;
  readonly perConn: number;
  /**
   * Loads, each to a destination of its own, shared out to the nodes: the same whatever the number of nodes. With one for each
   * node, one node's mail was accepted fast and handed on later, two nodes' at once, and the numbers did not compare.
   */
  readonly streams: number;
}

/** One repetition on an empty database. */
async function measure(count: number, { messages, conns, perConn, streams }: Asked): Promise<Sample> {
  await using database = await PostgresServer.start();
  await using nextHop = await NextHop.start();
  const store = await database.database();
  await using cluster = await Cluster.start({ count, store, sink: nextHop.port });
  const pids = cluster.ports.map((_, at) => cluster.at(at).pid);
  const cpu = () => [pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0), cpuSeconds(database.pid)] as const;
  const args = (total: number, stream: number) => [
    ...["--size", "5120", "--messages", String(Math.ceil(total / streams))],
    ...["--conns", String(Math.max(1, Math.round(conns / streams))), "--per-conn", String(perConn)],
    ...["--to", `rcpt%d@d${stream}.example`],
  ];
  const all = (total: number) =>
    Promise.all(
      Array.from({ length: streams }, (_, at) => load(cluster.ports[at % count]!.smtp, args(total, at))),
    );
  await nextHop.waitForAll((await all(messages / 10)).reduce((sum, { ok }) => sum + ok, 0)); // warm
  await nextHop.reset();
  const work = await workOf(database, store);
  const [nodes, base] = cpu(), results = await all(messages), ok = results.reduce((sum, each) => sum + each.ok, 0);
  const begin = Math.min(...results.map(({ t_begin }) => t_begin));
  const end = Math.max(...results.map(({ t_begin, elapsed_s }) => t_begin + elapsed_s));
  const arrived = await nextHop.waitForAll(ok), [nodesAfter, baseAfter] = cpu();
  const workAfter = await workOf(database, store);
  return {
    accepted: ok / (end - begin),
    relayed: arrived.messages / (arrived.last - begin),
    p99: Math.max(...results.map(({ lat_ms }) => lat_ms.p99 ?? 0)),
    failed: results.reduce((sum, { failed }) => sum + failed, 0) + ok - arrived.messages,
    nodes: (nodesAfter - nodes) / ok * 1000,
    database: (baseAfter - base) / ok * 1000,
    transactions: (workAfter.transactions - work.transactions) / ok,
    syncs: (workAfter.syncs - work.syncs) / ok,
  };
}

/** What the database has done since it was made. Its processes report once a second, when they do nothing. */
async function workOf(database: PostgresServer, store: string): Promise<Work> {
  await new Promise((wake) => setTimeout(wake, 1500));
  const name = store.slice(store.lastIndexOf("/") + 1);
  const [row] = await database.rows(
    name,
    `select (select xact_commit::int from pg_stat_database where datname = '${name}') as transactions,
       (select wal_sync::int from pg_stat_wal) as syncs`,
  );
  return { transactions: Number(row!.transactions), syncs: Number(row!.syncs) };
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      nodes: { type: "string", default: "1,2,4" },
      messages: { type: "string", default: "4000" },
      conns: { type: "string", default: "40" },
      "per-conn": { type: "string", default: "10" },
      streams: { type: "string", default: "4" },
      reps: { type: "string", default: "3" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  const counts = values.nodes.split(",").map(Number);
  const asked = {
    messages: Number(values.messages),
    conns: Number(values.conns),
    perConn: Number(values["per-conn"]),
    streams: Number(values.streams),
  };
  const samples = new Map<number, Sample[]>(counts.map((count) => [count, []]));
  for (let rep = 0; rep < Number(values.reps); rep++) {
    for (const count of counts) {
      const sample = await measure(count, asked);
      samples.get(count)!.push(sample);
      console.error(`${count} nodes: ${JSON.stringify(sample)}`);
    }
  }
  await Deno.mkdir(BUILD, { recursive: true });
  console.log(`${JSON.stringify(describeMachine(BUILD))}\n`);
  const head = ["nodes", "accepted/s", "relayed/s", "p99 ms", "CPU s/1,000: nodes", "database"];
  console.log(`| ${[...head, "transactions", "syncs a message", "failed"].join(" | ")} |`);
  console.log(`|${" --- |".repeat(head.length + 3)}`);
  const first = samples.get(counts[0]!)!;
  for (const [count, all] of samples) {
    const of = (pick: (sample: Sample) => number, digits = 0) => median(all.map(pick)).toFixed(digits);
    /** With its ratio to the first number of nodes in the same repetition. */
    const beside = (pick: (sample: Sample) => number, digits = 0) =>
      `${of(pick, digits)} (${median(all.map((each, rep) => pick(each) / pick(first[rep]!))).toFixed(2)})`;
    const failed = all.reduce((sum, { failed }) => sum + failed, 0);
    console.log(
      `| ${count} | ${beside((s) => s.accepted)} | ${beside((s) => s.relayed)} | ${of((s) => s.p99)} | ` +
        `${beside((s) => s.nodes, 2)} | ${beside((s) => s.database, 2)} | ` +
        `${of((s) => s.transactions, 2)} | ${of((s) => s.syncs, 2)} | ${failed} |`,
    );
  }
}
