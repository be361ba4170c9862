/**
 * What the admin site is given: the composition root fills it, tests fill it with fakes. Types only.
 */
import type { Ledger } from "../ledger/ledger.ts";
import type { Bus } from "../observe/bus.ts";
import type { DestinationState } from "../delivery/destination.ts";
import type { Lesson } from "../pipeline/plugin.ts";
import type { QueueChange, QueueQuery, Store } from "../store/store.ts";
import type { Gates } from "./ui/explain/gates.ts";
import type { Ways } from "./queue/ways.ts";

/** What the pages say about this server. */
export interface Site {
  readonly version: string;
  readonly hostname: string;
  /** The defaults without a configuration file: every domain is taken, nothing leaves the machine. */
  readonly devInbox: boolean;
  /** Where to send, `host:port`, the first one shown first. */
  readonly smtp: readonly string[];
  /** The data folder as it was configured. */
  readonly data: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** A plugin as a listener runs it. `mode` is "enforce" or "observe". */
export interface PluginRow {
  readonly name: string;
  readonly mode: string;
  readonly phases: readonly string[];
}
export interface ListenerPlugins {
  readonly listener: string;
  readonly plugins: readonly PluginRow[];
}

export interface AdminOptions {
  readonly store: Store;
  readonly bus: Bus;
  readonly site: Site;
  /** The compiled plugin lists, one per listener, in their order. */
  plugins(): readonly ListenerPlugins[];
  /** Null only in the dev inbox on loopback: then nobody is asked who they are. */
  readonly token: string | null;
  /** Host names besides loopback under which the site may be called; a port in them is ignored. */
  readonly hosts: readonly string[];
  /** The OpenMetrics text. */
  metrics(): string;
  /** True while mail is taken. */
  ready(): boolean;
  /** Changes the queue, so that who works on it hears of it (default: `store.change`). Returns how many recipients. */
  change?(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number>;
  /** Destinations that rest or have mail in memory (default: none). */
  destinations?(): readonly DestinationState[];
  /** Where mail may be sent by hand. */
  readonly ways: Ways;
  /** Who decided what, and why; null: nobody keeps it. */
  readonly ledger?: Ledger | null;
  /** What bounds the quarantine (default: nothing). */
  readonly quarantine?: { readonly keep: number | null; readonly size: number };
  /** Teaches what learns that a message is spam or ham; each says what it learned. Null: nobody learns (default). */
  readonly teach?: ((content: Uint8Array<ArrayBuffer>, as: Lesson) => Promise<readonly string[]>) | null;
  /** From how many points on a listener's mail is held and refused; null: its plugins count none (default). */
  gates?(listener: string): Gates | null;
  /** What an operator should act on, each one sentence; shown on every page. */
  warnings?(): readonly string[];
  /** Milliseconds since 1970 (default Date.now). */
  now?(): number;
  readonly limits?: Partial<AdminLimits>;
}

/** How the queue is steered: what the server said, or what does without one. */
export type Steering = Required<Pick<AdminOptions, "change" | "destinations" | "ways">>;

export interface AdminLimits {
  /** Live event streams at a time. */
  readonly eventClients: number;
  /** Events waiting for one client; one more and it is cut off. */
  readonly eventBacklog: number;
  /** Milliseconds between two heartbeats of an event stream. */
  readonly heartbeat: number;
  /** Octets of the largest message whose MIME structure is read; of larger ones the source is shown. */
  readonly mimeSize: number;
  /** Milliseconds that reading one message may take. */
  readonly mimeTime: number;
  /** Wrong tokens per network and minute. */
  readonly failures: number;
}

export const ADMIN_LIMITS: AdminLimits = {
  eventClients: 64,
  eventBacklog: 256,
  heartbeat: 15_000,
  mimeSize: 25 * 1024 * 1024,
  mimeTime: 8_000,
  failures: 10,
};

/** What each request carries besides itself. */
export interface RequestInfo {
  /** The peer's IP address. */
  readonly remote: string;
}
/** The environment of every Hono app in this folder. */
export interface AdminEnv {
  Bindings: RequestInfo;
}
