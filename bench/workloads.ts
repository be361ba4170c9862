/**
 * What is measured: a name, a line for people, the arguments of smtpload. From 20 connections unless it says else. The T
 * are over STARTTLS: TLS 1.3, a P-256 certificate, and a session without progress for 10 s has hung.
 */

import { LIST } from "./checks/site.ts";

export interface Workload {
  readonly name: string;
  readonly what: string;
  /** What `ok` of smtpload counts. */
  readonly unit: "messages" | "sessions";
  readonly tls: boolean;
  readonly args: readonly string[];
  /** Octets of a message; calibration begins with fewer of the large ones. */
  readonly size: number;
  /** So many in every repetition, instead of as many as fill its time. */
  readonly count?: number;
  /** The server hands each message on to a next hop; what counts is that all have come there. */
  readonly relay?: true;
  /** Plugins in front of the inbox, as they stand in a configuration: what they cost is the server's part of it. */
  readonly policy?: readonly string[];
  /** The mail of a sender who does all as it should, from his address, by name service of loopback (checks/site.ts). */
  readonly signed?: true;
  /** The only servers that it is for. */
  readonly only?: readonly string[];
}

function workload(name: string, what: string, connections: number, each: number, size: number, ...more: string[]) {
  const args = ["--conns", `${connections}`, "--per-conn", `${each}`, "--size", `${size}`, ...more];
  return { name, what, unit: "messages" as const, tls: false, args, size };
}

/** The same over STARTTLS. */
function secured(plain: Workload, ...more: string[]): Workload {
  return { ...plain, tls: true, args: [...plain.args, "--starttls", "--tls-min", "1.3", "--timeout", "10", ...more] };
}

/** Sessions that send no message: greeting, EHLO, STARTTLS, EHLO, QUIT. */
function empty(name: string, what: string, connections: number, ...more: string[]): Workload {
  return { ...secured(workload(name, what, connections, 1, 0), "--handshake-only", ...more), unit: "sessions" };
}

const CHECKS = [`dnsbl: { zones: { ${LIST}: 4 } }`, "spf", "dkim", "dmarc", "headers", "attachments", "spam_score"];

export const WORKLOADS: readonly Workload[] = [
  workload("W1", "5 KB, a connection per message", 20, 1, 5120),
  {
    ...workload("P1", "W1 behind header checks, attachments and spam scoring", 20, 1, 5120),
    policy: ["headers", "attachments", "spam_score"],
    only: ["postern"],
  },
  {
    ...workload("P1x100", "P1 from 100 connections", 100, 1, 5120),
    policy: ["headers", "attachments", "spam_score"],
    only: ["postern"],
  },
  {
    ...workload("D1", "signed mail of 5 KB behind all checks of incoming mail", 20, 1, 5120),
    policy: CHECKS,
    signed: true,
    only: ["postern"],
  },
  {
    ...workload("D1x100", "D1 from 100 connections", 100, 1, 5120),
    policy: CHECKS,
    signed: true,
    only: ["postern"],
  },
  {
    ...workload("C5", "W1 behind a plugin that computes for 5 ms", 20, 1, 5120),
    policy: [`${new URL("overload/costly.ts", import.meta.url).pathname}: { ms: 5 }`],
    only: ["postern"],
  },
  { ...workload("W1x100", "W1 from 100 connections", 100, 1, 5120), only: ["postern"] },
  { ...workload("W1x300", "W1 from 300 connections", 300, 1, 5120), only: ["postern"] },
  workload("W2", "5 KB, 100 per connection", 20, 100, 5120),
  workload("W2p", "5 KB, 100 per connection, pipelined", 20, 100, 5120, "--pipelining"),
  workload("W3", "100 KB, 10 per connection", 20, 10, 102_400),
  workload("W4", "1 MiB, 4 per connection, 8 connections", 8, 4, 1_048_576),
  { ...workload("W6", "5 KB, 10 per connection, relayed to a next hop", 20, 10, 5120), relay: true },
  empty("T1", "STARTTLS sessions without a message, 100 connections", 100),
  empty("T1r", "the same, TLS sessions resumed", 100, "--resume"),
  secured(workload("T1m", "a STARTTLS session per message, 5 KB, 100 connections", 100, 1, 5120)),
  {
    ...empty("T2", "10,000 STARTTLS sessions without a message, 50 connections", 50),
    count: 10_000,
    only: ["postern", "deno-tls"],
  },
  secured(workload("T4", "1 MiB over STARTTLS, 8 per session, 8 connections", 8, 8, 1_048_576)),
];
