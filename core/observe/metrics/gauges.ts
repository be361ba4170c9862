/**
 * What is measured when somebody asks, not counted as it happens: the composition root gathers it, all of it optional.
 * Times in milliseconds, sizes in octets, moments in milliseconds since 1970; they are written in seconds.
 */
import type { Exposition } from "./exposition.ts";

export interface Gauges {
  readonly build?: { readonly version: string; readonly deno: string; readonly v8: string };
  readonly store?: {
    /** How long the oldest commit under way has waited. */
    readonly writerWait: number;
    readonly freeBytes: number;
    /** Below it mail is refused. */
    readonly reserveBytes?: number;
    readonly bodyBytes: number;
  };
  /** As last sampled. */
  readonly queue?: {
    /** Messages by the states of their recipients. */
    readonly states: Readonly<Record<string, number>>;
    /** When the oldest one that still waits or is under way came; null: none does. */
    readonly oldest: number | null;
    readonly quarantine: { readonly messages: number; readonly octets: number };
  };
  /** Connections that are open, by listener. */
  readonly connections?: readonly { readonly listener: string; readonly open: number }[];
  /** Deliveries: under way, and in memory until it is their turn. */
  readonly deliveries?: { readonly running: number; readonly waiting: number };
  /** Destinations that are left alone for a while. */
  readonly closed?: number;
  /** Handshakes with other hosts that broke and are remembered, since the start. */
  readonly brokenTls?: number;
  readonly certificates?: readonly {
    readonly path: string;
    readonly names: readonly string[];
    readonly notAfter: number;
  }[];
  readonly ledger?: { readonly entries: number; readonly octets: number; readonly dropped: number };
  /** Web hooks by their names in the configuration. */
  readonly webhooks?: readonly {
    readonly name: string;
    /** Events that wait for it. */
    readonly waiting: number;
    /** Events that it will never hear of, since the start. */
    readonly dropped: number;
    /** Why it takes nothing now; null: all is well. */
    readonly fault: string | null;
  }[];
  /** Sentences that an operator should act on. */
  readonly warnings?: number;
  /** How hard the server is pressed by those who bring mail. */
  readonly pressure?: {
    readonly stressed: boolean;
    /** Milliseconds that the event loop has been late lately. */
    readonly lag: number;
    /** The part of `limits.memory` that is taken. */
    readonly memory: number;
    /** Messages of strangers that began lately. */
    readonly underWay: number;
    /** Connections that the kernel has made and nobody has taken. */
    readonly outside: number;
    /** What was sent away. */
    readonly shed: readonly { readonly where: string; readonly why: string; readonly count: number }[];
  };
}

/** At `now`, milliseconds since 1970. */
export function writeGauges(to: Exposition, gauges: Gauges, now: number): void {
  const { build, store, queue, connections, deliveries, certificates, ledger, webhooks } = gauges;
  if (build) to.info({ name: "postern_build", help: "What runs here." }, { ...build });
  to.gauge(
    { name: "postern_connections_open", help: "Connections that are open." },
    connections?.map(({ listener, open }) => [{ listener }, open]),
  );
  to.gauge(
    { name: "postern_queue_messages", help: "Messages with a recipient in this state." },
    queue && Object.entries(queue.states).map(([state, n]) => [{ state }, n]),
  );
  to.gauge({
    name: "postern_queue_oldest_seconds",
    help: "Age of the oldest message that is not delivered; what is held does not count.",
    unit: "seconds",
  }, queue && (queue.oldest === null ? 0 : Math.max(0, now - queue.oldest) / 1000));
  to.gauge(
    { name: "postern_quarantine_messages", help: "Messages in quarantine." },
    queue?.quarantine.messages,
  );
  to.gauge(
    { name: "postern_quarantine_bytes", help: "Octets of messages in quarantine.", unit: "bytes" },
    queue?.quarantine.octets,
  );
  to.gauge({ name: "postern_deliveries_running", help: "Deliveries under way." }, deliveries?.running);
  to.gauge(
    { name: "postern_deliveries_waiting", help: "Deliveries in memory until it is their turn." },
    deliveries?.waiting,
  );
  to.gauge({ name: "postern_destinations_closed", help: "Destinations that are left alone now." }, gauges.closed);
  if (gauges.brokenTls !== undefined) {
    to.counter(
      { name: "postern_tls_broken", help: "Handshakes with other hosts that broke and are remembered." },
      gauges.brokenTls,
    );
  }
  to.gauge({
    name: "postern_store_wait_seconds",
    help: "Age of the oldest commit under way.",
    unit: "seconds",
  }, store && store.writerWait / 1000);
  to.gauge({ name: "postern_disk_free_bytes", help: "Space where the data lies.", unit: "bytes" }, store?.freeBytes);
  to.gauge({
    name: "postern_disk_reserve_bytes",
    help: "Space that stays free: below it mail is refused.",
    unit: "bytes",
  }, store?.reserveBytes);
  to.gauge({ name: "postern_bodies_bytes", help: "Message bodies in memory.", unit: "bytes" }, store?.bodyBytes);
  to.gauge({
    name: "postern_certificate_not_after_seconds",
    help: "When a certificate ends, seconds since 1970.",
    unit: "seconds",
  }, certificates?.map(({ path, names, notAfter }) => [{ path, name: names[0] ?? "" }, notAfter / 1000]));
  to.gauge({ name: "postern_ledger_entries", help: "Entries of the ledger." }, ledger?.entries);
  to.gauge({ name: "postern_ledger_bytes", help: "Size of the ledger.", unit: "bytes" }, ledger?.octets);
  if (ledger) {
    to.counter(
      { name: "postern_ledger_dropped", help: "Entries that were lost because the ledger's writer was behind." },
      ledger.dropped,
    );
  }
  to.gauge(
    { name: "postern_webhooks_waiting", help: "Events that wait for a web hook." },
    webhooks?.map(({ name, waiting }) => [{ hook: name }, waiting]),
  );
  to.gauge(
    { name: "postern_webhooks_failing", help: "1: the web hook takes nothing now." },
    webhooks?.map(({ name, fault }) => [{ hook: name }, fault === null ? 0 : 1]),
  );
  if (webhooks) {
    to.counter(
      { name: "postern_webhooks_dropped", help: "Events that a web hook will never hear of." },
      webhooks.map(({ name, dropped }) => [{ hook: name }, dropped]),
    );
  }
  const { pressure } = gauges;
  to.gauge(
    { name: "postern_stressed", help: "1: strangers find less patience, and some are asked to come again." },
    pressure && Number(pressure.stressed),
  );
  to.gauge({
    name: "postern_event_loop_late_seconds",
    help: "How late the event loop is at present: beyond limits.lag strangers are asked to come again.",
    unit: "seconds",
  }, pressure && pressure.lag / 1000);
  to.gauge(
    { name: "postern_memory_taken", help: "Memory of the process as a part of limits.memory; 1: all of it." },
    pressure?.memory,
  );
  to.gauge(
    { name: "postern_messages_under_way", help: "Messages of strangers that began in the last seconds." },
    pressure?.underWay,
  );
  to.gauge({
    name: "postern_connections_waiting",
    help: "Connections that the kernel has made and nobody has taken yet.",
  }, pressure?.outside);
  if (pressure) {
    to.counter(
      { name: "postern_shed", help: "Connections and messages that were asked to come again, by reason." },
      pressure.shed.map(({ where, why, count }) => [{ where, why }, count]),
    );
  }
  to.gauge({ name: "postern_warnings", help: "Sentences that an operator should act on." }, gauges.warnings);
}
