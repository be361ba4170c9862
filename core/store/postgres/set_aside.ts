/**
 * Rows that cannot be read: they are listed as corrupt with a reason and wait for a person, and everything else goes on.
 * Part of somebody else's transaction. Non-job: what makes a row unreadable (../rows.ts).
 */
import { CorruptRow } from "../rows.ts";
import type { Connection } from "./connection.ts";

/** Lists the message as corrupt when that is what the error says, else throws it; all its recipients wait, or the one. */
export async function setAside(
  connection: Connection,
  error: unknown,
  { id, idx = null }: { readonly id: string; readonly idx?: number | null },
): Promise<string> {
  if (!(error instanceof CorruptRow)) throw error;
  const why = error.message;
  void connection.query(
    "insert into corrupt values ($1::text, $2::text) on conflict (message) do update set why = excluded.why",
    [id, why],
  );
  await connection.query(
    `update recipient set state = 'corrupt', due = null, appointed = null, owner = null, last_reply = $2::text
       where message = $1::text and (idx = $3::int or $3::int is null)
         and (due is not null or state not in ('held', 'delivered', 'failed', 'expired'))`,
    [id, why, idx],
  );
  return `message ${id} is set aside: ${why}`;
}
