/**
 * The power goes (case 70), on disks that forget what was not synced: a server runs, all it does to its files is written
 * down, and from that come the disks that could be found after a cut at any moment (docs/decisions/power-loss.md). No
 * message with a 250 is lost, nothing is half, and Postern starts on each. The same with a sync left out must fail.
 * POWER_ROUNDS and POWER_SERVERS say how many cuts (60, 2), POWER_SEED repeats a run as far as its cuts go.
 */
import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { Random, seedOf } from "../support/random.ts";
import { Server } from "../support/server.ts";
import { SinkProcess } from "../support/sink_process.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { messageOf, nameOf } from "../crash/messages.ts";
import { drained, SENDER } from "../crash/relay.ts";
import { cutEach, idIn, named, type Plug } from "./cuts.ts";
import { type Cut, Disk } from "./disk.ts";
import { removals, removedTooEarly } from "./early.ts";
import { type Elsewhere, Examiner, takenBy, until } from "./found.ts";
import { type Run, runSite, siteConfig } from "./site.ts";

const ROUNDS = Number(Deno.env.get("POWER_ROUNDS") ?? 60);
const SERVERS = Number(Deno.env.get("POWER_SERVERS") ?? 2);
/** In each of two lives. */
const MESSAGES = 40;

/** Nothing that was not synced is there. */
const worst = (random: Random): Cut => ({ random, octets: "none", names: "none", sector: 4096, junk: false });

/** Syncs by what they are of. Each is needed. */
const SYNCS: readonly [what: string, which: RegExp][] = [
  ["the log of the database", /\/data\/postern\.db-wal$/],
  ["the database", /\/data\/postern\.db$/],
  ["spool files", /\/data\/spool\/./],
  ["the spool folder", /\/data\/spool$/],
  ["the data folder", /\/data$/],
  ["the folder above", /\/disk$/],
  ["files of a Maildir", /\/Maildir\/tmp\/./],
  ["the folder of a Maildir", /\/Maildir\/new$/],
];

class Trial {
  readonly #examiner: Examiner;
  readonly #all: Elsewhere;
  readonly found: string;
  /** One for each cut at which something was wrong. */
  readonly wrong: string[] = [];
  /** Messages that were there without a 250. */
  more = 0;

  constructor(readonly run: Run, folder: TempFolder) {
    this.#examiner = new Examiner(run);
    this.#all = takenBy(run.sink);
    this.found = folder.at("found");
  }

  async look(plug: Plug, also?: string): Promise<void> {
    const elsewhere = until(this.#all, plug.time, also === undefined ? null : takenBy(also));
    const { faults, more } = await this.#examiner.examine(this.found, plug.owed, elsewhere);
    if (faults.length > 0) this.wrong.push(`${named(plug)}: ${faults.length} faults: ${faults.slice(0, 3).join("; ")}`);
    this.more += more;
  }
}

/** A whole server on what was found: it starts, takes mail, hands on what waits, and stops. */
async function serve(trial: Trial, plug: Plug, folder: TempFolder): Promise<void> {
  const port = freePort(), sink = folder.at(`sink-${plug.at}`);
  await Deno.mkdir(sink, { recursive: true });
  await using _sink = await SinkProcess.start({ port, folder: sink, seed: 1 });
  await using server = await Server.start({
    config: siteConfig(trial.found, port),
    data: `${trial.found}/data`,
    deadline: 60_000,
  });
  using client = await SmtpClient.ready(server.ports.smtp);
  const message = messageOf(nameOf(0, 0, 1000));
  const reply = await client.deliver({ from: SENDER, to: ["dir0@local.example", "box@local.example"], message });
  assertEquals(reply.code, 250, reply.raw);
  await drained(server, 60_000);
  assertEquals((await server.stop(30_000)).code, 0, server.output);
  assert(!/set aside|cannot be read|damaged/.test(server.output), server.output); // the ledger neither
  await trial.look(plug, sink);
}

testWith(["gcc"], "case 70: the power goes at any moment, and nothing with a 250 is lost", async (t) => {
  await using folder = await TempFolder.make("postern-power-");
  const seed = seedOf("POWER_SEED"), random = new Random(seed);
  const begin = performance.now();
  const run = await runSite(folder, { random, messages: MESSAGES });
  const written = performance.now();
  const again = `run again with POWER_SEED=${seed}`;
  console.log(
    `POWER_SEED=${seed}: ${run.names.size} messages had their 250, ${run.entries.length} entries in the journal, ` +
      `${Math.round(written - begin)} ms`,
  );
  const replied = new Set(run.entries.flatMap((entry) => idIn(entry) ?? []));
  assertEquals(run.names.size, 2 * MESSAGES);
  assertEquals([...run.names.keys()].filter((id) => !replied.has(id)), [], "every 250 of a client is in the journal");

  await t.step(
    "the journal has all that was done: a disk that keeps everything is the one that was written to",
    async () => {
      const disk = new Disk({ root: run.disk });
      for (const entry of run.entries.slice(0, run.clean.entries)) disk.play(entry);
      disk.leave(folder.at("all"), { random, octets: "all", names: "all", sector: 512, junk: false });
      const { stdout } = await new Deno.Command("diff", {
        args: ["-rq", "--exclude=*-shm", run.clean.folder, folder.at("all")],
      }).output();
      assertEquals(new TextDecoder().decode(stdout), "");
    },
  );

  await t.step(`${ROUNDS} cuts`, async () => {
    const trial = new Trial(run, folder);
    await cutEach(run, { random, rounds: ROUNDS, folder: trial.found }, (plug) => trial.look(plug));
    console.log(
      `${ROUNDS} cuts: ${trial.wrong.length} with faults; ${trial.more} messages were there before their 250`,
    );
    assertEquals(trial.wrong, [], again);
  });

  await t.step(`${SERVERS} cuts, and whole servers on what is found`, async () => {
    const withNew = { ...run, begun: new Set([...run.begun, nameOf(0, 0, 1000)]) };
    const trial = new Trial(withNew, folder);
    await cutEach(run, { random, rounds: SERVERS, folder: trial.found }, (plug) => serve(trial, plug, folder));
    assertEquals(trial.wrong, [], again);
  });

  await t.step("a spool file goes when nobody names it any more, and one that goes before that is missed", async () => {
    const options = { random, rounds: 12, folder: folder.at("found") };
    const how = (random: Random): Cut => ({ ...worst(random), names: "all" }); // the name is gone at once
    const trial = new Trial(run, folder);
    await cutEach(run, { ...options, how, behind: removals(run.entries) }, (plug) => trial.look(plug));
    assertEquals(trial.wrong, [], again);
    const { entries, moved } = removedTooEarly(run.entries), early = new Trial({ ...run, entries }, folder);
    await cutEach(early.run, { ...options, how, behind: moved }, async (plug) => {
      if (early.wrong.length === 0) await early.look(plug);
    });
    assert(early.wrong.length > 0, `nobody misses the file; ${again}`);
  });

  for (const [what, which] of SYNCS) {
    await t.step(`without the syncs of ${what} something is lost`, async () => {
      const trial = new Trial(run, folder);
      const without = (path: string) => which.test(path);
      assert(run.entries.some((entry) => entry.kind === "syncEnd" && without(entry.path)), "there are none");
      await cutEach(run, { random, rounds: 20, folder: trial.found, without, how: worst }, async (plug) => {
        if (trial.wrong.length === 0) await trial.look(plug);
      });
      assert(trial.wrong.length > 0, `nobody misses them; ${again}`);
    });
  }
});
