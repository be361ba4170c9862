/**
 * Takes an address out of one file: from every row that names it, and from the index. Reads all of it, for an address may
 * stand in any sentence. Non-job: what an address looks like (redaction.ts).
 */
import type { Head } from "../codec.ts";
import { FORGOTTEN, mapStrings, replaceAddresses } from "./redaction.ts";
import type { Slice } from "./slice.ts";
import { tokensOf } from "./tokens.ts";

/** Rows between two looks at whom else to serve. */
const TABLES = [["session", "head", "part"], ["late", "data"], ["audit", "data", "subject"]] as const;

/** Returns how many entries named it. `address` as it stands in the file. */
export function forgetIn(slice: Slice, address: string): number {
  const wanted = address.toLowerCase(), needle = JSON.stringify(wanted).slice(1, -1);
  const without = (text: string) =>
    replaceAddresses(text, (found) => found.toLowerCase() === wanted ? FORGOTTEN : found);
  const rewritten = (json: string) => JSON.stringify(mapStrings(JSON.parse(json), without));
  const { sql } = slice;
  return slice.transact(() => {
    sql.run("insert into word (word, rank) values ('secure-delete', 1)"); // the old words leave the file at once
    let entries = 0;
    const found = sql.all<{ key: number; head: string; part: string; id: string }>(
      `select key, head, part, head ->> '$[0]' as id from entry where instr(lower(head), ?) or instr(lower(part), ?) or key in
       (select e.key from late l join entry e on e.key = l.key where instr(lower(l.data), ?))`,
      needle,
      needle,
      needle,
    );
    for (const { key, head, part } of found) {
      const headText = rewritten(head), after: Head = JSON.parse(headText), before: Head = JSON.parse(head);
      entries++;
      if (headText === head && !part.toLowerCase().includes(needle)) continue; // only what came late names it
      slice.replace(key, tokensOf(before), { headText, part: rewritten(part), words: tokensOf(after) });
    }
    for (const [table, ...columns] of TABLES) {
      const where = columns.map((each) => `instr(lower(${each}), ?)`).join(" or ");
      const rows = sql.all<Record<string, string>>(
        `select rowid as row, ${columns} from ${table} where ${where}`,
        ...columns.map(() => needle),
      );
      for (const row of rows) {
        const values = columns.map((each) => each === "subject" ? without(row[each]!) : rewritten(row[each]!));
        sql.run(`update ${table} set ${columns.map((each) => `${each} = ?`)} where rowid = ?`, ...values, row["row"]!);
      }
    }
    return entries;
  });
}
