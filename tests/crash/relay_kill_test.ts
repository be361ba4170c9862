/**
 * SIGKILL at random moments of a server that takes mail and hands it on at once (cases 69, 73): everything that got its
 * 250 reaches the sink, byte for byte; whoever the sink does not know is reported once; and nobody gets a second copy
 * from one life of the server. CRASH_ROUNDS says how many rounds (40), CRASH_SEED repeats a run.
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

const ROUNDS = Number(Deno.env.get("CRASH_ROUNDS") ?? 40);
const SESSIONS = 6;
/** Octets of the sink's record, some hundred for each copy: so far a round goes at most before its kill. */
const FARTHEST = 5000;
/** Mostly small ones: there is more between two small messages than inside a large one. */
const SIZES = [1_000, 1_000, 1_000, 20_000, 300_000];

Deno.test("cases 69 and 73: SIGKILL while mail comes in and goes out", async () => {
  await using folder = await TempFolder.make("postern-relay-kill-");
  const seed = seedOf("CRASH_SEED"), ports = { smtp: freePort(), admin: freePort() }, port = freePort();
  const kept = folder.at("sink"), accepted = new Set<string>(), begun = new Set<string>();
  console.log(`${ROUNDS} rounds, CRASH_SEED=${seed}`);
  await Deno.mkdir(kept);
  await using _sink = await SinkProcess.start({ port, folder: kept, seed, slow: 10 });
  const start = (life: number) =>
    Server.start({ config: relayConfig(port, life), data: folder.at("data"), ports, deadline: 60_000 });
  const length = () => Deno.statSync(`${kept}/record`).size;
  let server = await start(0);
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const random = new Random(seed + round), from = length();
      const sessions = new Sessions(ports.smtp, { count: SESSIONS, random, to: peopleOf, sizes: SIZES });
      const far = random.below(FARTHEST), pause = random.below(20);
      await waitFor("copies at the sink", () => length() - from >= far && sessions.begun.size > 0, {
        every: 1,
        deadline: 60_000,
      });
      const since = performance.now();
      await waitFor("the moment", () => performance.now() - since >= pause, { every: 1 });
      await server.kill();
      await sessions.end();
      for (const name of sessions.accepted.keys()) accepted.add(name);
      for (const name of sessions.begun) begun.add(name);
      assertEquals(sessions.refused, [], "refused without a reason");
      await server[Symbol.asyncDispose]();
      server = await start(round);
    }
    await drained(server, 180_000);
    await server.stop();
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const { faults, ...figures } = account(kept, { accepted, begun }, {
    onceFor: ({ helo }) => helo,
    neverLetIn: (address) => address.startsWith("no-"),
  });
  console.log(`${ROUNDS} kills, ${accepted.size} of ${begun.size} messages accepted, ${JSON.stringify(figures)}`);
  assertEquals(faults, [], `run again with CRASH_SEED=${seed} CRASH_ROUNDS=${ROUNDS}`);
  assert(accepted.size > ROUNDS && figures.refused > 0, "too little was tested");
});
