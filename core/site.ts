/**
 * The site of a running server: its port, and behind it the app, which sees the configuration at work whatever it is by
 * then. Other tokens or hosts make another app behind the same port. Non-job: what is answered (admin/app.ts), when it is
 * opened (server.ts).
 */
import { join } from "node:path";
import { type Admin, createAdmin } from "./admin/app.ts";
import { waysOf } from "./admin/queue/ways.ts";
import { certificateFacts, configurationFacts, listenerPlugins } from "./admin/facts.ts";
import { serveAdmin } from "./admin/serve.ts";
import { type AdminConfig, formatEndpoint } from "./config/config.ts";
import type { Generation } from "./generation.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { type Measured, Measuring } from "./measuring.ts";
import { shedWords } from "./net/pressure/shedding.ts";
import type { Bus } from "./observe/bus.ts";
import type { Metrics } from "./observe/metrics.ts";
import type { Reloaded } from "./reload.ts";
import { recordedDialogue } from "./replay/dialogue.ts";
import type { Store } from "./store/store.ts";
import type { WebhookState } from "./webhooks/webhooks.ts";
import { VERSION } from "./version.ts";

export interface SiteParts {
  readonly store: Store;
  readonly ledger: Ledger | null;
  readonly bus: Bus;
  readonly metrics: Metrics;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  now(): number;
  /** The configuration at work. */
  current(): Generation;
  /** Where mail is taken. */
  smtp(): readonly string[];
  /** True while mail is taken. */
  ready(): boolean;
  /** What only a restart mends; null: nothing is broken. */
  fault(): string | null;
  webhooks(): readonly WebhookState[];
  measured(): Measured;
  reload(): Promise<Reloaded>;
}

export class Site {
  readonly #parts: SiteParts;
  #config: AdminConfig;
  #app: Admin;
  #served: Awaited<ReturnType<typeof serveAdmin>> | null = null;

  private constructor(config: AdminConfig, parts: SiteParts) {
    this.#parts = parts;
    this.#config = config;
    this.#app = appOf(config, parts);
  }

  /** @throws {Error} with one sentence when the address cannot be had. */
  static async serve(config: AdminConfig, parts: SiteParts): Promise<Site> {
    const site = new Site(config, parts);
    site.#served = await serveAdmin(
      {
        fetch: (request, info) => site.#app.fetch(request, info),
        get routes() {
          return site.#app.routes;
        },
        close: () => site.#app.close(),
      },
      formatEndpoint(config.address),
      { trouble: (message) => parts.bus.emit({ type: "trouble", where: "admin", message }) },
    );
    return site;
  }

  get config(): AdminConfig {
    return this.#config;
  }
  get address(): string {
    const { hostname, port } = this.#served!;
    return `http://${formatEndpoint({ host: hostname, port })}`;
  }

  /** Other tokens, other hosts: who is signed in signs in again. The address stays. */
  replace(config: AdminConfig): void {
    void this.#app.close();
    this.#config = config;
    this.#app = appOf(config, this.#parts);
  }

  stop(): Promise<void> {
    return this.#served!.stop();
  }
}

function appOf(config: AdminConfig, parts: SiteParts): Admin {
  const { store, ledger, bus, metrics, startedAt, now, current, smtp, ready, fault, webhooks, reload } = parts;
  const measuring = new Measuring({ metrics, parts: () => parts.measured(), now });
  return createAdmin({
    store,
    bus,
    ledger,
    site: {
      version: VERSION,
      get hostname() {
        return current().config.hostname;
      },
      node: typeof current().config.store === "object" ? current().config.node : null,
      devInbox: config.devInbox,
      get smtp() {
        return smtp();
      },
      data: current().config.data,
      startedAt,
    },
    plugins: () => listenerPlugins(current().config),
    certificates: () => certificateFacts(current().config, current().certificates?.list ?? []),
    configuration: () => configurationFacts(current().config),
    recorded: (session) => recordedDialogue(join(current().config.data, "recordings"), session),
    token: config.token,
    tokens: () => config.tokens,
    hosts: config.hosts,
    limits: {
      messageSize: current().config.limits.messageSize,
      ...config.rate && { rate: config.rate, rateLoopback: true },
    },
    metrics: () => measuring.render(),
    timings: () => metrics.timings(),
    ready,
    fault,
    warnings: () => {
      const { config: { warnings }, doors: { pressure } } = current();
      const words = pressure.words ?? shedWords(parts.measured().pressure?.asked ?? 0);
      return words === null ? warnings : [words, ...warnings];
    },
    change: (what, change) => current().sending.dispatcher.change(what, change),
    destinations: () => current().sending.dispatcher.destinations(),
    get ways() {
      return waysOf(current().config);
    },
    get teach() {
      return current().teach;
    },
    get quarantine() {
      return current().config.quarantine;
    },
    release: config.release && {
      to: config.release.to,
      send: (message, to) => current().sending.release(message, to),
    },
    reload,
    inject: (injection) => current().doors.inject(injection),
    webhooks,
    now,
  });
}
