/** What `postern top` wants of the OpenMetrics text of a server. Values only; linear in the text. */

/** Numbers of a server at a moment. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Since the server's start: sessions, then messages by verdict, octets, deliveries by outcome. */
  readonly sessions: number;
  readonly messages: ReadonlyMap<string, number>;
  readonly octets: number;
  readonly deliveries: ReadonlyMap<string, number>;
  /** Messages by state; null: the server does not count them. */
  readonly queue: ReadonlyMap<string, number>;
  readonly openSessions: number;
  /** Seconds. */
  readonly oldest: number;
  readonly cpu: number;
  readonly memory: number;
  readonly plugins: ReadonlyMap<string, PluginTime>;
  /** The server is pressed, and so many were asked to come again since its start. */
  readonly stressed: boolean;
  readonly shed: number;
}
export interface PluginTime {
  readonly calls: number;
  /** Own time, seconds. */
  readonly seconds: number;
  readonly rejects: number;
  readonly defers: number;
}

const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

/**
 * @example
 * ```ts
 * import { sampleOf } from "./samples.ts";
 * import { assertEquals } from "@std/assert";
 * const { messages } = sampleOf('postern_messages_total{verdict="refused"} 7\n# EOF\n', 0);
 * assertEquals([...messages], [["refused", 7]]);
 * ```
 */
export function sampleOf(text: string, at: number): Sample {
  const one = new Map<string, number>(), messages = new Map<string, number>(), deliveries = new Map<string, number>();
  const queue = new Map<string, number>(), plugins = new Map<string, { -readonly [K in keyof PluginTime]: number }>();
  const plugin = (name = "?") => {
    let found = plugins.get(name);
    if (found === undefined) plugins.set(name, found = { calls: 0, seconds: 0, rejects: 0, defers: 0 });
    return found;
  };
  for (const line of text.split("\n")) {
    if (!line.startsWith("postern_") && !line.startsWith("process_")) continue;
    const end = line.search(/[{ ]/), name = line.slice(0, end);
    if (name.endsWith("_bucket")) continue;
    const close = line[end] === "{" ? line.lastIndexOf("}") : end - 1;
    const value = Number(line.slice(close + 1).trim().split(" ")[0]);
    if (!Number.isFinite(value)) continue;
    const labels: Record<string, string> = {};
    if (line[end] === "{") {
      for (const [, key, text] of line.slice(end + 1, close).matchAll(LABEL)) {
        labels[key!] = text!.replace(/\\(.)/g, "$1");
      }
    }
    const { verdict = "", outcome = "", state = "" } = labels;
    switch (name) {
      case "postern_messages_total":
        messages.set(verdict, value);
        break;
      case "postern_deliveries_total":
        deliveries.set(outcome, value);
        break;
      case "postern_queue_messages":
        queue.set(state, value);
        break;
      case "postern_plugin_seconds_sum":
        plugin(labels["plugin"]).seconds += value;
        break;
      case "postern_plugin_seconds_count":
        plugin(labels["plugin"]).calls += value;
        break;
      case "postern_decisions_total":
        if (verdict === "reject") plugin(labels["plugin"]).rejects += value;
        else if (verdict === "defer") plugin(labels["plugin"]).defers += value;
        break;
      default:
        one.set(name, (one.get(name) ?? 0) + value);
    }
  }
  const sum = (name: string) => one.get(name) ?? 0;
  return {
    at,
    sessions: sum("postern_sessions_total"),
    messages,
    octets: sum("postern_accepted_bytes_total"),
    deliveries,
    queue,
    openSessions: sum("postern_sessions_open"),
    oldest: sum("postern_queue_oldest_seconds"),
    cpu: sum("process_cpu_seconds_total"),
    memory: sum("process_resident_memory_bytes"),
    plugins,
    stressed: sum("postern_stressed") > 0,
    shed: sum("postern_shed_total"),
  };
}
