/**
 * Takes an address out of one file: from every row that names it, and from the index. Reads all of it, for an address may
 * stand in any sentence. Non-job: what an address looks like (redaction.ts).
 */
import { FORGOTTEN, mapStrings, replaceAddresses } from "./redaction.ts";
import type { Slice } from "./slice.ts";
import { tokensOf } from "./tokens.ts";

const TABLES = [["session", "head", "part"], ["late", "data"], ["audit", "data", "subject"]] as const;

/** Returns how many entries named it. `address` as it stands in the file. */
export function forgetIn(slice: Slice, address: string): number {
  const wanted = address.toLowerCase(), needle = needleOf(wanted);
  const without = (text: string) => withoutAddress(text, wanted);
  slice.overwrites(true); // nor do the old rows stay in it
  try {
    return slice.transact(() => rewrite(slice, { needle, without }));
  } finally {
    slice.overwrites(false);
    slice.scrub();
  }
}

interface Change {
  /** Rows without it, whatever the case of its letters, do not name the address. */
  readonly needle: string;
  without(text: string): string;
}

/** Returns how many entries are others now. */
function rewrite(slice: Slice, { needle, without }: Change): number {
  const { sql } = slice, changed = new Set<number>();
  const rewritten = (json: string) => JSON.stringify(mapStrings(JSON.parse(json), without));
  sql.run("insert into word (word, rank) values ('secure-delete', 1)"); // the old words leave the file at once
  const found = sql.all<{ key: number; head: string; part: string }>(
    "select key, head, part from entry where instr(lower(head), ?) or instr(lower(part), ?)",
    needle,
    needle,
  );
  for (const { key, head, part } of found) {
    const headText = rewritten(head), partText = rewritten(part);
    if (headText === head && partText === part) continue;
    changed.add(key);
    slice.replace(key, tokensOf(JSON.parse(head)), { headText, part: partText, words: tokensOf(JSON.parse(headText)) });
  }
  for (const [table, ...columns] of TABLES) {
    const where = columns.map((each) => `instr(lower(${each}), ?)`).join(" or ");
    const rows = sql.all<Record<string, string>>(
      `select rowid as row, ${columns}${table === "late" ? ", id" : ""} from ${table} where ${where}`,
      ...columns.map(() => needle),
    );
    for (const row of rows) {
      const values = columns.map((each) => each === "subject" ? without(row[each]!) : rewritten(row[each]!));
      if (columns.every((each, at) => values[at] === row[each])) continue;
      sql.run(`update ${table} set ${columns.map((each) => `${each} = ?`)} where rowid = ?`, ...values, row["row"]!);
      const key = table === "late" ? slice.find(row["id"]!)?.key : undefined;
      if (key !== undefined) changed.add(key);
    }
  }
  return changed.size;
}

/**
 * What rows of the address have in them: of one beyond ASCII the longest piece within, because SQLite and JSON know upper
 * and lower case of ASCII alone.
 */
export function needleOf(wanted: string): string {
  const [longest = ""] = JSON.stringify(wanted).slice(1, -1).split(/[^\x20-\x7e]+/).sort((a, b) => b.length - a.length);
  return longest;
}

/** Marks that may be of an address and also stand before one: `mailfrom=ada@example.org`, `'ada@example.org'`. */
const BEFORE = /[=/'|`{!?#%&*^$~]$/;

/** A text without the address, in lower case here. */
export function withoutAddress(text: string, wanted: string): string {
  return replaceAddresses(text, (found) => withoutEnd(found, wanted));
}

/** Without the address that it is, or ends with. */
function withoutEnd(found: string, wanted: string): string {
  if (!found.toLowerCase().endsWith(wanted)) return found;
  const before = found.slice(0, -wanted.length);
  return before === "" || BEFORE.test(before) ? before + FORGOTTEN : found;
}
