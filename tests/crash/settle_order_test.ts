/**
 * The order of writes and syncs on the way out (case 70), seen from outside: the server runs under strace while mail comes
 * in and goes on, and the trace is judged (settle_order.ts). Needs strace and the right to trace.
 */
import { assert, assertEquals } from "@std/assert";
import { programOf, testWith } from "../support/debian.ts";
import { Random, seedOf } from "../support/random.ts";
import { RawSink } from "../support/raw_sink.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { partsOf } from "./messages.ts";
import { drained, peopleOf, relayConfig } from "./relay.ts";
import { Sessions } from "./sessions.ts";
import { judgeSettling, refusedWords, takenWords, TRACED } from "./settle_order.ts";
import { parseTrace } from "./trace.ts";

const MESSAGES = 60;
const SIZES = [1_000, 1_000, 20_000, 300_000];

testWith(["strace"], "case 70: a body goes, and others hear of it, when it is durable what became of it", async () => {
  await using folder = await TempFolder.make("postern-settle-order-");
  const seed = seedOf("CRASH_SEED"), trace = folder.at("trace"), data = folder.at("data"), later = new Set<string>();
  await using sink = new RawSink({
    answer: ({ step, argument, from }) => {
      if (step === "dot" && from !== "") return takenWords(argument.split("@")[0]!);
      if (step !== "rcpt") return;
      if (argument.startsWith("no-")) return refusedWords(argument);
      if (!argument.startsWith("later-") || later.has(argument)) return;
      later.add(argument);
      return "451 4.2.0 Come again";
    },
  });
  const strace = [programOf("strace")!, "-f", "-ttt", "-yy", "-s", "70000", "--seccomp-bpf"];
  await using server = await Server.start({
    config: relayConfig(sink.port),
    data,
    under: [...strace, "-e", `trace=${TRACED}`, "-e", "signal=none", "-o", trace],
    deadline: 60_000,
  });
  const random = new Random(seed), to = peopleOf;
  const sessions = new Sessions(server.ports.smtp, { count: 6, random, to, sizes: SIZES, most: MESSAGES });
  await waitFor("all messages", () => sessions.accepted.size === MESSAGES, { deadline: 90_000 });
  await sessions.end();
  await drained(server, 90_000);
  await server.stop(30_000);

  const names = new Map([...sessions.accepted].map(([name, id]) => [id, name]));
  const refused = [...names.values()].flatMap(peopleOf).filter((each) => each.startsWith("no-"));
  const { violations, ...seen } = judgeSettling(parseTrace(await Deno.readTextFile(trace)), {
    names,
    refused,
    roots: [data],
  });
  console.log(`seed ${seed}: ${JSON.stringify(seen)}, ${violations.length} violations`);
  assertEquals(violations, []);
  const large = [...names.values()].filter((name) => partsOf(name).size === 300_000).length;
  assertEquals(seen.bodies, large, "each body in a file is removed");
  assertEquals([seen.told, seen.reports, seen.ends], [MESSAGES, refused.length, refused.length]);
  assert(large > 3 && refused.length > 3, "too little was seen");
});
