/**
 * What is asked of a ledger in PostgreSQL: finds entries, tells stories, adds counts up, over all nodes. And takes an
 * address out of it. Non-job: writing batches (batch.ts), which stretches there are (tables.ts).
 */
import { randomBytes } from "node:crypto";
import { readId, readShortId, shortId } from "../../model/id.ts";
import { rows } from "../../store/postgres/connection.ts";
import { Pool } from "../../store/postgres/pool.ts";
import { parseDatabaseUrl } from "../../store/postgres/url.ts";
import {
  auditRow,
  entryOf,
  type Head,
  ID,
  type Late,
  type MessagePart,
  SESSION,
  sessionHead,
  type SessionPart,
  storyOf,
  timeOf,
  VERDICT,
} from "../codec.ts";
import type { LedgerResults, PostgresSettings } from "../archive/protocol.ts";
import { type RateRange, ratesOf, type Steps, stepsOf } from "../archive/rates.ts";
import { type MinuteRow, NUMBERS, PLUGIN_STEP } from "../archive/numbers.ts";
import { redactedQuery, redactor } from "../archive/redaction.ts";
import { questionOf } from "../archive/tokens.ts";
import type { LedgerPage, LedgerQuery, PluginCount, RatePoint } from "../ledger.ts";
import { PLUGIN_COUNTS } from "../recording/tally.ts";
import type { AuditRow, Entry, Story } from "../story.ts";
import { type Sql, sqlOf } from "./asking.ts";
import { Batch, type Readdress, writeBatch } from "./batch.ts";
import { findHeads, type Found } from "./finder.ts";
import { forgetIn } from "./forget.ts";
import { ABOVE, keyOf, timeKey } from "./keys.ts";
import { Tables } from "./tables.ts";

const MOST = 500, USUAL = 50;
/** Messages of a session that a story lists. */
const LISTED = 100;
/** Entries that are counted one by one; more are estimated, as the database's planner does. */
const COUNTED = 100_000;

interface Stored {
  readonly head: Head;
  readonly part: string;
}

export interface PostgresArchiveOptions {
  /** Connections at most. */
  readonly size: number;
}

export class PostgresArchive {
  readonly #settings: PostgresSettings;
  readonly #pool: Pool;
  readonly #sql: Sql;
  readonly #tables: Tables;
  #address: Promise<Readdress> | null = null;
  #tidied = -Infinity;

  /** Connects when it is asked something. */
  constructor(settings: PostgresSettings, { size }: PostgresArchiveOptions) {
    this.#settings = settings;
    this.#pool = new Pool({ address: parseDatabaseUrl(settings.postgres), size });
    this.#sql = sqlOf(this.#pool);
    this.#tables = new Tables(this.#pool, settings);
  }

  /** Whether there is a ledger at all. */
  exists(): Promise<boolean> {
    return this.#tables.prepare({ make: false });
  }

  /** How addresses are written; where they are hashed, all nodes have one key. */
  #readdress(): Promise<Readdress> {
    return this.#address ??= this.#readKey().catch((error) => {
      this.#address = null;
      throw error;
    });
  }
  async #readKey(): Promise<Readdress> {
    const { redact } = this.#settings;
    if (redact === "none") return null;
    if (redact === "local-part") return redactor(redact, new Uint8Array());
    const key = await this.#tables.shared("key", () => randomBytes(32).toString("base64"));
    return redactor(redact, Uint8Array.fromBase64(key));
  }

  /** @throws what the database says; then nothing of it is written. */
  async write(lines: string, now: number): Promise<void> {
    await this.#tables.prepare();
    await writeBatch(this.#sql, this.#tables, new Batch(lines, await this.#readdress()), now);
    if (Math.abs(now - this.#tidied) < 60_000) return;
    this.#tidied = now;
    await this.#tables.tidy(now);
  }

  async search(query: LedgerQuery, now: number): Promise<LedgerPage> {
    await this.#tables.prepare();
    const question = questionOf(redactedQuery(query, await this.#readdress()));
    if (question === null) return { entries: [], more: false };
    const limit = Math.max(1, Math.min(query.limit ?? USUAL, MOST)), { keep } = this.#settings;
    const oldest = keep === null ? 0 : now - keep;
    const until = query.until === undefined ? ABOVE : timeKey(query.until);
    const before = query.before === undefined ? ABOVE : keyOf(query.before);
    const found = await findHeads(this.#sql, question, {
      from: timeKey(Math.max(oldest, query.since ?? 0)),
      above: before < until ? before : until,
      limit: limit + 1,
      stretches: () => this.#tables.stretches(),
    });
    const entries = await this.#entries(found.slice(0, limit));
    return { entries, more: found.length > limit };
  }

  /** With what came late of each. */
  async #entries(found: readonly Found[]): Promise<Entry[]> {
    const late = await this.#late(found.map(({ key }) => key));
    return found.map(({ key, head }) => entryOf(head, late.get(key) ?? []));
  }
  async #late(keys: readonly string[]): Promise<ReadonlyMap<string, Late[]>> {
    const late = new Map<string, Late[]>();
    if (keys.length === 0) return late;
    const found = await this.#sql`select key, data from ledger_late
      where key in (select json_array_elements_text(${rows(keys)}::text::json)) order by n`;
    for (const row of found) {
      const list = late.get(row["key"]) ?? [];
      list.push(JSON.parse(row["data"]));
      late.set(row["key"], list);
    }
    return late;
  }

  async #find(table: "entry" | "session", id: string): Promise<Stored | null> {
    const rows = await this.#sql.unsafe(`select head, part from ledger_${table} where key = $1`, [keyOf(id)]);
    const [row] = rows;
    if (row === undefined) return null;
    const head: Head = JSON.parse(row["head"]);
    return head[ID] === id ? { head, part: row["part"] } : null;
  }

  async explain(asked: string): Promise<Story | null> {
    await this.#tables.prepare();
    const id = await this.#named(asked);
    if (id === null) return null;
    if (id.startsWith("s")) return await this.#sessionStory(id);
    const found = await this.#find("entry", id);
    if (found === null) return null;
    const message: MessagePart = JSON.parse(found.part);
    const session = message[5] ?? await this.#sessionPart(found.head[SESSION]);
    const late = (await this.#late([keyOf(id)])).get(keyOf(id)) ?? [];
    return storyOf({ head: found.head, message, session, late, audit: await this.#auditOf(id), messages: [] });
  }

  async #sessionPart(id: string): Promise<SessionPart | null> {
    const found = await this.#find("session", id);
    return found && JSON.parse(found.part);
  }

  /** Of a session that brought nothing, or of one that has a row of its own, or that stands with its only message. */
  async #sessionStory(id: string): Promise<Story | null> {
    const alone = await this.#find("entry", id), audit = await this.#auditOf(id);
    const own = alone ?? await this.#find("session", id);
    const messages = alone === null ? await this.#messagesOf(id) : [], last = messages.at(-1);
    if (own === null) {
      const found = last === undefined ? null : await this.#find("entry", last.id);
      if (found === null) return null;
      const [, , , , , session]: MessagePart = JSON.parse(found.part);
      return session === undefined
        ? null
        : storyOf({ head: sessionHead(found.head), message: null, session, late: [], audit, messages });
    }
    const head: Head = [...own.head];
    if (last !== undefined) head[VERDICT] = last.verdict;
    return storyOf({ head, message: null, session: JSON.parse(own.part), late: [], audit, messages });
  }

  /** What a session brought, in order. */
  async #messagesOf(session: string): Promise<readonly Entry[]> {
    const rows = await this.#hits(`'s:${shortId(session).toLowerCase()}'`, {
      from: timeKey(timeOf(session)),
      order: "asc",
    });
    return await this.#entries(rows.filter(({ head }) => head[SESSION] === session).slice(0, LISTED));
  }

  /** Rows by the index, whatever the planner would think of it: the words are rare. */
  async #hits(
    words: string,
    { from, order }: { readonly from: string; readonly order: "asc" | "desc" },
  ): Promise<Found[]> {
    const rows = await this.#sql.unsafe(
      `with hit as materialized (select key, head from ledger_entry where words @@ $1::text::tsquery and key || '' >= $2)
       select key, head from hit order by key ${order} limit ${MOST}`,
      [words, from],
    );
    return rows.map((row) => ({ key: row["key"], head: JSON.parse(row["head"]) }));
  }

  /** The full identifier of what a person typed. */
  async #named(asked: string): Promise<string | null> {
    const session = /^s/i.test(asked.trim()) ? readId(asked.trim().slice(1)) : null;
    if (session !== null) return `s${session}`;
    const id = readId(asked);
    if (id !== null) return await this.#find("entry", id) !== null ? id : `s${id}`;
    const short = readShortId(asked)?.toLowerCase();
    if (short === undefined) return null;
    const [hit] = await this.#hits(`'i:${short}' | 's:${short}'`, { from: "", order: "desc" });
    if (hit === undefined) return null;
    return shortId(hit.head[ID]).toLowerCase() === short ? hit.head[ID] : hit.head[SESSION];
  }

  async #auditOf(id: string): Promise<AuditRow[]> {
    const rows = await this.#sql`select data from ledger_audit where subject in (${id}, ${shortId(id)})
      order by at desc, n desc limit 100`;
    return rows.map((row) => auditRow(row["data"])).reverse();
  }

  async rates(range: RateRange): Promise<readonly RatePoint[]> {
    await this.#tables.prepare();
    const minutes = await this.#minutes(stepsOf(range));
    return ratesOf([{ minutes: () => minutes }], range);
  }
  async #minutes({ since, until, step }: Steps): Promise<MinuteRow[]> {
    const rows = await this.#sql.unsafe(
      `select ((at - $1) / $3)::float8 as step,
        (array_agg(queue order by at desc) filter (where queue is not null))[1]::float8 as queue,
        concat_ws(',', ${NUMBERS.map((each) => `sum(${each})`).join(", ")}) as numbers
       from ledger_minute where at >= $1 and at < $2 group by 1 order by 1`,
      [since, until, step],
    );
    return rows.map((row) => ({
      at: since + Number(row["step"]) * step,
      queue: row["queue"] === null ? null : Number(row["queue"]),
      numbers: String(row["numbers"]).split(",").map(Number),
    }));
  }

  async plugins(since: number): Promise<readonly PluginCount[]> {
    await this.#tables.prepare();
    const rows = await this.#sql.unsafe(
      `select plugin, ${PLUGIN_COUNTS.map((each) => `sum(${each})::float8 as ${each}`).join(", ")}
       from ledger_plugin where at >= $1 group by plugin order by plugin collate "C"`,
      [Math.floor(since / PLUGIN_STEP) * PLUGIN_STEP],
    );
    return rows.map((row) => ({
      plugin: row["plugin"],
      refused: row["refused"],
      deferred: row["deferred"],
      held: row["held"],
      wouldRefuse: row["would_refuse"],
      wouldDefer: row["would_defer"],
      wouldHold: row["would_hold"],
      errors: row["errors"],
    }));
  }

  async audits({ limit, before }: { readonly limit: number; readonly before?: number }): Promise<readonly AuditRow[]> {
    await this.#tables.prepare();
    const most = Math.max(1, Math.min(limit, MOST)), until = before ?? Number.MAX_SAFE_INTEGER;
    const rows = await this
      .#sql`select data from ledger_audit where at < ${until} order by at desc, n desc limit ${most}`;
    return rows.map((row) => auditRow(row["data"]));
  }

  async size(): Promise<LedgerResults["size"]> {
    await this.#tables.prepare();
    const [row] = await this.#sql`select min(key) as oldest,
      (select coalesce(sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid))), 0)::float8 from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'ledger_entry'::regclass) as guess,
      (select count(*)::float8 from (select from ledger_entry limit ${COUNTED}) as few) as few from ledger_entry`;
    const some = Number(row!["few"]), oldest: string | null = row!["oldest"];
    return {
      entries: some < COUNTED ? some : Math.max(some, Number(row!["guess"])),
      octets: await this.#tables.octets(),
      oldest: oldest === null ? null : timeOf(oldest),
    };
  }

  /** Takes an address out of one stretch, the newest that begins before `before`. */
  async forget(address: string, before: number | null): Promise<LedgerResults["forget"]> {
    await this.#tables.prepare();
    const written = (await this.#readdress())?.(address) ?? address;
    const stretch = (await this.#tables.stretches()).find(({ start }) => before === null || start < before);
    if (stretch === undefined && before !== null) return { entries: 0, next: null };
    const entries = await forgetIn(this.#sql, written, { stretch: stretch ?? null, audits: before === null });
    return { entries, next: stretch?.start ?? null };
  }

  /** Ends its connections; what is under way fails. */
  async close(): Promise<void> {
    await this.#pool.end();
  }
}
