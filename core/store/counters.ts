/**
 * Counters in memory, written behind: an addition is a change in a map, and every few hundred milliseconds what changed
 * goes to the store in one piece (a crash may lose that much, SEMANTICS 24). The map is bounded; what falls out of it
 * is read back when it is asked for. Non-job: whose counter it is and what it means.
 */
import type { CounterRow } from "./protocol.ts";
import type { Counters } from "./store.ts";

export interface CounterOptions {
  now(): number;
  /** A counter that the map does not hold. */
  load(name: string): Promise<CounterRow | null>;
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
  readonly #options: CounterOptions;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<string>();
  /** The map holds every counter there is. */
  #complete: boolean;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #saving: Promise<void> = Promise.resolve();
  #swept = 0;

  constructor(options: CounterOptions) {
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

  put(name: string, value: string, { seconds }: { readonly seconds: number }): Promise<void> {
    this.#set(name, value, this.#options.now() + seconds * 1000);
    return Promise.resolve();
  }

  add(name: string, amount: number, options: { readonly seconds: number }): Promise<number> {
    if (this.#knows(name)) return Promise.resolve(this.#add(name, amount, options.seconds));
    return this.#load(name).then(() => this.#add(name, amount, options.seconds));
  }

  /** Saves what has changed so far. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await (this.#saving = this.#saving.then(() => this.#save()));
  }

  #knows(name: string): boolean {
    return this.#complete || this.#entries.has(name);
  }

  #live(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && entry.expires > this.#options.now() ? entry : undefined;
  }

  #add(name: string, amount: number, seconds: number): number {
    const entry = this.#live(name);
    const sum = (entry ? Number(entry.value) || 0 : 0) + amount;
    this.#set(name, String(sum), entry ? entry.expires : this.#options.now() + seconds * 1000);
    return sum;
  }

  #set(name: string, value: string, expires: number): void {
    const entry = this.#entries.get(name);
    if (entry) {
      entry.value = value;
      entry.expires = expires;
      entry.changes++;
    } else {
      this.#insert(name, { value, expires, changes: 1, saved: 0 });
    }
    this.#changed.add(name);
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => void this.flush(), this.#options.delay ?? 250);
    this.#timer.unref(); // no reason to keep a process running: close() flushes
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
    } catch { // the store has told of it; the next change tries again
      for (const [name] of rows) this.#changed.add(name);
    }
    if (this.#entries.size > this.#limit) this.#trim();
  }

  #sweep(now: number): void {
    this.#swept = now;
    for (const [name, { expires }] of this.#entries) if (expires <= now) this.#entries.delete(name);
  }
}
