/**
 * Counts and times of what happened, from the same events as the log, as OpenMetrics text for GET /metrics. Every label
 * has few values: plugins, codes, phases, the busiest domains, never an address. docs/metrics.md lists all of them.
 * Non-job: serving it (core/admin), gathering what is measured when somebody asks (core/measuring.ts).
 */
import type { Event, Observer, Phase } from "./events.ts";
import { Counters } from "./metrics/counters.ts";
import { DeliveryMeasures } from "./metrics/deliveries.ts";
import { Exposition } from "./metrics/exposition.ts";
import { type Gauges, writeGauges } from "./metrics/gauges.ts";
import { Histogram } from "./metrics/histogram.ts";
import { PluginMeasures, type PluginTiming } from "./metrics/plugins.ts";
import { ProcessMeasures } from "./metrics/process.ts";

export type { Gauges, PluginTiming };

export interface MetricsOptions {
  /** Recipients' domains with series of their own (default 50). */
  readonly domains?: number;
}

/** Operations of a batch of the store. */
const BATCHES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/** Seconds that a session lasts. */
const SESSIONS: readonly number[] = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];

export class Metrics {
  readonly #process = new ProcessMeasures();
  readonly #plugins = new PluginMeasures();
  readonly #deliveries: DeliveryMeasures;
  readonly #messages = new Counters(["verdict"]);
  readonly #sessions = new Counters(["listener"]);
  readonly #refused = new Counters(["command", "code", "status"]);
  readonly #rewritten = new Counters(["plugin"]);
  readonly #logins = new Counters(["mechanism", "result"]);
  readonly #secured = new Counters(["version", "resumed"]);
  readonly #outbound = new Counters(["policy", "result"]);
  readonly #alerts = new Counters(["where"], 50);
  readonly #audits = new Counters(["action"], 50);
  readonly #questions = new Counters(["type", "result"]);
  readonly #commit = new Histogram();
  readonly #lasted = new Histogram(SESSIONS);
  readonly #batches = new Histogram(BATCHES);
  readonly #batchTimes = new Histogram();
  readonly #answers = new Histogram();
  #acceptedBytes = 0;
  #recipients = 0;
  #opened = 0;
  #closed = 0;
  #handshakes = 0;
  #cached = 0;
  #trouble = 0;

  constructor({ domains = 50 }: MetricsOptions = {}) {
    this.#deliveries = new DeliveryMeasures(domains);
  }

  /** Begins to watch the event loop. */
  start(): void {
    this.#process.start();
  }

  stop(): void {
    this.#process.stop();
  }

  /** Subscribe it to the bus. */
  readonly observe: Observer = (event: Event) => {
    switch (event.type) {
      case "decision":
        return this.#plugins.decided(event);
      case "accepted":
        this.#messages.add(event.held === null ? "accepted" : "held");
        this.#acceptedBytes += event.size;
        this.#recipients += event.recipients.length;
        return this.#commit.add(event.ms / 1000);
      case "refused":
        if (event.command === "message") this.#messages.add(event.reply.verdict === "defer" ? "deferred" : "refused");
        return this.#refused.add(event.command, String(event.reply.code), event.reply.status);
      case "abandoned":
        return this.#messages.add("abandoned");
      case "session-opened":
        this.#opened++;
        return this.#sessions.add(event.listener);
      case "session-closed":
        this.#closed++;
        if (event.reason.startsWith("TLS handshake")) this.#handshakes++;
        return this.#lasted.add(event.seconds);
      case "session-secured":
        return this.#secured.add(event.version, event.resumed ? "yes" : "no");
      case "login":
        return this.#logins.add(event.mechanism, event.ok ? "ok" : "failed");
      case "rewritten":
        return this.#rewritten.add(event.plugin);
      case "delivered":
      case "deferred":
      case "bounced":
        return this.#deliveries.told(event);
      case "held":
        return this.#deliveries.held(event.recipient);
      case "alert":
        return this.#alerts.add(event.where);
      case "audit":
        return this.#audits.add(event.action);
      case "trouble":
        this.#trouble++;
        return;
    }
  };

  /** A phase has its answer. */
  readonly phase = (phase: Phase, verdict: "accept" | "defer" | "reject", milliseconds: number): void =>
    this.#plugins.phase(phase, verdict, milliseconds);

  /** The store wrote a batch. */
  readonly batch = (operations: number, milliseconds: number): void => {
    this.#batches.add(operations);
    this.#batchTimes.add(milliseconds / 1000);
  };

  /** Name service answered: a fault or null. `milliseconds`: null where the answer was known. */
  readonly question = (type: string, fault: string | null, milliseconds: number | null): void => {
    if (milliseconds === null) this.#cached++;
    else {
      this.#questions.add(type, fault ?? "answer");
      this.#answers.add(milliseconds / 1000);
    }
  };

  /** A session with a mail host: under which policy, and what was wrong with its TLS (RFC 8460 4.3) or null. */
  readonly tls = (policy: string, failure: string | null): void => this.#outbound.add(policy, failure ?? "ok");

  /** What plugins did and how long it took them, since the start. */
  timings(): readonly PluginTiming[] {
    return this.#plugins.timings();
  }

  /** The whole exposition, `# EOF` included: `application/openmetrics-text; version=1.0.0; charset=utf-8`. */
  render(gauges: Gauges = {}, now: number = Date.now()): string {
    const to = new Exposition();
    to.counter(
      { name: "postern_messages", help: "Messages by what the peer was told; abandoned: it left before the end." },
      this.#messages.samples(),
    );
    to.counter(
      { name: "postern_accepted_bytes", help: "Octets of accepted messages.", unit: "bytes" },
      this.#acceptedBytes,
    );
    to.counter({ name: "postern_recipients_accepted", help: "Recipients of accepted messages." }, this.#recipients);
    to.histogram(
      { name: "postern_commit_seconds", help: "From the last octet to the 250.", unit: "seconds" },
      this.#commit,
    );
    to.counter({ name: "postern_refused", help: "Refusals that peers were told." }, this.#refused.samples());
    this.#plugins.write(to);
    to.counter({ name: "postern_rewritten", help: "Bodies that a plugin replaced." }, this.#rewritten.samples());
    to.counter({ name: "postern_sessions", help: "Sessions that were opened." }, this.#sessions.samples());
    to.gauge({ name: "postern_sessions_open", help: "Sessions that are open." }, this.#opened - this.#closed);
    to.histogram(
      { name: "postern_session_seconds", help: "How long sessions lasted.", unit: "seconds" },
      this.#lasted,
    );
    to.counter({ name: "postern_logins", help: "Attempts to log in." }, this.#logins.samples());
    to.counter({ name: "postern_tls_sessions", help: "TLS handshakes with clients." }, this.#secured.samples());
    to.counter({ name: "postern_tls_failures", help: "TLS handshakes with clients that failed." }, this.#handshakes);
    to.counter({
      name: "postern_tls_outbound",
      help: "Sessions with mail hosts, by policy (RFC 8460 4.4) and what was wrong with their TLS (4.3).",
    }, this.#outbound.samples());
    this.#deliveries.write(to);
    to.counter({ name: "postern_dns_questions", help: "Questions to name servers." }, this.#questions.samples());
    to.counter({ name: "postern_dns_cached", help: "Questions whose answer was known." }, this.#cached);
    to.histogram(
      { name: "postern_dns_seconds", help: "How long name servers took.", unit: "seconds" },
      this.#answers,
    );
    to.histogram({ name: "postern_store_batch", help: "Operations in one write of the store." }, this.#batches);
    to.histogram(
      { name: "postern_store_batch_seconds", help: "How long a write of the store took.", unit: "seconds" },
      this.#batchTimes,
    );
    to.counter({ name: "postern_alerts", help: "What a person should look at." }, this.#alerts.samples());
    to.counter({ name: "postern_audits", help: "What people did by site and API." }, this.#audits.samples());
    to.counter({ name: "postern_trouble", help: "Things that were wrong with the server." }, this.#trouble);
    writeGauges(to, gauges, now);
    this.#process.write(to);
    return to.toString();
  }
}
