/**
 * Waiting inside a handler: for some time, and at `connect` for a peer that talks before it was greeted. One timer for all
 * (deadlines.ts). Non-job: how long is wise (plugins), when there is no room for it (the listener says).
 */
import { unwatch, type Waiting, watch } from "./deadlines.ts";

/** A handler that waits. */
export class Pause implements Waiting {
  readonly over: Promise<boolean>;
  readonly #until: number;
  #end!: (talked: boolean) => void;

  /** @param milliseconds at most; `ended` is told when nobody waits any more. */
  constructor(milliseconds: number, private readonly ended: (pause: Pause) => void) {
    this.#until = performance.now() + milliseconds;
    this.over = new Promise((resolve) => this.#end = resolve);
    watch(this);
  }

  tick(now: number): void {
    if (now >= this.#until) this.end(false);
  }

  /** Nobody waits any more. `talked`: because the peer did. */
  end(talked: boolean): void {
    unwatch(this);
    this.ended(this);
    this.#end(talked);
  }
}

/** The longest pause, milliseconds: a client waits five minutes for a greeting (RFC 5321 4.5.3.2.1). */
export const LONGEST_PAUSE = 120_000;
