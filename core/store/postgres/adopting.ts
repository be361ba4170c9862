/**
 * Takes over a message that left another store, with its states, attempts and moments. Non-job: what it is in rows
 * (committing.ts).
 */
import { type Commit, insert } from "./committing.ts";
import { rows } from "./connection.ts";
import { sqlState } from "./faults.ts";
import type { Pool } from "./pool.ts";

const UNIQUE = "23505";

/** False when the id is there already: then nothing is changed. */
export async function adopt(pool: Pool, commit: Commit): Promise<boolean> {
  try {
    await pool.transaction(async (connection) => {
      await insert(connection, [commit], "");
      const corrupt = commit.recipients.filter(({ state }) => state === "corrupt");
      if (corrupt.length === 0) return;
      await connection.query(
        `insert into corrupt select message, coalesce(last_reply, '')
           from json_to_recordset($1::text::json) as g (message text, last_reply text) limit 1`,
        [rows(corrupt)],
      );
    });
    return true;
  } catch (error) {
    if (sqlState(error) === UNIQUE) return false;
    throw error;
  }
}
