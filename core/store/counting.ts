/**
 * Counters as plugins and the house know them. Interface only; counters.ts keeps them in memory in front of a store.
 * Non-job: what is counted.
 */

/** How long an entry lasts, and what its promise is worth. */
export interface CounterOptions {
  /** From now until it ends. */
  readonly seconds: number;
  /**
   * Resolve only when it is on disk, in a write that all who wait share, and reject with StoreError when it cannot be:
   * it counts all the same, and is written later. Without it a crash may lose the last 5 s.
   */
  readonly durable?: boolean;
}
/**
 * Small state with an end, shared by all threads and nodes: rates, greylists, lock-outs.
 *
 * @example
 * ```ts
 * import { type Counters, SimulatedCounters } from "postern";
 * import { assertEquals } from "@std/assert";
 * // True the first time in an hour.
 * const isFirst = async (store: Counters, who: string) => await store.add(`seen ${who}`, 1, { seconds: 3600 }) === 1;
 * const store = new SimulatedCounters(); // `ctx.store` in a handler
 * assertEquals([await isFirst(store, "ann"), await isFirst(store, "ann")], [true, false]);
 * ```
 */
export interface Counters {
  /** Undefined when it was never written or has ended. */
  get(name: string): Promise<string | undefined>;
  /** Writes a value that ends after so many seconds. */
  put(name: string, value: string, options: CounterOptions): Promise<void>;
  /** Atomic; returns the new sum. A new counter starts its seconds, later additions keep them. */
  add(name: string, amount: number, options: CounterOptions): Promise<number>;
  /** Entries that have not ended, in order of name, what was written a moment ago included. */
  list(options: CounterQuery): Promise<readonly CounterEntry[]>;
}
/** Which counters. */
export interface CounterQuery {
  /** What the names begin with. */
  readonly prefix: string;
  /** At most so many. */
  readonly limit: number;
  /** Only names behind this one: the next page. */
  readonly after?: string;
}
/** One counter. */
export interface CounterEntry {
  /** As it was written. */
  readonly name: string;
  /** As it was written, or the sum. */
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}
