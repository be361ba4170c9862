/**
 * The doors of the house: from a listener's configuration to a socket where a peer finds an engine, a pipeline and room
 * for its message. Decides who has a place and who has to wait outside. Non-job: starting and stopping (server.ts), what
 * is said on a connection (net, smtp).
 */
import type { LoginServices } from "./auth/authentication.ts";
import type { Config, ListenerConfig } from "./config/config.ts";
import { connectionsFor } from "./config/defaults.ts";
import { openFileLimit } from "./config/open_files.ts";
import type { Dispatcher } from "./delivery/dispatcher.ts";
import { enginesOf } from "./engines.ts";
import { Networks } from "./model/ip.ts";
import { defer, type Reply } from "./model/reply.ts";
import { Deadlines } from "./net/deadline.ts";
import { Inbound, type InboundOptions, type TlsUpgrade } from "./net/inbound.ts";
import type { Handover } from "./net/handover.ts";
import { inject, type Injection, type InjectionResult } from "./net/injection.ts";
import { ConnectionLimits } from "./net/limits.ts";
import { Listener, type ListenerOptions } from "./net/listener.ts";
import { Reception, type ReceptionOptions } from "./net/reception.ts";
import type { Services } from "./pipeline/contexts/transaction_context.ts";
import type { Pipeline } from "./pipeline/pipeline.ts";
import { type CommitOptions, commitTransaction, storeRefusal } from "./queue/commit.ts";
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
  /** Who records sessions; null: nobody. */
  readonly recorder: Recorder | null;
  /** The one at work when it is asked for. */
  quarantine(): Quarantine;
  /** Takes what is in the queue to where it goes; the one at work when it is asked for. */
  dispatcher(): Pick<Dispatcher, "claim" | "take" | "kick">;
}

/** A writer that is this far behind makes peers wait outside (SEMANTICS 25), milliseconds. */
const WRITER_BEHIND = 5000;
/** How long a command may take while nearly all places are taken, milliseconds. */
const CROWDED_TIMEOUT = 10_000;
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

  /** `previous`: the doors that these stand in for. */
  constructor(house: House, previous: Doors | null = null) {
    this.#house = house;
    this.#taken = previous === null ? new Map() : new Map([...previous.#taken, ...previous.#places]);
  }

  /** @throws {ListenError} when the address cannot be had. */
  open(config: ListenerConfig, handover: Handover): Promise<Listener> {
    return Listener.open({ ...this.behind(config), adopted: handover.take(config.name, config.address) });
  }

  /**
   * A message without a socket, as from a client that has logged in: by the listener for one's own users, else by the first
   * one that there is.
   */
  inject(injection: Injection): Promise<InjectionResult> {
    const { config: { listeners, limits }, services } = this.#house;
    const config = listeners.find(({ role }) => role === "submission") ?? listeners[0]!;
    const trouble = (message: string) => services.emit({ type: "trouble", where: config.name, message });
    const reception = this.#reception(config, this.#placesOf(config.role), trouble);
    return inject(injection, { reception, size: limits.messageSize, header: limits.headerBytes });
  }

  /** What whoever comes by this listener finds behind it. */
  behind(config: ListenerConfig): ListenerOptions {
    const { services, recorder } = this.#house, listener = config.name;
    const trouble = (message: string) => services.emit({ type: "trouble", where: config.name, message });
    const places = this.#placesOf(config.role);
    const engine = enginesOf(config, { config: this.#house.config, now: services.now, crowded: () => places.crowded });
    const reception = this.#reception(config, places, trouble);
    const inbound = this.#inbound(config, places);
    return {
      address: config.address,
      ...(config.mode === null ? {} : { mode: config.mode }),
      limits: places,
      proxies: new Networks(config.proxy),
      trouble,
      refusal: (why, ip) => {
        const words = why === "full" ? "Too many connections" : "Too many connections from your address";
        const reply = defer("4.7.0", words, { code: 421, reason: why });
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
          reason: why,
          delayedFrom: null,
        });
        return writeText(421, "4.7.0", words);
      },
      accept: (socket, { ip, port }) => {
        const client = { ip, port, tls: null, identity: null };
        const recorded = recorder?.begin({ ip, port, listener, role: config.role }, reception.services) ?? null;
        const host = new Reception(client, recorded ? { ...reception, services: recorded.services } : reception);
        const session = new ServerSession(engine(ip), (reply) => host.sign(reply));
        if (recorded) session.tape = recorded.tape;
        return new Inbound(socket, session, recorded ? new RecordedHost(host, recorded.tape) : host, inbound);
      },
    };
  }

  #reception(config: ListenerConfig, places: ConnectionLimits, trouble: (message: string) => void): ReceptionOptions {
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
      services: { ...services, receive: (id) => store.receive(id), crowded: () => places.crowded },
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
          committed: ({ recipients }, leases, octets) => {
            if (leases.length > 0) dispatcher.take(leases, octets);
            // A claim leases what is ready, but for what is another node's
            const leased = leases.reduce((sum, lease) => sum + lease.recipients.length, 0);
            const left = recipients.filter(({ state }) => state === "ready").length > leased;
            if (left || recipients.some(({ state }) => state === "deferred")) dispatcher.kick();
          },
          trouble,
        });
      },
      storeRefusal: (error) => storeRefusal(error, trouble),
      overload: (phase, size) => this.#overload(phase, size),
    };
  }

  #inbound(config: ListenerConfig, places: ConnectionLimits): InboundOptions {
    const { config: { limits }, tls } = this.#house;
    return {
      deadlines: this.#deadlines,
      tls: config.tls === "off" ? null : tls,
      implicitTls: config.tls === "implicit",
      handshakeTimeout: limits.handshakeTimeout,
      commandTimeout: limits.idleTimeout,
      crowdedTimeout: CROWDED_TIMEOUT,
      crowded: () => places.crowded,
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
      this.#places.set(role, places = this.#taken.get(role)?.under(options) ?? new ConnectionLimits(options));
    }
    return places;
  }

  #overload(phase: "connect" | "mail", size: number): Reply<"defer"> | null {
    const { config, store } = this.#house;
    const { writerWait, freeBytes } = store.health();
    if (writerWait > WRITER_BEHIND) {
      const reason = `the writer is ${Math.round(writerWait)} ms behind`;
      return phase === "connect"
        ? defer("4.3.2", "Too busy now", { code: 421, reason })
        : defer("4.3.2", "Too busy now", { reason });
    }
    // RFC 1870 6.1: the declared size is enough to say no before the message comes
    if (phase === "mail" && config.store !== "memory" && freeBytes - size < config.limits.diskReserve) {
      return defer("4.3.1", "No space for messages now", { code: 452, reason: `${freeBytes} octets free` });
    }
    return null;
  }
}
