/**
 * The ledger's files and what is asked of them: writes batches of lines, finds entries, tells stories, adds counts up.
 * Runs in the ledger's thread; a command line opens it to read. Non-job: one file (slice.ts), open sessions (recorder.ts).
 */
import { randomBytes } from "node:crypto";
import { readId, readShortId, shortId } from "../../model/id.ts";
import { StoreError } from "../../store/store.ts";
import {
  auditRow,
  entryOf,
  type Head,
  ID,
  keyOf,
  type Late,
  type MessagePart,
  SESSION,
  sessionHead,
  type SessionPart,
  SLOTS,
  storyOf,
  timeOf,
  VERDICT,
} from "../codec.ts";
import { Finder } from "./finder.ts";
import { forgetIn } from "./forget.ts";
import type { LedgerPage, LedgerQuery, PluginCount, RatePoint } from "../ledger.ts";
import { letterHead } from "./letter.ts";
import type { ArchiveSettings, LedgerResults } from "./protocol.ts";
import { ratesOf } from "./rates.ts";
import { redactedJson, redactedQuery, redactor } from "./redaction.ts";
import { type Line, linesOf } from "./lines.ts";
import { MINUTE } from "./numbers.ts";
import type { Row, Slice } from "./slice.ts";
import { isDamage } from "./damage.ts";
import { Slices, textOf } from "./slices.ts";
import type { AuditRow, Entry, Story } from "../story.ts";
import type { Counted } from "../recording/tally.ts";
import { questionOf, tokensOf } from "./tokens.ts";

const MOST = 500, USUAL = 50;
const TIDY = 1 << 18;
/** Messages of a session that explain lists. */
const LISTED = 100;

/** What one stretch of time gets from a batch. */
interface Piece {
  readonly rows: Row[];
  readonly then: ((slice: Slice) => void)[];
}

export class Archive {
  readonly #slices: Slices;
  readonly #keep: number | null;
  readonly #address: ((address: string) => string) | null;
  #trouble: string[] = [];
  /** Characters since it was last looked whether something has to go, and when that was. */
  #written = 0;
  #tidied = -Infinity;

  constructor(settings: ArchiveSettings, options: { readonly readOnly?: boolean } = {}) {
    const { folder, keep, redact } = settings;
    this.#keep = keep;
    this.#slices = new Slices({ ...settings, ...options, trouble: (sentence) => this.#trouble.push(sentence) });
    this.#address = redact === "none" ? null : redactor(redact, keyIn(folder, options.readOnly === true));
  }

  /** Sentences for the log since the last time. */
  takeTrouble(): readonly string[] {
    const trouble = this.#trouble;
    this.#trouble = [];
    return trouble;
  }

  // ---- Writing -------------------------------------------------------------------------------------------------------

  /**
   * A line is a letter and JSON: `e` an entry (head, tab, part), `s` a session (the same), `l` what came late (id, tab, data),
   * `m` the same for a letter of this site's own (parent, tab, id, tab, data), `u` an audit row, `c` counts.
   *
   * @throws what SQLite says; then a stretch of the batch is not written.
   */
  write(lines: string, now: number): void {
    const pieces = new Map<Slice, Piece>();
    const piece = (at: number, make: boolean): Piece | null => {
      const slice = this.#slices.at(at, make);
      if (slice === null) return null;
      let found = pieces.get(slice);
      if (found === undefined) pieces.set(slice, found = { rows: [], then: [] });
      return found;
    };
    for (const line of linesOf(lines)) this.#line(line, now, piece);
    for (const [slice, { rows, then }] of pieces) {
      rows.sort((a, b) => a.key - b.key);
      this.#transact(slice, (slice) => {
        slice.add(rows);
        for (const each of then) each(slice);
      });
    }
    this.#written += lines.length;
    if (this.#written < TIDY && Math.abs(now - this.#tidied) < MINUTE) return;
    this.#written = 0;
    this.#tidied = now;
    this.#slices.read(() => this.#slices.tidy(now));
  }

  #transact(slice: Slice, work: (slice: Slice) => void): void {
    try {
      slice.transact(() => work(slice));
    } catch (error) {
      if (!isDamage(error)) throw error;
      const fresh = this.#slices.setAside(slice.start, textOf(error));
      fresh?.transact(() => work(fresh));
    }
  }

  #line(line: Line, now: number, piece: (at: number, make: boolean) => Piece | null): void {
    switch (line.kind) {
      case "entry": {
        const row = this.#row(line.head, line.part);
        piece(Math.floor(row.key / SLOTS), true)?.rows.push(row);
        return;
      }
      case "session": {
        const { key, headText, part } = this.#row(line.head, line.part, false);
        piece(Math.floor(key / SLOTS), true)?.then.push((slice) => slice.addSession(key, headText, part));
        return;
      }
      case "late":
        return this.#late(line, piece);
      case "audit": {
        const data = redactedJson(line.data, this.#address), [at, , , , subject] = JSON.parse(data);
        piece(now, true)?.then.push((slice) => slice.addAudit(at, subject, data));
        return;
      }
      case "counts": {
        const counted: Counted = JSON.parse(line.data);
        piece(counted.at, true)?.then.push((slice) => slice.count(counted));
      }
    }
  }

  #row(headText: string, part: string, indexed = true): Row {
    headText = redactedJson(headText, this.#address);
    part = redactedJson(part, this.#address);
    const head: Head = JSON.parse(headText);
    return { key: keyOf(head[ID]), head, headText, part, words: indexed ? tokensOf(head) : "" };
  }

  #late({ parent, id, data: json }: Line & { kind: "late" }, piece: (at: number, make: boolean) => Piece | null): void {
    const data = redactedJson(json, this.#address), at = timeOf(id);
    const target = piece(at, parent !== null);
    if (target === null) return; // its stretch is gone
    target.then.push((slice) => {
      if (parent !== null) this.#letter(slice, id, parent, JSON.parse(data));
      slice.addLate(id, data);
    });
  }

  /** An entry for a letter of this site's own, which no session brought; its recipients come one by one. */
  #letter(slice: Slice, id: string, parent: string, late: Late): void {
    if (late[0] !== "attempt") return;
    const found = slice.find(id), [, , recipient, , , , , , , , sender] = late;
    const head = letterHead(found?.head ?? null, { id, parent, recipient, sender });
    if (head === null) return;
    const row = this.#row(JSON.stringify(head), found?.part ?? "[[],false,[],[],null]");
    if (found === null) slice.add([row]);
    else slice.replace(found.key, tokensOf(found.head), row);
  }

  // ---- Reading -------------------------------------------------------------------------------------------------------

  search(query: LedgerQuery, now: number): LedgerPage {
    return this.#slices.read(() => this.#search(query, now));
  }
  #search(query: LedgerQuery, now: number): LedgerPage {
    const question = questionOf(redactedQuery(query, this.#address));
    if (question === null) return { entries: [], more: false };
    const finder = new Finder(question);
    const limit = Math.max(1, Math.min(query.limit ?? USUAL, MOST));
    const oldest = this.#keep === null ? -Infinity : now - this.#keep;
    const from = Math.max(0, Math.max(oldest, query.since ?? 0) * SLOTS);
    let above = query.until === undefined ? Number.MAX_SAFE_INTEGER : Math.max(0, query.until * SLOTS);
    if (query.before !== undefined) above = Math.min(above, this.#keyOf(query.before));
    const entries: Entry[] = [];
    for (const slice of this.#slices.newestFirst()) {
      if (slice.start * SLOTS >= above) continue;
      const left = limit + 1 - entries.length;
      const heads = finder.find(slice, { from: Math.ceil(from), above: Math.ceil(above), limit: left });
      for (const head of heads) entries.push(this.#entry(slice, head));
      if (entries.length > limit || slice.start * SLOTS <= from) break;
    }
    return { entries: entries.slice(0, limit), more: entries.length > limit };
  }

  #keyOf(id: string): number {
    return this.#slices.at(timeOf(id), false)?.find(id)?.key ?? keyOf(id);
  }

  #entry(slice: Slice, head: Head): Entry {
    return entryOf(head, slice.late(head[ID]));
  }

  /** The story of whom `asked` names; the part of an open session is given along. */
  explain(asked: string): Story | null {
    return this.#slices.read(() => this.#explain(asked));
  }
  #explain(asked: string): Story | null {
    const id = this.#named(asked);
    if (id === null) return null;
    const slice = this.#slices.at(timeOf(id), false);
    if (slice === null) return null;
    const found = slice.find(id);
    if (id.startsWith("s")) return this.#sessionStory(id, slice);
    if (found === null) return null;
    const message: MessagePart = JSON.parse(found.part);
    return storyOf({
      head: found.head,
      message,
      session: message[5] ?? this.#sessionPart(found.head[SESSION]),
      late: slice.late(id),
      audit: this.#auditOf(id),
      messages: [],
    });
  }

  #sessionPart(id: string): SessionPart | null {
    const found = this.#slices.at(timeOf(id), false)?.findSession(id) ?? null;
    return found && JSON.parse(found.part);
  }

  /** Of a session that brought nothing, or of one that has a row of its own, or that stands with its only message. */
  #sessionStory(id: string, slice: Slice): Story | null {
    const alone = slice.find(id), audit = this.#auditOf(id);
    const own = alone ?? slice.findSession(id);
    const messages = alone === null ? this.messagesOf(id) : [], last = messages.at(-1);
    if (own === null) {
      if (last === undefined) return null;
      const { head, part } = this.#slices.at(last.at, false)!.find(last.id)!;
      const [, , , , , session]: MessagePart = JSON.parse(part);
      return session === undefined
        ? null
        : storyOf({ head: sessionHead(head), message: null, session, late: [], audit, messages });
    }
    const head: Head = [...own.head];
    if (last !== undefined) head[VERDICT] = last.verdict;
    return storyOf({ head, message: null, session: JSON.parse(own.part), late: [], audit, messages });
  }

  /** What a session brought, in order. */
  messagesOf(session: string): readonly Entry[] {
    const match = `"s:${shortId(session).toLowerCase()}"`, from = timeOf(session) * SLOTS;
    const entries: Entry[] = [];
    for (const slice of [...this.#slices.newestFirst()].reverse()) {
      const keys = slice.keys(match, { from, above: Number.MAX_SAFE_INTEGER, limit: MOST });
      for (const key of keys.reverse()) {
        const head = slice.head(key);
        if (head[SESSION] === session && entries.length < LISTED) entries.push(this.#entry(slice, head));
      }
    }
    return entries;
  }

  /** The full identifier of what a person typed. */
  #named(asked: string): string | null {
    const session = /^s/i.test(asked.trim()) ? readId(asked.trim().slice(1)) : null;
    if (session !== null) return `s${session}`;
    const id = readId(asked);
    if (id !== null) {
      if (this.#slices.at(timeOf(id), false)?.find(id)) return id;
      return `s${id}`;
    }
    const short = readShortId(asked)?.toLowerCase();
    if (short === undefined) return null;
    const match = `("i:${short}" OR "s:${short}")`;
    for (const slice of this.#slices.newestFirst()) {
      const [key] = slice.keys(match, { from: 0, above: Number.MAX_SAFE_INTEGER, limit: 1 });
      if (key === undefined) continue;
      const head = slice.head(key);
      return shortId(head[ID]).toLowerCase() === short ? head[ID] : head[SESSION];
    }
    return null;
  }

  #auditOf(id: string): AuditRow[] {
    const rows: AuditRow[] = [];
    for (const slice of this.#slices.newestFirst()) {
      rows.push(...slice.audits("where subject in (?, ?) order by at desc limit 100", id, shortId(id)).map(auditRow));
    }
    return rows.reverse();
  }

  rates(range: LedgerResultsRange): readonly RatePoint[] {
    return this.#slices.read(() => ratesOf([...this.#slices.newestFirst()], range));
  }

  plugins(since: number): readonly PluginCount[] {
    return this.#slices.read(() => this.#plugins(since));
  }
  #plugins(since: number): readonly PluginCount[] {
    const found = new Map<string, Record<string, number>>();
    for (const slice of this.#slices.newestFirst()) {
      for (const { plugin, ...counts } of slice.plugins(since)) {
        const sums = found.get(plugin) ?? {};
        for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + Number(count);
        found.set(plugin, sums);
      }
    }
    return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([plugin, counts]) => ({
      plugin,
      refused: counts["refused"]!,
      deferred: counts["deferred"]!,
      held: counts["held"]!,
      wouldRefuse: counts["would_refuse"]!,
      wouldDefer: counts["would_defer"]!,
      wouldHold: counts["would_hold"]!,
      errors: counts["errors"]!,
    }));
  }

  audits(query: { readonly limit: number; readonly before?: number }): readonly AuditRow[] {
    return this.#slices.read(() => this.#audits(query));
  }
  #audits({ limit, before }: { readonly limit: number; readonly before?: number }): readonly AuditRow[] {
    const rows: AuditRow[] = [], most = Math.max(1, Math.min(limit, MOST));
    for (const slice of this.#slices.newestFirst()) {
      if (rows.length >= most) break;
      const found = slice.audits(
        "where at < ? order by at desc, n desc limit ?",
        before ?? Number.MAX_SAFE_INTEGER,
        most - rows.length,
      );
      rows.push(...found.map(auditRow));
    }
    return rows;
  }

  size(): LedgerResults["size"] {
    return this.#slices.read(() => this.#size());
  }
  #size(): LedgerResults["size"] {
    let entries = 0, octets = 0, oldest: number | null = null;
    for (const slice of this.#slices.newestFirst()) {
      entries += slice.entries;
      octets += slice.octets;
      oldest = slice.oldest() ?? oldest;
    }
    return { entries, octets, oldest };
  }

  /** Takes an address out of one stretch, the newest that begins before `before`: others are served between two of them. */
  forget(address: string, before: number | null): LedgerResults["forget"] {
    return this.#slices.read(() => this.#forget(address, before));
  }
  #forget(address: string, before: number | null): LedgerResults["forget"] {
    const written = this.#address?.(address) ?? address;
    for (const slice of this.#slices.newestFirst()) {
      if (before === null || slice.start < before) return { entries: forgetIn(slice, written), next: slice.start };
    }
    return { entries: 0, next: null };
  }

  close(): void {
    this.#slices.close();
  }
}

type LedgerResultsRange = Parameters<typeof ratesOf>[1];

/** The key of hashes; it lies beside the files and is as secret as they are. */
function keyIn(folder: string | null, readOnly: boolean): Uint8Array {
  if (folder === null) return randomBytes(32);
  const path = `${folder}/key`;
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || readOnly) throw new StoreError("io", `cannot read ${path}`);
    const key = randomBytes(32);
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    Deno.writeFileSync(path, key, { mode: 0o600, createNew: true });
    return key;
  }
}
