/**
 * Numbers that threads show each other without a message: how the store is (the owner writes, all read), and of each thread
 * that it lives, what it holds, how hard it is pressed, and which plugin it is in (the thread writes, the owner reads).
 * Non-job: what follows from them.
 */
import type { PressureState } from "../net/pressure/pressure.ts";
import { type Shed, WHERES, WHYS } from "../net/pressure/shedding.ts";
import type { Phase } from "../observe/events.ts";
import { PHASES } from "../pipeline/compile.ts";
import type { StoreHealth } from "../store/store.ts";

/** Doors of a thread. */
export const MOST_DOORS = 64;

// Of the owner, then of each thread
const WRITER_WAIT = 0, FREE = 1, OWNERS = 2;
const BEAT = 0, BODIES = 1, PLUGIN = 2, PHASE = 3, WAIT = 4, PRESSURE = 5, SHED = PRESSURE + 8;
const DOORS = SHED + WHERES.length * WHYS.length, SIZE = DOORS + MOST_DOORS;

/** `threads`: how many talk SMTP. */
export function vitalsMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * (OWNERS + SIZE * threads));
}

export class Vitals {
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#numbers = new Float64Array(memory);
  }

  /** The owner's word. */
  setHealth({ writerWait, freeBytes }: Pick<StoreHealth, "writerWait" | "freeBytes">): void {
    this.#numbers[WRITER_WAIT] = writerWait;
    this.#numbers[FREE] = freeBytes;
  }
  get health(): Pick<StoreHealth, "writerWait" | "freeBytes"> {
    return { writerWait: this.#numbers[WRITER_WAIT]!, freeBytes: this.#numbers[FREE]! };
  }

  /** Of one thread, from 1. */
  of(thread: number): ThreadVitals {
    return new ThreadVitals(this.#numbers, OWNERS + SIZE * (thread - 1));
  }
}

export class ThreadVitals {
  readonly #numbers: Float64Array;
  readonly #at: number;

  constructor(numbers: Float64Array, at: number) {
    this.#numbers = numbers;
    this.#at = at;
  }

  /** Another thread stands here from now on. */
  clear(): void {
    this.#numbers.fill(0, this.#at, this.#at + SIZE);
  }

  /** It lives. */
  beat(): void {
    this.#numbers[this.#at + BEAT]!++;
  }
  get beats(): number {
    return this.#numbers[this.#at + BEAT]!;
  }

  /** Octets of bodies in memory. */
  set bodies(octets: number) {
    this.#numbers[this.#at + BODIES] = octets;
  }
  get bodies(): number {
    return this.#numbers[this.#at + BODIES]!;
  }

  /** Milliseconds that the oldest commit on its line has waited. */
  set wait(milliseconds: number) {
    this.#numbers[this.#at + WAIT] = milliseconds;
  }
  get wait(): number {
    return this.#numbers[this.#at + WAIT]!;
  }

  /** Which plugin is asked, and in which phase. */
  readonly asked = (plugin: string, phase: Phase): void => {
    this.#numbers[this.#at + PLUGIN] = numberOf(plugin);
    this.#numbers[this.#at + PHASE] = PHASES.indexOf(phase) + 1;
  };
  /** The last that was asked, one of `plugins`; null: none yet. */
  last(plugins: Iterable<string>): { readonly plugin: string; readonly phase: Phase } | null {
    const number = this.#numbers[this.#at + PLUGIN]!, phase = PHASES[this.#numbers[this.#at + PHASE]! - 1];
    for (const plugin of plugins) if (phase !== undefined && numberOf(plugin) === number) return { plugin, phase };
    return null;
  }

  /** How hard it is pressed, and what it has sent away since it began. */
  set pressure({ stressed, lag, memory, underWay, bound, outside, rate, asked, shed }: PressureState) {
    const pressure = [Number(stressed), lag, memory, underWay, bound, outside, rate, asked];
    this.#numbers.set(pressure, this.#at + PRESSURE);
    for (const { where, why, count } of shed) {
      this.#numbers[this.#at + SHED + WHERES.indexOf(where) * WHYS.length + WHYS.indexOf(why)] = count;
    }
  }
  get pressure(): PressureState {
    const from = this.#at + PRESSURE;
    const [stressed, lag, memory, underWay, bound, outside, rate, asked] = this.#numbers.subarray(from, from + 8);
    return {
      stressed: stressed === 1,
      lag: lag!,
      memory: memory!,
      underWay: underWay!,
      bound: bound!,
      outside: outside!,
      rate: rate!,
      asked: asked!,
      shed: WHERES.flatMap((where, row) =>
        WHYS.map((why, at): Shed => ({ where, why, count: this.#numbers[this.#at + SHED + row * WHYS.length + at]! }))
      ).filter(({ count }) => count > 0),
    };
  }

  /** Connections behind a door. */
  setConnections(door: number, count: number): void {
    this.#numbers[this.#at + DOORS + door] = count;
  }
  connections(door: number): number {
    return this.#numbers[this.#at + DOORS + door]!;
  }
}

const numbers = new Map<string, number>();

/** A name as a number that is the same in every thread: names are few, and no two of a configuration share one. */
function numberOf(name: string): number {
  let number = numbers.get(name);
  if (number === undefined) {
    number = 1;
    for (let at = 0; at < name.length; at++) number = (number * 31 + name.charCodeAt(at)) % 9007199254739;
    numbers.set(name, number);
  }
  return number;
}
