/**
 * One life of a thread that talks SMTP, as the owner has it: the Worker, who attends to it, and whether it shows that it
 * lives. Non-job: when it begins and what follows its end (acceptors.ts).
 */
import type { PressureState } from "../net/pressure/pressure.ts";
import { programModule } from "../packed/contents.ts";
import { Attendant, type House } from "./attendant.ts";
import type { Lines } from "../store/lines.ts";
import type { ThreadVitals } from "./vitals.ts";
import type { DoorSent, Order } from "./wire.ts";

/** Looks without a sign of life until it counts as lost: looks, since a process that stands still looks at nobody. */
const SILENT = 10;

export interface SeatOptions {
  readonly house: House;
  readonly vitals: ThreadVitals;
  /** Its number, from 1. */
  readonly thread: number;
  /** Told once, when the thread ended by itself. */
  died(seat: Seat, why: string): void;
}

export class Seat {
  readonly thread: number;
  readonly attendant: Attendant;
  readonly startedAt: number = performance.now();
  readonly #vitals: ThreadVitals;
  readonly #worker: Worker;
  readonly #lines: Lines | undefined;
  #beats = 0;
  #silent = 0;
  #over = false;
  #last: PressureState | null = null;
  /** It stood still once, and another one has taken its work. */
  replaced = false;

  constructor({ house, vitals, thread, died }: SeatOptions) {
    vitals.clear();
    this.thread = thread;
    this.#vitals = vitals;
    this.#lines = house.store.lines;
    this.#worker = new Worker(programModule(new URL("./acceptor_root.ts", import.meta.url)), {
      type: "module",
      name: `smtp ${thread}`,
    });
    const ended = (why: string) => {
      if (this.#over) return;
      this.end("thread ended");
      died(this, why);
    };
    this.attendant = new Attendant(this.#worker, house, ended);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      ended(event.message);
    };
  }

  /** @throws {Error} when it cannot begin; then it is over. */
  async begin(order: Extract<Order, { do: "begin" }>, doors: Iterable<DoorSent>): Promise<void> {
    try {
      await this.attendant.order(order);
      this.renew();
      for (const door of doors) await this.attendant.order({ do: "open", door });
    } catch (error) {
      this.end("it cannot begin");
      throw error;
    }
  }

  /** Looks once: it lives, has become silent, is silent still, or lives again. */
  look(): "lives" | "lost" | "silent" | "back" {
    const { beats } = this.#vitals, was = this.silent > 0;
    if (beats !== this.#beats || beats === 0) { // before its first beat it has not begun
      this.#beats = beats;
      this.#silent = 0;
      return was ? "back" : "lives";
    }
    this.#silent++;
    return this.silent === 0 ? "lives" : was ? "silent" : "lost";
  }
  /** Looks since it was lost, that one included; 0: it lives. */
  get silent(): number {
    return Math.max(0, this.#silent - SILENT + 1);
  }
  /** Where it was last, for people. */
  place(plugins: Iterable<string>): string {
    const last = this.#vitals.last(plugins);
    return last === null ? "" : `, last in the plugin ${last.plugin} at ${last.phase}`;
  }

  /** A line to the store's writer, where there is one. */
  renew(): void {
    const port = this.#lines?.open() ?? null;
    if (port !== null) this.attendant.order({ do: "line", port }).catch(() => {}); // then it is over
  }
  /** Milliseconds that the oldest commit on its line has waited. */
  get wait(): number {
    return this.#vitals.wait;
  }

  connections(door: number): number {
    return this.#vitals.connections(door);
  }
  get bodies(): number {
    return this.#vitals.bodies;
  }
  /** The last word of it where it is over. */
  get pressure(): PressureState {
    return this.#last ?? this.#vitals.pressure;
  }

  /** What a thread that loops does not hear: its socket is there until the process ends. */
  end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#worker.terminate();
    this.attendant.bury(why);
    this.#last = this.#vitals.pressure;
    this.#vitals.clear();
  }
}
