/**
 * What a configuration means once everything is resolved: plain values, times in milliseconds, sizes in octets, paths
 * absolute, plugins made. Whoever runs the server reads this and never YAML or the environment.
 * Non-job: how it is written (schema.ts), where it comes from (load.ts).
 */
import type { Address } from "../model/address.ts";
import { isLoopback } from "../model/ip.ts";
import type { Plugin } from "../pipeline/plugin.ts";

/** A TCP endpoint. Port 0 takes a free one. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}
/** A socket file. */
export interface UnixAddress {
  readonly path: string;
}

export interface ListenerConfig {
  /** Its address as written, unless the configuration names it. */
  readonly name: string;
  /** `submission` follows with TLS and AUTH; the loader refuses it until then. */
  readonly role: "mx" | "submission" | "lmtp";
  readonly address: TcpAddress | UnixAddress;
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

export interface Limits {
  readonly messageSize: number;
  readonly recipients: number;
  /** Sessions of a role at a time; null: what the open files that this process may have allow. */
  readonly connections: number | null;
  /** Loopback and `trustedNetworks` are not counted. */
  readonly connectionsPerIp: number;
  /** Received fields before a message is taken for a loop (RFC 5321 6.3). */
  readonly received: number;
  readonly headerBytes: number;
  /** Octets of a text line in content; null: any length, kept as it is. */
  readonly line: number | null;
  readonly commandLine: number;
  /** Bad commands before the session ends. */
  readonly errors: number;
  /** Commands that move nothing, per message, before they count as bad ones. */
  readonly junk: number;
  /** Between commands. */
  readonly idleTimeout: number;
  /** Between reads inside DATA and BDAT. */
  readonly dataTimeout: number;
  /** Octets per second that content must average over a minute. */
  readonly minimumRate: number;
  /** For the plugins of `data` and `queue` together. */
  readonly pluginsTime: number;
  /** Octets of bodies in memory, all sessions together. */
  readonly bodyMemory: number;
  /** Octets of disk that stay free. */
  readonly diskReserve: number;
  /** How long running messages may take to finish after a stop was asked for. */
  readonly drainTime: number;
}

export interface AdminConfig {
  readonly address: TcpAddress;
  /** Null only in the dev inbox on loopback. */
  readonly token: string | null;
  /** Names the Host header may carry besides loopback ones. */
  readonly hosts: readonly string[];
  readonly devInbox: boolean;
}

export interface DeliveryConfig {
  /** Waits before each further attempt; the last one repeats. */
  readonly retry: readonly number[];
  readonly expire: number;
}

export type LogLevel = "debug" | "info" | "warning" | "error";
export interface LogConfig {
  readonly level: LogLevel;
  readonly format: "text" | "json";
}

export interface Config {
  /** Absolute; null without a configuration file. */
  readonly file: string | null;
  readonly hostname: string;
  readonly data: string;
  /** Local domains as `new DomainSet` reads them. */
  readonly domains: readonly string[];
  readonly postmaster: Address | null;
  /** `relay.networks` of every relay entry: their mail may lack CRs, and their sessions are not counted per address. */
  readonly trustedNetworks: readonly string[];
  readonly listeners: readonly ListenerConfig[];
  readonly limits: Limits;
  readonly store: "sqlite" | "memory";
  readonly delivery: DeliveryConfig;
  readonly admin: AdminConfig | null;
  readonly log: LogConfig;
  /** Started without a configuration: every domain goes to the dev inbox, nothing leaves the machine. */
  readonly devInbox: boolean;
  /** What works and is probably not meant. One sentence each. */
  readonly warnings: readonly string[];
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
