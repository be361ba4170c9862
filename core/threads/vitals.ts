/**
 * Numbers that threads show each other without a message: how the store is (the owner writes, all read), and of each thread
 * that it lives, what it holds, and which plugin it is in (the thread writes, the owner reads). Non-job: what follows from them.
 */
import type { StoreHealth } from "../store/store.ts";

/** Doors of a thread. */
export const MOST_DOORS = 64;

// Of the owner, then of each thread
const WRITER_WAIT = 0, FREE = 1, OWNERS = 2;
const BEAT = 0, BODIES = 1, PLUGIN = 2, PHASE = 3, DOORS = 4, SIZE = DOORS + MOST_DOORS;

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

  /** Which plugin was asked last, and in which phase; 0: none yet. */
  asked(plugin: number, phase: number): void {
    this.#numbers[this.#at + PLUGIN] = plugin;
    this.#numbers[this.#at + PHASE] = phase;
  }
  get plugin(): number {
    return this.#numbers[this.#at + PLUGIN]!;
  }
  get phase(): number {
    return this.#numbers[this.#at + PHASE]!;
  }

  /** Connections behind a door. */
  setConnections(door: number, count: number): void {
    this.#numbers[this.#at + DOORS + door] = count;
  }
  connections(door: number): number {
    return this.#numbers[this.#at + DOORS + door]!;
  }
}
