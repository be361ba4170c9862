/**
 * One configuration at work: its plugins made into pipelines, its ways in and out, its certificates, its errands. A reload
 * makes another one beside it; what began under the old one ends under it (SEMANTICS 26). Everything that can be wrong
 * is found by `prepare`, before anything has begun. Non-job: what outlives it: store, sockets, the site (server.ts).
 */
import { join } from "node:path";
import { setTimeout as timer } from "node:timers/promises";
import type { LoginServices } from "./auth/authentication.ts";
import { Lockout } from "./auth/lockout.ts";
import { ScryptPasswords } from "./auth/passwords.ts";
import { Pseudonyms } from "./auth/pseudonym.ts";
import type { Config } from "./config/config.ts";
import type { Resolver } from "./dns/resolver.ts";
import { SampleNames } from "./dns/sample_names.ts";
import { systemResolver } from "./dns/system_resolver.ts";
import { Doors } from "./doors.ts";
import type { Taken } from "./net/limits.ts";
import { Certificates } from "./net/tls/certificates.ts";
import { PairError } from "./net/tls/pair.ts";
import { openSelfSigned } from "./net/tls/self_signed.ts";
import { ServerTls } from "./net/tls/server_tls.ts";
import type { Event, Observer } from "./observe/events.ts";
import type { Services } from "./pipeline/contexts/transaction_context.ts";
import { Errands, teacherOf } from "./pipeline/errands.ts";
import { Lifetimes } from "./pipeline/lifetimes.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { Metrics } from "./observe/metrics.ts";
import { observersOf } from "./pipeline/observers.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { Recorder } from "./replay/recorder.ts";
import type { Taker } from "./queue/commit.ts";
import { Quarantine } from "./queue/quarantine.ts";
import { Sending } from "./sending.ts";
import type { Store } from "./store/store.ts";
import type { DayHouse } from "./summary/day.ts";
import { summaryPlugin } from "./summary/summary.ts";

export interface GenerationOptions {
  readonly config: Config;
  readonly store: Store;
  /** Name service instead of the configuration's. */
  readonly resolver: Resolver | null;
  now(): number;
  emit(event: Event): void;
  /** What the daily summary is made from; absent: nobody keeps one. */
  readonly ledger?: Ledger | null;
  /** Counts phases, questions to name service, and TLS with mail hosts. */
  readonly metrics: Pick<Metrics, "phase" | "question" | "tls">;
  /** The one that is at work now: what is asked for late, is asked of it. */
  current(): Generation;
  /** Places that other threads take too, by role. */
  places?(role: string): Taken | undefined;
  /** This is a thread that only talks SMTP: what sends, keeps and tells is another one's. */
  readonly guest?: Guest;
}
/** What such a thread has in the place of its own. */
export interface Guest {
  readonly quarantine: Pick<Quarantine, "admit" | "until">;
  readonly taker: Taker;
  /** Told which plugin is about to be asked. */
  readonly asking: NonNullable<Services["asking"]>;
}
/** What is made before a generation is. */
interface Parts {
  readonly logins: LoginServices;
  readonly certificates: Certificates | null;
  readonly tls: ServerTls | null;
  readonly recorder: Recorder | null;
}

/** How long attempts of a generation that is over may still take, milliseconds: nothing waits for them but their peers. */
const LAST_ATTEMPTS = 3_600_000;
/** After the last session was cut, milliseconds until its recording must be whole. */
const SESSIONS_END = 5_000;

export class Generation {
  readonly config: Config;
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  readonly sending: Sending;
  readonly doors: Doors;
  readonly quarantine: Quarantine;
  readonly teach: ReturnType<typeof teacherOf>;
  /** Plugins that want to be told. */
  readonly observers: readonly Observer[];
  readonly certificates: Certificates | null;
  readonly #errands: Errands;
  readonly #lifetimes: Lifetimes;
  readonly #emit: (event: Event) => void;
  readonly #recorder: Recorder | null;

  /** `previous` is in no closure's reach: each would hold the one before, and all of them would stay. */
  private constructor(
    options: GenerationOptions,
    { logins, certificates, tls, recorder }: Parts,
    previous: Generation | null,
  ) {
    const { config, store, now, emit, current } = options, { limits } = config;
    const services = servicesOf(options);
    this.config = config;
    this.#emit = emit;
    this.certificates = certificates;
    this.#recorder = recorder;
    this.pipelines = new Map(config.listeners.map(({ name, plugins, role, delayRefusals }) => [
      name,
      new Pipeline(plugins, { role, delayRefusals, budget: limits.pluginsTime }),
    ]));
    const { summary } = config, plugins = config.listeners.flatMap((each) => each.plugins);
    const { guest } = options;
    if (summary !== null && guest === undefined) plugins.push(summaryPlugin(summary, () => this.#day(options)));
    this.observers = guest === undefined ? observersOf(plugins, services) : [];
    this.#lifetimes = new Lifetimes(plugins, (where, message) => emit({ type: "trouble", where, message }));
    this.sending = new Sending({
      config,
      store,
      services,
      tls: options.metrics.tls,
      ...previous !== null && { jobs: previous.sending.jobs },
      pipelineOf: (listener) => this.#pipelineOf(listener),
    });
    this.#errands = new Errands(plugins, { ...services, send: (letter) => current().sending.send(letter) });
    this.teach = teacherOf(plugins, services);
    this.quarantine = new Quarantine({ ...config.quarantine, store, now, emit });
    this.doors = new Doors({
      config,
      store,
      services,
      tls,
      passwords: new ScryptPasswords(),
      logins,
      pipelineOf: (listener) => this.pipelines.get(listener)!,
      recorder,
      place: (recipient) => current().sending.place(recipient),
      ...options.places && { places: options.places },
      quarantine: () => guest?.quarantine ?? current().quarantine,
      dispatcher: () => guest?.taker ?? current().sending.dispatcher,
    }, previous?.doors ?? null);
  }

  /**
   * `previous`: the one before; null at the start.
   *
   * @throws {Error} when certificates or keys cannot be used, or a plugin cannot begin. Nothing has begun then.
   */
  static async prepare(options: GenerationOptions, previous: Generation | null): Promise<Generation> {
    const logins = await loginsOf(options);
    const certificates = await openCertificates(options);
    try {
      refuseWorse(certificates, previous?.certificates ?? null, options.now());
      const { clientCa = null, minVersion = "TLSv1.2" } = options.config.tls ?? {};
      const tls = certificates === null ? null : new ServerTls({
        certificates,
        minVersion,
        clientCa: clientCa === null ? null : await certificates.trust(clientCa),
        now: options.now,
      });
      const recorder = await openRecorder(options);
      const generation = new Generation(options, { logins, certificates, tls, recorder }, previous);
      try {
        await generation.#lifetimes.start();
      } catch (error) {
        void recorder?.stop(0);
        throw error;
      }
      return generation;
    } catch (error) {
      certificates?.close();
      throw error;
    }
  }

  /** `previous`: in whose place it stands. */
  start(previous: Generation | null = null): void {
    const known = new Set(previous?.certificates?.list.map(({ fingerprint }) => fingerprint) ?? []);
    for (const { path, fingerprint } of previous === null ? [] : this.certificates?.list ?? []) {
      if (!known.has(fingerprint)) {
        this.#emit({ type: "notice", where: "tls", message: `${path}: read again, ${fingerprint}` });
      }
    }
    this.sending.start();
    this.#errands.start();
    this.quarantine.start();
  }

  /** Another one is at work: what is under way here ends in its own time. */
  async retire(): Promise<void> {
    this.quarantine.stop();
    this.certificates?.close();
    await this.#errands.stop();
    await Promise.all([this.sending.stop(LAST_ATTEMPTS, { patient: true }), this.#recorder?.stop(LAST_ATTEMPTS)]);
    await this.#lifetimes.stop();
  }

  /** The server stops: attempts have so many milliseconds. */
  async stop(milliseconds: number): Promise<void> {
    this.quarantine.stop();
    await this.#errands.stop();
    await Promise.all([this.sending.stop(milliseconds), this.#recorder?.stop(milliseconds + SESSIONS_END)]);
    await this.#lifetimes.stop();
    this.certificates?.close();
  }

  /** Never was at work. */
  abandon(): void {
    void this.#recorder?.stop(0);
    void this.#lifetimes.stop();
    this.certificates?.close();
  }

  #day({ store, ledger = null }: GenerationOptions): DayHouse {
    const { limits, quarantine, warnings } = this.config;
    return {
      store,
      ledger,
      warnings,
      destinations: () => this.sending.dispatcher.destinations(),
      certificates: () => this.certificates?.list ?? [],
      limits: { diskReserve: limits.diskReserve, quarantine: quarantine.size },
    };
  }

  #pipelineOf(listener: string): Pipeline {
    return this.pipelines.get(listener) ?? [...this.pipelines.values()][0]!;
  }
}

function servicesOf(
  { config, store, resolver, now, emit, metrics, current, guest }: GenerationOptions,
): Omit<Services, "commit"> {
  const { hostname, domains, postmaster, devInbox } = config;
  const dns = resolver ?? systemResolver(config.dns ?? {}, { told: metrics.question });
  return {
    host: { name: hostname, domains, postmaster },
    dns: devInbox ? new SampleNames(dns) : dns,
    counters: store.counters,
    now,
    emit,
    phase: metrics.phase,
    ...guest && { asking: guest.asking },
    callAhead: (question, signal) => current().sending.callAhead.ask(question, signal),
    suppress: async (address, options) => void await current().sending.suppression.add(address, options),
  };
}

async function loginsOf({ config, store: { counters }, now, emit }: GenerationOptions): Promise<LoginServices> {
  const { trustedNetworks, auth } = config;
  const pseudonyms = await Pseudonyms.open(counters);
  return {
    lockout: new Lockout({ counters, pseudonyms, now, emit, settings: auth.lockout, trusted: trustedNetworks }),
    pseudonym: (user) => pseudonyms.of(user),
    sleep,
  };
}

/** Null where no session is recorded. */
async function openRecorder({ config, now, emit }: GenerationOptions): Promise<Recorder | null> {
  const { recordings, data, hostname } = config;
  if (recordings === null) return null;
  const trouble = (message: string) => emit({ type: "trouble", where: "recordings", message });
  const recorder = new Recorder({ config: recordings, folder: join(data, "recordings"), hostname, now, trouble });
  await recorder.start();
  return recorder;
}

/**
 * What stands in the place of a good certificate must be good now.
 *
 * @throws {PairError} when it is not.
 */
function refuseWorse(certificates: Certificates | null, previous: Certificates | null, at: number): void {
  const known = new Map(previous?.list.map((each) => [each.path, each.fingerprint]) ?? []);
  for (const { path, fingerprint, notBefore, notAfter } of certificates?.list ?? []) {
    const before = known.get(path);
    if (before === undefined || before === fingerprint || at >= notBefore && at <= notAfter) continue;
    throw new PairError(`${path}: the new certificate is not valid today; the one before stays in use`);
  }
}

/** The dev inbox makes a certificate for itself. Null: there is no TLS. */
async function openCertificates({ config, emit, now }: GenerationOptions): Promise<Certificates | null> {
  const { tls, listeners, data, hostname } = config;
  if (tls === null || listeners.every((each) => each.tls === "off")) return null;
  const pairs = tls.certificates.length > 0
    ? tls.certificates.map(({ cert, key }) => ({ certificate: cert, key }))
    : [await openSelfSigned(join(data, "tls"), [...new Set([hostname, "localhost", "127.0.0.1", "::1"])])];
  return await Certificates.open({
    pairs,
    trouble: (message) => emit({ type: "trouble", where: "tls", message }),
    notice: (message) => emit({ type: "notice", where: "tls", message }),
    now,
  });
}

/** Resolves after so many milliseconds, or as soon as nobody waits any more. */
async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0 && !signal.aborted) await timer(milliseconds, undefined, { signal }).catch(() => {});
}
