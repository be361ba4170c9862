/**
 * The way to one place of a walk: a connection that is open already, or a new one with TLS as its demand has it and the
 * login of its next hop, judged and counted (RFC 8460). What went wrong comes back as outcomes with their places.
 * Non-job: which places there are (walk.ts), what is said there (remote.ts, call_ahead.ts), sockets (core/net).
 */
import type { GoodFamilies } from "../dns/good_families.ts";
import type { Family } from "../dns/host_addresses.ts";
import type { Deadlines } from "../net/deadline.ts";
import type { OutboundConnection } from "../net/outbound.ts";
import type { OutboundPool } from "../net/outbound_pool.ts";
import type { ConnectionEnds, TlsReached } from "../net/outbound_settings.ts";
import type { ClientTls } from "../net/tls/client_tls.ts";
import { found, type LoginOptions, type Outcome } from "../smtp/client/mod.ts";
import type { HopAuth } from "./next_hop.ts";
import type { Place } from "./result.ts";
import type { BrokenTls } from "./tls/broken.ts";
import type { TlsDemand } from "./tls/policy.ts";
import type { TlsSession } from "./tls/tlsrpt.ts";
import { type TlsVerdict, verdictOf } from "./tls/verdict.ts";
import type { Barred, Stop } from "./walk.ts";

export interface ConnectOptions {
  readonly pool: OutboundPool;
  readonly deadlines: Deadlines;
  readonly tls: ClientTls;
  readonly broken: BrokenTls;
  readonly families: GoodFamilies;
  readonly source: Readonly<Partial<Record<Family, string>>>;
  /** What we call ourselves. */
  readonly hostname: string;
  now(): number;
  /** A session whose TLS was judged (RFC 8460). */
  counted(session: TlsSession): void;
}

/** Why nobody can be talked to, and where that was met. */
export interface Unreached {
  readonly outcome: Outcome;
  readonly place: Place;
}

/** A host that had no connection for us is held for down for so long, milliseconds; that many are known. */
const DOWN = 60_000, MOST_DOWN = 1000;

/** Where nobody was met. */
export const NOBODY: Place = { remote: null, relay: null, tls: null };

export class Connector {
  readonly #options: ConnectOptions;
  /** When a place had no connection for us; monotonic. */
  readonly #down = new Map<string, number>();

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  /** No connection is made any more: the server stops. */
  get closing(): boolean {
    return this.#options.pool.closing;
  }

  /** A connection is open there, and nobody has it. */
  isOpen(stop: Stop): boolean {
    return this.#options.pool.has(keyOf(stop));
  }

  /** A moment ago it had no connection for us. */
  isDown(stop: Stop): boolean {
    const since = this.#down.get(keyOf(stop));
    return since !== undefined && performance.now() - since < DOWN;
  }

  /** One that is open there already, or null. It is the caller's till `release`. */
  take(stop: Stop): OutboundConnection | null {
    return this.#options.pool.take(keyOf(stop));
  }

  /** A new one, ready for mail, and what went wrong on the way. An abort ends it early. */
  async open(
    stop: Stop,
    signal?: AbortSignal,
  ): Promise<{ readonly connection: OutboundConnection | null; readonly failures: readonly Unreached[] }> {
    const { pool, deadlines, source, hostname, now, families, broken, tls } = this.#options;
    const { demand, auth, near, lmtp, implicitTls } = stop;
    const skips = demand !== null && !implicitTls && await broken.skips(demand, stop.name);
    if (skips) this.#count(stop, verdictOf(demand, { kind: "untried" }, { now: now(), host: stop.name }).failure);
    const clear = demand === null || demand.tls === "never" || skips;
    const { connection, address, failures } = await pool.open(keyOf(stop), {
      to: stop.place(),
      source: near ? {} : source,
      deadlines,
      session: {
        hostname,
        lmtp,
        tls: clear ? "never" : demand.tls === "must" ? "required" : "if offered",
        now,
        ...auth !== null && { login: loginAt(stop, auth) },
      },
      tls: clear ? null : {
        client: tls,
        serverName: demand.serverName,
        implicit: implicitTls,
        judge: (reached, ends) => this.#judge(stop, demand, { reached, ends }),
      },
      ...signal && { signal },
    });
    if (connection !== null && !address!.startsWith("/")) families.note(stop.name, address!);
    this.#note(stop, connection === null);
    return {
      connection,
      failures: failures.map(({ address, outcome }) => ({ outcome, place: placeAt(stop, address, null) })),
    };
  }

  #note(stop: Stop, isDown: boolean): void {
    const key = keyOf(stop);
    this.#down.delete(key);
    if (isDown) this.#down.set(key, performance.now());
    if (this.#down.size > MOST_DOWN) this.#down.delete(this.#down.keys().next().value!);
  }

  /** The caller is done with it: it is kept for the next one, or parted from. */
  release(connection: OutboundConnection): void {
    this.#options.pool.release(connection);
  }

  /** Why no connection is made to a host at all; counted as a session that failed. */
  turnAway({ reply: { verdict, status, text }, reported, failure, name }: Barred): Unreached {
    this.#options.counted({ reported, failure, host: name, receivingIp: null, sendingIp: null });
    return { outcome: found(verdict, status, text, "starttls"), place: { ...NOBODY, relay: name } };
  }

  #judge(
    stop: Stop,
    demand: TlsDemand,
    { reached, ends }: { readonly reached: TlsReached; readonly ends: ConnectionEnds },
  ): TlsVerdict {
    const { now, broken } = this.#options;
    const verdict = verdictOf(demand, reached, { now: now(), host: stop.name });
    this.#count(stop, verdict.failure, ends);
    if (verdict.next === "clear") broken.remember(stop.name).catch(() => {}); // it costs a handshake, no more
    return verdict;
  }

  #count(
    stop: Stop,
    failure: TlsSession["failure"],
    ends: ConnectionEnds = { sendingIp: null, receivingIp: null },
  ): void {
    const { reported } = stop.demand!;
    this.#options.counted({ reported, failure, host: stop.name, ...ends });
  }
}

/** Where a connection leads to. */
export function placeOf(stop: Stop, { address, security }: OutboundConnection): Place {
  return placeAt(stop, address, security === null ? null : `${security.version} ${security.strength}`);
}

function placeAt(stop: Stop, address: string, tls: string | null): Place {
  return {
    // Paths of this machine are nobody's business who reads a report: a socket file goes by its next hop's name
    remote: address.startsWith("/") ? { name: stop.owner, ip: null } : { name: stop.name, ip: address },
    relay: relayOf(stop, address),
    tls,
  };
}

/** As the log has it: `mx.example.net[192.0.2.1]:25`. */
function relayOf({ name, port }: Stop, address: string): string {
  if (address.startsWith("/")) return address;
  return name.startsWith("[") ? `[${address}]:${port}` : `${name}[${address}]:${port}`;
}

/** All that two messages must have in common to share a connection. */
function keyOf({ name, port, lmtp, demand, auth, owner }: Stop): string {
  return `${name}:${port} ${lmtp ? "lmtp" : "smtp"} ${demand?.key ?? "none"} ${auth === null ? "" : owner}`;
}

function loginAt({ name, port, near }: Stop, { user, password, token, inClear }: HopAuth): LoginOptions {
  return {
    credentials: token ? { user, token: password } : { user, password },
    server: { host: name, port },
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    inClear: inClear || near,
  };
}
