/**
 * Mail that is relayed to a sink, and the account of it afterwards: who was to get what, what the sink took, and which
 * second copies have a reason. Non-job: kills and troubles (relay_kill_test.ts, sink_kill_test.ts).
 */
import { addedOnly, latin1 } from "../support/bytes.ts";
import type { Server } from "../support/server.ts";
import { type Kept, keptIn } from "../support/sink_process.ts";
import { waitFor } from "../support/wait.ts";
import { isName, messageOf, partsOf } from "./messages.ts";

/** Who sends it all, and hears of what failed. */
export const SENDER = "crash@client.example";

/** Everything leaves by the sink at that port. `life` stands in the name by which the server says hello. */
export function relayConfig(port: number, life: number | string = 0): string {
  return `hostname: mx-${life}.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { sink: { hosts: ["smtp://127.0.0.1:${port}"] } }
delivery: { retry: [1s], routes: [{ to: remote, via: sink }] }
plugins:
  - relay: { networks: ["127.0.0.0/8"] }
`;
}

/** Recipients of the message of that name: one or several, some of whom the sink knows later or never. */
export function peopleOf(name: string): readonly string[] {
  const kinds = [["ok"], ["ok", "too"], ["ok", "later"], ["ok", "no", "later"]][partsOf(name).index % 4]!;
  return kinds.map((kind) => `${kind}-${name}@remote.example`);
}

export interface Sent {
  /** Names of what got a 250. */
  readonly accepted: ReadonlySet<string>;
  /** Names of what may have come in. */
  readonly begun: ReadonlySet<string>;
}
/** Why a second copy may be there. */
export interface Excuses {
  /** Of a copy that another one followed or preceded: what may be there once for each value of it. */
  readonly onceFor: (copy: Kept) => unknown;
  /** Who was never let in by the sink. */
  readonly neverLetIn: (address: string) => boolean;
  /** Anybody may have been refused for good: then a report takes the place of the copy. */
  readonly anyRefused?: boolean;
  /** Recipients of the message of a name; those of `peopleOf` unless given. */
  readonly people?: (name: string) => readonly string[];
}
export interface Account {
  readonly copies: number;
  /** Copies beside the first of each, and of reports likewise. */
  readonly duplicates: number;
  readonly reports: number;
  /** Recipients who were told about instead of served. */
  readonly refused: number;
  /** One sentence each. */
  readonly faults: readonly string[];
}

/** A report that the sink took. */
interface Report {
  readonly id: string;
  readonly copies: Kept[];
}

/** Compares what the sink has in `folder` with what was sent. */
export function account(folder: string, { accepted, begun }: Sent, excuses: Excuses): Account {
  const { people = peopleOf } = excuses;
  const faults: string[] = [], copies = new Map<string, Kept[]>(), reports = new Map<string, Report>();
  const reportsOn = new Map<string, Set<Report>>();
  for (const kept of keptIn(folder)) {
    const octets = Deno.readFileSync(`${folder}/${kept.name}`), text = latin1(octets);
    if (kept.from === "") {
      const id = /^Message-ID: (\S+)/m.exec(text)?.[1] ?? "";
      const report = reports.get(id) ?? { id, copies: [] };
      reports.set(id, report);
      report.copies.push(kept);
      if (kept.to.join() !== SENDER) faults.push(`report ${id} is for ${kept.to}`);
      const about = [...text.matchAll(/^Final-Recipient: rfc822; ?(\S+)\r\nAction: (\w+)\r$/gm)];
      if (about.length === 0) faults.push(`report ${id} is about nobody`);
      for (const [, address, action] of about) {
        if (action !== "failed") faults.push(`report ${id}: ${address} ${action}`);
        reportsOn.set(address!, (reportsOn.get(address!) ?? new Set()).add(report));
      }
      continue;
    }
    const name = /^Subject: (\S+)\r$/m.exec(text)?.[1] ?? "";
    if (!isName(name) || !begun.has(name)) {
      faults.push(`${kept.name} is no message of ours: ${JSON.stringify(name)}`);
      continue;
    }
    const fault = addedOnly(octets, messageOf(name));
    if (fault !== null) faults.push(`${name}: ${fault}`);
    if (kept.from !== SENDER) faults.push(`${name} is from ${kept.from}`);
    for (const address of kept.to) {
      if (!people(name).includes(address)) faults.push(`${name} came to ${address}`);
      copies.set(address, [...copies.get(address) ?? [], kept]);
    }
  }
  let duplicates = 0, refused = 0;
  const once = (what: string, all: readonly Kept[]) => {
    duplicates += Math.max(0, all.length - 1);
    const seen = new Set(all.map(excuses.onceFor));
    if (seen.size < all.length) faults.push(`${what} came ${all.length} times, with a reason for ${seen.size}`);
  };
  for (const { id, copies } of reports.values()) once(`report ${id}`, copies);
  for (const name of begun) {
    for (const address of people(name)) {
      const arrived = copies.get(address) ?? [], told = reportsOn.get(address)?.size ?? 0;
      once(address, arrived);
      if (told > 0) refused++;
      if (told > 1) faults.push(`${address} is in ${told} different reports`);
      if (excuses.neverLetIn(address)) {
        if (accepted.has(name) && told === 0) faults.push(`${address} was refused, and nobody was told`);
      } else if (told > 0 && !excuses.anyRefused) faults.push(`${address} was never refused, and is in a report`);
      else if (told > 0 && arrived.some((copy) => copy.known)) faults.push(`${address} has a copy, and is in a report`);
      else if (told === 0 && arrived.length === 0 && accepted.has(name)) {
        faults.push(`${address} got its 250 and nothing`);
      }
    }
  }
  return { copies: [...copies.values()].flat().length, duplicates, reports: reports.size, refused, faults };
}

/** Waits until nothing is left that will be tried. */
export async function drained(server: Pick<Server, "api" | "output">, deadline: number): Promise<void> {
  let waiting = -1;
  await waitFor("an empty queue", async () => {
    const { items } = await server.api.queue();
    waiting = items.filter(({ recipients }) => recipients.some(({ state }) => state !== "failed")).length;
    return waiting === 0;
  }, { deadline, every: 50 }).catch((error) => {
    throw new Error(
      `${error.message}: ${waiting} messages are left; the server printed:\n${server.output.slice(-5000)}`,
    );
  });
}
