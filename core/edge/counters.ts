/**
 * Where `ctx.store` writes on an edge platform: a memory of the isolate, and a key-value store of the platform. Neither
 * counts exactly; one that does is any object of the caller's that is `Counters` (a durable object behind it, say).
 */
import type { CounterEntry, CounterOptions, CounterQuery, Counters } from "../store/store.ts";

interface Entry {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Counters of one isolate, bounded; what was written first goes first. The platform has several isolates, and ends them
 * when it likes: right for what is a cache, wrong for what must be counted.
 *
 * @example
 * ```ts
 * import { IsolateCounters } from "postern/edge";
 * import { assertEquals } from "@std/assert";
 * const counters = new IsolateCounters({ most: 2 });
 * for (const name of ["a", "b", "c"]) await counters.add(name, 1, { seconds: 60 });
 * assertEquals([await counters.get("a"), await counters.get("c")], [undefined, "1"]);
 * ```
 */
export class IsolateCounters implements Counters {
  readonly #entries = new Map<string, Entry>();
  readonly #most: number;
  readonly #now: () => number;

  /** `most`: entries that are kept (default 10,000). */
  constructor(options: { readonly most?: number; readonly now?: () => number } = {}) {
    this.#most = options.most ?? 10_000;
    this.#now = options.now ?? Date.now;
  }

  /** Undefined when it was never written, has ended or had to make room. */
  get(name: string): Promise<string | undefined> {
    return Promise.resolve(this.#live(name)?.value);
  }
  /** Writes a value that ends. */
  put(name: string, value: string, { seconds }: CounterOptions): Promise<void> {
    this.#write(name, { value, until: this.#now() + seconds * 1000 });
    return Promise.resolve();
  }
  /** Adds, and returns the sum; the end stays that of the first addition. */
  add(name: string, amount: number, { seconds }: CounterOptions): Promise<number> {
    const live = this.#live(name), sum = (live === undefined ? 0 : Number(live.value)) + amount;
    this.#write(name, { value: String(sum), until: live?.until ?? this.#now() + seconds * 1000 });
    return Promise.resolve(sum);
  }
  /** Entries that have not ended, in order of name. */
  list({ prefix, limit, after = "" }: CounterQuery): Promise<readonly CounterEntry[]> {
    const now = this.#now(), found: CounterEntry[] = [];
    for (const [name, { value, until }] of this.#entries) {
      if (name.startsWith(prefix) && name > after && until > now) found.push({ name, value, expires: until });
    }
    return Promise.resolve(found.sort((a, b) => a.name < b.name ? -1 : 1).slice(0, limit));
  }

  #live(name: string): Entry | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && entry.until > this.#now() ? entry : undefined;
  }
  #write(name: string, entry: Entry): void {
    this.#entries.delete(name);
    if (this.#entries.size >= this.#most) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(name, entry);
  }
}

/** What is needed of a platform's key-value store: Cloudflare's KV namespace is one. */
export interface KeyValueStore {
  /** Null when there is nothing under that key. */
  get(key: string): Promise<string | null>;
  /** `expirationTtl`: seconds. */
  put(key: string, value: string, options: { readonly expirationTtl: number }): Promise<void>;
  /** Keys in their order. */
  list(options: { readonly prefix: string; readonly limit: number; readonly cursor?: string }): Promise<{
    readonly keys: readonly { readonly name: string }[];
    readonly list_complete: boolean;
    readonly cursor?: string;
  }>;
}

const LEAST_TTL = 60, MOST_KEY = 512, PAGE = 100, MOST_PAGES = 10;

/**
 * Counters in a key-value store. It tells of a write late, and two isolates that add at the same moment count once: good
 * for what was learned and for what is remembered of a peer, not for limits.
 *
 * @example
 * ```ts
 * import { type KeyValueStore, kvCounters } from "postern/edge";
 * import { assertEquals } from "@std/assert";
 * const kept = new Map<string, string>();
 * const store: KeyValueStore = { // what a namespace of Workers KV is
 *   get: (key) => Promise.resolve(kept.get(key) ?? null),
 *   put: (key, value) => Promise.resolve(void kept.set(key, value)),
 *   list: () => Promise.resolve({ keys: [...kept.keys()].map((name) => ({ name })), list_complete: true }),
 * };
 * const counters = kvCounters(store);
 * await counters.add("seen", 2, { seconds: 3600 });
 * assertEquals([await counters.get("seen"), await counters.get("other")], ["2", undefined]);
 * ```
 */
export function kvCounters(store: KeyValueStore, options: { readonly now?: () => number } = {}): Counters {
  const now = options.now ?? Date.now;
  const keyOf = (name: string) => {
    if (new TextEncoder().encode(name).length > MOST_KEY) throw new RangeError("that name is too long for the store");
    return name;
  };
  const read = async (name: string): Promise<Entry | undefined> => {
    const text = await store.get(keyOf(name));
    const [, until, value] = text === null ? [] : /^(\d{1,16}) ([^]*)$/.exec(text) ?? [];
    return value !== undefined && Number(until) > now() ? { value, until: Number(until) } : undefined;
  };
  const write = (name: string, { value, until }: Entry) => {
    const seconds = Math.max(LEAST_TTL, Math.ceil((until - now()) / 1000)); // the store's own least
    return store.put(keyOf(name), `${Math.ceil(until)} ${value}`, { expirationTtl: seconds });
  };
  return {
    get: async (name) => (await read(name))?.value,
    put: (name, value, { seconds }) => write(name, { value, until: now() + seconds * 1000 }),
    async add(name, amount, { seconds }) {
      const before = await read(name), sum = Number(before?.value ?? 0) + amount;
      await write(name, { value: String(sum), until: before?.until ?? now() + seconds * 1000 });
      return sum;
    },
    async list({ prefix, limit, after = "" }) {
      const found: CounterEntry[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < MOST_PAGES && found.length < limit; page++) {
        const { keys, list_complete, cursor: next } = await store.list({
          prefix,
          limit: PAGE,
          ...cursor === undefined ? {} : { cursor },
        });
        for (const { name } of keys) {
          const entry = name > after && found.length < limit ? await read(name) : undefined;
          if (entry !== undefined) found.push({ name, value: entry.value, expires: entry.until });
        }
        if (list_complete || next === undefined) break;
        cursor = next;
      }
      return found;
    },
  };
}
