/**
 * Finds entries by words, the newest first. What is common is found by looking at the newest; what is not found there is
 * rare, and the index is fast at it, one stretch after the other. Non-job: which words (tokens.ts).
 */
import { StoreError } from "../../store/store.ts";
import type { Sql } from "./asking.ts";
import type { Question } from "../archive/tokens.ts";
import type { Head } from "../codec.ts";
import { queryOf, timeKey } from "./keys.ts";
import type { Stretch } from "./tables.ts";

export interface Found {
  readonly key: string;
  readonly head: Head;
}
export interface Range {
  /** Keys: from, inclusive. */
  readonly from: string;
  /** Up to, exclusive. */
  readonly above: string;
  readonly limit: number;
  /** The newest first. */
  stretches(): Promise<readonly Stretch[]>;
}

/** Entries that are looked at in one go. */
const LOOK = 1000;
/** One in so many has to fit for looking on. */
const COMMON = 10;

export async function findHeads(sql: Sql, question: Question, range: Range): Promise<Found[]> {
  const words = queryOf(question), { from, limit } = range;
  let { above } = range;
  if (words === "") return await newest(sql, { from, above, limit });
  const found: Found[] = [];
  for (;;) {
    const rows = await sql.unsafe(
      `select key, case when words @@ $1::text::tsquery then head end as head from
       (select key, words, head from ledger_entry where key >= $2 and key < $3 order by key desc limit ${LOOK}) as look
       order by key desc`,
      [words, from, above],
    );
    const fitting = rows.filter((row) => row["head"] !== null);
    found.push(...fitting.slice(0, limit - found.length).map(foundOf));
    if (found.length === limit || rows.length < LOOK) return found;
    above = rows.at(-1)!["key"];
    if (fitting.length * COMMON < LOOK) break;
  }
  for (const { start, stop } of await range.stretches()) {
    const low = max(from, timeKey(start)), high = min(above, timeKey(stop));
    if (low >= high) continue;
    found.push(...await rare(sql, { words, low, high, start, limit: limit - found.length }));
    if (found.length === limit) break;
  }
  return found;
}

interface Rare {
  readonly words: string;
  readonly low: string;
  readonly high: string;
  /** Of the stretch. */
  readonly start: number;
  readonly limit: number;
}

/** By the words' index: an expression of the key keeps the planner from walking along the keys of a whole stretch. */
async function rare(sql: Sql, { words, low, high, start, limit }: Rare): Promise<Found[]> {
  try {
    const rows = await sql.unsafe(
      `with hit as materialized (select key, head from ledger_entry_${start}
         where words @@ $1::text::tsquery and key || '' >= $2 and key || '' < $3)
       select key, head from hit order by key desc limit ${limit}`,
      [words, low, high],
    );
    return rows.map(foundOf);
  } catch (error) {
    if (error instanceof StoreError && /relation .* does not exist/.test(error.message)) return []; // just dropped
    throw error;
  }
}

async function newest(sql: Sql, { from, above, limit }: Omit<Range, "stretches">): Promise<Found[]> {
  const rows = await sql`select key, head from ledger_entry where key >= ${from} and key < ${above}
    order by key desc limit ${limit}`;
  return rows.map(foundOf);
}

function foundOf(row: Record<string, string>): Found {
  return { key: row["key"]!, head: JSON.parse(row["head"]!) };
}
const max = (a: string, b: string) => a > b ? a : b;
const min = (a: string, b: string) => a < b ? a : b;
