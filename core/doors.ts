/**
 * The doors of the house: from a listener's configuration to a socket where a peer finds an engine, a pipeline and room
 * for its message. Decides who has a place and who has to wait outside. Non-job: starting and stopping (server.ts), what
 * is said on a connection (net, smtp).
 */
import type { LoginServices } from "./auth/authentication.ts";
import type { Config, ListenerConfig } from "./config/config.ts";
import { connectionsFor } from "./config/defaults.ts";
import { openFileLimit } from "./config/open_files.ts";
import { enginesOf } from "./engines.ts";
import { Networks } from "./model/ip.ts";
import { defer, type Reply } from "./model/reply.ts";
import { Deadlines } from "./net/deadline.ts";
import { Inbound, type InboundOptions, type TlsUpgrade } from "./net/inbound.ts";
import type { Adopted } from "./net/handover.ts";
import { inject, type Injection, type InjectionResult } from "./net/injection.ts";
import type { ListenAddress } from "./net/listen_address.ts";
import { ConnectionLimits, type Taken } from "./net/limits.ts";
import { Listener, type ListenerOptions } from "./net/listener.ts";
import { Pressure, type Shed } from "./net/pressure/pressure.ts";
import { Reception, type ReceptionOptions } from "./net/reception.ts";
import type { Beginning } from "./net/reception_options.ts";
import type { Services } from "./pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "./pipeline/pipeline.ts";
import { type CommitOptions, commitTransaction, handOn, storeRefusal, type Taker } from "./queue/commit.ts";
import type { Quarantine } from "./queue/quarantine.ts";
import { RecordedHost } from "./replay/recorded_host.ts";
import type { Recorder } from "./replay/recorder.ts";
import type { Passwords } from "./smtp/sasl/mechanism.ts";
import { MECHANISMS } from "./smtp/sasl/mod.ts";
import { ServerSession } from "./smtp/server.ts";
import { writeText } from "./smtp/wire.ts";
import type { Store } from "./store/store.ts";

/** What the doors lead to. */
export interface House {
  readonly config: Config;
  readonly store: Store;
  readonly services: Omit<Services, "commit">;
  /** Null without certificates. */
  readonly tls: TlsUpgrade | null;
  readonly passwords: Passwords;
  readonly logins: LoginServices;
  pipelineOf(listener: string): Pipeline;
  /** Where a new recipient stands in the queue. */
  readonly place: CommitOptions["place"];
  /** Places that other threads take too, by role; absent: nobody else does. */
  places?(role: string): Taken | undefined;
  /** Who records sessions; null: nobody. */
  readonly recorder: Recorder | null;
  /** The one at work when it is asked for. */
  quarantine(): Pick<Quarantine, "admit" | "until">;
  /** Takes what is in the queue to where it goes; the one at work when it is asked for. */
  dispatcher(): Taker;
}

/** What `limits.minimumRate` is averaged over, milliseconds. */
const RATE_WINDOW = 60_000;

export class Doors {
  readonly #house: House;
  readonly #deadlines = new Deadlines();
  /** Each role has its own places, so that strangers cannot shut out one's own users (case 36). */
  readonly #places = new Map<string, ConnectionLimits>();
  /** The places of the doors that these stand in for: who came in by them still takes one. */
  readonly #taken: ReadonlyMap<string, ConnectionLimits>;
  #connections: number | null = null;
  /** How hard all of it is pressed; the same for the doors that stand in for these. */
  readonly pressure: Pressure;

  /** `previous`: the doors that these stand in for. */
  constructor(house: House, previous: Doors | null = null) {
    this.#house = house;
    const { services: { emit }, store } = house;
    this.pressure = previous?.pressure ?? new Pressure({ health: () => store.health(), emit });
    this.#taken = previous === null ? new Map() : new Map([...previous.#taken, ...previous.#places]);
  }

  /**
   * The socket that other threads listen on too.
   *
   * @throws {ListenError} when the address cannot be had.
   */
  share(config: ListenerConfig, address: ListenAddress): Promise<Listener> {
    return this.#listen({ ...this.behind(config), address, shared: true });
  }

  /** `adopted`: its socket, where somebody has bound it. @throws {ListenError} when the address cannot be had. */
  open(config: ListenerConfig, adopted: Adopted | null): Promise<Listener> {
    return this.#listen({ ...this.behind(config), adopted });
  }

  async #listen(options: ListenerOptions): Promise<Listener> {
    const listener = await Listener.open(options);
    const port = /:(\d+)$/.exec(listener.address)?.[1];
    if (port !== undefined) this.pressure.listens(Number(port), { family: listener.address.startsWith("[") ? 6 : 4 });
    return listener;
  }

  /**
   * A message without a socket, as from a client that has logged in: by the listener for one's own users, else by the first
   * one that there is.
   */
  inject(injection: Injection): Promise<InjectionResult> {
    const { config: { listeners, limits }, services } = this.#house;
    const config = listeners.find(({ role }) => role === "submission") ?? listeners[0]!;
    const trouble = (message: string) => services.emit({ type: "trouble", where: config.name, message });
    const places = this.#placesOf(config.role);
    const reception = this.#reception(config, { trouble, crowded: () => places.crowded, own: () => true });
    return inject(injection, { reception, size: limits.messageSize, header: limits.headerBytes });
  }

  /** What whoever comes by this listener finds behind it. */
  behind(config: ListenerConfig): ListenerOptions {
    const { services, recorder } = this.#house, listener = config.name;
    const trouble = (message: string) => services.emit({ type: "trouble", where: config.name, message });
    const places = this.#placesOf(config.role),
      { pressure } = this,
      { limits, store, trustedNetworks } = this.#house.config;
    const { lag, memory, diskReserve } = limits, trusted = new Networks(trustedNetworks);
    pressure.configure({ lag, memory, diskReserve: store === "memory" ? null : diskReserve });
    /** A door for one's own, or one of them by his address. */
    const own = (ip: string) => config.role !== "mx" || trusted.has(ip);
    const crowded = config.role === "mx" ? () => places.crowded || pressure.stressed : () => places.crowded;
    const engine = enginesOf(config, { config: this.#house.config, now: services.now, crowded });
    const reception = this.#reception(config, { trouble, crowded, own });
    const inbound = this.#inbound(config, { places, crowded });
    const told = (ip: string, reply: Reply) => {
      services.emit({
        type: "refused",
        session: "",
        transaction: null,
        ip,
        command: "connect",
        reply,
        sender: null,
        recipients: [],
        plugin: null,
        reason: reply.options.reason ?? null,
        delayedFrom: null,
      });
    };
    return {
      address: config.address,
      ...(config.mode === null ? {} : { mode: config.mode }),
      limits: places,
      proxies: new Networks(config.proxy),
      trouble,
      busy: (ip) => {
        const shed = pressure.connect({ own: own(ip), ip });
        if (shed === null) return null;
        if (shed.told) told(ip, defer("4.3.2", BUSY, { code: 421, reason: shed.because }));
        return writeText(421, "", BUSY); // a greeting has no enhanced status                                 RFC 2034 4
      },
      refusal: (why, ip) => {
        const words = why === "full" ? "Too many connections" : "Too many connections from your address";
        if (pressure.refused(why === "full" ? "places" : why)) {
          told(ip, defer("4.7.0", words, { code: 421, reason: why }));
        }
        return writeText(421, "4.7.0", words);
      },
      accept: (socket, { ip, port }) => {
        const client = { ip, port, tls: null, identity: null };
        const recorded = recorder?.begin({ ip, port, listener, role: config.role }, reception.services) ?? null;
        const host = new Reception(client, recorded ? { ...reception, services: recorded.services } : reception);
        const session = new ServerSession(engine(ip), (reply) => host.sign(reply));
        pressure.begin();
        socket.once("close", () => pressure.end());
        pressure.expect(host.passage, { own: own(ip) });
        if (recorded) session.tape = recorded.tape;
        return new Inbound(socket, session, recorded ? new RecordedHost(host, recorded.tape) : host, inbound);
      },
    };
  }

  #reception(
    config: ListenerConfig,
    { trouble, crowded, own }: {
      trouble(message: string): void;
      crowded(): boolean;
      own(ip: string): boolean;
    },
  ): ReceptionOptions {
    const {
      config: { limits, delivery },
      store,
      services,
      passwords,
      logins,
      place,
      pipelineOf,
    } = this.#house;
    return {
      pipeline: pipelineOf(config.name),
      services: { ...services, receive: (id) => store.receive(id), crowded },
      role: config.role,
      listener: config.name,
      hops: limits.received,
      recipients: limits.recipients,
      hideClient: config.hideClient,
      mechanisms: MECHANISMS,
      bindingOffered: config.mechanisms.some((name) => MECHANISMS.get(name)?.needsBinding),
      passwords,
      logins,
      receive: (id) => store.receive(id),
      commit: (transaction, origin) => {
        const dispatcher = this.#house.dispatcher();
        return commitTransaction(transaction, origin, {
          store,
          quarantine: this.#house.quarantine(),
          schedule: delivery.retry,
          place,
          now: services.now,
          random: Math.random,
          claim: (message) => dispatcher.claim(message),
          committed: (message, leases, octets) => handOn(dispatcher, message, { leases, octets }),
          trouble,
        });
      },
      storeRefusal: (error) => storeRefusal(error, trouble),
      overload: (asked) => this.#overload(asked, asked.client.identity !== null || own(asked.client.ip)),
      over: (passage, answered) => this.pressure.over(passage, { answered }),
    };
  }

  #inbound(
    config: ListenerConfig,
    { places, crowded }: { readonly places: ConnectionLimits; crowded(): boolean },
  ): InboundOptions {
    const { config: { limits }, tls } = this.#house;
    return {
      deadlines: this.#deadlines,
      tls: config.tls === "off" ? null : tls,
      implicitTls: config.tls === "implicit",
      handshakeTimeout: limits.handshakeTimeout,
      commandTimeout: limits.idleTimeout,
      crowdedTimeout: limits.stressTimeout,
      crowded: (identified) => identified ? places.crowded : crowded(),
      contentTimeout: limits.dataTimeout,
      minimumRate: limits.minimumRate,
      rateWindow: RATE_WINDOW,
    };
  }

  #placesOf(role: string): ConnectionLimits {
    const { limits, trustedNetworks, listeners } = this.#house.config;
    let places = this.#places.get(role);
    if (places === undefined) {
      // What the open files allow, shared by the roles
      const share = () =>
        this.#connections ??= Math.floor(
          connectionsFor(openFileLimit()) / new Set(listeners.map((each) => each.role)).size,
        );
      const exempt = new Networks([...trustedNetworks, "127.0.0.0/8", "::1"]);
      const connections = limits.connections ?? share();
      const options = { connections, perIp: limits.connectionsPerIp, exempt };
      this.#places.set(
        role,
        places = this.#taken.get(role)?.under(options) ??
          new ConnectionLimits(options, this.#house.places?.(role)),
      );
    }
    return places;
  }

  #overload({ passage, size, again }: Beginning, own: boolean): { reply: Reply<"defer">; quiet: boolean } | null {
    const shed = this.pressure.mail(passage, { own, size });
    return shed === null ? null : { reply: wordsOf(shed, again), quiet: !shed.told };
  }
}

const BUSY = "Too busy now";

/** RFC 1870 6.1: the declared size is enough to say no before the message comes. Who asks again and again has to leave. */
function wordsOf({ why, because: reason }: Shed, again: boolean): Reply<"defer"> {
  if (why === "disk") return defer("4.3.1", "No space for messages now", { code: 452, reason });
  if (why === "memory") return defer("4.3.1", "No memory for messages now", { code: again ? 421 : 452, reason });
  return defer("4.3.2", BUSY, { ...again && why === "loop" && { code: 421 }, reason });
}
