/**
 * The decision ledger: who connected, what was asked of whom, what was answered and why, for every message and every
 * session without one. It is an observer: it decides nothing, holds no secrets and no bodies, and is written off the hot
 * path, so what happened in the last second before a crash may be missing. Interface only: sqlite.ts keeps it in files,
 * or in memory for a server that keeps nothing.
 */
import type { Observer } from "../observe/events.ts";
import type { AuditRow, Entry, Story, Verdict } from "./story.ts";

/** What to look for; all of it must hold. */
export interface LedgerQuery {
  /** Words, each of which stands in addresses, names, ids, replies or reasons; a word may be the beginning of one. */
  readonly q?: string;
  readonly verdict?: Verdict;
  /** An address, or a network as `192.0.2.0/24` (IPv4: /8, /16, /24; IPv6: /32, /48, /64). */
  readonly ip?: string;
  /** A sender: an address, or `@domain`. */
  readonly from?: string;
  /** A recipient: an address, or `@domain`. */
  readonly to?: string;
  /** Who decided. With `observed`: who would have. */
  readonly plugin?: string;
  /** Only what a plugin in mode observe would have done something about. */
  readonly observed?: boolean;
  /** Began at or after, milliseconds since 1970. */
  readonly since?: number;
  /** Began before. */
  readonly until?: number;
  /** From 1 to 500 (default 50). */
  readonly limit?: number;
  /** Only what is older than the entry with this id: the next page. */
  readonly before?: string;
}
/** The newest first. */
export interface LedgerPage {
  readonly entries: readonly Entry[];
  /** There are older ones. */
  readonly more: boolean;
}
/** What happened in one step of time. Times of commits and delays as counts by upper bound (`COMMIT_BOUNDS`, `DELAY_BOUNDS`). */
export interface RatePoint {
  /** Where the step begins, milliseconds since 1970. */
  readonly at: number;
  readonly sessions: number;
  readonly accepted: number;
  readonly held: number;
  readonly refused: number;
  readonly deferred: number;
  readonly octets: number;
  /** Recipients that the queue brought to an end or a wait. */
  readonly delivered: number;
  readonly postponed: number;
  readonly bounced: number;
  /** From the last octet to the 250. */
  readonly commit: readonly number[];
  /** From the last octet to the delivery of a recipient by the queue. */
  readonly delay: readonly number[];
  /** Messages that wait in the queue, as last sampled; null: nobody looked. */
  readonly queue: number | null;
}
/** Milliseconds; one more bucket holds all above. */
export const COMMIT_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000];
/** Milliseconds; one more bucket holds all above. */
export const DELAY_BOUNDS: readonly number[] = [
  100,
  500,
  1000,
  5000,
  10_000,
  60_000,
  300_000,
  900_000,
  3_600_000,
  14_400_000,
  86_400_000,
  432_000_000,
];
/** What a plugin did since a moment, for the page of plugins. */
export interface PluginCount {
  readonly plugin: string;
  /** Messages and sessions that it refused, deferred and held. */
  readonly refused: number;
  readonly deferred: number;
  readonly held: number;
  /** The same in mode observe: it would have. */
  readonly wouldRefuse: number;
  readonly wouldDefer: number;
  readonly wouldHold: number;
  /** Threw, was late or broke a rule. */
  readonly errors: number;
}
export interface LedgerSize {
  readonly entries: number;
  readonly octets: number;
  /** When the oldest entry began, milliseconds since 1970; null when there is none. */
  readonly oldest: number | null;
  /** Entries that were dropped because the writer was behind, since the start. */
  readonly dropped: number;
}

export interface Ledger {
  /** Subscribe it to the bus. */
  readonly observe: Observer;
  search(query: LedgerQuery): Promise<LedgerPage>;
  /**
   * The whole story of a message or a session. `id`: 26 characters, with or without the `s`, or the eight of `(ref
   * XXXXXXXX)`, any case; the newest when eight fit several. What is still under way is told as far as it has come.
   */
  explain(id: string): Promise<Story | null>;
  /** Steps of `step` milliseconds (a multiple of a minute) from `since` on, empty ones included. */
  rates(
    range: { readonly since: number; readonly until: number; readonly step: number },
  ): Promise<readonly RatePoint[]>;
  plugins(since: number): Promise<readonly PluginCount[]>;
  /** What people did, the newest first. */
  audits(query: { readonly limit: number; readonly before?: number }): Promise<readonly AuditRow[]>;
  /** Takes an address out of every entry: `<forgotten>` stands in its place. Returns how many entries named it. */
  forget(address: string): Promise<number>;
  /** How much waits in the queue now: called once a minute by who knows. */
  sample(queue: number): void;
  size(): Promise<LedgerSize>;
  /** Resolves once all that was observed before can be searched. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
