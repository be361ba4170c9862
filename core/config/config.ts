/**
 * What a configuration means once everything is resolved: plain values, times in milliseconds, sizes in octets, paths
 * absolute, plugins made. Whoever runs the server reads this and never YAML or the environment.
 * Non-job: how it is written (schema.ts), where it comes from (load.ts).
 */
import type { LockoutSettings } from "../auth/lockout.ts";
import type { NextHop } from "../delivery/next_hop.ts";
import type { RouteRule } from "../delivery/route_rules.ts";
import type { SuspensionRule } from "../delivery/suspension.ts";
import type { TlsRule } from "../delivery/tls/rules.ts";
import type { Family } from "../dns/host_addresses.ts";
import type { StubOptions } from "../dns/stub.ts";
import type { Address } from "../model/address.ts";
import { isLoopback } from "../model/ip.ts";
import type { Rate } from "../model/units.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import type { Hook } from "../webhooks/hook.ts";
import type { ReadSetting } from "./settings.ts";
import type { AccessToken } from "./tokens.ts";

/** A TCP endpoint. Port 0 takes a free one. */
export interface TcpAddress {
  /** A name or an IP address. */
  readonly host: string;
  /** From 0 to 65535. */
  readonly port: number;
}
/** A socket file. */
export interface UnixAddress {
  /** Absolute. */
  readonly path: string;
}

/** Where mail comes in. */
export interface ListenerConfig {
  /** Its address as written, unless the configuration names it. */
  readonly name: string;
  /** What it is for. */
  readonly role: "mx" | "submission" | "lmtp";
  /** Where it listens. */
  readonly address: TcpAddress | UnixAddress;
  /** Permissions of the socket file; null: what the umask leaves. */
  readonly mode: number | null;
  /** When TLS begins. */
  readonly tls: "off" | "offer" | "require" | "implicit";
  /** MAIL waits for a login. */
  readonly requireAuth: boolean;
  /** Logins in clear text too. */
  readonly authWithoutTls: boolean;
  /** SASL mechanisms in the order in which they are announced. */
  readonly mechanisms: readonly string[];
  /** Networks whose connections begin with a PROXY header. */
  readonly proxy: readonly string[];
  /** Networks that may use XCLIENT. */
  readonly xclient: readonly string[];
  /** Received does not show where somebody who is logged in sits. */
  readonly hideClient: boolean;
  /** In their order. */
  readonly plugins: readonly Plugin[];
  /** Refusals of connect, helo and mail are spoken at RCPT. */
  readonly delayRefusals: boolean;
  /** Offer BINARYMIME (RFC 3030). */
  readonly binarymime: boolean;
  /** A bare LF or CR in content: refuse the message, or make it CRLF before anything reads it. */
  readonly bareLf: "reject" | "normalize";
  /** Hang up on peers that talk before the greeting or past EHLO and DATA. */
  readonly forbidEarlyTalk: boolean;
  /** Take paths without angle brackets or with a space before them. */
  readonly lenientPaths: boolean;
  /** EHLO keywords that are not offered, upper case. */
  readonly ehloHide: readonly string[];
  /** VRFY is answered 252, which tells nothing (RFC 5321 3.5.3), or 502. */
  readonly vrfy: "neutral" | "off";
}

/** Certificates and what goes with them. */
export interface TlsConfig {
  /** Absolute paths of PEM files; empty: the server makes one for itself, which only vouches for itself. */
  readonly certificates: readonly { readonly cert: string; readonly key: string }[];
  /** The oldest version. */
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** PEM file of those who vouch for certificates of clients, absolute; null: clients are asked for none. */
  readonly clientCa: string | null;
}

/** What a peer may use up. Sizes in octets, times in milliseconds. */
export interface Limits {
  /** The largest message (RFC 1870). */
  readonly messageSize: number;
  /** Recipients of one message. */
  readonly recipients: number;
  /** Sessions of a role at a time; null: what the open files that this process may have allow. */
  readonly connections: number | null;
  /** Loopback and `trustedNetworks` are not counted. */
  readonly connectionsPerIp: number;
  /** Received fields before a message is taken for a loop (RFC 5321 6.3). */
  readonly received: number;
  /** The largest header section. */
  readonly headerBytes: number;
  /** Octets of a text line in content; null: any length, kept as it is. */
  readonly line: number | null;
  /** The longest command line, with its CRLF. */
  readonly commandLine: number;
  /** Bad commands before the session ends. */
  readonly errors: number;
  /** Commands that move nothing, per message, before they count as bad ones. */
  readonly junk: number;
  /** Between commands. */
  readonly idleTimeout: number;
  /** For each of these while the server is pressed, or nearly all places are taken: a stranger has no more. */
  readonly stressTimeout: number;
  /** For a whole TLS handshake. */
  readonly handshakeTimeout: number;
  /** Between reads inside DATA and BDAT. */
  readonly dataTimeout: number;
  /** Octets per second that content must average over a minute. */
  readonly minimumRate: number;
  /** For the plugins of `data` and `queue` together. */
  readonly pluginsTime: number;
  /** Octets of bodies in memory, all sessions together. */
  readonly bodyMemory: number;
  /** Octets that the process may have resident; null: nine tenths of what the machine or the control group gives. */
  readonly memory: number | null;
  /** How late the event loop may be before strangers' mail is bounded. */
  readonly lag: number;
  /** Octets of disk that stay free. */
  readonly diskReserve: number;
  /** How long running messages may take to finish after a stop was asked for. */
  readonly drainTime: number;
}

/** The site and the HTTP API. */
export interface AdminConfig {
  /** Where it listens. */
  readonly address: TcpAddress;
  /** Null only in the dev inbox on loopback. */
  readonly token: string | null;
  /** Names the Host header may carry besides loopback ones. */
  readonly hosts: readonly string[];
  /** Where messages of the dev inbox may be sent on to; null: nowhere. */
  readonly release: ReleaseConfig | null;
  /** Beside `token`, each with what it may do. */
  readonly tokens: readonly AccessToken[];
  /** Requests of one token and of one network; null: the usual ones, and this machine is not counted. */
  readonly rate: Rate | null;
  /** No configuration: the inbox is all there is to see. */
  readonly devInbox: boolean;
}

/** Sending messages of the dev inbox on. */
export interface ReleaseConfig {
  /** Patterns of addresses, at least one. */
  readonly to: readonly string[];
  /** A next hop, or null for the domain's own hosts. */
  readonly via: string | null;
  /** Who hears when one bounces. */
  readonly from: Address;
}

/** TLS of deliveries. */
export interface DeliveryTls {
  /** By domain pattern, as `TlsRules` reads them. */
  readonly rules: Readonly<Record<string, TlsRule>>;
  /** Policies by MTA-STS count (RFC 8461). */
  readonly mtaSts: boolean;
  /** TLSA records count, where the resolver can be believed (RFC 7672). */
  readonly dane: boolean;
  /** PEM file of authorities that are trusted beside the system's, absolute; null: the system's alone. */
  readonly ca: string | null;
  /** Daily reports to domains that ask for them (RFC 8460); null: none. */
  readonly reports: TlsReports | null;
}
/** Who sends reports about TLS. */
export interface TlsReports {
  /** Their sender. */
  readonly from: Address;
  /** Where questions go: an address, or text for people. */
  readonly contact: string;
  /** Who reports, for people. */
  readonly organization: string;
}

/** How mail leaves, and what its senders are told. Times in milliseconds, sizes in octets. */
export interface DeliveryConfig {
  /** False: nothing leaves the machine, whatever route a plugin gives (the dev inbox). */
  readonly leaves: boolean;
  /** Waits before each further attempt; the last one repeats. */
  readonly retry: readonly number[];
  /** When to give up. */
  readonly expire: number;
  /** The same for mail without a sender. */
  readonly nullSenderExpire: number;
  /** When the sender of a waiting message is told; null: never. */
  readonly delayNotice: number | null;
  /** Deliveries to one destination at once, at most. */
  readonly concurrencyPerDomain: number;
  /** Deliveries under way at all; the open files that this process may have can allow less. */
  readonly connections: number;
  /** How often deliveries to a domain may start, by domain pattern; the closest counts (`DomainMap`). */
  readonly rates: Readonly<Record<string, Rate>>;
  /** In their order. */
  readonly routes: readonly RouteRule[];
  /** Refusals for good are taken for temporary ones. */
  readonly softBounce: boolean;
  /** Who gets what cannot be returned. `postmaster` only where there is one. */
  readonly doubleBounce: "postmaster" | "drop";
  /** Who gets reports of success that were asked for: `known` are clients that had logged in. */
  readonly successReports: "anyone" | "known";
  /** Up to this size a report returns the whole message. */
  readonly returnSize: number;
  /** 8-bit content for a host without 8BITMIME. */
  readonly eightBit: "convert" | "bounce";
  /** Of the hosts that a domain names. */
  readonly port: number;
  /** Addresses of ours that connections come from, by family; else the system's choice. */
  readonly source: Readonly<Partial<Record<Family, string>>>;
  /** The family that is tried first; null: no preference. */
  readonly preferFamily: Family | null;
  /** Which replies keep us away from a destination. */
  readonly suspend: readonly SuspensionRule[];
  /** Addresses that refused for good are left alone for so long; null: they are not remembered. */
  readonly suppress: { readonly hardBounces: number | null };
  /** TLS with other hosts. */
  readonly tls: DeliveryTls;
}

/** Mail that plugins hold for a person. */
export interface QuarantineConfig {
  /** How long it waits, milliseconds; null: until a person comes. */
  readonly keep: number | null;
  /** Octets of all of it together. */
  readonly size: number;
}

/** What is written down of every session and message. */
export interface LedgerConfig {
  /** How long, milliseconds; null: forever. */
  readonly keep: number | null;
  /** Octets of all of it together. */
  readonly size: number;
  /** How addresses stand there. */
  readonly redact: "none" | "local-part" | "hash";
}

/** Sessions that are recorded. */
export interface RecordingsConfig {
  /** Only clients in these networks; empty: all. */
  readonly networks: readonly string[];
  /** Only these listeners; empty: all. */
  readonly listeners: readonly string[];
  /** Contents too. */
  readonly bodies: boolean;
  /** How long a recording is kept, milliseconds. */
  readonly keep: number;
  /** Octets of all recordings together. */
  readonly size: number;
}

/** Logins. */
export interface AuthConfig {
  /** What failed ones lead to. */
  readonly lockout: LockoutSettings;
}

/** Files in the data folder, nothing that survives, or a database that several nodes share: its URL, password and all. */
export type StoreConfig = "sqlite" | "memory" | { readonly postgres: string };

/** How grave a line is. */
export type LogLevel = "debug" | "info" | "warning" | "error";
/** What is written to standard output. */
export interface LogConfig {
  /** The least that is written. */
  readonly level: LogLevel;
  /** A line for people, or a JSON object a line. */
  readonly format: "text" | "json";
}

/** What /metrics shows. */
export interface MetricsConfig {
  /** Recipients' domains with series of their own. */
  readonly domains: number;
}
/** What spans hold. */
export interface TracingConfig {
  /** Addresses, names that were asked for, reasons. */
  readonly addresses: boolean;
}
/** A mail each day about the day. */
export interface SummaryConfig {
  /** Who gets it. */
  readonly to: Address;
  /** Milliseconds since midnight, UTC. */
  readonly at: number;
  /** `unusual`: only when something wants a person. */
  readonly when: "always" | "unusual";
}

/** What a configuration was read from: plain values. */
export interface ConfigSource {
  /** The file, as a person named it; null: the dev inbox. */
  readonly file: string | null;
  /** What stood in it. */
  readonly text: string | null;
  /** The folder that relative paths start from. */
  readonly cwd: string;
  /** The variables that were looked up, and what they held. */
  readonly env: Readonly<Record<string, string>>;
}

/** All of it. */
export interface Config {
  /** Absolute; null without a configuration file. */
  readonly file: string | null;
  /** This host's name. */
  readonly hostname: string;
  /** The data folder, absolute. */
  readonly data: string;
  /** Local domains as `new DomainSet` reads them. */
  readonly domains: readonly string[];
  /** Where mail for postmaster goes. */
  readonly postmaster: Address | null;
  /** `relay.networks` of every relay entry: their mail may lack CRs, and their sessions are not counted per address. */
  readonly trustedNetworks: readonly string[];
  /** Null: there is no TLS. */
  readonly tls: TlsConfig | null;
  /** At least one. */
  readonly listeners: readonly ListenerConfig[];
  /** What a peer may use up. */
  readonly limits: Limits;
  /** Where queue, inbox, counters, ledger and accounts live. */
  readonly store: StoreConfig;
  /** What this node is called among those that share the store. */
  readonly node: string;
  /** Threads that talk SMTP; 1: the one that everything else runs on. */
  readonly threads: number;
  /** What it was read from, for threads to read it from again; null: it was made in code, and cannot go to another thread. */
  readonly source: ConfigSource | null;
  /** Next hops by their names. */
  readonly nextHops: ReadonlyMap<string, NextHop>;
  /** How mail leaves. */
  readonly delivery: DeliveryConfig;
  /** Servers to ask, and whether they check DNSSEC; null: what this host says. */
  readonly dns: Partial<StubOptions> | null;
  /** Mail that plugins hold for a person. */
  readonly quarantine: QuarantineConfig;
  /** Who came, what was decided and why; null: nothing is kept. */
  readonly ledger: LedgerConfig | null;
  /** Null: no session is recorded. */
  readonly recordings: RecordingsConfig | null;
  /** Logins. */
  readonly auth: AuthConfig;
  /** Who is told of events by HTTP. */
  readonly webhooks: readonly Hook[];
  /** Null: there is no site. */
  readonly admin: AdminConfig | null;
  /** What is written. */
  readonly log: LogConfig;
  /** What is measured. */
  readonly metrics: MetricsConfig;
  /** What is traced, where OpenTelemetry is on. */
  readonly tracing: TracingConfig;
  /** Null: there is none. */
  readonly summary: SummaryConfig | null;
  /** Started without a configuration: every domain goes to the dev inbox, nothing leaves the machine. */
  readonly devInbox: boolean;
  /** The file as it was read, variables filled in: to be compared, never to be shown. */
  readonly written: Readonly<Record<string, unknown>>;
  /** What works and is probably not meant. One sentence each. */
  readonly warnings: readonly string[];
  /** When it was read, milliseconds since 1970. */
  readonly readAt: number;
  /** As it was written, setting by setting, for people; no secret is in it. */
  readonly settings: readonly ReadSetting[];
}

/** True when nobody but this machine reaches it. */
export function isLocal(address: TcpAddress | UnixAddress): boolean {
  return "path" in address || address.host === "localhost" || isLoopback(address.host);
}

/** The text of an address as `address:` takes it. */
export function formatEndpoint(address: TcpAddress | UnixAddress): string {
  if ("path" in address) return `unix:${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
