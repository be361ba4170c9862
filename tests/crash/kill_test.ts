/**
 * SIGKILL at random moments (case 69): while at least 20 sessions are inside DATA or wait for their 250 the server is
 * killed; after the restart every message that got a 250 is there, once, byte for byte, and what got none is absent or
 * whole. CRASH_ROUNDS says how many rounds (40), CRASH_SEED repeats a run.
 */
import { assertEquals } from "@std/assert";
import { addedOnly } from "../support/bytes.ts";
import { Random, seedOf } from "../support/random.ts";
import { Server, type ServerOptions } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { freePort } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";
import { isName, messageOf } from "./messages.ts";
import { RELAY_CONFIG } from "../support/configs.ts";
import { Sessions } from "./sessions.ts";

const ROUNDS = Number(Deno.env.get("CRASH_ROUNDS") ?? 40);
const SESSIONS = 32;
const INSIDE = 20;

/** What lies in the store: id -> name of the message, from a list that the server gives. */
type Listing = (server: Server) => Promise<ReadonlyMap<string, string | null>>;
type Raw = (server: Server, id: string) => Promise<Uint8Array<ArrayBuffer> | null>;

interface Mode {
  readonly title: string;
  /** Of all rounds. */
  readonly part: number;
  readonly config?: string;
  readonly to: string;
  readonly list: Listing;
  readonly raw: Raw;
}

const MODES: readonly Mode[] = [
  {
    title: "inbox",
    part: 0.4,
    to: "box%d@local.example",
    list: async ({ api }) => new Map((await api.messages()).map(({ id, subject }) => [id, subject])),
    raw: ({ api }, id) => api.raw(id),
  },
  {
    title: "inbox, two threads that talk SMTP",
    part: 0.2,
    config: `domains: ["*"]
threads: 2
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { connectionsPerIp: 1000 }
plugins: [{ inbox: { everything: true } }]
`,
    to: "box%d@local.example",
    list: async ({ api }) => new Map((await api.messages()).map(({ id, subject }) => [id, subject])),
    raw: ({ api }, id) => api.raw(id),
  },
  {
    title: "queue of relay recipients",
    part: 0.4,
    config: RELAY_CONFIG,
    to: "friend%d@remote.example",
    list: async ({ api }) => new Map((await api.queue()).items.map(({ id }) => [id, null])), // the queue has no subject
    raw: ({ api }, id) => api.queuedRaw(id),
  },
];

/** Kills the server while enough sessions are inside; returns how many were, the data and the waiting ones. */
async function killInside(server: Server, sessions: Sessions, random: Random): Promise<string> {
  const least = 1 + random.below(SESSIONS * 4), pause = random.below(30); // another moment in each round
  await waitFor("messages under way", () => sessions.begun.size >= least, { every: 1 });
  const since = performance.now();
  await waitFor("the moment", () => performance.now() - since >= pause, { every: 1 });
  return await waitFor(`${INSIDE} sessions inside`, async () => {
    const { data, waiting } = sessions.inside;
    if (data + waiting < INSIDE) return null;
    await server.kill(); // the signal goes out before anything else of this process runs
    return `${data + waiting} of ${SESSIONS} sessions inside (${data} in DATA, ${waiting} waiting for the 250)`;
  }, { every: 1 });
}

async function subjectOf(server: Server, mode: Mode, id: string): Promise<string | null> {
  const raw = await mode.raw(server, id);
  return raw ? /^Subject: (\S+)\r?$/m.exec(new TextDecoder().decode(raw.subarray(0, 4096)))?.[1] ?? null : null;
}

/** Everything that is wrong after a restart; adds the ids seen to `known`. */
async function faults(server: Server, mode: Mode, sessions: Sessions, known: Set<string>): Promise<string[]> {
  const wrong: string[] = [], found = new Map<string, string>();
  const listed = await mode.list(server);
  for (const id of known) if (!listed.has(id)) wrong.push(`${id} of an earlier round is gone`);
  for (const [id, subject] of listed) {
    if (known.has(id)) continue;
    known.add(id);
    const name = subject ?? await subjectOf(server, mode, id) ?? "";
    if (!isName(name) || !sessions.begun.has(name)) {
      wrong.push(`${id} is no message of this round: ${JSON.stringify(name)}`);
      continue;
    }
    if (found.has(name)) wrong.push(`${name} is there twice: ${found.get(name)}, ${id}`);
    found.set(name, id);
    const raw = await mode.raw(server, id);
    const fault = raw ? addedOnly(raw, messageOf(name)) : "listed, but no octets";
    if (fault) wrong.push(`${name} (${id}${sessions.accepted.has(name) ? ", got its 250" : ""}): ${fault}`);
  }
  for (const [name, id] of sessions.accepted) {
    if (found.get(name) !== id) {
      wrong.push(`${name} got "250 queued as ${id}" and is ${found.get(name) ?? "not there"}`);
    }
  }
  return wrong;
}

async function rounds(mode: Mode, count: number, seed: number): Promise<void> {
  await using folder = await TempFolder.make("postern-kill-");
  const options: ServerOptions = {
    ...mode.config === undefined ? {} : { config: mode.config },
    ports: { smtp: freePort(), admin: freePort() },
  };
  const known = new Set<string>();
  let accepted = 0, part = 0;
  const data = () => folder.at(`data-${part}`);
  let server = await Server.start({ ...options, data: data() });
  try {
    for (let round = 1; round <= count; round++) {
      const random = new Random(seed + round);
      const sessions = new Sessions(server.ports.smtp, { count: SESSIONS, random, to: [mode.to] });
      const killed = await killInside(server, sessions, random);
      await sessions.end();
      await server[Symbol.asyncDispose]();
      server = await Server.start({ ...options, data: data() });
      const wrong = await faults(server, mode, sessions, known);
      accepted += sessions.accepted.size;
      console.log(
        `${mode.title}, round ${round}, seed ${seed + round}: ${killed}, ${sessions.accepted.size} accepted, ` +
          `${wrong.length} faults`,
      );
      assertEquals(sessions.refused, [], "refused without a reason");
      assertEquals(wrong, [], `seed ${seed + round}; run again with CRASH_SEED=${seed + round - 1} CRASH_ROUNDS=1`);
      if (known.size < 800) continue;
      await server.stop(); // a new folder now and then keeps the lists short
      part++;
      known.clear();
      await server[Symbol.asyncDispose]();
      server = await Server.start({ ...options, data: data() });
    }
  } finally {
    await server[Symbol.asyncDispose]();
  }
  if (accepted === 0) throw new Error("no message was ever accepted: nothing was tested");
}

for (const mode of MODES) {
  Deno.test(`case 69: SIGKILL while messages come in (${mode.title})`, async () => {
    const count = Math.max(1, Math.round(ROUNDS * mode.part)), seed = seedOf("CRASH_SEED");
    console.log(`${mode.title}: ${count} rounds, CRASH_SEED=${seed}`);
    await rounds(mode, count, seed);
  });
}
