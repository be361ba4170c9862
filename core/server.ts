/**
 * The composition root: from a configuration to a running server, and back. Start order: store, pipelines, dispatcher,
 * admin site, listeners; stop order the other way round. Non-job: anything that one part can do by itself.
 */
import { createAdmin } from "./admin/app.ts";
import { serveAdmin } from "./admin/serve.ts";
import { type Config, formatEndpoint, type ListenerConfig } from "./config/config.ts";
import { connectionsFor } from "./config/defaults.ts";
import { openFileLimit } from "./config/open_files.ts";
import { Dispatcher } from "./delivery/dispatcher.ts";
import type { Resolver } from "./dns/resolver.ts";
import { systemResolver } from "./dns/system_resolver.ts";
import { Networks } from "./model/ip.ts";
import { defer, type Reply } from "./model/reply.ts";
import { Deadlines } from "./net/deadline.ts";
import { Inbound } from "./net/inbound.ts";
import { ConnectionLimits } from "./net/limits.ts";
import { Listener } from "./net/listener.ts";
import { Reception, type ReceptionOptions } from "./net/reception.ts";
import { Bus } from "./observe/bus.ts";
import type { Observer } from "./observe/events.ts";
import { Metrics } from "./observe/metrics.ts";
import type { Services } from "./pipeline/contexts/transaction_context.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { commitTransaction, storeRefusal } from "./queue/commit.ts";
import { Extensions } from "./smtp/extensions.ts";
import { type ServerOptions, ServerSession } from "./smtp/server.ts";
import { writeText } from "./smtp/wire.ts";
import { MemoryStore } from "./store/memory.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

/** What the server is given beside its configuration. */
export interface StartOptions {
  /** Told of every event from the first on: the log. */
  readonly observers?: readonly Observer[];
  /** Name service; the system's by default. */
  readonly resolver?: Resolver;
  /** Milliseconds since 1970. */
  now?(): number;
}
/** A server that listens. */
export interface RunningServer {
  /** Where it listens; ports are known even if 0 was asked for. */
  readonly addresses: readonly { readonly listener: string; readonly address: string }[];
  /** The site's address, or null without one. */
  readonly admin: string | null;
  /** Drains: new commands are 421, messages under way finish or are cut after `limits.drainTime`. */
  stop(): Promise<void>;
  /** Resolves once everything is closed. */
  readonly done: Promise<void>;
}

/** A writer that is this far behind makes peers wait outside (SEMANTICS 25), milliseconds. */
const WRITER_BEHIND = 5000;
/** How long a command may take while nearly all places are taken, milliseconds. */
const CROWDED_TIMEOUT = 10_000;
/** What `limits.minimumRate` is averaged over, milliseconds. */
const RATE_WINDOW = 60_000;

/**
 * Starts everything a configuration names.
 *
 * @throws {StoreError} when the data folder cannot be had, {ListenError} when an address cannot.
 */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const server = new Server(config, options);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server implements RunningServer {
  readonly #bus = new Bus();
  readonly #config: Config;
  readonly #options: StartOptions;
  readonly #metrics = new Metrics();
  readonly #deadlines = new Deadlines();
  readonly #trusted: Networks;
  readonly #now: () => number;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #budgets = new Map<string, ConnectionLimits>();
  readonly #listeners: { readonly name: string; readonly listener: Listener }[] = [];
  #store: Store | null = null;
  #connections: number | null = null;
  #dispatcher: Dispatcher | null = null;
  #admin: { readonly address: string; stop(): Promise<void> } | null = null;
  #stopping: Promise<void> | null = null;
  #finished!: () => void;
  readonly done: Promise<void> = new Promise((resolve) => this.#finished = resolve);

  constructor(config: Config, options: StartOptions) {
    this.#config = config;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#trusted = new Networks(config.trustedNetworks);
    for (const observer of options.observers ?? []) this.#bus.subscribe(observer);
    this.#bus.subscribe(this.#metrics.observe);
  }

  get #opened(): Store {
    return this.#store!;
  }
  get admin(): string | null {
    return this.#admin?.address ?? null;
  }
  get addresses(): readonly { readonly listener: string; readonly address: string }[] {
    return this.#listeners.map(({ name, listener }) => ({ listener: name, address: listener.address }));
  }

  async start(): Promise<void> {
    const config = this.#config;
    const { limits } = config;
    this.#store = config.store === "memory"
      ? new MemoryStore({ memoryBudget: limits.bodyMemory, now: this.#now })
      : await openSqliteStore({
        folder: config.data,
        memoryBudget: limits.bodyMemory,
        headLimit: limits.headerBytes,
        observer: (event) => this.#bus.emit(event),
        now: this.#now,
      });
    const services = this.#services();
    for (const each of config.listeners) {
      const { role, delayRefusals } = each;
      this.#pipelines.set(each.name, new Pipeline(each.plugins, { role, delayRefusals, budget: limits.pluginsTime }));
    }
    this.#dispatcher = new Dispatcher({
      store: this.#opened,
      services,
      pipelineOf: (listener) => this.#pipelines.get(listener) ?? [...this.#pipelines.values()][0]!,
      schedule: config.delivery.retry,
      expire: config.delivery.expire,
      random: Math.random,
    });
    for (const each of config.listeners) await this.#listen(each, services);
    if (config.admin !== null) await this.#serveAdmin(config.admin);
    this.#dispatcher.kick();
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const { drainTime } = this.#config.limits;
    await Promise.all([
      ...this.#listeners.map(({ listener }) => listener.drain(drainTime)),
      this.#dispatcher?.stop(drainTime),
    ]);
    await this.#admin?.stop();
    await this.#store?.close();
    this.#finished();
  }

  #services(): Omit<Services, "commit"> {
    const { hostname, domains, postmaster } = this.#config;
    return {
      host: { name: hostname, domains, postmaster },
      dns: this.#options.resolver ?? systemResolver(),
      counters: this.#opened.counters,
      now: this.#now,
      emit: (event) => this.#bus.emit(event),
    };
  }

  async #listen(config: ListenerConfig, services: Omit<Services, "commit">): Promise<void> {
    const { limits } = this.#config;
    const trouble = (message: string) => this.#bus.emit({ type: "trouble", where: config.name, message });
    const engine = this.#engine(config);
    const trusted: ServerOptions = { ...engine, bareLf: "normalize", forbidEarlyTalk: false };
    // Where places run out, whoever comes now has no second try (case 16).
    const crowded: ServerOptions = { ...engine, limits: { ...engine.limits, errors: 0 } };
    const reception: ReceptionOptions = {
      pipeline: this.#pipelines.get(config.name)!,
      services,
      role: config.role,
      listener: config.name,
      hops: limits.received,
      recipients: limits.recipients,
      receive: (id) => this.#opened.receive(id),
      commit: (transaction, origin) =>
        commitTransaction(transaction, origin, {
          store: this.#opened,
          schedule: this.#config.delivery.retry,
          now: this.#now,
          random: Math.random,
          committed: ({ recipients }) => {
            if (recipients.some((each) => each.route.to === "local" && each.state !== "held")) this.#dispatcher!.kick();
          },
          trouble,
        }),
      storeRefusal: (error) => storeRefusal(error, trouble),
      overload: (phase, size) => this.#overload(phase, size),
    };
    const places = this.#budget(config.role);
    const inbound = {
      deadlines: this.#deadlines,
      commandTimeout: limits.idleTimeout,
      crowdedTimeout: CROWDED_TIMEOUT,
      crowded: () => places.crowded,
      contentTimeout: limits.dataTimeout,
      minimumRate: limits.minimumRate,
      rateWindow: RATE_WINDOW,
    };
    const listener = await Listener.open({
      address: config.address,
      limits: places,
      trouble,
      refusal: (why, ip) => {
        const words = why === "full" ? "Too many connections" : "Too many connections from your address";
        const reply = defer("4.7.0", words, { code: 421, reason: why });
        this.#bus.emit({
          type: "refused",
          session: "",
          transaction: null,
          ip,
          command: "connect",
          reply,
          sender: null,
          recipients: [],
          plugin: null,
          reason: why,
          delayedFrom: null,
        });
        return writeText(421, "4.7.0", words);
      },
      accept: (socket, { ip, port }) => {
        const own = this.#trusted.has(ip);
        const host = new Reception({ ip, port, tls: null, identity: null }, reception);
        return new Inbound(
          socket,
          new ServerSession(own ? trusted : places.crowded ? crowded : engine, (reply) => host.sign(reply)),
          host,
          inbound,
        );
      },
    });
    this.#listeners.push({ name: config.name, listener });
  }

  #engine(config: ListenerConfig): ServerOptions {
    const { limits, hostname } = this.#config;
    const { binarymime, ehloHide: hide } = config;
    return {
      hostname,
      lmtp: config.role === "lmtp",
      extensions: new Extensions({ size: limits.messageSize, recipients: limits.recipients, binarymime, hide }),
      limits: {
        size: limits.messageSize,
        header: limits.headerBytes,
        line: limits.line ?? Infinity,
        command: limits.commandLine,
        recipients: limits.recipients,
        errors: limits.errors,
        junk: limits.junk,
      },
      bareLf: config.bareLf,
      forbidEarlyTalk: config.forbidEarlyTalk,
      lenientPaths: config.lenientPaths,
      vrfy: config.vrfy,
    };
  }

  /** Each role has its own places, so that strangers cannot shut out one's own users (case 36). */
  #budget(role: string): ConnectionLimits {
    const { connectionsPerIp: perIp } = this.#config.limits;
    let budget = this.#budgets.get(role);
    if (budget === undefined) {
      const connections = this.#config.limits.connections ?? this.#places();
      const exempt = new Networks([...this.#config.trustedNetworks, "127.0.0.0/8", "::1"]);
      this.#budgets.set(role, budget = new ConnectionLimits({ connections, perIp, exempt }));
    }
    return budget;
  }

  /** What the open files allow, shared by the roles. */
  #places(): number {
    const roles = new Set(this.#config.listeners.map(({ role }) => role)).size;
    return this.#connections ??= Math.floor(connectionsFor(openFileLimit()) / roles);
  }

  #overload(phase: "connect" | "mail", size: number): Reply<"defer"> | null {
    const { writerWait, freeBytes } = this.#opened.health();
    if (writerWait > WRITER_BEHIND) {
      const reason = `the writer is ${Math.round(writerWait)} ms behind`;
      return phase === "connect"
        ? defer("4.3.2", "Too busy now", { code: 421, reason })
        : defer("4.3.2", "Too busy now", { reason });
    }
    // RFC 1870 6.1: the declared size is enough to say no before the message comes
    if (phase === "mail" && this.#config.store !== "memory" && freeBytes - size < this.#config.limits.diskReserve) {
      return defer("4.3.1", "No space for messages now", { code: 452, reason: `${freeBytes} octets free` });
    }
    return null;
  }

  async #serveAdmin(config: NonNullable<Config["admin"]>): Promise<void> {
    const { hostname, data, devInbox, warnings } = this.#config;
    const startedAt = this.#now();
    const app = createAdmin({
      store: this.#opened,
      bus: this.#bus,
      site: {
        version: VERSION,
        hostname,
        devInbox,
        smtp: this.addresses.map((each) => each.address),
        data,
        startedAt,
      },
      plugins: () =>
        [...this.#pipelines].map(([listener, { matrix }]) => ({
          listener,
          plugins: matrix.map(({ plugin: name, mode, phases }) => ({ name, mode, phases })),
        })),
      token: config.token,
      hosts: config.hosts,
      metrics: () => this.#metrics.render(this.#gauges()),
      ready: () => this.#stopping === null,
      warnings: () => warnings,
      changed: () => this.#dispatcher?.kick(),
    });
    const served = await serveAdmin(app, formatEndpoint(config.address), {
      trouble: (message) => this.#bus.emit({ type: "trouble", where: "admin", message }),
    });
    this.#admin = {
      address: `http://${formatEndpoint({ host: served.hostname, port: served.port })}`,
      stop: () => served.stop(),
    };
  }

  #gauges(): Parameters<Metrics["render"]>[0] {
    const { writerWait, freeBytes, bodyBytes } = this.#opened.health();
    return { writerWait, freeBytes, bodyBytes };
  }
}
