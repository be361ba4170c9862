/**
 * The destinations that have something due by itself, and when: as in ../destinations.ts each row is never later than what
 * is due there, and may be earlier. Whoever writes recipients holds the row's lock in share until his transaction ends
 * (NOTE in committing.ts), and who brings a row up to date takes it alone, or leaves it when somebody has it.
 * Non-job: recipients.
 */
import { NOTE } from "./committing.ts";
import { type Connection, rows } from "./connection.ts";
import type { Pool } from "./pool.ts";

/** `changed`: a statement that returns `destination` and `due` of what it changed. Resolves to how many rows. */
export async function noting(
  connection: Connection,
  changed: string,
  values: readonly (string | number | null)[],
): Promise<number> {
  const [row] = await connection.query<{ changed: number }>(
    `with changed as (${changed}), ${NOTE("changed")} select count(*)::int as changed from changed`,
    values,
  );
  return row!.changed;
}

/** Makes these rows what their recipients say, but for those that somebody writes to now. */
export async function look(pool: Pool, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await pool.use((connection) =>
    connection.transaction(async (inside) => {
      void inside.query("set local synchronous_commit = off"); // what stood there before a crash holds as well
      const locked = await inside.query<{ name: string }>(
        `select name from destination where name in (select json_array_elements_text($1::text::json))
           order by name for update skip locked`,
        [rows(names)],
      );
      // Another statement, and so another moment: it sees what was committed before the locks were had
      await inside.query(
        `with found as (
           select name, (select min(due) from recipient where destination = name and due is not null) as earliest
             from json_array_elements_text($1::text::json) as g (name)
         ), gone as (
           delete from destination d using found f where d.name = f.name and f.earliest is null
         )
         update destination d set due = f.earliest from found f
           where d.name = f.name and f.earliest is not null and d.due <> f.earliest`,
        [rows(locked.map(({ name }) => name))],
      );
    })
  );
}
