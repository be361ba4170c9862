/**
 * Figures into a Markdown report. Job: medians, the table, the lines that say what ran. Non-job: measuring.
 */
import { median, verdicts } from "./asked.ts";
import type { Machine } from "./machine.ts";
import type { Workload } from "./workloads.ts";

/** One repetition of one workload against one server. */
export interface Sample {
  readonly server: string;
  readonly workload: string;
  readonly repetition: number;
  /** Asked for; messages, or sessions where none sends one. */
  readonly count: number;
  readonly ok: number;
  readonly failed: number;
  /** Connections without progress until the generator gave them up; they are among the failed. */
  readonly hung: number;
  /** Connections that reached the 221. */
  readonly clean: number;
  /** Share of the TLS sessions that were resumed, 0 to 1; null without TLS. */
  readonly resumed: number | null;
  readonly perSecond: number;
  /** CPU seconds of all the server's processes and threads per 1,000 accepted messages or sessions. */
  readonly cpuPer1000: number;
  readonly p50: number | null;
  readonly p99: number | null;
  /** The load generator's share of one core, 0 to 1: near 1 it, not the server, was the limit. */
  readonly generator: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Of a relay, whose `perSecond` counts from the first connection to the last arrival at the next hop; else null. */
  readonly relayed: Relayed | null;
}

export interface Relayed {
  readonly acceptedPerSecond: number;
  /** Connections that the next hop saw, per 1,000 messages. */
  readonly connectionsPer1000: number;
  /** Accepted, and never seen at the next hop. */
  readonly missing: number;
}

/** A server as it ran. */
export interface Subject {
  readonly name: string;
  readonly promise: string;
  readonly version: string;
  readonly facts: Readonly<Record<string, string>>;
  /** fsync and fdatasync calls per accepted message, by workload. */
  readonly syncs: Readonly<Record<string, number>>;
}

export interface Report {
  readonly date: string;
  readonly machine: Machine;
  readonly subjects: readonly Subject[];
  readonly skipped: readonly string[];
  readonly samples: readonly Sample[];
}

function number(value: number | null, digits: number): string {
  if (value === null || Number.isNaN(value)) return "-";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function total(samples: readonly Sample[], pick: (sample: Sample) => number): number {
  return samples.reduce((sum, sample) => sum + pick(sample), 0);
}

export function markdown(report: Report, workloads: readonly Workload[]): string {
  const { machine, subjects, samples } = report;
  const lines = [
    `# Postern beside others, ${report.date.slice(0, 16).replace("T", " ")} UTC`,
    "",
    `${machine.cores} cores (${machine.cpu}), ${machine.memory}, Linux ${machine.kernel}, data on ${machine.filesystem}, Deno ${machine.deno}.`,
    "Load generator and server share the machine. Medians; messages/s also as lowest to highest.",
    "",
  ];
  for (const { name, what, unit, tls, relay = false } of workloads) {
    const of = (server: string) => samples.filter((s) => s.workload === name && s.server === server);
    const rate = (server: string) => median(of(server).map((s) => s.perSecond));
    const beside = relay ? "postfix-relay" : "postfix";
    const reference = of(beside).length ? rate(beside) : null;
    if (!samples.some((sample) => sample.workload === name)) continue;
    lines.push(
      `## ${name}: ${what}`,
      "",
      `| server | its 250 | ${unit}/s | from - to | beside Postfix | CPU s per 1,000 | p50 ms | p99 ms ` +
        `| ${tls ? "resumed" : "fsyncs/message"} | generator | failed |${tls ? " hung |" : ""}${
          relay ? " accepted/s | its connections per 1,000 | missing |" : ""
        }`,
      `|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|${tls ? "---:|" : ""}${relay ? "---:|---:|---:|" : ""}`,
    );
    for (const subject of subjects) {
      const all = of(subject.name);
      if (all.length === 0) continue;
      const m = (pick: (sample: Sample) => number | null) =>
        median(all.map(pick).filter((value): value is number => value !== null));
      const rates = all.map((sample) => sample.perSecond);
      lines.push(
        `| ${subject.name} | ${subject.promise} | ${number(m((s) => s.perSecond), 0)} ` +
          `| ${number(Math.min(...rates), 0)} - ${number(Math.max(...rates), 0)} ` +
          `| ${reference ? `${number(m((s) => s.perSecond) / reference, 2)} x` : "-"} ` +
          `| ${number(m((s) => s.cpuPer1000), 3)} | ${number(m((s) => s.p50), 2)} | ${number(m((s) => s.p99), 2)} ` +
          `| ${tls ? `${number(m((s) => s.resumed) * 100, 0)} %` : number(subject.syncs[name] ?? null, 2)} ` +
          `| ${number(m((s) => s.generator) * 100, 0)} % | ${total(all, (s) => s.failed)} |` +
          (tls ? ` ${total(all, (s) => s.hung)} |` : "") +
          (relay
            ? ` ${number(m((s) => s.relayed?.acceptedPerSecond ?? null), 0)} ` +
              `| ${number(m((s) => s.relayed?.connectionsPer1000 ?? null), 0)} ` +
              `| ${total(all, (s) => s.relayed?.missing ?? 0)} |`
            : ""),
      );
    }
    lines.push("");
  }
  const asked = verdicts(samples);
  if (asked.length > 0) lines.push("## What is asked of Postern over TLS", "", ...asked, "");
  lines.push("## What ran", "");
  for (const subject of subjects) {
    const facts = Object.entries(subject.facts).map(([key, value]) => `${key}: ${value}`).join("; ");
    lines.push(`- ${subject.name} ${subject.version}, ${subject.promise}${facts && `; ${facts}`}`);
  }
  for (const line of report.skipped) lines.push(`- not run: ${line}`);
  const errors = samples.filter((sample) => Object.keys(sample.errors).length > 0);
  for (const { server, workload, errors: what } of errors) {
    lines.push(`- errors: ${server} ${workload} ${JSON.stringify(what)}`);
  }
  lines.push(
    "",
    "CPU: utime + stime of every process and thread of the server from /proc, from the first connection until the server",
    "is idle again. fsyncs/message: fsync and fdatasync calls counted by strace in a short run of their own, with only",
    "these two calls stopped (seccomp), divided by the messages accepted in it.",
    "",
  );
  return lines.join("\n");
}
