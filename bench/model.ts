/**
 * Where a server of so many cores saturates, and so many of them on one PostgreSQL: rates by bisection over the use of
 * each part. Job: the arithmetic, and the tables of docs/scaling.md. Non-job: measuring (threads.ts, store.ts,
 * postgres_cost.ts); it knows nothing that they have not said.
 *
 *     deno run -A bench/model.ts                                  # the tables of the document
 *     deno run -A bench/model.ts --set fsync=2,own=0.1 --cores 12  # with one's own costs
 */
import { parseArgs } from "node:util";

/** Milliseconds of CPU for a message unless it says else; what measures each stands in docs/scaling.md. */
export const COSTS = {
  /** One thread: all that the accepting thread does. */
  alone: 0.210,
  /** With several threads: what an acceptor does, and what the owner does. */
  acceptor: 0.233,
  owner: 0.030,
  /** More at the owner for a message that it takes on or writes itself: relayed, or into a PostgreSQL. */
  handing: 0.050,
  /** The writer's: for a message, and for a batch whatever is in it. */
  writer: 0.035,
  batch: 0.380,
  /** An fsync of the log, milliseconds of the clock. */
  fsync: 0.2,
  ledger: 0.013,
  /** The collector's and the compiler's threads. */
  helpers: 0.045,
  /** More at the owner for a message that is handed on, and more at the writer. */
  delivery: 0.110,
  settling: 0.030,
  /** Octets: on the wire, and written to the disk (log, then database). */
  wire: 6_600,
  disk: 27_000,
  /** A node on PostgreSQL, in the place of the writer's: for a message and for a batch. */
  own: 0.060,
  ownBatch: 1.0,
  /** The database's: for a message and for a transaction, then the same for what becomes of a message that is handed on. */
  server: 0.050,
  transaction: 0.35,
  /** Octets of its log. */
  log: 6_600,
  /** One trip to the database and back, and an fsync of its log; milliseconds of the clock. */
  trip: 0.5,
  serverFsync: 0.5,
  /** A word from one node that another hears: the node's CPU, and the database's. */
  heard: 0.02,
  told: 0.005,
};
export type Costs = typeof COSTS;

/** Operations of one batch, words of a node per second, trips of a batch with its commit, batches under way of a node. */
const MOST = 1000, WORDS = 20, TRIPS = 2, UNDER_WAY = 2;

export interface Machine {
  readonly cores: number;
  /** That accept; 1: one thread does all. */
  readonly threads: number;
  /** Each message goes on to another host; else it stays. */
  readonly relay: boolean;
  /** Connections that send one message after the other (default 300). */
  readonly sessions?: number;
  /** CPU milliseconds for a message of whatever else runs there: a load generator. */
  readonly beside?: number;
  /** Bits and octets per second. */
  readonly link?: number;
  readonly disk?: number;
}
/** What a part is used, as a share of all that it can; above 1 it cannot. */
type Uses = Readonly<Record<string, number>>;
export interface Saturation {
  /** Messages per second. */
  readonly rate: number;
  /** The part that is full, and the next one with its use. */
  readonly full: string;
  readonly next: string;
}

/**
 * Operations that share a batch when the machine is full: what waits is what comes next, and of sessions that each send one
 * message after the other a third waits (7.3 of 20, measured).
 */
function batchSize(sessions: number, perSession = 1): number {
  return Math.min(MOST, Math.max(1, sessions * perSession / 3));
}

/** The uses of one machine with the embedded store. */
export function usesOfMachine(rate: number, machine: Machine, costs: Costs): Uses {
  const { cores, threads, relay, sessions = 300, beside = 0, link = 10e9, disk = 1e9 } = machine;
  const each = costs.writer + (relay ? costs.settling : 0), more = relay ? costs.delivery : 0, perMs = rate / 1000;
  const size = batchSize(sessions);
  const written = each + costs.batch / size, shared = written + costs.ledger + costs.helpers + beside;
  const owner = costs.owner + (relay ? costs.handing : 0);
  const talking = threads === 1
    ? { "the one thread": perMs * (costs.alone + more) }
    : { acceptors: perMs * costs.acceptor / threads, owner: perMs * (owner + more) };
  const spoken = threads === 1 ? costs.alone : costs.acceptor + owner;
  return {
    cores: perMs * (spoken + more + shared) / cores,
    ...talking,
    writer: perMs * (each + (costs.fsync + costs.batch) / size),
    ledger: perMs * costs.ledger,
    network: rate * costs.wire * 8 / link, // in one direction: what goes on goes the other way
    disk: rate * costs.disk * (relay ? 1.3 : 1) / disk,
  };
}

export interface Cluster {
  readonly nodes: number;
  /** Of each node. */
  readonly machine: Machine;
  /** The database's cores and the octets per second of its disk. */
  readonly cores: number;
  readonly disk?: number;
}

/** The uses of nodes that share a database; `rate` is that of all of them. */
export function usesOfCluster(rate: number, { nodes, machine, cores, disk = 1e9 }: Cluster, costs: Costs): Uses {
  const { threads, relay } = machine, share = rate / nodes, words = nodes * WORDS, steps = relay ? 2 : 1;
  const size = batchSize(machine.sessions ?? 300), clock = TRIPS * costs.trip + costs.serverFsync;
  const client = steps * (costs.own + costs.ownBatch / size), heard = words * costs.heard / 1000;
  const more = relay ? costs.delivery : 0, perMs = share / 1000;
  const spoken = threads === 1 ? costs.alone : costs.acceptor;
  const owner = threads === 1 ? 0 : costs.owner + costs.handing;
  const owning = (threads === 1 ? spoken : owner) + more + client;
  const all = spoken + owner + more + client + costs.ledger + costs.helpers;
  return {
    "cores of a node": perMs * all / machine.cores + heard / machine.cores,
    [threads === 1 ? "the one thread" : "owner of a node"]: perMs * owning + heard,
    ...threads === 1 ? {} : { "acceptors of a node": perMs * costs.acceptor / threads },
    "batches of a node": perMs * steps * clock / size / UNDER_WAY,
    "network of a node": share * costs.wire * 8 * 2 / (machine.link ?? 10e9), // in, and on to the database
    "cores of the database": rate / 1000 * steps * (costs.server + costs.transaction / size) / cores +
      words * (nodes - 1) * costs.told / 1000 / cores,
    "disk of the database": rate * costs.log * (relay ? 1.3 : 1) * 2 / disk, // its log, then its tables
    "network of the database": rate * costs.wire * 8 / (machine.link ?? 10e9),
  };
}

/** The rate at which the first part is full. */
export function saturation(uses: (rate: number) => Uses): Saturation {
  let low = 0, high = 1e8;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (Math.max(...Object.values(uses(middle))) <= 1) low = middle;
    else high = middle;
  }
  const [[full], [next, use]] = Object.entries(uses(low)).sort(([, a], [, b]) => b - a) as [
    [string, number],
    [string, number],
  ];
  return { rate: low, full, next: `${next} ${Math.round(use * 100)} %` };
}

/** The number of threads that takes most. */
export function best(machine: Omit<Machine, "threads">, costs: Costs): Saturation & { readonly threads: number } {
  const numbers = Array.from({ length: Math.max(1, machine.cores) }, (_, i) => i + 1);
  return numbers.map((threads) => ({
    threads,
    ...saturation((rate) => usesOfMachine(rate, { ...machine, threads }, costs)),
  })).reduce((a, b) => b.rate > a.rate * 1.01 ? b : a);
}

function rounded(rate: number): string {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 1);
  return (Math.round(rate / unit) * unit).toLocaleString("en-US");
}
function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => `${row[column]}`.length)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => `${cell}`.padEnd(widths[column]!)).join(" | ")} |`);
  return [lines[0], `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines.slice(1)].join("\n");
}

const CORES = [1, 2, 4, 8, 16, 32, 64], NODES = [1, 2, 4, 10, 30, 100];

export function machineTable(costs: Costs, cores: readonly number[] = CORES): string {
  const rows: (string | number)[][] = [[
    "cores",
    "kept: threads",
    "messages/s",
    "full",
    "relayed: threads",
    "a second",
    "full ",
  ]];
  for (const each of cores) {
    const kept = best({ cores: each, relay: false }, costs), relayed = best({ cores: each, relay: true }, costs);
    rows.push([
      each,
      kept.threads,
      rounded(kept.rate),
      `${kept.full}; ${kept.next}`,
      relayed.threads,
      rounded(relayed.rate),
      `${relayed.full}; ${relayed.next}`,
    ]);
  }
  return table(rows);
}

/** Nodes of eight cores with four threads, a database of 32 cores. */
export function clusterTable(costs: Costs, nodes: readonly number[] = NODES): string {
  const rows: (string | number)[][] = [["nodes", "kept: messages/s", "full", "relayed: a second", "full "]];
  for (const each of nodes) {
    const [kept, relayed] = [false, true].map((relay) => {
      const cluster = { nodes: each, machine: { cores: 8, threads: 4, relay }, cores: 32 };
      return saturation((rate) => usesOfCluster(rate, cluster, costs));
    }) as [Saturation, Saturation];
    rows.push([
      each,
      rounded(kept.rate),
      `${kept.full}; ${kept.next}`,
      rounded(relayed.rate),
      `${relayed.full}; ${relayed.next}`,
    ]);
  }
  return table(rows);
}

/** What the benchmark here can show: two cores, the generator beside it. */
export function hereTable(costs: Costs): string {
  const rows: (string | number)[][] = [["connections", "threads", "messages/s at most", "full"]];
  for (const sessions of [20, 100]) {
    for (const threads of [1, 2, 3]) {
      const machine = { cores: 2, threads, relay: false, sessions, beside: 0.065 };
      const { rate, full, next } = saturation((rate) => usesOfMachine(rate, machine, costs));
      rows.push([sessions, threads, rounded(rate), `${full}; ${next}`]);
    }
  }
  return table(rows);
}

function main(): void {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      set: { type: "string", default: "" },
      cores: { type: "string", default: "" },
      nodes: { type: "string", default: "" },
    },
  });
  const own = values.set.split(",").filter(Boolean).map((each) => {
    const [name = "", value] = each.split("="), number = Number(value);
    if (!Object.hasOwn(COSTS, name) || !(number > 0)) {
      throw new Error(`--set wants NAME=NUMBER with one of ${Object.keys(COSTS).join(", ")}`);
    }
    return [name, number] as const;
  });
  const costs = { ...COSTS, ...Object.fromEntries(own) };
  const list = (text: string, otherwise: readonly number[]) => text === "" ? otherwise : text.split(",").map(Number);
  console.log(`${machineTable(costs, list(values.cores, CORES))}\n`);
  console.log(`${clusterTable(costs, list(values.nodes, NODES))}\n`);
  console.log(hereTable(costs));
}

if (import.meta.main) main();
