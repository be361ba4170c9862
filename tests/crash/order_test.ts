/**
 * Sync before 250 (case 70), seen from outside: the server runs under strace while messages of all sizes come in, and
 * the trace is judged (order.ts). Needs strace and the right to trace.
 */
import { assert, assertEquals } from "@std/assert";
import { programOf, testWith } from "../support/debian.ts";
import { Random, seedOf } from "../support/random.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { BOX, DIR, mixedConfig, REMOTE } from "../support/configs.ts";
import { judge, TRACED } from "./order.ts";
import { Sessions } from "./sessions.ts";
import { parseTrace } from "./trace.ts";

/** 250s that a run must have seen. */
const LEAST = 100;

interface Kind {
  readonly title: string;
  readonly config: (folder: TempFolder) => string | undefined;
  readonly to: readonly string[];
}
const KINDS: readonly Kind[] = [
  { title: "dev inbox", config: () => undefined, to: ["box%d@local.example"] },
  { title: "Maildir, inbox and queue", config: (folder) => mixedConfig(folder.at("mail")), to: [BOX, DIR, REMOTE] },
];

for (const { title, config, to } of KINDS) {
  testWith(["strace"], `case 70: everything is synced before its 250 (${title})`, async () => {
    await using folder = await TempFolder.make("postern-order-");
    const trace = folder.at("trace"), text = config(folder), seed = seedOf("CRASH_SEED");
    const strace = [programOf("strace")!, "-f", "-ttt", "-yy", "-s", "70000", "--seccomp-bpf"];
    await using server = await Server.start({
      ...text === undefined ? {} : { config: text },
      data: folder.at("data"),
      under: [...strace, "-e", `trace=${TRACED}`, "-e", "signal=none", "-o", trace],
      deadline: 60_000,
    });
    const sessions = new Sessions(server.ports.smtp, { count: 12, random: new Random(seed), to });
    await waitFor(`${LEAST} messages accepted`, () => sessions.accepted.size >= LEAST, { deadline: 90_000 });
    await sessions.end();
    await server.stop(30_000);

    const names = new Map([...sessions.accepted].map(([name, id]) => [id, name]));
    const verdict = judge(parseTrace(await Deno.readTextFile(trace)), names, [folder.at("data"), folder.at("mail")]);
    console.log(
      `${title}, seed ${seed}: ${verdict.replies} answers 250, ${verdict.violations.length} violations, held ` +
        `${verdict.held.log} times in the log and ${verdict.held.files} times in files`,
    );
    assertEquals(verdict.violations, []);
    assertEquals(verdict.replies, sessions.accepted.size, "every 250 that a client got is in the trace");
    assert(verdict.replies >= LEAST);
    assert(verdict.held.log >= LEAST && verdict.held.files > 0, "rows and files both occur");
  });
}
