/**
 * One timer for all calls that wait, instead of one each. It runs while somebody waits.
 * A loop that never yields is beyond any timer: that takes a thread to be watched from, or a sandbox.
 */

export interface Waiting {
  /** Called every so often with performance.now(). */
  tick(now: number): void;
}

const PERIOD = 20; // milliseconds

export class Deadlines {
  readonly #waiting = new Set<Waiting>();
  #timer: ReturnType<typeof setInterval> | undefined;

  watch(call: Waiting): void {
    this.#waiting.add(call);
    this.#timer ??= setInterval(this.#sweep, PERIOD);
  }

  unwatch(call: Waiting): void {
    if (!this.#waiting.delete(call) || this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  readonly #sweep = (): void => {
    const now = performance.now();
    for (const call of this.#waiting) call.tick(now);
  };
}

/** Those of a thread. A platform whose timers end with the event that they began in wants one for each event. */
export const DEADLINES: Deadlines = new Deadlines();
