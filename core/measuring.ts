/**
 * What GET /metrics shows beside what is counted: gathers it from the parts of the house when somebody asks. Questions
 * that cost something (how much is in the queue) are asked once in a while, however often somebody looks.
 * Non-job: counting (core/observe/metrics.ts), how it is written.
 */
import type { Config } from "./config/config.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { PressureState } from "./net/pressure/pressure.ts";
import type { CertificateInfo } from "./net/tls/certificates.ts";
import type { Gauges, Metrics } from "./observe/metrics.ts";
import type { Sending } from "./sending.ts";
import type { Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

/** The parts, as they are at that moment: a reload may put others in their place. */
export interface Measured {
  readonly config: Config;
  readonly store: Store;
  readonly sending: Sending | null;
  /** Octets of bodies in the memory of other threads. */
  readonly bodies?: number;
  readonly listeners: readonly { readonly name: string; readonly connections: number }[];
  readonly certificates: readonly CertificateInfo[];
  /** Of all threads. */
  readonly pressure?: PressureState;
  readonly ledger?: Ledger | null;
  readonly webhooks?: Gauges["webhooks"];
}

/** Milliseconds that a sample lasts at least; one that took long lasts `PART` times as long as it took. */
const PERIOD = 5000, PART = 20;
/** Milliseconds that a reader waits for a new sample; then the old one has to do. */
const PATIENCE = 2000;

export class Measuring {
  readonly #metrics: Metrics;
  readonly #parts: () => Measured;
  readonly #now: () => number;
  readonly #queue: Sampled<NonNullable<Gauges["queue"]>>;
  readonly #ledger: Sampled<Gauges["ledger"] | null>;

  constructor({ metrics, parts, now }: { readonly metrics: Metrics; parts(): Measured; now(): number }) {
    this.#metrics = metrics;
    this.#parts = parts;
    this.#now = now;
    this.#queue = new Sampled(async () => {
      const { store } = parts();
      const [states, oldest, quarantine] = await Promise.all([
        store.totals({}),
        store.oldest(),
        store.quarantine.total(),
      ]);
      return { states, oldest, quarantine };
    });
    this.#ledger = new Sampled(async () => await parts().ledger?.size() ?? null);
  }

  /** The OpenMetrics text. Never rejects: what cannot be had is left out. */
  async render(): Promise<string> {
    const [queue, ledger] = await Promise.all([this.#queue.get(), this.#ledger.get()]);
    const { config, store, sending, bodies = 0, listeners, certificates, webhooks, pressure } = this.#parts();
    const health = store.health();
    return this.#metrics.render({
      build: { version: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 },
      store: { ...health, bodyBytes: health.bodyBytes + bodies, reserveBytes: config.limits.diskReserve },
      connections: listeners.map(({ name, connections }) => ({ listener: name, open: connections })),
      certificates,
      warnings: config.warnings.length,
      ...pressure && { pressure },
      ...queue && { queue },
      ...ledger && { ledger },
      ...webhooks && { webhooks },
      ...sending && {
        deliveries: sending.dispatcher.load,
        closed: sending.dispatcher.destinations().filter(({ closedUntil }) => closedUntil !== null).length,
        brokenTls: sending.brokenTls,
      },
    }, this.#now());
  }
}

/** The last answer to a question that is not asked too often. */
class Sampled<T> {
  readonly #ask: () => Promise<T>;
  #value: T | undefined;
  #until = -Infinity;
  #asking: Promise<void> | null = null;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** Undefined: nobody could say yet. */
  async get(): Promise<T | undefined> {
    if (performance.now() > this.#until) this.#asking ??= this.#look();
    if (this.#asking !== null) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, PATIENCE));
      await Promise.race([this.#asking, patience]);
      clearTimeout(timer);
    }
    return this.#value;
  }

  async #look(): Promise<void> {
    const began = performance.now();
    try {
      this.#value = await this.#ask();
    } catch {
      this.#value = undefined; // a store that fails says so itself
    }
    const now = performance.now();
    this.#until = now + Math.max(PERIOD, (now - began) * PART);
    this.#asking = null;
  }
}
