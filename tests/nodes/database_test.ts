/**
 * The database of two nodes goes away under load and comes back: killed, frozen, stopped for good and replaced by its
 * standby. Senders are put off with 4xx and never refused; what got its 250 arrives; the nodes recover by themselves. In CI
 * a kill and a failover; NODES_TROUBLES=killed,restarted,frozen,paused,cut,failover names what happens, and in which order.
 */
import { assert, assertEquals } from "@std/assert";
import { account } from "../crash/relay.ts";
import { freePort } from "../support/ports.ts";
import { PostgresServer, testWithPostgres } from "../support/postgres.ts";
import { Random, seedOf } from "../support/random.ts";
import { keptIn, SinkProcess } from "../support/sink_process.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Cluster, peopleOf } from "./cluster.ts";
import { Door } from "./door.ts";
import { Patient } from "./patient.ts";

/** What happens, in this order. */
const TROUBLES = (Deno.env.get("NODES_TROUBLES") ?? "killed,failover").split(",");

testWithPostgres("cases 70 and 73: the database of two nodes goes away under load and comes back", async () => {
  let database = await PostgresServer.start();
  const all = [database];
  try {
    await using folder = await TempFolder.make("postern-nodes-sink-");
    await using door = new Door(database.port);
    const seed = seedOf("CRASH_SEED"), port = freePort(), url = await database.database();
    console.log(`${TROUBLES.join(", ")}; CRASH_SEED=${seed}`);
    await using _sink = await SinkProcess.start({ port, folder: folder.path, seed, slow: 10 });
    await using cluster = await Cluster.start({
      count: 2,
      store: url.replace(`:${database.port}/`, `:${door.port}/`),
      sink: port,
    });
    const random = new Random(seed),
      load = new Patient({ ports: cluster.ports, count: 3, random, sizes: [1_000, 20_000] });
    const did: string[] = [];
    for (const trouble of TROUBLES) {
      await load.more(40);
      const before = [...load.putOff.values()].reduce((sum, each) => sum + each, 0);
      const since = performance.now();
      if (trouble === "killed") {
        await database.kill();
        await pause(1000); // gone for a while: it is what is tested
        await database.resume();
      } else if (trouble === "restarted") {
        await database.stopImmediately();
        await database.resume();
      } else if (trouble === "frozen") {
        database.signal("SIGSTOP");
        await pause(20_000);
        database.signal("SIGCONT");
      } else if (trouble === "paused") {
        cluster.at(0).signal("SIGSTOP");
        await pause(40_000);
        cluster.at(0).signal("SIGCONT");
      } else if (trouble === "cut") door.cut();
      else {
        const standby = await database.standby();
        all.push(standby);
        await load.more(20);
        await database.stopImmediately();
        await standby.promote();
        door.leadTo(standby.port);
        database = standby;
      }
      const back = performance.now();
      await load.more(10, { node: 0, deadline: 120_000 });
      await load.more(10, { node: 1, deadline: 120_000 });
      const put = [...load.putOff.values()].reduce((sum, each) => sum + each, 0) - before;
      did.push(
        `${trouble} for ${seconds(back - since)}, ${
          seconds(performance.now() - back)
        } until both take mail, ${put} put off`,
      );
    }
    await load.end();
    await cluster.drained(180_000);
    const { accepted, begun } = load;
    const { faults, ...figures } = account(folder.path, { accepted: new Set(accepted.keys()), begun }, {
      onceFor: ({ name }) => name, // below
      neverLetIn: (address) => address.startsWith("no-"),
      people: peopleOf,
    });
    console.log([
      ...did,
      ...[...load.putOff].map(([words, count]) => `${count} × ${words}`),
      `${accepted.size} of ${begun.size} messages accepted, ${JSON.stringify(figures)}`,
    ].join("\n"));
    for (const fault of faults.slice(0, 5)) {
      const id = accepted.get(/crash-[-\d]+/.exec(fault)?.[0] ?? "")?.id;
      if (id === undefined) continue;
      const left = await database.rows(
        url.split("/").at(-1)!,
        `
        select 'recipient', idx, state, owner, due, next_attempt, last_reply, told from recipient where message = '${id}'
        union all select 'corrupt', 0, to_json(c)::text, null, null, null, null, null from corrupt c where message = '${id}'`,
      );
      console.log([fault, ...cluster.toldOf(id), ...left.map((row) => JSON.stringify(row))].join("\n"));
    }
    assertEquals([load.faults, faults], [[], []], `run again with CRASH_SEED=${seed}`);
    const most = Math.max(...copies(folder.path).values());
    assert(most <= 1 + TROUBLES.length, `a trouble interrupts an attempt once, and somebody got ${most} copies`);
    for (const at of [0, 1]) assert(!cluster.at(at).output.includes(database.password), "no log has the password");
  } finally {
    for (const each of all) await each[Symbol.asyncDispose]();
  }
});

/** Of each message by its name, how many copies each of its recipients got at most. */
function copies(folder: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { from, to } of keptIn(folder)) {
    if (from !== "") { for (const each of to) found.set(each, (found.get(each) ?? 0) + 1); }
  }
  return found;
}

async function pause(milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds;
  await waitFor("the end of a trouble", () => performance.now() >= until, { deadline: milliseconds + 60_000 });
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
