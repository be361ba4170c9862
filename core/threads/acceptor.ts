/**
 * A thread that talks SMTP: the same configuration, doors and plugins as the owner's, behind sockets that all threads share.
 * It reads the configuration itself, keeps nothing, and asks the owner for what is kept (guest_store.ts).
 * Non-job: what it is told to do and when (acceptors.ts), the queue, the log, the site.
 */
import { type Config, formatEndpoint, type ListenerConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { Generation } from "../generation.ts";
import type { Listener } from "../net/listener.ts";
import type { Event } from "../observe/events.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Taker } from "../queue/commit.ts";
import { Quarantine } from "../queue/quarantine.ts";
import type { Reply } from "../model/reply.ts";
import type { LineWord } from "../store/lines.ts";
import { WriterLine } from "../store/writer_line.ts";
import { type Ask, GuestStore } from "./guest_store.ts";
import { type PackedReply, unpackReply } from "./packed_event.ts";
import { SharedPlaces } from "./shared_places.ts";
import { type ThreadVitals, Vitals } from "./vitals.ts";
import type { ConfigSent, DoorSent, Order } from "./wire.ts";

/** How often it shows that it lives, milliseconds. */
const BEAT = 500;

/** What it has to speak to the owner. */
export interface AcceptorParts {
  ask: Ask;
  emit(event: Event): void;
  readonly metrics: Pick<Metrics, "phase" | "question" | "tls">;
  /** A write on its line was answered. */
  wrote(word: LineWord): void;
  /** Something lies in an inbox; told with what `wrote` tells. */
  arrived(id: string, inbox: string): void;
}
type Begin = Extract<Order, { do: "begin" }>;

/** What was committed is the owner's to take on. */
const NOBODY: Taker = { claim: () => null, take: () => {}, kick: () => {} };

export class Acceptor {
  readonly #parts: AcceptorParts;
  readonly #store: GuestStore;
  readonly #places: SharedPlaces;
  readonly #vitals: ThreadVitals;
  readonly #doors = new Map<number, Listener>();
  readonly #leaving = new Set<Listener>();
  readonly #retiring = new Set<Generation>();
  #generation: Generation | null = null;
  #next: Generation | null = null;
  #beat: ReturnType<typeof setInterval> | undefined;

  private constructor(order: Begin, parts: AcceptorParts) {
    const { places, vitals, thread, slots, share, config: { data, store, limits } } = order;
    const shared = new Vitals(vitals);
    this.#parts = parts;
    this.#vitals = shared.of(thread);
    this.#places = new SharedPlaces(places, { thread, threads: slots });
    this.#store = new GuestStore({
      folder: store === "memory" ? null : `${data}/spool`,
      memoryBudget: Math.ceil(limits.bodyMemory / share),
      headLimit: limits.headerBytes,
      ask: parts.ask,
      health: () => shared.health,
      arrived: parts.arrived,
    });
  }

  /** @throws {Error} when the configuration cannot be read here, or a plugin cannot begin. */
  static async begin(order: Begin, parts: AcceptorParts): Promise<Acceptor> {
    const acceptor = new Acceptor(order, parts);
    acceptor.#generation = await acceptor.#prepared(order.config, null);
    acceptor.#show();
    acceptor.#beat = setInterval(() => acceptor.#show(), BEAT);
    return acceptor;
  }

  async obey(order: Exclude<Order, Begin>): Promise<unknown> {
    switch (order.do) {
      case "prepare":
        this.#next = await this.#prepared(order.config, this.#current);
        return;
      case "open":
        return await this.#open(order.door);
      case "abandon":
        return await this.#abandon(order.doors);
      case "switch":
        return this.#switch(order.doors);
      case "line":
        this.#store.line = new WriterLine(order.port, {
          wrote: this.#parts.wrote,
          trouble: (message) => this.#parts.emit({ type: "trouble", where: "store", message }),
        });
        return;
      case "lineless": {
        const lost = this.#store.line?.end() ?? [];
        this.#store.line = null;
        return lost.flatMap(({ id, file }) => [id, file]);
      }
      case "drain":
        return await this.#drain(order.milliseconds);
      case "stop":
        return await this.#stop(order.milliseconds);
    }
  }

  get #current(): Generation {
    return this.#generation!;
  }

  /** That it lives, and what it holds. */
  #show(): void {
    this.#vitals.beat();
    this.#vitals.bodies = this.#store.health().bodyBytes;
    if (this.#generation !== null) this.#vitals.pressure = this.#current.doors.pressure.state;
    this.#vitals.wait = this.#store.line?.wait ?? 0;
    for (const [door, { connections }] of this.#doors) this.#vitals.setConnections(door, connections);
  }

  async #prepared(sent: ConfigSent, previous: Generation | null): Promise<Generation> {
    const config = await configOf(sent), store = this.#store, { emit, ask, metrics } = this.#parts;
    const quarantine = new Quarantine({ ...config.quarantine, store, now: Date.now, emit });
    return await Generation.prepare({
      config,
      store,
      resolver: null,
      now: Date.now,
      emit,
      metrics,
      current: () => this.#current,
      places: (role) => this.#places.of(role),
      guest: {
        taker: NOBODY,
        asking: this.#vitals.asked,
        quarantine: {
          until: () => quarantine.until(),
          async admit(size) {
            const refusal = await ask({ ask: "admit", size }) as PackedReply | null;
            return refusal === null ? null : unpackReply(refusal) as Reply<"defer">;
          },
        },
      },
    }, previous);
  }

  async #open({ door, name, address }: DoorSent): Promise<string> {
    const { config, doors } = this.#next ?? this.#current;
    const listener = await doors.share(listenerOf(config, name), address);
    this.#doors.set(door, listener);
    return listener.address;
  }

  async #abandon(doors: readonly number[]): Promise<void> {
    this.#next?.abandon();
    this.#next = null;
    await Promise.all(doors.map(async (door) => {
      await this.#doors.get(door)?.drain(0);
      this.#doors.delete(door);
    }));
  }

  /** Nothing in it waits: nobody comes in between. */
  #switch(kept: readonly DoorSent[]): void {
    const before = this.#current, next = this.#next;
    if (next === null) throw new Error("nothing was prepared");
    this.#next = null;
    this.#generation = next;
    for (const { door, name } of kept) this.#doors.get(door)?.renew(next.doors.behind(listenerOf(next.config, name)));
    for (const [door, listener] of this.#doors) {
      if (kept.some((each) => each.door === door)) continue;
      this.#doors.delete(door);
      this.#vitals.setConnections(door, 0);
      this.#leaving.add(listener);
      void listener.retire().finally(() => this.#leaving.delete(listener));
    }
    this.#retiring.add(before);
    void before.retire().catch((error) => {
      this.#parts.emit({ type: "trouble", where: "reload", message: `the configuration before did not end: ${error}` });
    }).finally(() => this.#retiring.delete(before));
  }

  async #drain(milliseconds: number): Promise<void> {
    await Promise.all([...this.#doors.values(), ...this.#leaving].map((listener) => listener.drain(milliseconds)));
  }

  async #stop(milliseconds: number): Promise<void> {
    await this.#drain(0);
    await Promise.all([...this.#retiring, this.#current].map((each) => each.stop(milliseconds)));
    await this.#store.close();
    clearInterval(this.#beat);
  }
}

/** As the owner has it. @throws {ConfigError} */
async function configOf({ source, ...given }: ConfigSent): Promise<Config> {
  const { file, text, cwd, env } = source;
  return { ...await loadConfig({ file, text, cwd, env }), ...given };
}

function listenerOf({ listeners }: Config, name: string): ListenerConfig {
  const found = listeners.find((each) => each.name === name);
  if (found === undefined) {
    throw new Error(`no listener ${name} among ${listeners.map((each) => formatEndpoint(each.address))}`);
  }
  return found;
}
