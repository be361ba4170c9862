/**
 * What the admin site is given: the composition root fills it, tests fill it with fakes. Types only.
 */
import type { ReadSetting } from "../config/settings.ts";
import type { DialogueLine } from "../ledger/dialogue.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Injection, InjectionResult } from "../net/injection.ts";
import type { CertificateInfo } from "../net/tls/certificates.ts";
import type { Bus } from "../observe/bus.ts";
import type { PluginTiming } from "../observe/metrics.ts";
import type { DestinationState } from "../delivery/destination.ts";
import type { Address } from "../model/address.ts";
import type { Rate } from "../model/units.ts";
import type { Lesson } from "../pipeline/plugin.ts";
import type { QueueChange, QueueQuery, Store, StoredMessage } from "../store/store.ts";
import type { WebhookState } from "../webhooks/webhooks.ts";
import type { AccessToken, Caller } from "./access/scope.ts";
import type { Ways } from "./queue/ways.ts";

/** What the pages say about this server. */
export interface Site {
  readonly version: string;
  readonly hostname: string;
  /** What this node is called; null: it is the only one. */
  readonly node?: string | null;
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
  /** Under which conditions it is asked; empty or left out: always. */
  readonly note?: string;
}
export interface ListenerPlugins {
  readonly listener: string;
  readonly plugins: readonly PluginRow[];
}

/** A certificate, and who shows it. */
export interface CertificateFacts extends CertificateInfo {
  /** Names of listeners. */
  readonly listeners: readonly string[];
}
/** The configuration in force. Secrets are masked in all of it. */
export interface ConfigurationFacts {
  /** Absolute; null without one. */
  readonly file: string | null;
  /** When it was read, milliseconds since 1970. */
  readonly readAt: number;
  readonly settings: readonly ReadSetting[];
  /** What works and is probably not meant, one sentence each. */
  readonly warnings: readonly string[];
  /** What `postern check` prints of it: listeners, phases and plugins, delivery. */
  readonly summary: readonly string[];
}
export interface AdminOptions {
  readonly store: Store;
  readonly bus: Bus;
  readonly site: Site;
  /** The compiled plugin lists, one per listener, in their order. */
  plugins(): readonly ListenerPlugins[];
  /** Null only in the dev inbox on loopback: then nobody is asked who they are. */
  readonly token: string | null;
  /** Further tokens, each with its scopes; asked anew for each request, so that a reload can change them (default: none). */
  tokens?(): readonly AccessToken[];
  /** Host names besides loopback under which the site may be called; a port in them is ignored. */
  readonly hosts: readonly string[];
  /** The OpenMetrics text. */
  metrics(): string | Promise<string>;
  /** True while mail is taken. */
  ready(): boolean;
  /** What only a restart mends, in a sentence (default: nothing is). */
  fault?(): string | null;
  /** Changes the queue, so that who works on it hears of it (default: `store.change`). Returns how many recipients. */
  change?(what: { readonly id: string } | QueueQuery, change: QueueChange): Promise<number>;
  /** Destinations that rest or have mail in memory (default: none). */
  destinations?(): readonly DestinationState[];
  /** Where mail may be sent by hand. */
  readonly ways: Ways;
  /** Who decided what, and why; null: nobody keeps it. */
  readonly ledger?: Ledger | null;
  /** What was said in a session that was recorded, without contents; null where there is none (default: nobody records). */
  recorded?(session: string): Promise<readonly DialogueLine[] | null>;
  /** Sends a message of the dev inbox on; null: nothing leaves it (default). */
  readonly release?: Releasing | null;
  /** What bounds the quarantine (default: nothing). */
  readonly quarantine?: { readonly keep: number | null; readonly size: number };
  /** Teaches what learns that a message is spam or ham; each says what it learned. Null: nobody learns (default). */
  readonly teach?: ((content: Uint8Array<ArrayBuffer>, as: Lesson) => Promise<readonly string[]>) | null;
  /** Puts the configuration as it is written now in the place of the running one; with faults nothing has changed; left out: there is none. */
  reload?(): Promise<Reloaded>;
  /** Takes a message as from a client that has logged in; resolves when it is durable or refused (default: nobody does). */
  inject?(injection: Injection): Promise<InjectionResult>;
  /** How the hooks that are told of events fare (default: there are none). */
  webhooks?(): readonly WebhookState[];
  /** What an operator should act on, each one sentence; shown on every page. */
  warnings?(): readonly string[];
  /** What plugins did, and how long it took them, since the start. */
  timings?(): readonly PluginTiming[];
  /** What TLS clients are shown; left out where there is no TLS. */
  certificates?(): readonly CertificateFacts[];
  /** Left out: the page of the configuration says that nobody told. */
  configuration?(): ConfigurationFacts;
  /** Milliseconds since 1970 (default Date.now). */
  now?(): number;
  readonly limits?: Partial<AdminLimits>;
}

/** How messages of the dev inbox leave. */
export interface Releasing {
  /** Patterns of addresses that they may go to. */
  readonly to: readonly string[];
  /** Puts it into the queue as a new message; its id, or null when it is gone. */
  send(message: StoredMessage, to: Address): Promise<string | null>;
}
/** What came of a wish to read the configuration again. */
export interface Reloaded {
  /** What is different now, for people; empty when nothing is. */
  readonly changed: readonly string[];
  /** Why all stays as it was, `file:line:column: what` each; empty when it was taken. */
  readonly faults: readonly string[];
}
/** How the queue is steered: what the server said, or what does without one. */
export type Steering = Required<Pick<AdminOptions, "change" | "destinations" | "ways">>;

export interface AdminLimits {
  /** Live event streams at a time. */
  readonly eventClients: number;
  /** Events waiting for one client; one more and it is cut off. */
  readonly eventBacklog: number;
  /** Milliseconds after the last event stream ended in which what happens is still remembered for its return. */
  readonly eventReturn: number;
  /** Milliseconds between two heartbeats of an event stream. */
  readonly heartbeat: number;
  /** Octets of the largest message whose MIME structure is read; of larger ones the source is shown. */
  readonly mimeSize: number;
  /** Milliseconds that reading one message may take. */
  readonly mimeTime: number;
  /** Wrong tokens per network and minute. */
  readonly failures: number;
  /** Requests of one token, and of one network (IPv6: /64); null: any number. */
  readonly rate: Rate | null;
  /** Peers on this machine count too. */
  readonly rateLoopback: boolean;
  /** Octets of the largest message that is brought in by /send. */
  readonly messageSize: number;
}

export const ADMIN_LIMITS: AdminLimits = {
  eventClients: 64,
  eventBacklog: 256,
  eventReturn: 300_000,
  heartbeat: 15_000,
  mimeSize: 25 * 1024 * 1024,
  mimeTime: 8_000,
  failures: 10,
  rate: { count: 600, milliseconds: 60_000 },
  rateLoopback: false,
  messageSize: 50 * 1024 * 1024,
};

/** What each request carries besides itself. */
export interface RequestInfo {
  /** The peer's IP address. */
  readonly remote: string;
}
/** The environment of every Hono app in this folder. */
export interface AdminEnv {
  Bindings: RequestInfo;
  Variables: {
    /** Who asks; known behind the token guard. */
    caller: Caller;
    /** What the audit names, where the path does not say it: an address, a client. */
    subject?: string;
    /** The fields of a form of ours, for the same. */
    form?: URLSearchParams;
  };
}
