/**
 * What a program sees of a server that it runs inside itself: what it may ask for, and what it is given. Types only, so
 * that `postern` runs anywhere. Non-job: running it (server.ts), reading what came (received.ts).
 */
import type { Resolver } from "../dns/resolver.ts";
import type { Event } from "../observe/events.ts";
import type { Plugin } from "../pipeline/plugin.ts";

/** Keys and values as they stand in postern.yaml, as an object. */
export type ConfigObject = Readonly<Record<string, unknown>>;
/** An entry of a list of plugins: one that was made in code, or what a configuration would say: "chaos", { spf: {} }. */
export type PluginEntry = Plugin | string | ConfigObject;

/** What server is wanted. Without any of it: mail for everybody is taken on a free port of this machine, and kept in memory. */
export interface EmbeddedOptions {
  /** In their order, before those of `config`. What they let through is kept for `messages()`, unless `config` has a list of its own. */
  readonly plugins?: readonly PluginEntry[];
  /** Where mail is taken, `host:port`; port 0 takes a free one (default 127.0.0.1:0). */
  readonly listen?: string;
  /** The local domains (default `*`, all): mail for others is refused, unless a plugin routes it. */
  readonly domains?: readonly string[];
  /** True: the site and the HTTP API on a free port of this machine; or its address, `host:port` (default false). */
  readonly site?: boolean | string;
  /** Where mail, queue and counters live: `sqlite` needs `config.data`, a folder (default memory, nothing is written). */
  readonly store?: "memory" | "sqlite";
  /**
   * Whatever else a configuration file can say. With it the server is what such a file makes of it: it delivers to other
   * hosts where its plugins route mail there, and has the inbox only where `config.plugins` names it.
   */
  readonly config?: ConfigObject;
  /** The folder that relative paths start from (default: the current one). */
  readonly base?: string;
  /** Name service; a `MemoryResolver` in tests (default: this machine's). */
  readonly dns?: Resolver;
  /** Told of every event from the first on. */
  readonly observe?: (event: Event) => void;
  /** Milliseconds since 1970 (default: the clock). */
  readonly now?: () => number;
}

/** Which messages. All that is given must hold. */
export interface MessageFilter {
  /** A recipient of the envelope; its domain in any case, `@example.org` for all of a domain. */
  readonly to?: string;
  /** The sender of the envelope, likewise; empty for `<>`. */
  readonly from?: string;
  /** The whole of the subject, or what it matches. */
  readonly subject?: string | RegExp;
}
/** Which message, and how long to wait for it. */
export interface WaitOptions extends MessageFilter {
  /** Milliseconds (default 10,000). */
  readonly timeout?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/** A file in a message. */
export interface ReceivedAttachment {
  /** Decoded; null where it has none. */
  readonly name: string | null;
  /** `type/subtype` in lower case. */
  readonly type: string;
  /** `attachment`, `inline` or another word; null where nothing is said. */
  readonly disposition: string | null;
  /** Without the angle brackets; null where there is none. */
  readonly contentId: string | null;
  /** Decoded. */
  readonly content: Uint8Array<ArrayBuffer>;
}
/** A message that came in, read. */
export interface ReceivedMessage {
  /** The transaction's id: the `queued as` of its 250. */
  readonly id: string;
  /** When it came. */
  readonly receivedAt: Date;
  /** What was said before its content. */
  readonly envelope: {
    /** MAIL FROM; empty for `<>`. */
    readonly from: string;
    /** RCPT TO, those that were kept here, as the client named them. */
    readonly to: readonly string[];
    /** The peer's address. */
    readonly ip: string;
    /** What it called itself. */
    readonly helo: string;
    /** Who had logged in, else null. */
    readonly identity: string | null;
    /** The `with` word of Received (RFC 3848). */
    readonly protocol: string;
  };
  /** All fields in their order, unfolded and decoded. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** The first field of that name, in any case; null where there is none. */
  header(name: string): string | null;
  /** Decoded; empty where there is none. */
  readonly subject: string;
  /** The From field, decoded; empty where there is none. */
  readonly from: string;
  /** The To field, decoded; empty where there is none. */
  readonly to: string;
  /** The plain text, decoded, lines end in LF; null where there is none. */
  readonly text: string | null;
  /** The HTML, decoded, lines end in LF; null where there is none. */
  readonly html: string | null;
  /** Every other part. */
  readonly attachments: readonly ReceivedAttachment[];
  /** All octets as they are kept: Return-Path and Received in front, CRLF. */
  readonly raw: Uint8Array<ArrayBuffer>;
}

/** A server that runs inside another program. `await using` stops it. */
export interface EmbeddedServer extends AsyncDisposable {
  /** The address that mail is taken at: of the first listener, empty for a socket file. */
  readonly host: string;
  /** Its port; 0 for a socket file. */
  readonly port: number;
  /** All listeners, ports as they were taken. */
  readonly addresses: readonly { readonly listener: string; readonly address: string }[];
  /** The site, or null without one. */
  readonly url: string | null;
  /**
   * The oldest message that was not given yet, when it comes. Each is given once; with `to` once for each recipient that is
   * asked for.
   *
   * @throws {Error} which says what did come, when none comes in time; what `signal` was aborted with; when the server stops.
   */
  nextMessage(options?: WaitOptions): Promise<ReceivedMessage>;
  /** What the inbox holds, the oldest first, given or not. */
  messages(filter?: MessageFilter): Promise<readonly ReceivedMessage[]>;
  /** Forgets all messages. */
  clear(): Promise<void>;
  /** Tells `observer` of every event from now on; returns the function that ends that. */
  observe(observer: (event: Event) => void): () => void;
  /** New mail is refused, messages under way may finish, everything is closed. Any number of times. */
  stop(): Promise<void>;
}
