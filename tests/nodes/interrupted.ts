/**
 * What a kill may leave behind, as the sink and the database have it: second copies, each of which must follow an attempt
 * that a kill has interrupted, and what the dead node had in hand. Two nodes that live and bring the same are a fault,
 * however differently they are called. Non-job: that everything arrived (tests/crash/relay.ts).
 */
import { latin1 } from "../support/bytes.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { type Kept, keptIn } from "../support/sink_process.ts";
import { waitFor } from "../support/wait.ts";

export interface Seconds {
  /** Transactions at the sink that a kill has interrupted: somebody of each got a second copy later. */
  readonly interrupted: number;
  /** Copies beside the last one of each, of messages and of reports. */
  readonly second: number;
  /** One sentence for each copy that nothing excuses. */
  readonly faults: readonly string[];
}

/** Goes through the record of the sink in `folder`. `killed`: whoever brought that copy was killed while it may have had it. */
export function secondCopies(folder: string, killed: (copy: Kept) => boolean): Seconds {
  const faults: string[] = [], interrupted = new Set<Kept>(), last = new Map<string, Kept>();
  let second = 0;
  for (const copy of keptIn(folder)) { // in the order in which they were taken
    const keys = copy.from === "" ? [reportIn(`${folder}/${copy.name}`)] : copy.to;
    for (const key of keys) {
      const before = last.get(key);
      last.set(key, copy);
      if (before === undefined) continue;
      second++;
      interrupted.add(before);
      if (!killed(before)) faults.push(`${key} came by ${before.helo}, which was not killed then, and by ${copy.helo}`);
    }
  }
  return { interrupted: interrupted.size, second, faults };
}

function reportIn(path: string): string {
  return /^Message-ID: (\S+)/m.exec(latin1(Deno.readFileSync(path)))?.[1] ?? path;
}

export interface Takeover {
  /** Recipients that the dead had in hand when they were gone. */
  readonly had: number;
  /** From the call until none of them was theirs any more, milliseconds. */
  readonly milliseconds: number;
}
export interface TakeoverOptions {
  /** URL of the nodes' database, at `server`. */
  readonly url: string;
  /** How many nodes live. */
  readonly left: number;
  /** Milliseconds. */
  readonly deadline: number;
}

/** To be called when a node was killed just now. Resolves when only those that live are left, and have all that is leased. */
export async function takeover(server: PostgresServer, { url, left, deadline }: TakeoverOptions): Promise<Takeover> {
  const since = performance.now(), name = url.slice(url.lastIndexOf("/") + 1);
  const inHand = async () =>
    new Map(
      (await server.rows(
        name,
        `select coalesce(n.id, r.id) as id, coalesce(r.had, 0) as had from postern.node n full join
           (select split_part(owner, '/', 1) as id, count(*)::int as had from postern.recipient where owner is not null
             group by 1) as r on r.id = n.id`,
      )).map(({ id, had }) => [String(id), Number(had)]),
    );
  const before = await inHand();
  let now = before;
  await waitFor("another node to take over", async () => {
    now = await inHand();
    return now.size <= left; // the leases of a node end in the transaction that takes its row
  }, { deadline, every: 200 });
  let had = 0;
  for (const [id, count] of before) if (!now.has(id)) had += count;
  return { had, milliseconds: Math.round(performance.now() - since) };
}
