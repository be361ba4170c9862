/**
 * What is measured: a name, a line for people, the arguments of smtpload. From 20 connections unless it says else.
 */

export interface Workload {
  readonly name: string;
  readonly what: string;
  readonly args: readonly string[];
  /** Octets of a message; calibration begins with fewer of the large ones. */
  readonly size: number;
}

function workload(name: string, what: string, connections: number, each: number, size: number, ...more: string[]) {
  const args = ["--conns", `${connections}`, "--per-conn", `${each}`, "--size", `${size}`, ...more];
  return { name, what, args, size };
}

export const WORKLOADS: readonly Workload[] = [
  workload("W1", "5 KB, a connection per message", 20, 1, 5120),
  workload("W2", "5 KB, 100 per connection", 20, 100, 5120),
  workload("W2p", "5 KB, 100 per connection, pipelined", 20, 100, 5120, "--pipelining"),
  workload("W3", "100 KB, 10 per connection", 20, 10, 102_400),
  workload("W4", "1 MiB, 4 per connection, 8 connections", 8, 4, 1_048_576),
];
