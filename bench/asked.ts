/**
 * The figures that are asked of Postern over TLS and on the way out, each beside what came out. Job: the lines of the report that say yes or
 * no. Non-job: measuring, the tables (report.ts).
 */
import type { Sample } from "./report.ts";

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

interface Asked {
  readonly what: string;
  readonly most: number;
  readonly unit: string;
  /** NaN: not measured in this run. */
  figure(samples: readonly Sample[]): number;
}

function of(samples: readonly Sample[], workload: string, server: string): readonly Sample[] {
  return samples.filter((sample) => sample.workload === workload && sample.server === server);
}
function cpu(samples: readonly Sample[], workload: string, server: string): number {
  return median(of(samples, workload, server).map((sample) => sample.cpuPer1000));
}

function rate(samples: readonly Sample[], workload: string, server: string): number {
  return median(of(samples, workload, server).map((sample) => sample.perSecond));
}

const ASKED: readonly Asked[] = [
  {
    what: "CPU per 1,000 STARTTLS sessions without a message (T1)",
    most: 1.1,
    unit: " s",
    figure: (samples) => cpu(samples, "T1", "postern"),
  },
  {
    what: "CPU per 1,000 STARTTLS sessions with a message each (T1m)",
    most: 1.1,
    unit: " s",
    figure: (samples) => cpu(samples, "T1m", "postern"),
  },
  {
    what: "of 10,000 STARTTLS sessions at 50 connections hung or failed (T2)",
    most: 0,
    unit: "",
    figure: (samples) => Math.max(...of(samples, "T2", "postern").map(({ count, clean }) => count - clean)),
  },
  {
    what: "CPU per 1,000 relayed messages (W6)",
    most: 0.6,
    unit: " s",
    figure: (samples) => cpu(samples, "W6", "postern-relay"),
  },
  {
    what: "Postfix's messages a second beside ours, relayed end to end (W6)",
    most: 0.5,
    unit: " times",
    figure: (samples) => rate(samples, "W6", "postfix-relay") / rate(samples, "W6", "postern-relay"),
  },
  {
    what: "connections to the next hop per 1,000 messages (W6)",
    most: 40,
    unit: "",
    figure: (samples) =>
      median(of(samples, "W6", "postern-relay").map(({ relayed }) => relayed?.connectionsPer1000 ?? NaN)),
  },
  {
    what: "accepted, and never seen at the next hop (W6)",
    most: 0,
    unit: "",
    figure: (samples) => Math.max(...of(samples, "W6", "postern-relay").map(({ relayed }) => relayed?.missing ?? NaN)),
  },
  {
    what: "CPU of bulk over TLS beside Node's own node:tls (T4)",
    most: 1.5,
    unit: " times",
    figure: (samples) => cpu(samples, "T4", "postern") / cpu(samples, "T4", "node-tls"),
  },
];

export function verdicts(samples: readonly Sample[]): string[] {
  return ASKED.flatMap(({ what, most, unit, figure }) => {
    const value = figure(samples);
    if (!Number.isFinite(value)) return [];
    const shown = Number.isInteger(value) ? `${value}` : value.toFixed(2);
    return [`- ${value <= most ? "yes" : "NO"}: ${what}: ${shown}${unit}, asked at most ${most}${unit}`];
  });
}
