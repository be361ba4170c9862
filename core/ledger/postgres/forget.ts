/**
 * Takes an address out of one stretch of a ledger in PostgreSQL: from every row that names it, and from the index. The old
 * rows leave the files by the VACUUM at its end; what the database keeps of its log and in backups is not ours to change.
 */
import type { Sql } from "./asking.ts";
import { needleOf, withoutAddress } from "../archive/forget.ts";
import { mapStrings } from "../archive/redaction.ts";
import { tokensOf } from "../archive/tokens.ts";
import { timeKey, wordsOf } from "./keys.ts";
import type { Stretch } from "./tables.ts";

export interface Where {
  /** Null: there is none. */
  readonly stretch: Stretch | null;
  /** What people did too. */
  readonly audits: boolean;
}

/** Rows in memory at a time. */
const PIECE = 200;

/** Returns how many entries named it. `address` as it stands in the ledger. */
export async function forgetIn(sql: Sql, address: string, { stretch, audits }: Where): Promise<number> {
  const wanted = address.toLowerCase(), needle = needleOf(wanted), changed = new Set<string>();
  const without = (text: string) => withoutAddress(text, wanted);
  const rewritten = (json: string) => JSON.stringify(mapStrings(JSON.parse(json), without));
  if (stretch !== null) {
    const low = timeKey(stretch.start), high = timeKey(stretch.stop);
    for (const table of ["entry", "session"] as const) {
      for (let from = low;;) {
        const rows = await sql.unsafe(
          `select key, head, part from ledger_${table} where key >= $1 and key < $2
           and (position($3 in lower(head)) > 0 or position($3 in lower(part)) > 0) order by key limit ${PIECE}`,
          [from, high, needle],
        );
        for (const { key, head, part } of rows) {
          const values = [rewritten(head), rewritten(part)] as const;
          if (values[0] === head && values[1] === part) continue;
          if (table === "entry") {
            changed.add(key);
            const words = wordsOf(tokensOf(JSON.parse(values[0])));
            await sql`update ledger_entry set head = ${values[0]}, part = ${values[1]},
              words = array_to_tsvector(string_to_array(${words}, ' ')) where key = ${key}`;
          } else await sql`update ledger_session set head = ${values[0]}, part = ${values[1]} where key = ${key}`;
        }
        if (rows.length < PIECE) break;
        from = `${rows.at(-1)!["key"]}!`; // behind it, before every other one
      }
    }
    const late = await sql`select n, key, data from ledger_late where key >= ${low} and key < ${high}
      and position(${needle} in lower(data)) > 0`;
    for (const { n, key, data } of late) {
      const text = rewritten(data);
      if (text === data) continue;
      changed.add(key);
      await sql`update ledger_late set data = ${text} where key = ${key} and n = ${n}`;
    }
    if (changed.size > 0) await vacuum(sql, stretch);
  }
  if (audits) {
    const rows = await sql`select n, subject, data from ledger_audit where position(${needle} in lower(data)) > 0
      or position(${needle} in lower(subject)) > 0`;
    for (const { n, subject, data } of rows) {
      await sql`update ledger_audit set data = ${rewritten(data)}, subject = ${without(subject)} where n = ${n}`;
    }
  }
  return changed.size;
}

/** Where it cannot, the database does it by itself, later. */
async function vacuum(sql: Sql, { start }: Stretch): Promise<void> {
  for (const table of ["entry", "session", "late"]) {
    await sql.unsafe(`vacuum ledger_${table}_${start}`).catch(() => {});
  }
}
