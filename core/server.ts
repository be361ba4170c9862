/**
 * The composition root: from a configuration to a running server, and back. Start order: store, pipelines, dispatcher,
 * admin site, listeners; stop order the other way round. Non-job: anything that one part can do by itself.
 */
import { hash } from "node:crypto";
import { join } from "node:path";
import { type AdminConfig, type Config, formatEndpoint } from "./config/config.ts";
import { doorOf, maildropOf } from "./config/local_site.ts";
import { parseEndpoint } from "./config/values.ts";
import { useSha256 } from "./dkim/mod.ts";
import type { Resolver } from "./dns/resolver.ts";
import { Generation } from "./generation.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { openLedger } from "./ledger/open.ts";
import type { Measured } from "./measuring.ts";
import { Pickup } from "./maildrop/pickup.ts";
import { type Change, Entrances } from "./entrances.ts";
import type { HandedSocket } from "./net/handover.ts";
import { Bus } from "./observe/bus.ts";
import type { Observer } from "./observe/events.ts";
import { Metrics } from "./observe/metrics.ts";
import { openTracing } from "./observe/open_tracing.ts";
import type { Tracing } from "./observe/tracing.ts";
import { type Reloaded, reloaded } from "./reload.ts";
import { Site } from "./site.ts";
import { MemoryStore } from "./store/memory.ts";
import { openPostgresStore } from "./store/postgres/mod.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { Acceptors } from "./threads/acceptors.ts";
import { VERSION } from "./version.ts";
import { Webhooks } from "./webhooks/webhooks.ts";

useSha256((octets) => new Uint8Array(hash("sha256", octets, "buffer")));

/** What the server is given beside its configuration. */
export interface StartOptions {
  /** Told of every event from the first on: the log. */
  readonly observers?: readonly Observer[];
  /** Name service; the system's by default. */
  readonly resolver?: Resolver;
  /** Listening sockets that a service manager has bound (`handedSockets`). */
  readonly sockets?: readonly HandedSocket[];
  /** Reads the configuration again, for `reload`; without it only certificates and keys are read again. */
  load?(): Promise<Config>;
  /** Milliseconds since 1970. */
  now?(): number;
}
/** A server that listens. */
export interface RunningServer {
  /** Where it listens; ports are known even if 0 was asked for. */
  readonly addresses: readonly { readonly listener: string; readonly address: string }[];
  /** The site's address, or null without one. */
  readonly admin: string | null;
  /**
   * Reads the configuration again, certificates and keys with it, checks it whole and goes on by it; what is under way ends
   * by the old one (SEMANTICS 26). With any fault nothing changes.
   */
  reload(): Promise<Reloaded>;
  /** Drains: new commands are 421, messages under way finish or are cut after `limits.drainTime`. */
  stop(): Promise<void>;
  /** Resolves once everything is closed. */
  readonly done: Promise<void>;
}

/**
 * Starts everything a configuration names.
 *
 * @throws {StoreError} when the data folder cannot be had, {ListenError} when an address cannot.
 *
 * @example A dev inbox on free ports that keeps nothing
 * ```ts
 * import { loadConfig, startServer } from "postern/server";
 * import { assertEquals } from "@std/assert";
 * const env = { POSTERN_SMTP: "127.0.0.1:0", POSTERN_ADMIN: "127.0.0.1:0" };
 * const events: string[] = [];
 * const server = await startServer({ ...await loadConfig({ file: null, env }), store: "memory" }, {
 *   observers: [(event) => void events.push(event.type)],
 * });
 * assertEquals(server.addresses.map(({ address }) => address.split(":")[0]), ["127.0.0.1"]);
 * await server.stop();
 * ```
 */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  return await Server.open(config, options);
}

/** Milliseconds that a write waits for what other threads bring: without it each of them has an fsync of its own. */
const COMPANY = 1;

/** What `startServer` starts, and what a program around it needs beside that: the store, a place among those who are told. */
export class Server implements RunningServer {
  readonly #bus = new Bus();
  readonly #options: StartOptions;
  readonly #metrics: Metrics;
  readonly #now: () => number;
  readonly #startedAt: number;
  #config: Config;
  #tracing: Tracing | null = null;
  #store: Store | null = null;
  #ledger: Ledger | null = null;
  #generation: Generation | null = null;
  /** Threads that talk SMTP; null: this one does. */
  #acceptors: Acceptors | null = null;
  #entrances = new Entrances(null);
  /** Generations whose last attempts are under way. */
  readonly #retiring = new Set<Generation>();
  #unsubscribe: readonly (() => void)[] = [];
  #admin: Site | null = null;
  #webhooks: Webhooks | null = null;
  #pickup: Pickup | null = null;
  #reloading: Promise<Reloaded | null> = Promise.resolve(null);
  /** A reload that has been asked for and has not begun. */
  #next: Promise<Reloaded> | null = null;
  #stopping: Promise<void> | null = null;
  #finished!: () => void;
  readonly done: Promise<void> = new Promise((resolve) => this.#finished = resolve);

  private constructor(config: Config, options: StartOptions) {
    this.#config = config;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#startedAt = this.#now();
    for (const observer of options.observers ?? []) this.#bus.subscribe(observer);
    this.#metrics = new Metrics({ domains: config.metrics.domains });
    this.#bus.subscribe(this.#metrics.observe);
  }

  /** @throws as `startServer`. */
  static async open(config: Config, options: StartOptions): Promise<Server> {
    const server = new Server(config, options);
    try {
      await server.#start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get #opened(): Store {
    return this.#store!;
  }
  /** Once it has started. */
  get store(): Store {
    return this.#opened;
  }
  /** Returns the function that ends it. */
  subscribe(observer: Observer): () => void {
    return this.#bus.subscribe(observer);
  }
  get #current(): Generation {
    return this.#generation!;
  }
  get admin(): string | null {
    return this.#admin?.address ?? null;
  }
  get addresses(): readonly { readonly listener: string; readonly address: string }[] {
    return this.#entrances.list.map(({ name, address }) => ({ listener: name, address }));
  }

  async #start(): Promise<void> {
    const config = this.#config, { limits } = config;
    this.#store = config.store === "memory"
      ? new MemoryStore({ memoryBudget: limits.bodyMemory, now: this.#now })
      : typeof config.store === "object"
      ? await openPostgresStore({
        url: config.store.postgres,
        folder: join(config.data, "spool"), // threads put bodies there too
        node: config.node,
        memoryBudget: limits.bodyMemory,
        headLimit: limits.headerBytes,
        observer: (event) => this.#bus.emit(event),
        now: this.#now,
        batch: this.#metrics.batch,
      })
      : await openSqliteStore({
        folder: config.data,
        memoryBudget: limits.bodyMemory,
        headLimit: limits.headerBytes,
        observer: (event) => this.#bus.emit(event),
        now: this.#now,
        batch: this.#metrics.batch,
        ...config.threads > 1 && { company: COMPANY },
      });
    this.#ledger = openLedger(config, { store: this.#opened, bus: this.#bus, now: this.#now });
    this.#metrics.start();
    this.#tracing = await openTracing(config.tracing);
    if (this.#tracing !== null) this.#bus.subscribe(this.#tracing.observe);
    const generation = this.#generation = await this.#prepare(config);
    this.#observe(generation);
    this.#webhooks = this.#openWebhooks(config);
    if (config.threads > 1) this.#entrances = new Entrances(this.#acceptors = await this.#startThreads(config));
    await this.#entrances.open(generation, this.#options.sockets ?? []);
    if (config.admin !== null) this.#admin = await this.#serveAdmin(config.admin);
    generation.start();
    await this.#openMaildrop();
  }

  /** What programs of this machine left while nobody listened comes in at the door that they would have come to. */
  async #openMaildrop(): Promise<void> {
    const { store, data, hostname, listeners, limits, delivery } = this.#config;
    if (store === "memory") return;
    const opened = listeners.map((each, at) => ({
      ...each,
      address: parseEndpoint(this.addresses[at]!.address) ?? each.address,
    }));
    this.#pickup = new Pickup({
      folder: maildropOf(data),
      door: doorOf(opened),
      hostname,
      messageSize: limits.messageSize,
      expire: delivery.expire,
      emit: (event) => this.#bus.emit(event),
      now: this.#now,
    });
    await this.#pickup.start();
  }

  #prepare(config: Config): Promise<Generation> {
    return Generation.prepare({
      config,
      store: this.#opened,
      resolver: this.#options.resolver ?? null,
      now: this.#now,
      emit: (event) => this.#bus.emit(event),
      metrics: this.#metrics,
      ledger: this.#ledger,
      current: () => this.#current,
      places: (role) => this.#acceptors?.places.of(role),
    }, this.#generation);
  }

  #startThreads(config: Config): Promise<Acceptors> {
    return Acceptors.start(config, {
      store: this.#opened,
      spool: config.store === "memory" ? null : join(config.data, "spool"),
      taker: () => this.#current.sending.dispatcher,
      quarantine: () => this.#current.quarantine,
      emit: (event) => this.#bus.emit(event),
      metrics: this.#metrics,
      plugins: () =>
        new Set([...this.#current.pipelines.values()].flatMap(({ matrix }) => matrix.map((each) => each.plugin))),
    });
  }

  /** Its plugins are told from now on, those of the one before no more. */
  #observe({ observers }: Generation): void {
    for (const end of this.#unsubscribe) end();
    this.#unsubscribe = observers.map((observer) => this.#bus.subscribe(observer));
  }

  // ---- Another configuration ---------------------------------------------------------------------------------------

  /** One after the other: all who ask while one is under way get the next, which reads what is there by then. */
  reload(): Promise<Reloaded> {
    if (this.#next !== null) return this.#next;
    const turn = this.#next = this.#reloading.then(() => {
      this.#next = null;
      return reloaded({
        running: this.#config,
        load: this.#options.load ?? (() => Promise.resolve(this.#config)),
        change: (config) => this.#change(config),
        told: (event) => this.#bus.emit(event),
      });
    });
    this.#reloading = turn;
    return turn;
  }

  /**
   * Everything that can fail comes first; then the change is made at once.
   *
   * @throws {Error} and nothing has changed.
   */
  async #change(config: Config): Promise<void> {
    if (this.#stopping !== null) throw new Error("the server stops");
    const next = await this.#prepare(config);
    let change: Change | null = null, site: Site | null = null;
    try {
      change = await this.#entrances.plan(next);
      if (config.admin !== null && !this.#isServedAt(config.admin)) site = await this.#serveAdmin(config.admin);
      if (this.#stopping !== null) throw new Error("the server stops");
    } catch (error) {
      next.abandon();
      await Promise.all([change?.giveUp(), site?.stop()]);
      throw error;
    }
    // From here to the next wait nothing fails and nobody sees half of it
    const before = this.#current;
    this.#generation = next;
    this.#config = config;
    this.#observe(next);
    change.make();
    this.#changeSite(config.admin, site);
    next.start(before);
    this.#retire(before);
    await this.#webhooks?.change(config.webhooks);
    await this.#pickup?.stop();
    if (this.#stopping === null) await this.#openMaildrop();
  }

  #retire(generation: Generation): void {
    this.#retiring.add(generation);
    void generation.retire().catch((error) => {
      this.#bus.emit({ type: "trouble", where: "reload", message: `the configuration before did not end: ${error}` });
    }).finally(() => {
      this.#retiring.delete(generation);
      this.#current.sending.dispatcher.kick(); // what it had leased is ready again
    });
  }

  #openWebhooks({ webhooks: hooks, store, data }: Config): Webhooks {
    const webhooks = new Webhooks({
      hooks,
      path: store === "memory" ? ":memory:" : join(data, "webhooks.db"),
      userAgent: `Postern/${VERSION}`,
      emit: (event) => this.#bus.emit(event),
      now: this.#now,
    });
    this.#bus.subscribe(webhooks.observe);
    return webhooks;
  }

  // ---- The end -----------------------------------------------------------------------------------------------------

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const { drainTime } = this.#config.limits;
    await this.#pickup?.stop();
    await Promise.all([
      this.#entrances.drain(drainTime),
      ...[...this.#retiring].map((generation) => generation.stop(drainTime)),
      this.#generation?.stop(drainTime),
    ]);
    await this.#acceptors?.stop(drainTime);
    await this.#admin?.stop();
    await this.#webhooks?.close();
    await this.#ledger?.close();
    await this.#store?.close();
    this.#metrics.stop();
    this.#tracing?.stop();
    this.#finished();
  }

  // ---- The site ----------------------------------------------------------------------------------------------------

  #isServedAt({ address }: AdminConfig): boolean {
    return this.#admin !== null && formatEndpoint(this.#admin.config.address) === formatEndpoint(address);
  }

  /** `opened`: at an address that is new. Where nothing of it changes, who is signed in stays so. */
  #changeSite(config: AdminConfig | null, opened: Site | null): void {
    const running = this.#admin;
    if (opened !== null || config === null) {
      this.#admin = opened;
      void running?.stop();
    } else if (running !== null && JSON.stringify(config) !== JSON.stringify(running.config)) {
      running.replace(config);
    }
  }

  #serveAdmin(config: AdminConfig): Promise<Site> {
    return Site.serve(config, {
      store: this.#opened,
      ledger: this.#ledger,
      bus: this.#bus,
      metrics: this.#metrics,
      startedAt: this.#startedAt,
      now: this.#now,
      current: () => this.#current,
      smtp: () => this.addresses.map((each) => each.address),
      ready: () => this.#stopping === null,
      fault: () => this.#acceptors?.fault ?? null,
      webhooks: () => this.#webhooks?.states() ?? [],
      measured: () => this.#parts(),
      reload: () => this.reload(),
    });
  }

  #parts(): Measured {
    const { config, sending, certificates, doors } = this.#current;
    return {
      config,
      store: this.#opened,
      sending,
      bodies: this.#acceptors?.bodies ?? 0,
      listeners: this.#entrances.list,
      certificates: certificates?.list ?? [],
      ledger: this.#ledger,
      webhooks: this.#webhooks?.states() ?? [],
      pressure: this.#acceptors?.pressure(doors.pressure.state) ?? doors.pressure.state,
    };
  }
}
