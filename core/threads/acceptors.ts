/**
 * The threads that talk SMTP, all of them, as the owner has them: starts them, gives each door and each configuration to
 * all or to none, watches that they live, and puts another one where one died or has stood still for too long.
 * Non-job: one thread (seat.ts), what it asks (attendant.ts), what is behind a door (acceptor.ts).
 */
import { type Config, formatEndpoint, type ListenerConfig } from "../config/config.ts";
import { parseEndpoint } from "../config/values.ts";
import type { ListenAddress } from "../net/listen_address.ts";
import { ListenError, probe } from "../net/listener.ts";
import type { PressureState } from "../net/pressure/pressure.ts";
import type { Shed } from "../net/pressure/shedding.ts";
import type { Attendant, House } from "./attendant.ts";
import { Seat } from "./seat.ts";
import { placesMemory, SharedPlaces } from "./shared_places.ts";
import { sumOf, together } from "./together.ts";
import { MOST_DOORS, Vitals, vitalsMemory } from "./vitals.ts";
import type { ConfigSent, DoorSent, Order } from "./wire.ts";

/** How often the owner looks at them, milliseconds. */
const LOOK = 1000;
/** Looks between two words about one that stands still. */
const AGAIN = 60;
/** Threads in the place of some that stand still: those cannot be ended, and each keeps what it has. */
const SPARE = 8;
/** Before a thread is started again, milliseconds: the first time, and the longest. */
const FIRST = 100, LONGEST = 30_000;
/** A thread that lived so long, milliseconds, starts at `FIRST` again. */
const SETTLED = 60_000;
/** Milliseconds that plugins of a thread have to end. */
const ENDING = 15_000;

/** A socket of all threads: what the server has of it. */
export interface SharedDoor {
  readonly door: number;
  readonly address: string;
  readonly connections: number;
}

export class Acceptors {
  readonly #house: House;
  /** How many there are when all is well. */
  readonly #threads: number;
  readonly #places: SharedArrayBuffer;
  readonly #memory: SharedArrayBuffer;
  readonly #vitals: Vitals;
  readonly #own: SharedPlaces;
  readonly #seats = new Set<Seat>();
  readonly #doors = new Map<number, DoorSent>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #config: Config;
  /** What threads have sent away that are no more. */
  #gone: readonly Shed[] = [];
  #looking: ReturnType<typeof setInterval> | undefined;
  /** One change after the other; a start of a thread waits for them too. */
  #turn: Promise<unknown> = Promise.resolve();
  #wait = FIRST;
  #stopping = false;

  private constructor(config: Config, house: House) {
    const { threads } = config;
    this.#threads = threads;
    this.#config = config;
    this.#house = house;
    this.#places = placesMemory(this.#slots);
    this.#memory = vitalsMemory(threads + SPARE);
    this.#vitals = new Vitals(this.#memory);
    this.#own = new SharedPlaces(this.#places, { threads: this.#slots, thread: 0 });
  }

  /** @throws {Error} when the configuration cannot go to a thread, or one cannot begin. */
  static async start(config: Config, house: House): Promise<Acceptors> {
    const acceptors = new Acceptors(config, house);
    house.store.lines?.hold({
      lost: () => acceptors.#lineless(),
      renew: () => acceptors.#seats.forEach((seat) => seat.renew()),
      wait: () => Math.max(0, ...[...acceptors.#seats].map(({ wait }) => wait)),
    });
    acceptors.#look();
    try {
      await Promise.all(Array.from({ length: config.threads }, () => acceptors.#begin()));
    } catch (error) {
      acceptors.#end();
      throw error;
    }
    acceptors.#looking = setInterval(() => acceptors.#look(), LOOK);
    return acceptors;
  }

  /** All that count places: threads, spare ones, and the owner. */
  get #slots(): number {
    return this.#threads + SPARE + 1;
  }
  /** Places of the owner's own doors, in the same counts. */
  get places(): SharedPlaces {
    return this.#own;
  }
  /** Octets of bodies in the memory of all of them. */
  get bodies(): number {
    return [...this.#seats].reduce((sum, { bodies }) => sum + bodies, 0);
  }
  /** How hard all are pressed, beside the owner with its own doors. */
  pressure(own: PressureState): PressureState {
    const lost = [...this.#seats].filter(({ silent }) => silent > 0).flatMap(({ pressure: { shed } }) => shed);
    return together([own, ...this.#living.map(({ pressure }) => pressure)], [...this.#gone, ...lost]);
  }
  /** What only a restart mends; null: nothing. */
  get fault(): string | null {
    const lost = [...this.#seats].find(({ silent }) => silent > 0);
    return lost === undefined ? null : this.#wordsOf(lost);
  }
  /** Those that hear what they are told. */
  get #living(): readonly Seat[] {
    return [...this.#seats].filter(({ silent }) => silent === 0);
  }

  // ---- Doors -------------------------------------------------------------------------------------------------------

  /** Whether threads can share it: a port; a socket file has one reader. */
  static serves({ address }: Pick<ListenerConfig, "address">): boolean {
    return !("path" in address);
  }

  /** All listen, or none. @throws {ListenError} */
  async open({ name, address }: Pick<ListenerConfig, "name" | "address">): Promise<SharedDoor> {
    if ("path" in address) throw new ListenError(`${formatEndpoint(address)} cannot be shared by threads`);
    const door = this.#free(), opened: Attendant[] = [];
    let bound: ListenAddress = address;
    if (address.port !== 0) await probe(address);
    try {
      for (const { attendant } of this.#living) { // the first finds the port that all take
        const text = await attendant.order({ do: "open", door: { door, name, address: bound } }) as string;
        opened.push(attendant);
        const found = parseEndpoint(text);
        if (found !== null && !("path" in found)) bound = { host: address.host, port: found.port };
      }
    } catch (error) {
      await Promise.allSettled(opened.map((each) => each.order({ do: "abandon", doors: [door] })));
      throw new ListenError(error instanceof Error ? error.message : String(error));
    }
    this.#doors.set(door, { door, name, address: bound });
    const seats = this.#seats;
    return {
      door,
      address: formatEndpoint(bound),
      get connections() {
        return [...seats].reduce((sum, seat) => sum + seat.connections(door), 0);
      },
    };
  }

  #free(): number {
    for (let door = 0; door < MOST_DOORS; door++) if (!this.#doors.has(door)) return door;
    throw new ListenError(`threads share at most ${MOST_DOORS} addresses`);
  }

  // ---- Another configuration -----------------------------------------------------------------------------------------

  /** Resolves with the end of this turn, to be called when the change is made or given up; no thread starts before. */
  async begin(): Promise<() => void> {
    const before = this.#turn;
    let end!: () => void;
    this.#turn = new Promise<void>((resolve) => end = resolve);
    await before;
    return end;
  }

  /** Every thread makes it ready, or none keeps it. @throws {Error} of the first that cannot. */
  async prepare(config: Config): Promise<void> {
    const sent = sentOf(config);
    await this.#all({ do: "prepare", config: sent });
  }

  /** What was prepared, and the doors that were opened for it, are not wanted. */
  async abandon(doors: readonly number[]): Promise<void> {
    for (const door of doors) this.#doors.delete(door);
    await this.#all({ do: "abandon", doors }).catch(() => {});
  }

  /** What was prepared is at work from now on; `doors`: those that stay, with the names of their listeners. */
  switch(config: Config, doors: readonly { readonly door: number; readonly name: string }[]): void {
    const kept = doors.map(({ door, name }) => ({ ...this.#doors.get(door)!, name }));
    this.#doors.clear();
    for (const each of kept) this.#doors.set(each.door, each);
    this.#config = config;
    this.#all({ do: "switch", doors: kept }).catch((error) =>
      this.#trouble(`a thread did not change: ${error instanceof Error ? error.message : error}`)
    );
  }

  // ---- The end -------------------------------------------------------------------------------------------------------

  /** Doors close at once; who is there has so long. */
  async drain(milliseconds: number): Promise<void> {
    this.#stopping = true;
    await this.#within(milliseconds, this.#tell({ do: "drain", milliseconds }));
  }

  async stop(milliseconds: number): Promise<void> {
    this.#stopping = true;
    await this.#within(milliseconds, this.#tell({ do: "stop", milliseconds }));
    this.#end();
  }

  /** Those that begin to stand still meanwhile keep nobody. */
  async #within(milliseconds: number, asked: readonly Promise<unknown>[]): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds + ENDING));
    await Promise.race([late, Promise.allSettled(asked)]);
    clearTimeout(timer);
  }

  #end(): void {
    this.#stopping = true;
    clearInterval(this.#looking);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const seat of this.#seats) seat.end("the server stopped");
    this.#seats.clear();
  }

  // ---- Threads -------------------------------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    const thread = this.#vacant();
    const seat = new Seat({
      house: this.#house,
      vitals: this.#vitals.of(thread),
      thread,
      died: (seat, why) => this.#died(seat, why),
    });
    this.#seats.add(seat);
    try {
      await seat.begin({
        do: "begin",
        thread,
        slots: this.#slots,
        share: this.#threads,
        places: this.#places,
        vitals: this.#memory,
        config: sentOf(this.#config),
      }, this.#doors.values());
    } catch (error) {
      this.#seats.delete(seat);
      this.#own.takeBack(thread);
      throw error;
    }
  }

  #vacant(): number {
    const taken = new Set([...this.#seats].map(({ thread }) => thread));
    for (let thread = 1; thread < this.#slots; thread++) if (!taken.has(thread)) return thread;
    throw new Error("too many threads stand still: restart");
  }

  #died(seat: Seat, why: string): void {
    if (!this.#seats.delete(seat) || this.#stopping) return;
    this.#own.takeBack(seat.thread);
    this.#gone = sumOf([...this.#gone, ...seat.pressure.shed]);
    if (performance.now() - seat.startedAt > SETTLED) this.#wait = FIRST;
    this.#trouble(
      `thread ${seat.thread} ended: ${why}; its sessions are lost${seat.replaced ? "" : ", another one starts"}`,
    );
    if (!seat.replaced) this.#again();
  }

  /** Another thread, after a while; a turn of its own, so that it begins by the configuration at work. */
  #again(): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#turn = this.#turn.then(async () => {
        if (this.#stopping) return;
        try {
          await this.#begin();
          this.#notice("another thread talks SMTP now");
        } catch (error) {
          if (this.#stopping) return;
          this.#trouble(`another thread cannot start: ${error instanceof Error ? error.message : error}`);
          this.#again();
        }
      });
    }, this.#wait);
    this.#timers.add(timer);
    this.#wait = Math.min(this.#wait * 2, LONGEST);
  }

  /** Tells them how the store is, and sees who is silent. */
  #look(): void {
    this.#vitals.setHealth(this.#house.store.health());
    for (const seat of this.#seats) {
      const state = seat.look();
      if (state === "back") this.#return(seat);
      else if (state === "lost" && !seat.replaced) {
        seat.replaced = true;
        this.#trouble(`${this.#wordsOf(seat)}; another one starts`);
        this.#again();
      } else if (state !== "lives" && seat.silent % AGAIN === 0) this.#trouble(this.#wordsOf(seat));
    }
  }

  /** It goes on, by the configuration at work now, beside the one that has its place. */
  #return(seat: Seat): void {
    this.#notice(`thread ${seat.thread} goes on`);
    this.#turn = this.#turn.then(async () => {
      const { attendant } = seat;
      await attendant.order({ do: "prepare", config: sentOf(this.#config) });
      await attendant.order({ do: "switch", doors: [...this.#doors.values()] });
    }).catch((error) =>
      this.#trouble(`thread ${seat.thread} did not change: ${error instanceof Error ? error.message : error}`)
    );
  }

  /** What they had under way with a writer that is dead. Nobody waits for one that stands still: it refuses when it goes on. */
  async #lineless(): Promise<readonly { id: string; file: string | null }[]> {
    const lost: { id: string; file: string | null }[] = [];
    const asked = [...this.#seats].map(async ({ attendant, silent }) => {
      const answer = attendant.order({ do: "lineless" }).then((told) => {
        const flat = told as (string | null)[];
        for (let at = 0; at < flat.length; at += 2) lost.push({ id: flat[at]!, file: flat[at + 1]! });
      });
      if (silent === 0) await answer;
      else answer.catch(() => {});
    });
    await this.#within(0, asked);
    return [...lost];
  }

  #wordsOf(seat: Seat): string {
    return `thread ${seat.thread} stands still${
      seat.place(this.#house.plugins())
    }: it takes its share of the connections ` +
      `and answers none until a restart`;
  }

  #tell(order: Order): readonly Promise<unknown>[] {
    return this.#living.map(({ attendant }) => attendant.order(order));
  }
  async #all(order: Order): Promise<void> {
    const done = await Promise.allSettled(this.#tell(order));
    for (const each of done) if (each.status === "rejected") throw each.reason;
  }

  #trouble(message: string): void {
    this.#house.emit({ type: "trouble", where: "threads", message });
  }
  #notice(message: string): void {
    this.#house.emit({ type: "notice", where: "threads", message });
  }
}

/** @throws {Error} when it was made in code. */
function sentOf({ source, data, hostname, limits, store }: Config): ConfigSent {
  if (source === null) {
    throw new Error("threads: a configuration that is made in code cannot go to another thread; use 1");
  }
  return { source, data, hostname, limits, store };
}
