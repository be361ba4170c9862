/**
 * So many logins at a time; some more wait in line, and beyond that nobody does: a slow back end must not pile up
 * sessions and passwords in memory. Who is turned away gets 454 4.7.0 and comes again.
 */

/** Waiting ones for each that runs. */
const QUEUE = 8;

export class Slots {
  #free: number;
  readonly #count: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = this.#count = count;
  }

  /** @throws {Error} when too many wait already, or `signal` ends the wait. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.size >= this.#count * QUEUE) {
      return Promise.reject(new Error(`${this.#count} logins are being checked and ${this.#waiting.size} wait`));
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(turn);
        reject(signal.reason);
      };
      const turn = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(turn);
    });
  }

  /** Hands the place to who waits longest. */
  #pass(): void {
    const [turn] = this.#waiting;
    if (turn === undefined) this.#free++;
    else {
      this.#waiting.delete(turn);
      turn();
    }
  }
}
