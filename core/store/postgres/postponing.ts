/**
 * Nothing of a destination is tried before a moment: what is due before waits until then, piece by piece so that commits get
 * in between. What somebody changes at the same moment is left to him. Non-job: which destination (core/delivery).
 */
import { look, noting } from "./destinations.ts";
import type { Pool } from "./pool.ts";

const PIECE = 1000;

/** Resolves to how many recipients were changed. */
export async function postponeAll(
  pool: Pool,
  { destination, until }: { readonly destination: string; readonly until: number },
): Promise<number> {
  let changed = 0;
  for (;;) {
    const count = await pool.transaction((connection) =>
      noting(
        connection,
        // Each is brought to a later next attempt, so no row is found twice
        `update recipient set state = 'deferred', attempts = attempts + 1, next_attempt = $2::bigint,
           due = least($2::bigint, coalesce(deadline, $2::bigint))
         where (message, idx) in (select message, idx from recipient where destination = $1::text and due < $2::bigint
           and state in ('ready', 'deferred') and next_attempt < $2::bigint order by due, message, idx
           limit ${PIECE} for update skip locked) returning destination, due`,
        [destination, until],
      )
    );
    changed += count;
    if (count < PIECE) break;
  }
  await look(pool, [destination]).catch(() => {}); // an earlier moment than what is true costs a look
  return changed;
}
