/**
 * How many attempts one destination bears at once, learned from what they meet, and when it counts as dead: then it
 * rests as a whole, and one attempt asks whether it is back. Pure; `now` is a monotonic clock, so that a wall clock that
 * is set neither wakes nor buries anybody (case 74). Non-job: rates (rates.ts), each message's own schedule
 * (core/queue/backoff.ts).
 */
import { nextAttempt } from "../queue/backoff.ts";

/**
 * What an attempt says of its destination, not of its message. `success`: the host talked with us as far as MAIL,
 * whatever it said of the recipients. `failure`: no connection, a connection lost, no or bad TLS that we insist on, a
 * refusal at the greeting or EHLO, 421. `neutral`: the host was not asked, or we ended it ourselves.
 */
export type Feedback = "success" | "failure" | "neutral";

export interface ConcurrencyOptions {
  /** Where a destination begins. */
  readonly initial: number;
  /** Never more at once. */
  readonly cap: number;
  /** Dead after so many times its own concurrency of failures with no success between; 1 is Postfix's default. */
  readonly cohorts: number;
  /** Waits between two probes of a dead destination, milliseconds; the last one repeats. */
  readonly schedule: readonly number[];
  random(): number;
}

/**
 * The limit is a number with a fraction. A success adds 1/limit, so that a full round of successes adds one; a failure
 * takes one off, the floor is one. Failures are counted in cohorts: each is worth 1/limit, because what was under way
 * together fails together and says one thing only. At the floor a single failure is a whole cohort.
 */
export class Concurrency {
  readonly #options: ConcurrencyOptions;
  #limit: number;
  #running = 0;
  #cohorts = 0;
  /** Probes that failed, and the death before them. */
  #deaths = 0;
  /** Until when it rests, null while it lives. */
  #until: number | null = null;
  /** Counts deaths for good: what began before the last one says nothing of the time since. */
  #life = 0;

  constructor(options: ConcurrencyOptions) {
    this.#options = options;
    this.#limit = this.#first;
  }

  get running(): number {
    return this.#running;
  }

  get limit(): number {
    return this.#until === null ? Math.floor(this.#limit) : 1;
  }

  get dead(): boolean {
    return this.#until !== null;
  }

  /** As new: forgetting it changes nothing. */
  get fresh(): boolean {
    return this.#running === 0 && this.#until === null && this.#cohorts === 0 && this.#limit === this.#first;
  }

  /** When it may be probed, null when there is nothing to wait for. */
  restsUntil(now: number): number | null {
    return this.#until !== null && this.#until > now ? this.#until : null;
  }

  /** How many more may begin. Of a dead destination one, when its rest is over and nothing is under way. */
  free(now: number): number {
    if (this.#until === null) return Math.max(0, Math.floor(this.#limit) - this.#running);
    return this.#running === 0 && this.restsUntil(now) === null ? 1 : 0;
  }

  /** Takes a place; give what it returns to `end`, once. */
  begin(): number {
    this.#running++;
    return this.#life;
  }

  /** Gives a place back. True when the destination is dead by this: it died now, or did not answer the probe. */
  end(life: number, feedback: Feedback, now: number): boolean {
    this.#running--;
    if (feedback === "success") {
      this.#succeed();
      return false;
    }
    if (life !== this.#life) return false; // of the time before its death
    if (feedback === "neutral") return false; // of a probe too: the next one asks
    if (this.#until !== null) { // the probe
      this.#deaths++;
      this.#rest(now);
      return true;
    }
    this.#cohorts += 1 / this.#limit;
    this.#limit = Math.max(1, this.#limit - 1);
    if (this.#cohorts < this.#options.cohorts) return false;
    this.#deaths = 1;
    this.#life++;
    this.#rest(now);
    return true;
  }

  /** Ends the rest of a dead destination: a person asked for it. It stays on probation. */
  wake(): void {
    if (this.#until !== null) this.#until = -Infinity;
  }

  get #first(): number {
    return Math.max(1, Math.min(this.#options.initial, this.#options.cap));
  }

  #succeed(): void {
    this.#cohorts = 0;
    if (this.#until !== null) { // alive: it may have been the other end's restart, so no slow climb from one
      this.#until = null;
      this.#deaths = 0;
      this.#limit = this.#first;
      return;
    }
    // Not for who does not use what he has: the limit says what was borne, not how many came one by one.
    if (this.#running + 1 + this.#options.initial <= this.#limit) return;
    this.#limit = Math.max(1, Math.min(this.#options.cap, this.#limit + 1 / this.#limit));
  }

  #rest(now: number): void {
    this.#until = nextAttempt(now, this.#deaths, this.#options.schedule, this.#options.random());
  }
}
