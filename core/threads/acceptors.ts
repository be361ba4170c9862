/**
 * The threads that talk SMTP, all of them, as the owner has them: starts them, gives each door and each configuration to
 * all or to none, watches that they live, and puts another one where one died or has stood still for too long.
 * Non-job: what a thread asks (attendant.ts), what is behind a door (acceptor.ts).
 */
import { type Config, formatEndpoint, type ListenerConfig } from "../config/config.ts";
import { parseEndpoint } from "../config/values.ts";
import type { ListenAddress } from "../net/listen_address.ts";
import { ListenError, probe } from "../net/listener.ts";
import { threadModule } from "../packed/contents.ts";
import { Attendant, type House } from "./attendant.ts";
import { placesMemory, SharedPlaces } from "./shared_places.ts";
import { MOST_DOORS, type ThreadVitals, Vitals, vitalsMemory } from "./vitals.ts";
import type { ConfigSent, DoorSent } from "./wire.ts";

/** How often the owner looks at them, milliseconds. */
const LOOK = 1000;
/** Looks without a sign of life until a thread counts as lost: looks, since a process that stands still looks at nobody. */
const SILENT = 10;
/** How often it is said again. */
const AGAIN = 60;
/** Before a thread is started again, milliseconds: the first time, and the longest. */
const FIRST = 100, LONGEST = 30_000;
/** A thread that lived so long, milliseconds, starts at `FIRST` again. */
const SETTLED = 60_000;
/** Milliseconds that plugins of a thread have to end. */
const ENDING = 15_000;

interface Seat {
  readonly thread: number;
  readonly vitals: ThreadVitals;
  worker: Worker | null;
  attendant: Attendant | null;
  /** At the last look, and looks since it last changed. */
  beats: number;
  silent: number;
  startedAt: number;
  wait: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** A socket of all threads: what the server has of it. */
export interface SharedDoor {
  readonly door: number;
  readonly address: string;
  readonly connections: number;
}

export class Acceptors {
  readonly #house: House;
  readonly #threads: number;
  readonly #places: SharedArrayBuffer;
  readonly #memory: SharedArrayBuffer;
  readonly #vitals: Vitals;
  readonly #own: SharedPlaces;
  readonly #seats: readonly Seat[];
  readonly #doors = new Map<number, DoorSent>();
  #config: Config;
  #looking: ReturnType<typeof setInterval> | undefined;
  /** One change after the other; a start of a thread waits for them too. */
  #turn: Promise<unknown> = Promise.resolve();
  #stopping = false;

  private constructor(config: Config, house: House) {
    const threads = this.#threads = config.threads;
    this.#config = config;
    this.#house = house;
    this.#places = placesMemory(threads + 1);
    this.#memory = vitalsMemory(threads);
    this.#vitals = new Vitals(this.#memory);
    this.#own = new SharedPlaces(this.#places, { threads: threads + 1, thread: 0 });
    this.#seats = Array.from({ length: threads }, (_, index) => ({
      thread: index + 1,
      vitals: this.#vitals.of(index + 1),
      worker: null,
      attendant: null,
      beats: 0,
      silent: 0,
      startedAt: 0,
      wait: FIRST,
      timer: undefined,
    }));
  }

  /** @throws {Error} when the configuration cannot go to a thread, or one cannot begin. */
  static async start(config: Config, house: House): Promise<Acceptors> {
    const acceptors = new Acceptors(config, house);
    acceptors.#look();
    try {
      await Promise.all(acceptors.#seats.map((seat) => acceptors.#begin(seat)));
    } catch (error) {
      acceptors.#end();
      throw error;
    }
    acceptors.#looking = setInterval(() => acceptors.#look(), LOOK);
    return acceptors;
  }

  /** Places of the owner's own doors, in the same counts. */
  get places(): SharedPlaces {
    return this.#own;
  }
  /** Octets of bodies in the memory of all of them. */
  get bodies(): number {
    return this.#seats.reduce((sum, { vitals }) => sum + vitals.bodies, 0);
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
      for (const { attendant } of this.#seats) { // the first finds the port that all take
        if (attendant === null) continue;
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
        return seats.reduce((sum, { vitals }) => sum + vitals.connections(door), 0);
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
    await Promise.all(this.#seats.map(async ({ attendant }) => {
      if (attendant === null) return;
      const done = attendant.order({ do: "drain", milliseconds }).catch(() => {});
      await Promise.race([done, later(milliseconds + ENDING)]);
    }));
  }

  async stop(milliseconds: number): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#seats.map(async ({ attendant }) => {
      if (attendant === null) return;
      const done = attendant.order({ do: "stop", milliseconds }).catch(() => {});
      await Promise.race([done, later(milliseconds + ENDING)]);
    }));
    this.#end();
  }

  #end(): void {
    this.#stopping = true;
    clearInterval(this.#looking);
    for (const seat of this.#seats) {
      clearTimeout(seat.timer);
      seat.worker?.terminate();
      seat.attendant?.bury("the server stopped");
      seat.worker = seat.attendant = null;
    }
  }

  // ---- Threads -------------------------------------------------------------------------------------------------------

  async #begin(seat: Seat): Promise<void> {
    const { thread, vitals } = seat;
    vitals.clear();
    const worker = new Worker(threadModule(new URL("./acceptor_thread.ts", import.meta.url)), {
      type: "module",
      name: `smtp ${thread}`,
    });
    const died = (why: string) => this.#died(seat, worker, why);
    const attendant = new Attendant(worker, this.#house, died);
    worker.onerror = (event) => {
      event.preventDefault();
      died(event.message);
    };
    seat.worker = worker;
    seat.attendant = attendant;
    seat.beats = seat.silent = 0;
    seat.startedAt = performance.now();
    try {
      await attendant.order({
        do: "begin",
        thread,
        threads: this.#threads + 1,
        places: this.#places,
        vitals: this.#memory,
        config: sentOf(this.#config),
      });
      for (const door of this.#doors.values()) await attendant.order({ do: "open", door });
    } catch (error) {
      if (seat.worker === worker) {
        seat.worker = seat.attendant = null;
        worker.terminate();
      }
      throw error;
    }
  }

  #died(seat: Seat, worker: Worker, why: string): void {
    if (seat.worker !== worker || this.#stopping) return;
    const { attendant, thread } = seat;
    seat.worker = seat.attendant = null;
    worker.terminate();
    seat.vitals.clear();
    attendant?.bury("thread ended");
    this.#own.takeBack(thread);
    this.#trouble(`thread ${thread} ended: ${why}; its sessions are lost, another one starts`);
    this.#again(seat);
  }

  #again(seat: Seat): void {
    if (performance.now() - seat.startedAt > SETTLED) seat.wait = FIRST;
    seat.timer = setTimeout(() => {
      this.#turn = this.#turn.then(async () => {
        if (this.#stopping) return;
        try {
          await this.#begin(seat);
          this.#house.emit({ type: "notice", where: "threads", message: `thread ${seat.thread} runs again` });
        } catch (error) {
          if (seat.worker !== null || this.#stopping) return;
          this.#trouble(`thread ${seat.thread} cannot start: ${error instanceof Error ? error.message : error}`);
          this.#again(seat);
        }
      });
    }, seat.wait);
    seat.wait = Math.min(seat.wait * 2, LONGEST);
  }

  /** Tells them how the store is, and sees who is silent. */
  #look(): void {
    this.#vitals.setHealth(this.#house.store.health());
    for (const seat of this.#seats) {
      if (seat.worker === null) continue;
      const { beats } = seat.vitals;
      if (beats !== seat.beats) {
        if (seat.silent >= SILENT) this.#trouble(`thread ${seat.thread} goes on`);
        seat.beats = beats;
        seat.silent = 0;
      } else if (beats > 0 && ++seat.silent >= SILENT && (seat.silent - SILENT) % AGAIN === 0) {
        this.#trouble(`thread ${seat.thread} has stood still for ${seat.silent} s`);
      }
    }
  }

  async #all(order: Parameters<Attendant["order"]>[0]): Promise<void> {
    const done = await Promise.allSettled(this.#seats.map(({ attendant }) => attendant?.order(order)));
    for (const each of done) if (each.status === "rejected") throw each.reason;
  }

  #trouble(message: string): void {
    this.#house.emit({ type: "trouble", where: "threads", message });
  }
}

/** @throws {Error} when it was made in code. */
function sentOf({ source, data, hostname, limits, store }: Config): ConfigSent {
  if (source === null) {
    throw new Error("threads: a configuration that is made in code cannot go to another thread; use 1");
  }
  return { source, data, hostname, limits, store };
}

function later(milliseconds: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, milliseconds)));
}
