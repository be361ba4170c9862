/**
 * The composition root: from a configuration to a running server, and back. Start order: store, pipelines, dispatcher,
 * admin site, listeners; stop order the other way round. Non-job: anything that one part can do by itself.
 */
import { hash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as timer } from "node:timers/promises";
import type { LoginServices } from "./auth/authentication.ts";
import { Lockout } from "./auth/lockout.ts";
import { ScryptPasswords } from "./auth/passwords.ts";
import { Pseudonyms } from "./auth/pseudonym.ts";
import { createAdmin } from "./admin/app.ts";
import { serveAdmin } from "./admin/serve.ts";
import { waysOf } from "./admin/queue/ways.ts";
import { type Config, formatEndpoint } from "./config/config.ts";
import { useSha256 } from "./dkim/mod.ts";
import type { Resolver } from "./dns/resolver.ts";
import { systemResolver } from "./dns/system_resolver.ts";
import { Doors } from "./doors.ts";
import { type HandedSocket, Handover } from "./net/handover.ts";
import { type Listener, ListenError } from "./net/listener.ts";
import { Certificates } from "./net/tls/certificates.ts";
import { openSelfSigned } from "./net/tls/self_signed.ts";
import { ServerTls } from "./net/tls/server_tls.ts";
import { Bus } from "./observe/bus.ts";
import type { Observer } from "./observe/events.ts";
import { Metrics } from "./observe/metrics.ts";
import type { Services } from "./pipeline/contexts/transaction_context.ts";
import { Errands, teacherOf } from "./pipeline/errands.ts";
import { observersOf } from "./pipeline/observers.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { Recorder } from "./replay/recorder.ts";
import { Quarantine } from "./queue/quarantine.ts";
import { Sending } from "./sending.ts";
import { MemoryStore } from "./store/memory.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

useSha256((octets) => new Uint8Array(hash("sha256", octets, "buffer")));

/** What the server is given beside its configuration. */
export interface StartOptions {
  /** Told of every event from the first on: the log. */
  readonly observers?: readonly Observer[];
  /** Name service; the system's by default. */
  readonly resolver?: Resolver;
  /** Listening sockets that a service manager has bound (`handedSockets`). */
  readonly sockets?: readonly HandedSocket[];
  /** Milliseconds since 1970. */
  now?(): number;
}
/** A server that listens. */
export interface RunningServer {
  /** Where it listens; ports are known even if 0 was asked for. */
  readonly addresses: readonly { readonly listener: string; readonly address: string }[];
  /** The site's address, or null without one. */
  readonly admin: string | null;
  /** Reads certificates and keys again, also where their files seem unchanged. What could not be read, a sentence each. */
  reload(): Promise<readonly string[]>;
  /** Drains: new commands are 421, messages under way finish or are cut after `limits.drainTime`. */
  stop(): Promise<void>;
  /** Resolves once everything is closed. */
  readonly done: Promise<void>;
}

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
  readonly #now: () => number;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #listeners: { readonly name: string; readonly listener: Listener }[] = [];
  #store: Store | null = null;
  #sending: Sending | null = null;
  #errands: Errands | null = null;
  #quarantine: Quarantine | null = null;
  #recorder: Recorder | null = null;
  #teach: ReturnType<typeof teacherOf> = null;
  #admin: { readonly address: string; stop(): Promise<void> } | null = null;
  #certificates: Certificates | null = null;
  #stopping: Promise<void> | null = null;
  #finished!: () => void;
  readonly done: Promise<void> = new Promise((resolve) => this.#finished = resolve);

  constructor(config: Config, options: StartOptions) {
    this.#config = config;
    this.#options = options;
    this.#now = options.now ?? Date.now;
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
    const passwords = new ScryptPasswords();
    const logins = await this.#logins();
    for (const each of config.listeners) {
      const { role, delayRefusals } = each;
      this.#pipelines.set(each.name, new Pipeline(each.plugins, { role, delayRefusals, budget: limits.pluginsTime }));
    }
    const plugins = config.listeners.flatMap((each) => each.plugins);
    for (const observer of observersOf(plugins, services)) this.#bus.subscribe(observer);
    const sending = this.#sending = new Sending({
      config,
      store: this.#opened,
      services,
      pipelineOf: (listener) => this.#pipelines.get(listener) ?? [...this.#pipelines.values()][0]!,
    });
    this.#errands = new Errands(plugins, { ...services, send: (letter) => sending.send(letter) });
    this.#teach = teacherOf(plugins, services);
    this.#quarantine = new Quarantine({
      ...config.quarantine,
      store: this.#opened,
      now: this.#now,
      emit: services.emit,
    });
    this.#recorder = await this.#openRecorder();
    const doors = new Doors({
      recorder: this.#recorder,
      config,
      store: this.#opened,
      services,
      tls: await this.#openTls(),
      passwords,
      logins,
      pipelineOf: (listener) => this.#pipelines.get(listener)!,
      place: (recipient) => sending.place(recipient),
      quarantine: this.#quarantine,
      dispatcher: sending.dispatcher,
    });
    await this.#openDoors(doors);
    if (config.admin !== null) await this.#serveAdmin(config.admin);
    sending.start();
    this.#errands.start();
    this.#quarantine.start();
  }

  async #openDoors(doors: Doors): Promise<void> {
    const handover = new Handover(this.#options.sockets ?? []);
    let unclaimed: readonly string[] = [];
    try {
      for (const each of this.#config.listeners) {
        this.#listeners.push({ name: each.name, listener: await doors.open(each, handover) });
      }
    } finally {
      unclaimed = handover.close();
    }
    if (unclaimed.length > 0) { // peers would connect there, and wait for nobody
      throw new ListenError(`no listener has the address or the name of what was handed over: ${unclaimed.join(", ")}`);
    }
  }

  async reload(): Promise<readonly string[]> {
    return await this.#certificates?.reload() ?? [];
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const { drainTime } = this.#config.limits;
    await Promise.all([
      ...this.#listeners.map(({ listener }) => listener.drain(drainTime)),
      this.#errands?.stop().then(() => this.#sending?.stop(drainTime)) ?? this.#sending?.stop(drainTime),
    ]);
    this.#quarantine?.stop();
    await this.#recorder?.stop();
    this.#certificates?.close();
    await this.#admin?.stop();
    await this.#store?.close();
    this.#finished();
  }

  #services(): Omit<Services, "commit"> {
    const { hostname, domains, postmaster } = this.#config;
    return {
      host: { name: hostname, domains, postmaster },
      dns: this.#options.resolver ?? systemResolver(this.#config.dns ?? {}),
      counters: this.#opened.counters,
      now: this.#now,
      emit: (event) => this.#bus.emit(event),
      callAhead: (question, signal) => this.#sending!.callAhead.ask(question, signal),
      suppress: async (address, options) => void await this.#sending!.suppression.add(address, options),
    };
  }

  async #openRecorder(): Promise<Recorder | null> {
    const { recordings, data, hostname } = this.#config;
    if (recordings === null) return null;
    const recorder = new Recorder({
      config: recordings,
      folder: join(data, "recordings"),
      hostname,
      now: this.#now,
      trouble: (message) => this.#bus.emit({ type: "trouble", where: "recordings", message }),
    });
    await recorder.start();
    return recorder;
  }

  /** The dev inbox makes a certificate for itself. */
  async #openTls(): Promise<ServerTls | null> {
    const { tls, listeners, data, hostname } = this.#config;
    if (tls === null || listeners.every((each) => each.tls === "off")) return null;
    const { certificates: written, minVersion, clientCa } = tls;
    const pairs = written.length > 0
      ? written.map(({ cert, key }) => ({ certificate: cert, key }))
      : [await openSelfSigned(join(data, "tls"), [...new Set([hostname, "localhost", "127.0.0.1", "::1"])])];
    const certificates = this.#certificates = await Certificates.open({
      pairs,
      trouble: (message) => this.#bus.emit({ type: "trouble", where: "tls", message }),
      notice: (message) => this.#bus.emit({ type: "notice", where: "tls", message }),
      now: this.#now,
    });
    return new ServerTls({
      certificates,
      minVersion,
      clientCa: clientCa === null ? null : await certificates.trust(clientCa),
      now: this.#now,
    });
  }

  async #logins(): Promise<LoginServices> {
    const { counters } = this.#opened, { trustedNetworks, auth } = this.#config;
    const pseudonyms = await Pseudonyms.open(counters);
    return {
      lockout: new Lockout({
        counters,
        pseudonyms,
        now: this.#now,
        emit: (event) => this.#bus.emit(event),
        settings: auth.lockout,
        trusted: trustedNetworks,
      }),
      pseudonym: (user) => pseudonyms.of(user),
      sleep,
    };
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
      change: (what, change) => this.#sending!.dispatcher.change(what, change),
      destinations: () => this.#sending!.dispatcher.destinations(),
      ways: waysOf(this.#config),
      teach: this.#teach,
      quarantine: this.#config.quarantine,
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
    const sending = this.#sending;
    return {
      writerWait,
      freeBytes,
      bodyBytes,
      ...sending !== null && { deliveries: sending.dispatcher.load, brokenTls: sending.brokenTls },
    };
  }
}

/** Resolves after so many milliseconds, or as soon as nobody waits any more. */
async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0 && !signal.aborted) await timer(milliseconds, undefined, { signal }).catch(() => {});
}
