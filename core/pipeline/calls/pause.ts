/**
 * Waiting inside a handler: for some time, and at `connect` for a peer that talks before it was greeted. One timer for all
 * (deadlines.ts). Non-job: how long is wise (plugins), when there is no room for it (the listener says).
 */
import { DEADLINES, type Waiting } from "./deadlines.ts";

/** The longest, milliseconds: a client waits five minutes for a greeting (RFC 5321 4.5.3.2.1). */
const LONGEST = 120_000;

/** The handlers of one session that wait. */
export class Pauses {
  readonly #waiting = new Set<Pause>();
  #talked = false;

  /** False when the time is over; true as soon as the peer talks, where nobody has asked it to. Never rejects. */
  begin(milliseconds: number, silence: boolean): Promise<boolean> {
    if (silence && this.#talked) return Promise.resolve(true);
    if (!(milliseconds > 0)) return Promise.resolve(false);
    return new Promise((resolve) => {
      const pause = new Pause(performance.now() + Math.min(milliseconds, LONGEST), (talked) => {
        this.#waiting.delete(pause);
        resolve(talked);
      });
      this.#waiting.add(pause);
    });
  }

  /** The peer said something before it was greeted. */
  talked(): void {
    this.#talked = true;
    this.end(true);
  }

  /** Nobody waits any more. */
  end(talked: boolean): void {
    for (const pause of this.#waiting) pause.end(talked);
  }
}

class Pause implements Waiting {
  constructor(readonly until: number, readonly done: (talked: boolean) => void) {
    DEADLINES.watch(this);
  }
  tick(now: number): void {
    if (now >= this.until) this.end(false);
  }
  end(talked: boolean): void {
    DEADLINES.unwatch(this);
    this.done(talked);
  }
}
