/**
 * Nodes on one database, one of which is killed under load: what got a 250 reaches the sink, once, or twice where a kill
 * came between the sink's answer and its record; and what the dead one had in hand is taken over. In CI two rounds of two
 * nodes; NODES_ROUNDS=20 NODES=4 are the long proof, which holds each takeover to 30 s. CRASH_SEED repeats a run.
 */
import { assert, assertEquals } from "@std/assert";
import { partsOf } from "../crash/messages.ts";
import { account } from "../crash/relay.ts";
import { freePort } from "../support/ports.ts";
import { PostgresServer, testWithPostgres } from "../support/postgres.ts";
import { Random, seedOf } from "../support/random.ts";
import { type Kept, SinkProcess } from "../support/sink_process.ts";
import { TempFolder } from "../support/temp.ts";
import { Cluster, peopleOf } from "./cluster.ts";
import { secondCopies, takeover } from "./interrupted.ts";
import { Patient } from "./patient.ts";

const ROUNDS = Number(Deno.env.get("NODES_ROUNDS") ?? 2), COUNT = Number(Deno.env.get("NODES") ?? 2);
/** In the long proof each round ends with an empty queue before the dead node comes back. */
const LONG = ROUNDS > 2;
/** From the kill until another node has what the dead one had, milliseconds; where the machine is this proof's own. */
const TAKEN_OVER = 30_000;
const SIZES = [1_000, 1_000, 1_000, 20_000, 300_000];

testWithPostgres("case 73: of several nodes on one database one is killed under load", async () => {
  await using database = await PostgresServer.start();
  await using folder = await TempFolder.make("postern-nodes-sink-");
  const seed = seedOf("CRASH_SEED"), port = freePort(), accepted = new Set<string>(), begun = new Set<string>();
  console.log(`${ROUNDS} rounds of ${COUNT} nodes, CRASH_SEED=${seed}`);
  await using _sink = await SinkProcess.start({ port, folder: folder.path, seed, slow: 10 });
  const store = await database.database();
  await using cluster = await Cluster.start({ count: COUNT, store, sink: port });
  const takeovers: number[] = [], empty: number[] = [], killedIn = new Map<string, number>();
  let inHand = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const random = new Random(seed + round), victim = random.below(COUNT);
    const load = new Patient({ ports: cluster.ports, count: 3, random, sizes: SIZES });
    await load.more(20 + random.below(60));
    await load.more(1 + random.below(5), { node: victim });
    killedIn.set(cluster.helo(victim), round);
    await cluster.at(victim).kill();
    const killed = performance.now();
    const rest = async () => {
      await load.more(20); // at those that are left
      await load.end();
      await cluster.drained(120_000);
      empty.push(Math.round(performance.now() - killed));
    };
    if (LONG || round === ROUNDS) { // it does not come back before the others have done all of its work
      const taking = { url: store, left: COUNT - 1, deadline: 120_000 };
      const [{ had, milliseconds }] = await Promise.all([takeover(database, taking), rest()]);
      takeovers.push(milliseconds);
      inHand += had;
      if (LONG) {
        console.log(
          `round ${round}: ${had} in hand, taken over after ${milliseconds} ms, empty after ${empty.at(-1)} ms`,
        );
      }
      await cluster.start(victim);
    } else {
      await load.more(20);
      await cluster.start(victim); // a new life while the old one's leases last
      await load.end();
    }
    for (const name of load.accepted.keys()) accepted.add(name);
    for (const name of load.begun) begun.add(name);
    assertEquals(load.faults, []);
  }
  await cluster.drained(120_000);
  const { faults, ...figures } = account(folder.path, { accepted, begun }, {
    onceFor: ({ helo }) => helo, // one life brings nobody two
    neverLetIn: (address) => address.startsWith("no-"),
    people: peopleOf,
  });
  const { faults: unexcused, ...seconds } = secondCopies(folder.path, (copy) => {
    const round = killedIn.get(copy.helo), sent = roundOf(copy, seed);
    return round !== undefined && (sent === null || (LONG ? round === sent : round >= sent));
  });
  const inSeconds = (all: readonly number[]) => all.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(", ");
  console.log([
    `${accepted.size} of ${begun.size} messages accepted, ${JSON.stringify(figures)}`,
    `${seconds.second} second copies of ${seconds.interrupted} interrupted attempts; ${inHand} recipients in dead hands`,
    `from a kill to the takeover: ${inSeconds(takeovers)}`,
    `from a kill to an empty queue: ${inSeconds(empty)}`,
  ].join("\n"));
  assertEquals(
    [faults, unexcused],
    [[], []],
    `run again with CRASH_SEED=${seed} NODES_ROUNDS=${ROUNDS} NODES=${COUNT}`,
  );
  if (LONG) assert(Math.max(...takeovers) < TAKEN_OVER, "a takeover took too long");
  assert(accepted.size > 20 * ROUNDS && figures.refused > 0, "too little was tested");
});

/** In which round that message was sent; null: it is a report. */
function roundOf({ from, to: [first = ""] }: Kept, seed: number): number | null {
  const name = /crash-\d+-\d+-\d+/.exec(first)?.[0];
  return from === "" || name === undefined ? null : partsOf(name).seed - seed;
}
