/**
 * A person's change of many messages, piece by piece, so that commits get in between. What the index does not know is
 * looked for by the reader: a long search holds up no mail. Non-job: what a change does to a row (operations.ts).
 */
import type { Operation, ReaderRequest, Results } from "./protocol.ts";
import type { QueueChange, QueueQuery } from "./store.ts";

/** Messages that one transaction touches. */
const PIECE = 500;

export interface ChangeSteps {
  /** Milliseconds since 1970. */
  now(): number;
  /** Ids of messages that match, the newest first; only those before `before`. */
  read(request: Extract<ReaderRequest, { ask: "matching" }>): Promise<readonly string[]>;
  write(operation: Extract<Operation, { do: "change" }>): Promise<Results["change"]>;
}

/** Resolves to how many recipients were changed. */
export async function changeInPieces(
  what: { readonly id: string } | QueueQuery,
  change: QueueChange,
  { now, read, write }: ChangeSteps,
): Promise<number> {
  const id = "id" in what ? what.id : null, query: QueueQuery = "id" in what ? {} : what;
  const { state = null, domain = null, q = null, to = null, limit: most = Infinity } = query;
  const searches = q !== null || to !== null || query.from !== undefined || query.ids !== undefined ||
    query.receivedBefore !== undefined;
  let changed = 0, before: string | null = null, left = most;
  do {
    const limit = Math.min(PIECE, left);
    const ids: readonly string[] | null = searches ? await read({ ask: "matching", query, before, limit }) : null;
    const piece = { do: "change", id, ids, state, domain, q, to, change, now: now(), before, limit } as const;
    const done: Results["change"] = await write(piece);
    changed += done.changed;
    before = done.last;
    left -= limit;
  } while (before !== null && left > 0);
  return changed;
}
