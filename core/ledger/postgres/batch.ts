/**
 * Writes a batch of lines into the database, in one transaction. What two nodes tell of one message meets here: a row, and
 * what came late, wherever it was delivered. Non-job: tables (tables.ts), gathering (gathered.ts).
 */
import { rows } from "../../store/postgres/connection.ts";
import { sqlState } from "../../store/postgres/faults.ts";
import { StoreError } from "../../store/store.ts";
import type { Sql, Transaction } from "./asking.ts";
import { type Head, ID, type Late, timeOf } from "../codec.ts";
import { letterHead } from "../archive/letter.ts";
import { type Line, linesOf } from "../archive/lines.ts";
import { MINUTE, NUMBERS, PLUGIN_STEP } from "../archive/numbers.ts";
import { redactedJson } from "../archive/redaction.ts";
import { tokensOf } from "../archive/tokens.ts";
import { type Counted, PLUGIN_COUNTS } from "../recording/tally.ts";
import { keyOf, wordsOf } from "./keys.ts";
import type { Tables } from "./tables.ts";

interface Row {
  readonly key: string;
  readonly head: string;
  readonly part: string;
  readonly words: string;
}
interface Letter {
  readonly id: string;
  readonly parent: string;
  readonly late: Late & { readonly 0: "attempt" };
}

/** Changes how addresses are written; null: not at all. */
export type Readdress = ((address: string) => string) | null;

/** A stretch of it was dropped by another node, or is made by one. */
class StretchGone extends StoreError {}
const GONE = /^(?:23514|42P01)$/; // no partition for the row, no such table

/** A batch as rows. */
export class Batch {
  readonly entries: Row[] = [];
  readonly sessions: Row[] = [];
  readonly lates: { readonly key: string; readonly data: string; readonly at: number; readonly make: boolean }[] = [];
  readonly letters: Letter[] = [];
  readonly audits: { readonly at: number; readonly subject: string; readonly data: string }[] = [];
  readonly counts: Counted[] = [];

  constructor(lines: string, readonly address: Readdress) {
    for (const line of linesOf(lines)) this.#take(line);
  }

  #take(line: Line): void {
    switch (line.kind) {
      case "entry":
        return void this.entries.push(this.#row(line));
      case "session":
        return void this.sessions.push(this.#row(line));
      case "late":
        return this.#late(line);
      case "audit": {
        const data = redactedJson(line.data, this.address), [at, , , , subject] = JSON.parse(data);
        return void this.audits.push({ at, subject: String(subject), data });
      }
      case "counts":
        return void this.counts.push(JSON.parse(line.data));
    }
  }

  #row({ head: headText, part }: { readonly head: string; readonly part: string }): Row {
    const text = redactedJson(headText, this.address), head: Head = JSON.parse(text);
    return { key: keyOf(head[ID]), head: text, part: redactedJson(part, this.address), words: wordsOf(tokensOf(head)) };
  }

  #late({ parent, id, data: json }: Line & { kind: "late" }): void {
    const data = redactedJson(json, this.address);
    this.lates.push({ key: keyOf(id), data, at: timeOf(id), make: parent !== null });
    if (parent === null) return;
    const late: Late = JSON.parse(data);
    if (late[0] === "attempt") this.letters.push({ id, parent, late });
  }
}

/** All of it or nothing. @throws what the database says. */
export async function writeBatch(sql: Sql, tables: Tables, batch: Batch, now: number): Promise<void> {
  for (let left = 2;; left--) {
    try {
      const kept = await prepared(tables, batch, now);
      return await sql.begin((sql) => write(sql, batch, kept));
    } catch (error) {
      if (left === 0 || !(error instanceof StretchGone)) throw error;
      tables.refresh();
    }
  }
}

/** Makes the stretches that it wants; what came late for one that is gone is left out. */
async function prepared(tables: Tables, { entries, sessions, lates }: Batch, now: number): Promise<Batch["lates"]> {
  for (const { key } of [...entries, ...sessions]) await tables.has(timeOf(key), { make: true });
  const kept: Batch["lates"] = [];
  for (const late of lates) { // it may be here before its message is: another node has that
    if (await tables.has(late.at, { make: late.make || tables.isKept(late.at, now) })) kept.push(late);
  }
  return kept;
}

async function write(sql: Transaction, batch: Batch, lates: Batch["lates"]): Promise<void> {
  try {
    await writeRows(sql, batch, lates);
  } catch (error) {
    throw GONE.test(sqlState(error)) ? new StretchGone("io", (error as Error).message) : error;
  }
}

async function writeRows(sql: Transaction, batch: Batch, lates: Batch["lates"]): Promise<void> {
  const { entries, sessions, letters, audits, counts } = batch;
  await sql`set local synchronous_commit = off`; // the last moment may be lost in a crash, as from the files
  if (entries.length > 0) {
    await sql`insert into ledger_entry (key, head, part, words)
      select key, head, part, array_to_tsvector(string_to_array(words, ' '))
      from json_to_recordset(${rows(entries)}::text::json) as row (key text, head text, part text, words text)
      on conflict do nothing`;
  }
  if (sessions.length > 0) {
    await sql`insert into ledger_session (key, head, part)
      select key, head, part from json_to_recordset(${
      rows(sessions)
    }::text::json) as row (key text, head text, part text)
      on conflict (key) do update set head = excluded.head, part = excluded.part`;
  }
  for (const letter of letters.toSorted((a, b) => a.id < b.id ? -1 : 1)) await writeLetter(sql, letter);
  if (lates.length > 0) {
    await sql`insert into ledger_late (key, data)
      select key, data from json_to_recordset(${rows(lates)}::text::json) as row (key text, data text)`;
  }
  for (const { at, subject, data } of audits) {
    await sql`insert into ledger_audit (at, subject, data) values (${at}, ${subject}, ${data})`;
  }
  for (const each of counts) await count(sql, each);
}

/** An entry for a letter of this site's own; its recipients come one by one, from whatever node has it. */
async function writeLetter(sql: Transaction, { id, parent, late }: Letter): Promise<void> {
  const key = keyOf(id), [, , recipient, , , , , , , , sender] = late;
  const first = letterHead(null, { id, parent, recipient, sender })!;
  const made = await sql`insert into ledger_entry (key, head, part, words) values (${key}, ${JSON.stringify(first)},
    '[[],false,[],[],null]', array_to_tsvector(string_to_array(${
    wordsOf(tokensOf(first))
  }, ' '))) on conflict do nothing`;
  if (made.count > 0) return;
  const [row] = await sql`select head from ledger_entry where key = ${key} for update`;
  if (row === undefined) return;
  const head = letterHead(JSON.parse(row["head"]), { id, parent, recipient, sender });
  if (head === null) return;
  await sql`update ledger_entry set head = ${JSON.stringify(head)},
    words = array_to_tsvector(string_to_array(${wordsOf(tokensOf(head))}, ' ')) where key = ${key}`;
}

const ADD_MINUTE = `insert into ledger_minute as m (at, queue, ${NUMBERS.join(", ")})
  values ($1, $2, ${NUMBERS.map((_, at) => `$${at + 3}`).join(", ")})
  on conflict (at) do update set queue = coalesce(excluded.queue, m.queue),
  ${NUMBERS.map((each) => `${each} = m.${each} + excluded.${each}`).join(", ")}`;
const ADD_PLUGIN = `insert into ledger_plugin as p (at, plugin, ${PLUGIN_COUNTS.join(", ")})
  values ($1, $2, ${PLUGIN_COUNTS.map((_, at) => `$${at + 3}`).join(", ")})
  on conflict (at, plugin) do update set
  ${PLUGIN_COUNTS.map((each) => `${each} = p.${each} + excluded.${each}`).join(", ")}`;

async function count(sql: Transaction, { at, counts, commit, delay, queue, plugins }: Counted): Promise<void> {
  const minute = Math.floor(at / MINUTE) * MINUTE, step = Math.floor(at / PLUGIN_STEP) * PLUGIN_STEP;
  await sql.unsafe(ADD_MINUTE, [minute, queue, ...counts, ...commit, ...delay]);
  const sorted = plugins.toSorted(([a], [b]) => a < b ? -1 : 1); // the same order on every node: no deadlock
  for (const [plugin, numbers] of sorted) await sql.unsafe(ADD_PLUGIN, [step, plugin, ...numbers]);
}
