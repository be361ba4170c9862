/**
 * One destination of the window: its short queue, what is under way to it, and why it may have to wait. Pure; `now` is a
 * monotonic clock. (RFC 6710 for the order.) Non-job: whose turn it is (window.ts).
 */
import { Concurrency, type ConcurrencyOptions } from "./concurrency.ts";
import { type Rate, StartRate } from "./rates.ts";

/** What waits in the window. `T` is the caller's: a lease, or one destination's part of it. */
export interface Job<T> {
  /** MT-PRIORITY, -9 to 9 (RFC 6710). */
  readonly priority: number;
  readonly item: T;
}

/** What is known of a destination now, for an operator who asks why mail waits. */
export interface DestinationState {
  /** `mx:DOMAIN`, `via:NAME`, `local:PLUGIN` or `report`. */
  readonly destination: string;
  /** Jobs in memory that wait for their turn; what waits in the store is not counted. */
  readonly waiting: number;
  /** Attempts under way. */
  readonly running: number;
  /** Nothing starts before, because it rests, is suspended or has its rate; null: it is open. */
  readonly closedUntil: number | null;
  /** Why something waits, in words, a peer's for the most part; null where nothing has to. */
  readonly reason: string | null;
}

/** So many starts in a row may go by priority; the next one is the oldest's, so that nothing waits for ever. */
const BY_PRIORITY = 7;

export class Destination<T> {
  /** What is left of its turn (window.ts). */
  credit = 0;
  /** Why it was closed the last time. */
  why: string | null = null;
  readonly concurrency: Concurrency;
  readonly #rate: StartRate | null;
  /** By priority, the highest first, and by arrival among equals. Short, so an array is the fastest order. */
  readonly #queue: (Job<T> & { readonly place: number; readonly since: number })[] = [];
  #places = 0;
  #inARow = 0;
  #suspended = -Infinity;

  constructor(readonly key: string, options: ConcurrencyOptions & { readonly rate: Rate | null }) {
    this.concurrency = new Concurrency(options);
    this.#rate = options.rate === null ? null : new StartRate(options.rate);
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Places of the window that it takes. */
  get held(): number {
    return this.#queue.length + this.concurrency.running;
  }

  /** Its share of the turns: 1 for ordinary mail, 4 with priority 9 in front, a quarter with -9. */
  get weight(): number {
    return 4 ** ((this.#queue[0]?.priority ?? 0) / 9);
  }

  /** Nothing is here, and forgetting it changes nothing. */
  fresh(now: number): boolean {
    return this.held === 0 && this.#suspended <= now && this.concurrency.fresh && (this.#rate?.fresh(now) ?? true);
  }

  /** Until when nothing at all goes there, because it is dead or suspended; null when something may. */
  closedUntil(now: number): number | null {
    const rest = this.concurrency.restsUntil(now) ?? now;
    const until = Math.max(rest, this.#suspended);
    return until > now ? until : null;
  }

  /** The first moment that its rate permits a start. */
  permitted(now: number): number {
    return this.#rate?.next(now) ?? now;
  }

  add({ priority, item }: Job<T>, now: number): void {
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.priority < priority) at--;
    this.#queue.splice(at, 0, { priority, item, place: this.#places++, since: now });
  }

  /** The next to start; there must be one. */
  take(now: number): T {
    this.#rate?.take(now);
    let at = 0;
    if (++this.#inARow > BY_PRIORITY) {
      this.#inARow = 0;
      for (let i = 1; i < this.#queue.length; i++) if (this.#queue[i]!.place < this.#queue[at]!.place) at = i;
    }
    return this.#queue.splice(at, 1)[0]!.item;
  }

  /** What came before a moment and waits, taken out. */
  drain(before: number): readonly T[] {
    const taken: T[] = [], left = [];
    for (const each of this.#queue.splice(0)) {
      if (each.since < before) taken.push(each.item);
      else left.push(each);
    }
    this.#queue.push(...left);
    return taken;
  }

  state(now: number): DestinationState {
    const { key: destination, queued: waiting, concurrency: { running } } = this;
    const closed = this.closedUntil(now), state = { destination, waiting, running, closedUntil: closed };
    if (closed !== null) return { ...state, reason: this.why };
    const permitted = this.permitted(now);
    if (waiting > 0 && permitted > now) return { ...state, closedUntil: permitted, reason: "its rate permits no more" };
    const full = waiting > 0 && running > 0 && this.concurrency.free(now) === 0;
    return { ...state, reason: full ? "it has as many deliveries at once as it bears" : null };
  }

  suspend(until: number): void {
    this.#suspended = Math.max(this.#suspended, until);
  }

  wake(): void {
    this.#suspended = -Infinity;
    this.concurrency.wake();
  }
}
