/**
 * Counters in memory, written behind: an addition is a change in a map, and every few hundred milliseconds what changed
 * goes to the store in one piece (a crash may lose that much, SEMANTICS 24). Whoever wants it durable waits for such a
 * piece, which is then sent at once. The map is bounded; what falls out of it is read back when it is asked for.
 * Non-job: whose counter it is and what it means.
 */
import type { CounterRow } from "./protocol.ts";
import { type CounterEntry, type CounterOptions, type CounterQuery, type Counters, StoreError } from "./store.ts";

export interface CounterCacheOptions {
  now(): number;
  /** A counter that the map does not hold. */
  load(name: string): Promise<CounterRow | null>;
  /** Live counters that the map may not hold, in order of name; not asked while the map holds them all. */
  list(query: CounterQuery): Promise<readonly CounterRow[]>;
  /** Keeps the rows; once in a while with the moment up to which counters have expired. */
  save(rows: readonly CounterRow[], expired: number): Promise<void>;
  /** Counters in memory (default 50,000). */
  readonly limit?: number;
  /** Milliseconds from a change to its being saved (default 250). */
  readonly delay?: number;
  /** Every counter there is, when the map can hold them all: then none is looked up in vain. */
  readonly all?: readonly CounterRow[];
}

interface Entry {
  value: string;
  expires: number;
  /** Counts the changes; saved up to `saved`. */
  changes: number;
  saved: number;
}
const SWEEP = 60_000;

export class CounterCache implements Counters {
  readonly #options: CounterCacheOptions;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<string>();
  /** The map holds every counter there is. */
  #complete: boolean;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** The save that runs, or the last one. Never rejects. */
  #saving: Promise<unknown> = Promise.resolve();
  /** The save that has not begun: it takes along whatever changes until then. */
  #next: Promise<void> | null = null;
  #swept = 0;

  constructor(options: CounterCacheOptions) {
    this.#options = options;
    this.#limit = options.limit ?? 50_000;
    this.#complete = options.all !== undefined;
    for (const [name, value, expires] of options.all ?? []) {
      this.#entries.set(name, { value, expires, changes: 0, saved: 0 });
    }
    this.#swept = options.now();
  }

  async get(name: string): Promise<string | undefined> {
    if (!this.#knows(name)) await this.#load(name);
    return this.#live(name)?.value;
  }

  async put(name: string, value: string, { seconds, durable }: CounterOptions): Promise<void> {
    const entry = this.#set(name, value, endOf(seconds, this.#options.now()));
    if (durable) await this.#durable(entry);
  }

  add(name: string, amount: number, options: CounterOptions): Promise<number> {
    if (this.#knows(name)) return this.#added(name, amount, options);
    return this.#load(name).then(() => this.#added(name, amount, options));
  }

  async list({ prefix, limit, after = "" }: CounterQuery): Promise<readonly CounterEntry[]> {
    const found: CounterEntry[] = [];
    for (let from = after; found.length < limit;) {
      const rows = this.#complete ? [] : await this.#options.list({ prefix, limit, after: from });
      const last = rows.length < limit ? null : rows.at(-1)![0]; // behind it there may be more that only the table has
      const page = this.#page({ prefix, after: from }, last);
      for (const [name, value, expires] of rows) if (!this.#entries.has(name)) page.push({ name, value, expires });
      found.push(...sorted(page));
      if (last === null) break;
      from = last;
    }
    return found.slice(0, limit);
  }

  /** What the map holds of them, up to a name. */
  #page({ prefix, after }: Pick<Required<CounterQuery>, "prefix" | "after">, last: string | null): CounterEntry[] {
    const page: CounterEntry[] = [], now = this.#options.now();
    for (const [name, { value, expires }] of this.#entries) {
      if (expires <= now || !name.startsWith(prefix) || inOrder(name, after) <= 0) continue;
      if (last === null || inOrder(name, last) <= 0) page.push({ name, value, expires });
    }
    return page;
  }

  /** Saves what has changed so far. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#soon().catch(() => {}); // the store has told of it; the next change tries again
  }

  async #added(name: string, amount: number, { seconds, durable }: CounterOptions): Promise<number> {
    const expires = endOf(seconds, this.#options.now());
    const live = this.#live(name);
    const sum = (live ? Number(live.value) || 0 : 0) + amount;
    const entry = this.#set(name, String(sum), live ? live.expires : expires);
    if (durable) await this.#durable(entry);
    return sum;
  }

  /** Resolves when the entry is saved as it is now, or has ended. */
  async #durable(entry: Entry): Promise<void> {
    const { changes } = entry;
    await this.#soon();
    if (entry.saved >= changes || entry.expires <= this.#options.now()) return;
    throw new StoreError("busy", "a counter was dropped before it could be saved");
  }

  #soon(): Promise<void> {
    if (this.#next !== null) return this.#next;
    const next = this.#next = this.#saving.then(() => {
      this.#next = null;
      return this.#save();
    });
    this.#saving = next.catch(() => {});
    return next;
  }

  #knows(name: string): boolean {
    return this.#complete || this.#entries.has(name);
  }

  #live(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && entry.expires > this.#options.now() ? entry : undefined;
  }

  #set(name: string, value: string, expires: number): Entry {
    let entry = this.#entries.get(name);
    if (entry) {
      entry.value = value;
      entry.expires = expires;
      entry.changes++;
    } else {
      this.#insert(name, entry = { value, expires, changes: 1, saved: 0 });
    }
    this.#changed.add(name);
    if (this.#timer === null) {
      this.#timer = setTimeout(() => void this.flush(), this.#options.delay ?? 250);
      this.#timer.unref(); // no reason to keep a process running: close() flushes
    }
    return entry;
  }

  #insert(name: string, entry: Entry): void {
    if (this.#entries.size >= 2 * this.#limit) this.#trim(); // before: whoever loaded it is about to change it
    this.#entries.set(name, entry);
  }

  /** Drops the oldest that are saved; those that are not only where saving has failed for long. */
  #trim(): void {
    const limit = this.#limit;
    for (const [oldest, { changes, saved }] of this.#entries) { // in the order of their arrival
      if (this.#entries.size <= limit) return;
      if (changes !== saved && this.#entries.size <= 4 * limit) continue;
      this.#entries.delete(oldest);
      this.#complete = false;
    }
  }

  async #load(name: string): Promise<void> {
    const row = await this.#options.load(name);
    if (row === null || this.#entries.has(name)) return;
    this.#insert(name, { value: row[1], expires: row[2], changes: 0, saved: 0 });
  }

  async #save(): Promise<void> {
    const now = this.#options.now();
    const sweep = Math.abs(now - this.#swept) > SWEEP;
    if (sweep) this.#sweep(now);
    const rows: CounterRow[] = [], states: (readonly [Entry, number])[] = [];
    for (const name of this.#changed) {
      const entry = this.#entries.get(name);
      if (entry === undefined) continue;
      rows.push([name, entry.value, entry.expires]);
      states.push([entry, entry.changes]);
    }
    this.#changed.clear();
    if (rows.length === 0 && !sweep) return;
    try {
      await this.#options.save(rows, sweep ? now : 0);
      for (const [entry, changes] of states) entry.saved = changes;
    } catch (error) {
      for (const [name] of rows) this.#changed.add(name);
      throw error;
    } finally {
      if (this.#entries.size > this.#limit) this.#trim();
    }
  }

  #sweep(now: number): void {
    this.#swept = now;
    for (const [name, { expires, changes, saved }] of this.#entries) {
      // What was cut short must still reach the table, where its longer life would go on.
      if (expires <= now && changes === saved) this.#entries.delete(name);
    }
  }
}

/** The last moment that a Date has. */
const LAST = 8.64e15;

/**
 * When it expires, a whole number: one row that the table does not take would keep all others from being saved.
 *
 * @throws {RangeError}
 */
function endOf(seconds: number, now: number): number {
  if (typeof seconds !== "number" || Number.isNaN(seconds)) {
    throw new RangeError(`a counter lives for a number of seconds, not ${seconds}`);
  }
  return Math.round(Math.max(0, Math.min(LAST, now + seconds * 1000)));
}

const HIGH = /[\ud800-\uffff]/;

function sorted(page: CounterEntry[]): CounterEntry[] {
  if (page.some(({ name }) => HIGH.test(name))) return page.sort((a, b) => inOrder(a.name, b.name));
  return page.sort((a, b) => a.name < b.name ? -1 : 1); // the same order, ten times as fast
}

/** The order of names in the table: by code point, which UTF-16 is not. */
function inOrder(a: string, b: string): number {
  for (let at = 0;; at++) {
    if (at >= a.length || at >= b.length) return a.length - b.length;
    const one = a.charCodeAt(at), other = b.charCodeAt(at);
    if (one === other) continue;
    const high = (unit: number) => unit >= 0xd800 && unit <= 0xdfff; // half of what comes after U+FFFF
    return high(one) === high(other) ? one - other : high(one) ? 1 : -1;
  }
}
