/**
 * One timer for all connections: each says when it is overdue, a sweep once a second asks them. A timer per connection
 * would cost more than the connection. Uses a monotonic clock: a jump of the wall clock ends nobody's session.
 */

/** Something with time limits. */
export interface Timed {
  /** Called about once a second with a monotonic time in milliseconds. */
  tick(now: number): void;
}

export class Deadlines {
  readonly #timed = new Set<Timed>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(readonly period = 1000) {}

  add(timed: Timed): void {
    this.#timed.add(timed);
    this.#timer ??= setInterval(() => {
      const now = performance.now();
      for (const each of this.#timed) each.tick(now);
    }, this.period);
  }

  remove(timed: Timed): void {
    if (!this.#timed.delete(timed) || this.#timed.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
