/**
 * How many strangers may come in while more stand outside than can be served: open until the kernel's queue of them has been
 * too long for a while; then so many a second as a part of this thread can serve, by what their messages have cost. The part
 * grows while the queue is short and shrinks while it is long. Who is over that is refused, which costs a tenth of a message
 * and makes the queue short. By rate and not by number: a peer that is slow takes no more of it than one that is quick; and
 * of a second's, one peer has a share (shares.ts).
 * Non-job: measuring (pressure.ts). Times are monotonic milliseconds that the caller gives.
 */
import { Shares } from "./shares.ts";

/** The queue is too long when who stands last in it waits this many times the lateness that is borne; short below once. */
const LONG = 1.5;
/**
 * It has been so for so much longer than not: who comes in at first waits that long, and a burst that is over by then is
 * nothing. Not at every look: of connections that the kernel sent away those that come again come together.
 */
const SUSTAINED = 1000;
/** The part at first, and the most: to refuse takes time too. */
const FIRST = 0.7, MOST = 0.9;
/** A look counts for so long at most, milliseconds: a process that was stopped knows nothing of the time between. */
const LOOK = 250;
/** Without a refusal for so long it is open again. */
const CALM = 3000;
/** Between two changes of the part. */
const PERIOD = 250;
/** The least part: nobody shuts strangers out for good. Where the queue is full and yet short, refusing more is in vain. */
const LEAST = 0.05, LEAST_QUICK = 0.5;
/** What has come together of the rate at most, milliseconds: a burst. */
const BURST = 250;
/** Milliseconds over which shares count. */
const SECOND = 1000;
/** What a message costs before the first has come, milliseconds. */
const UNKNOWN = 1;

export class Intake {
  /** The lateness that is borne, milliseconds. */
  lag: number;
  #cost: number | null = null;
  #part = FIRST;
  #closing = false;
  /** Milliseconds that the queue was too long, less those that it was not. */
  #sum = 0;
  #looked = 0;
  #refused = -Infinity;
  #changed = 0;
  #tokens = 0;
  #filled = 0;
  /** What each peer took of this second; one for each that was let in, so there are no more than that. */
  readonly #shares = new Shares();
  #second = 0;

  constructor(lag: number) {
    this.lag = lag;
  }

  get closing(): boolean {
    return this.#closing;
  }
  /** Strangers a second; Infinity while it is open. */
  get rate(): number {
    return this.#closing ? this.#part * 1000 / (this.#cost ?? UNKNOWN) : Infinity;
  }

  /** Messages cost so much of this thread, milliseconds each. Of a crowd that is refused it says at least no more. */
  cost(each: number): void {
    const known = this.#cost;
    if (known === null) this.#cost = each;
    else if (!this.#closing || each < known) this.#cost = known + (each - known) * 0.3;
  }

  admits(peer: string, now: number): boolean {
    if (!this.#closing) return true;
    const { rate } = this;
    if (now - this.#second >= SECOND) {
      this.#second = now;
      this.#shares.clear();
    }
    this.#tokens = Math.min(Math.max(1, rate * BURST / 1000), this.#tokens + rate * (now - this.#filled) / 1000);
    this.#filled = now;
    if (this.#tokens >= 1 && !this.#shares.spent(peer, rate * SECOND / 1000)) {
      this.#tokens--;
      this.#shares.add(peer);
      return true;
    }
    this.#refused = now;
    return false;
  }

  /** `wait`: of who stands last in the queue; `full`: who comes next finds no place in it, and tries again in a second. */
  look({ now, wait, full }: { readonly now: number; readonly wait: number; readonly full: boolean }): void {
    const long = wait > LONG * this.lag;
    const since = Math.min(LOOK, now - this.#looked);
    this.#looked = now;
    this.#sum = Math.max(0, this.#sum + (long || full ? since : -since));
    if (!this.#closing) {
      if (this.#sum < SUSTAINED) return;
      this.#closing = true;
      this.#sum = 0;
      this.#part = FIRST;
      this.#tokens = 0;
      this.#filled = this.#changed = this.#refused = now;
      return;
    }
    if (now - this.#changed < PERIOD) return;
    this.#changed = now;
    if (long) this.#part = Math.max(LEAST, this.#part * 0.85);
    else if (full) this.#part = Math.max(Math.min(this.#part, LEAST_QUICK), this.#part * 0.85);
    else if (wait < this.lag && now - this.#refused < 2 * PERIOD) this.#part = Math.min(MOST, this.#part * 1.1);
    if (now - this.#refused > CALM) this.#closing = false;
  }
}
