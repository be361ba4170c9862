/**
 * Connections that have served and may serve again (RFC 5321 3.3, RFC 9422): a bounded number of idle ones, each for a
 * short time and a bounded number of messages. Knows all that it opened, so that a stop leaves none behind.
 * Non-job: how many may be open at once, which message is next (the window of deliveries).
 */
import type { Deadlines, Timed } from "./deadline.ts";
import type { OutboundConnection } from "./outbound.ts";
import { type Opened, type OpenOptions, openOutbound } from "./outbound_open.ts";

export interface OutboundPoolOptions {
  readonly deadlines: Deadlines;
  /** Milliseconds that a connection waits for its next message (default 2 s, as its place at the peer is dear). */
  readonly idleTime?: number;
  /** Idle connections of all keys (default 100), and of one (default 5). */
  readonly maxIdle?: number;
  readonly maxIdlePerKey?: number;
  /** Transactions on one connection (default 100). */
  readonly maxDeliveries?: number;
  /** Milliseconds after which a connection takes no new message (default 5 minutes): addresses and policies change. */
  readonly maxAge?: number;
}

interface Kept {
  readonly key: string;
  readonly opened: number;
  /** Since when it is idle; null: somebody has it. */
  idleSince: number | null;
}

export class OutboundPool implements Timed {
  readonly #options: Required<OutboundPoolOptions>;
  readonly #all = new Map<OutboundConnection, Kept>();
  /** By key; the last that came is the first to go out again. */
  readonly #idle = new Map<string, OutboundConnection[]>();
  #idleCount = 0;
  readonly #stop = new AbortController();

  constructor(options: OutboundPoolOptions) {
    this.#options = {
      idleTime: 2000,
      maxIdle: 100,
      maxIdlePerKey: 5,
      maxDeliveries: 100,
      maxAge: 300_000,
      ...options,
    };
  }

  /** Open connections, those that somebody has included. */
  get size(): number {
    return this.#all.size;
  }
  get idle(): number {
    return this.#idleCount;
  }

  /** It opens no more. */
  get closing(): boolean {
    return this.#stop.signal.aborted;
  }

  /** An idle connection of that key is there. */
  has(key: string): boolean {
    return this.#idle.has(key);
  }

  /** An idle connection of that key, or null. It is the caller's till `release`. */
  take(key: string): OutboundConnection | null {
    const connection = this.#idle.get(key)?.at(-1);
    if (connection === undefined) return null;
    this.#unlist(connection);
    return connection;
  }

  /**
   * A new connection; it is the caller's till `release`. `key` names all that two messages must have in common to share
   * one: the next hop, the source address, the demand on TLS, the credentials. An abort of the signal gives it up.
   */
  async open(key: string, options: OpenOptions): Promise<Opened> {
    const stop = this.#stop.signal, { signal } = options;
    const opened = await openOutbound({
      ...options,
      signal: signal === undefined ? stop : AbortSignal.any([stop, signal]),
    });
    if (opened.connection !== null) this.#adopt(key, opened.connection);
    return opened;
  }

  #adopt(key: string, connection: OutboundConnection): void {
    if (this.#all.size === 0) this.#options.deadlines.add(this);
    this.#all.set(connection, { key, opened: performance.now(), idleSince: null });
    connection.onEnd = () => this.#unlist(connection);
    connection.ended.then(() => this.#forget(connection));
    if (this.#stop.signal.aborted) connection.destroy("shutting down");
  }

  /** The caller is done with it: it is kept for the next message, or parted from. */
  release(connection: OutboundConnection): void {
    const kept = this.#all.get(connection);
    if (kept === undefined || kept.idleSince !== null) return; // it has ended
    const { maxIdle, maxIdlePerKey, maxDeliveries, maxAge } = this.#options, now = performance.now();
    const same = this.#idle.get(kept.key) ?? [];
    if (
      !connection.usable || this.#stop.signal.aborted || this.#idleCount >= maxIdle || same.length >= maxIdlePerKey ||
      connection.deliveries >= maxDeliveries || now - kept.opened > maxAge
    ) return void connection.quit();
    kept.idleSince = now;
    same.push(connection);
    this.#idle.set(kept.key, same);
    this.#idleCount++;
  }

  tick(now: number): void {
    const { idleTime, maxAge } = this.#options;
    for (const [connection, { idleSince, opened }] of this.#all) {
      if (idleSince === null || now - idleSince <= idleTime && now - opened <= maxAge) continue;
      this.#unlist(connection);
      connection.quit();
    }
  }

  /**
   * Opens no more, parts from the idle ones, lets those in use finish for so long, and cuts what is left. Resolves when
   * every socket is closed.
   */
  async close(milliseconds: number): Promise<void> {
    this.#stop.abort();
    const ends = [...this.#all.keys()].map((connection) => connection.ended);
    for (const [connection, { idleSince }] of this.#all) {
      if (idleSince === null) continue;
      this.#unlist(connection);
      connection.quit();
    }
    const cut = setTimeout(() => {
      for (const connection of this.#all.keys()) connection.destroy("shutting down");
    }, milliseconds);
    await Promise.all(ends);
    clearTimeout(cut);
  }

  /** Its socket is closed. */
  #forget(connection: OutboundConnection): void {
    this.#unlist(connection);
    if (this.#all.delete(connection) && this.#all.size === 0) this.#options.deadlines.remove(this);
  }

  #unlist(connection: OutboundConnection): void {
    const kept = this.#all.get(connection);
    if (kept === undefined || kept.idleSince === null) return;
    kept.idleSince = null;
    this.#idleCount--;
    const same = this.#idle.get(kept.key)!;
    same.splice(same.indexOf(connection), 1);
    if (same.length === 0) this.#idle.delete(kept.key);
  }
}
