/**
 * Counts and times of what happened, from the same events as the log, as OpenMetrics text for GET /metrics.
 * Every label has few values: plugins, codes, phases, never an address. Non-job: serving it (core/admin).
 */
import type { Decision, Event, Observer } from "./events.ts";

/** What is measured when somebody asks, not counted as it happens. */
export interface Gauges {
  /** How long the oldest commit under way has waited, milliseconds. */
  readonly writerWait?: number;
  readonly freeBytes?: number;
  readonly bodyBytes?: number;
  /** Recipients waiting in the queue, by state. */
  readonly queue?: Readonly<Record<string, number>>;
  /** Deliveries: under way, and in memory until it is their turn. */
  readonly deliveries?: { readonly running: number; readonly waiting: number };
  /** Handshakes with other hosts that broke and are remembered, since the start. */
  readonly brokenTls?: number;
}

/** Upper bounds, seconds. A plugin takes microseconds or waits for the network. */
const BOUNDS = [0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];
/** Of a delivery: at once, after a greylist, after days. */
const DELAYS = [0.1, 1, 10, 60, 600, 3600, 14_400, 86_400, 432_000];

/** What a plugin did in a phase since the start. Times in milliseconds. */
export interface PluginTiming {
  readonly plugin: string;
  readonly phase: string;
  readonly calls: number;
  /** Own time, all calls together. */
  readonly total: number;
  /** So long took 95 of 100 calls at most: the upper bound of a bucket, Infinity above the last. */
  readonly p95: number;
  /** How often it ended with each verdict. */
  readonly verdicts: Readonly<Record<string, number>>;
}

class Histogram {
  readonly #bounds: readonly number[];
  readonly #buckets: Uint32Array;
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[] = BOUNDS) {
    this.#bounds = bounds;
    this.#buckets = new Uint32Array(bounds.length + 1);
  }

  add(seconds: number): void {
    let at = 0;
    while (at < this.#bounds.length && seconds > this.#bounds[at]!) at++;
    this.#buckets[at]!++;
    this.#sum += seconds;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }
  /** Seconds. */
  get sum(): number {
    return this.#sum;
  }

  /** What that part of all (0 to 1) stayed below: the bound of a bucket, Infinity above the last. */
  quantile(part: number): number {
    let seen = 0;
    for (const [at, bound] of this.#bounds.entries()) {
      seen += this.#buckets[at]!;
      if (seen >= part * this.#count) return bound;
    }
    return Infinity;
  }

  lines(name: string, labels: string): string[] {
    const lines: string[] = [];
    const comma = labels === "" ? "" : ",";
    let sum = 0;
    for (const [at, bound] of this.#bounds.entries()) {
      sum += this.#buckets[at]!;
      lines.push(`${name}_bucket{${labels}${comma}le="${bound}"} ${sum}`);
    }
    const all = labels === "" ? "" : `{${labels}}`;
    lines.push(`${name}_bucket{${labels}${comma}le="+Inf"} ${this.#count}`);
    lines.push(`${name}_count${all} ${this.#count}`, `${name}_sum${all} ${Number(this.#sum.toFixed(6))}`);
    return lines;
  }
}

/** Counters under up to three labels, without building a string per event. */
class Counters {
  readonly #values = new Map<string, Map<string, Map<string, number>>>();

  add(a: string, b = "", c = ""): void {
    let second = this.#values.get(a);
    if (second === undefined) this.#values.set(a, second = new Map());
    let third = second.get(b);
    if (third === undefined) second.set(b, third = new Map());
    third.set(c, (third.get(c) ?? 0) + 1);
  }

  /** Under two labels, by the third. */
  of(a: string, b: string): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#values.get(a)?.get(b) ?? []);
  }

  lines(name: string, labels: readonly string[]): string[] {
    const lines: string[] = [];
    for (const [a, second] of this.#values) {
      for (const [b, third] of second) {
        for (const [c, value] of third) {
          const values = [a, b, c];
          const text = labels.map((label, at) => `${label}="${escape(values[at]!)}"`).join(",");
          lines.push(`${name}_total{${text}} ${value}`);
        }
      }
    }
    return lines;
  }
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

export class Metrics {
  #accepted = 0;
  #acceptedBytes = 0;
  #recipients = 0;
  #held = 0;
  #opened = 0;
  #closed = 0;
  #trouble = 0;
  readonly #refused = new Counters();
  readonly #decisions = new Counters();
  readonly #deliveries = new Counters();
  readonly #delays = new Histogram(DELAYS);
  readonly #commit = new Histogram();
  readonly #plugins = new Map<string, Map<string, Histogram>>();

  /** Subscribe it to the bus. */
  readonly observe: Observer = (event: Event) => {
    switch (event.type) {
      case "accepted":
        this.#accepted++;
        this.#acceptedBytes += event.size;
        this.#recipients += event.recipients.length;
        if (event.held !== null) this.#held++;
        return this.#commit.add(event.ms / 1000);
      case "refused":
        return this.#refused.add(event.command, String(event.reply.code), event.reply.status);
      case "decision":
        return this.#decided(event);
      case "session-opened":
        this.#opened++;
        return;
      case "session-closed":
        this.#closed++;
        return;
      case "delivered":
        this.#deliveries.add(event.type);
        return this.#delays.add(event.delay / 1000);
      case "bounced":
        return this.#deliveries.add(event.expired ? "expired" : event.type);
      case "deferred":
      case "held":
        return this.#deliveries.add(event.type);
      case "trouble":
        this.#trouble++;
        return;
    }
  };

  #decided({ plugin, phase, verdict, ms }: Decision): void {
    this.#decisions.add(plugin, phase, verdict);
    let phases = this.#plugins.get(plugin);
    if (phases === undefined) this.#plugins.set(plugin, phases = new Map());
    let times = phases.get(phase);
    if (times === undefined) phases.set(phase, times = new Histogram());
    times.add(ms / 1000);
  }

  /** What each plugin did in each phase, in the order in which they were first asked. */
  timings(): readonly PluginTiming[] {
    return [...this.#plugins].flatMap(([plugin, phases]) =>
      [...phases].map(([phase, times]) => ({
        plugin,
        phase,
        calls: times.count,
        total: Number((times.sum * 1000).toFixed(3)),
        p95: times.quantile(0.95) * 1000,
        verdicts: this.#decisions.of(plugin, phase),
      }))
    );
  }

  /** The whole exposition, `# EOF` included: `application/openmetrics-text; version=1.0.0; charset=utf-8`. */
  render(gauges: Gauges = {}): string {
    const lines: string[] = [];
    const family = (name: string, type: string, help: string, samples: readonly string[], unit?: string) => {
      lines.push(`# TYPE ${name} ${type}`);
      if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
      lines.push(`# HELP ${name} ${help}`, ...samples);
    };
    const counter = (name: string, help: string, value: number, unit?: string) =>
      family(name, "counter", help, [`${name}_total ${value}`], unit);
    const gauge = (name: string, help: string, value: number | undefined, unit?: string) => {
      if (value !== undefined) family(name, "gauge", help, [`${name} ${value}`], unit);
    };
    counter("postern_messages_accepted", "Messages that got their 250.", this.#accepted);
    counter("postern_accepted_bytes", "Octets of accepted messages.", this.#acceptedBytes, "bytes");
    counter("postern_recipients_accepted", "Recipients of accepted messages.", this.#recipients);
    counter("postern_messages_held", "Accepted messages kept in quarantine.", this.#held);
    family(
      "postern_refused",
      "counter",
      "Refusals that peers were told.",
      this.#refused.lines("postern_refused", ["command", "code", "status"]),
    );
    family(
      "postern_decisions",
      "counter",
      "Decisions of plugins.",
      this.#decisions.lines("postern_decisions", ["plugin", "phase", "verdict"]),
    );
    family(
      "postern_deliveries",
      "counter",
      "Recipients that an attempt of the queue brought to an end or a wait; what was stored before the 250 is not here.",
      this.#deliveries.lines("postern_deliveries", ["outcome"]),
    );
    family(
      "postern_delivery_delay_seconds",
      "histogram",
      "From the last octet to the delivery of a recipient by the queue.",
      this.#delays.lines("postern_delivery_delay_seconds", ""),
      "seconds",
    );
    counter("postern_sessions", "Sessions that were opened.", this.#opened);
    gauge("postern_sessions_open", "Sessions that are open.", this.#opened - this.#closed);
    counter("postern_trouble", "Things that were wrong with the server.", this.#trouble);
    family(
      "postern_commit_seconds",
      "histogram",
      "From the last octet to the 250.",
      this.#commit.lines("postern_commit_seconds", ""),
      "seconds",
    );
    family(
      "postern_plugin_seconds",
      "histogram",
      "Own time of plugins.",
      [...this.#plugins].flatMap(([plugin, phases]) =>
        [...phases].flatMap(([phase, times]) =>
          times.lines("postern_plugin_seconds", `plugin="${escape(plugin)}",phase="${phase}"`)
        )
      ),
      "seconds",
    );
    const wait = gauges.writerWait;
    gauge("postern_store_wait_seconds", "Age of the oldest commit under way.", wait && wait / 1000, "seconds");
    gauge("postern_disk_free_bytes", "Space where the data lies.", gauges.freeBytes, "bytes");
    gauge("postern_bodies_bytes", "Message bodies in memory.", gauges.bodyBytes, "bytes");
    gauge("postern_deliveries_running", "Deliveries under way.", gauges.deliveries?.running);
    gauge("postern_deliveries_waiting", "Deliveries in memory until it is their turn.", gauges.deliveries?.waiting);
    gauge("postern_tls_broken", "Handshakes with other hosts that broke, since the start.", gauges.brokenTls);
    if (gauges.queue) {
      const states = Object.entries(gauges.queue).map(([state, n]) =>
        `postern_queue_recipients{state="${state}"} ${n}`
      );
      family("postern_queue_recipients", "gauge", "Recipients in the queue.", states);
    }
    return lines.join("\n") + "\n# EOF\n";
  }
}
