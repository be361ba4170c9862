/**
 * A next hop that is slow, refuses, closes and is killed at random (cases 64, 73): everything that got its 250 is at the
 * sink or its sender is told that it is not, never both, and a second copy is there only where nobody could know of the
 * first. CRASH_SINK_ROUNDS says how often the sink is killed (10), CRASH_SEED repeats a run.
 */
import { assert, assertEquals } from "@std/assert";
import { freePort } from "../support/ports.ts";
import { Random, seedOf } from "../support/random.ts";
import { Server } from "../support/server.ts";
import { SinkProcess } from "../support/sink_process.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { account, drained, peopleOf, relayConfig } from "./relay.ts";
import { Sessions } from "./sessions.ts";

const ROUNDS = Number(Deno.env.get("CRASH_SINK_ROUNDS") ?? 10);
const SESSIONS = 4;
/** Of a round: what the sink does not get is left to the next. */
const MESSAGES = 30;
/** Of a thousand steps: in each transaction something happens, and many a probe of the sink fails. */
const TROUBLE = 60;
const SIZES = [1_000, 1_000, 1_000, 20_000, 300_000];

Deno.test("cases 64 and 73: a next hop that refuses, closes and is killed at random", async () => {
  await using folder = await TempFolder.make("postern-sink-kill-");
  const seed = seedOf("CRASH_SEED"), port = freePort(), kept = folder.at("sink");
  const accepted = new Set<string>(), begun = new Set<string>();
  console.log(`${ROUNDS} rounds, CRASH_SEED=${seed}`);
  await Deno.mkdir(kept);
  await using server = await Server.start({ config: relayConfig(port) });
  const length = () => Deno.statSync(`${kept}/record`).size;
  for (let round = 1; round <= ROUNDS; round++) {
    const random = new Random(seed + round);
    await using sink = await SinkProcess.start({ port, folder: kept, seed: seed + round, trouble: TROUBLE, slow: 10 });
    const sessions = new Sessions(server.ports.smtp, {
      count: SESSIONS,
      random,
      to: peopleOf,
      sizes: SIZES,
      most: MESSAGES,
    });
    const from = length(), far = 1 + random.below(4000), pause = random.below(20);
    await waitFor("copies at the sink", () => length() - from >= far, { every: 1, deadline: 60_000 });
    const since = performance.now();
    await waitFor("the moment", () => performance.now() - since >= pause, { every: 1 });
    await sink.kill();
    await sessions.end();
    for (const name of sessions.accepted.keys()) accepted.add(name);
    for (const name of sessions.begun) begun.add(name);
    assertEquals(sessions.refused, [], "refused without a reason");
  }
  {
    await using _sink = await SinkProcess.start({ port, folder: kept, seed });
    await drained(server, 180_000);
    await server.stop(); // says QUIT everywhere: then the sink knows what was heard
  }
  const { faults, ...figures } = account(kept, { accepted, begun }, {
    onceFor: ({ known, name }) => known || name,
    neverLetIn: (address) => address.startsWith("no-"),
    anyRefused: true,
  });
  console.log(`${ROUNDS} kills, ${accepted.size} of ${begun.size} messages accepted, ${JSON.stringify(figures)}`);
  assertEquals(faults, [], `run again with CRASH_SEED=${seed} CRASH_SINK_ROUNDS=${ROUNDS}`);
  assert(accepted.size > ROUNDS && figures.refused > 0, "too little was tested");
});
