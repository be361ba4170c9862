/**
 * The server that the power-loss tests run, and its journal: mail for inboxes, Maildirs and the queue at once, from a
 * first start on folders that are not there yet, through a clean end and a second start, with two threads that talk SMTP,
 * to a sudden end. Non-job: cuts and what is found after them (found.ts).
 */
import { freePort } from "../support/ports.ts";
import type { Random } from "../support/random.ts";
import { Server } from "../support/server.ts";
import { SinkProcess } from "../support/sink_process.ts";
import type { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Sessions } from "../crash/sessions.ts";
import { peopleOf } from "../crash/relay.ts";
import { type Entry, Journal } from "./journal.ts";

/** Mostly small ones, some that go into files. */
const SIZES = [1_000, 1_000, 1_000, 20_000, 300_000];
const PEOPLE = ["box", "dir0", "dir1", "dir2"] as const;

/** Inboxes, Maildirs, and what leaves by the sink at that port; with so many threads that talk SMTP. */
export function siteConfig(disk: string, port: number, threads = 1): string {
  return `threads: ${threads}
hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { sink: { hosts: ["smtp://127.0.0.1:${port}"] } }
delivery: { retry: [1s], routes: [{ to: remote, via: sink }] }
plugins:
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { box: inbox, crash: inbox, dir0: maildir, dir1: maildir, dir2: maildir } }
  - maildir: { root: ${JSON.stringify(`${disk}/mail`)} }
  - inbox
`;
}

/** Who gets the message of that name: one of ours, and now and then somebody elsewhere. */
export function recipientsOf(name: string): readonly string[] {
  const index = Number(name.split("-")[2]), ours = `${PEOPLE[index % PEOPLE.length]}@local.example`;
  return index % 3 === 0 ? [ours, ...peopleOf(name)] : [ours];
}

export interface Run {
  /** The folder that was the disk. */
  readonly disk: string;
  readonly entries: readonly Entry[];
  /** Id of each message that got its 250 -> its name. */
  readonly names: ReadonlyMap<string, string>;
  /** Names of all that was begun. */
  readonly begun: ReadonlySet<string>;
  /** The sink's folder. */
  readonly sink: string;
  /** What the disk had after the clean end of the first life, and how many entries that took. */
  readonly clean: { readonly folder: string; readonly entries: number };
}

/** Lets the server take so many messages in each of its two lives, and writes down all it does. */
export async function runSite(
  folder: TempFolder,
  { random, messages }: { random: Random; messages: number },
): Promise<Run> {
  const disk = folder.at("disk"), sink = folder.at("sink"), port = freePort();
  const ports = { smtp: freePort(), admin: freePort() };
  const journal = await Journal.make(folder, disk);
  await Deno.mkdir(disk);
  await Deno.mkdir(sink);
  await using _sink = await SinkProcess.start({ port, folder: sink, seed: random.seed, slow: 5 });
  const names = new Map<string, string>(), begun = new Set<string>();
  const clean = { folder: folder.at("clean"), entries: 0 };
  for (const life of [0, 1]) {
    await using server = await Server.start({
      config: siteConfig(disk, port, life + 1),
      data: `${disk}/data`,
      ports,
      env: journal.env,
      deadline: 60_000,
    });
    const sessions = new Sessions(ports.smtp, {
      count: 5,
      random,
      to: recipientsOf,
      sizes: SIZES,
      first: life * messages,
      most: (life + 1) * messages,
    });
    await waitFor("its messages", () => sessions.begun.size >= messages, { deadline: 60_000 });
    await sessions.end();
    if (sessions.refused.length > 0) throw new Error(`refused without a reason: ${sessions.refused[0]}`);
    for (const [name, id] of sessions.accepted) names.set(id, name);
    for (const name of sessions.begun) begun.add(name);
    if (life === 1) await server.kill();
    else {
      await server.stop(30_000);
      await new Deno.Command("cp", { args: ["-a", disk, clean.folder] }).output();
      clean.entries = (await journal.entries()).length;
    }
  }
  return { disk, entries: await journal.entries(), names, begun, sink, clean };
}
