/**
 * The ready window: a small bounded part of a queue that may hold a million messages, arranged by destination. It says
 * what to lease next and which destination the next attempt goes to, so that one with most of the queue, or a slow one,
 * starves nobody (case 76). Pure and synchronous; `now` is a monotonic clock in milliseconds. (RFC 6710 weighs.)
 * Non-job: leases, connections, timers (the dispatcher's), each message's own schedule (core/queue/backoff.ts).
 */
import type { ConcurrencyOptions, Feedback } from "./concurrency.ts";
import { Destination, type DestinationState, type Job } from "./destination.ts";
import type { Rate } from "./rates.ts";

export interface WindowOptions extends ConcurrencyOptions {
  /** Jobs in the window, waiting and under way. */
  readonly jobs: number;
  /** Of them, of one destination. */
  readonly jobsPerDestination: number;
  /** Attempts under way. */
  readonly attempts: number;
  /** Destinations that are remembered beyond those with jobs: what they bear, until when they rest. */
  readonly remembered: number;
  /** How often attempts at a destination may start, null for no bound. Asked once, when it comes up. */
  rate(destination: string): Rate | null;
  /** Instead of `cap`, for one destination. Asked once, when it comes up. */
  capOf?(destination: string): number;
}

/** An attempt to make. It is owed one `done`. */
export interface Start<T> {
  readonly destination: string;
  readonly item: T;
  readonly life: number;
}

/** What to ask the store for: at most `limit` jobs, oldest first, none of them for a destination in `exclude`. */
export interface Want {
  readonly limit: number;
  readonly exclude: readonly string[];
}

/** Jobs that the window no longer holds: their destination is closed until that moment, and they wait in the store. */
export interface Returned<T> {
  readonly items: readonly T[];
  readonly until: number;
}

/**
 * One rule bounds everything that destinations share, the window's places and the attempts under way: nobody takes more
 * than is left. One greedy destination gets half, nine get a tenth each, and there is always something for the next.
 * Turns go round by deficit round robin; a turn is one attempt, more or less by the priority of what waits in front.
 */
export class Window<T> {
  readonly #options: WindowOptions;
  readonly #destinations = new Map<string, Destination<T>>();
  /** Something waits there and may start, as far as we know. The first has the turn. */
  readonly #ring = new Set<Destination<T>>();
  /** As the ring, but they have as many attempts as are left to all: until one ends. */
  readonly #crowded = new Set<Destination<T>>();
  /** Until a moment: dead, suspended, or at its rate. */
  readonly #asleep = new Map<Destination<T>, number>();
  /** Awake, without jobs, worth remembering; the longest unused first. */
  readonly #idle = new Set<Destination<T>>();
  /** Took jobs since `want` was last asked. */
  readonly #fed = new Set<Destination<T>>();
  /** The last `want` left them out for what they held. */
  readonly #excluded = new Set<Destination<T>>();
  /** The least that one of them holds; once that is no more than half a share, it may be asked for again. */
  #least = 0;
  /** No sleeper wakes before. */
  #earliest = Infinity;
  #held = 0;
  #running = 0;
  #hungry = true;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Jobs here, waiting and under way. */
  get held(): number {
    return this.#held;
  }

  /** Attempts under way. */
  get running(): number {
    return this.#running;
  }

  /** Destinations in memory. */
  get known(): number {
    return this.#destinations.size;
  }

  /**
   * The store may have something for us that it had not when `want` was last asked: a destination opened, or there is
   * room again for one that was left out. What newly falls due the caller knows himself.
   */
  hungry(now: number): boolean {
    this.#rouse(now);
    return this.#hungry;
  }

  /**
   * What to lease now, null when the window is full. So many jobs fit, whichever destinations they are of: one that
   * has more than half of what it may have is left out, so that it is refilled by many and not one by one.
   */
  want(now: number): Want | null {
    this.#rouse(now);
    this.#hungry = false;
    this.#excluded.clear();
    this.#least = Infinity;
    const { jobs, jobsPerDestination } = this.#options;
    const free = jobs - this.#held;
    const exclude: string[] = [];
    let most = 0;
    for (const destination of this.#destinations.values()) {
      const { held, key } = destination;
      // Who was just fed lets the others come first, though its mail may be older than all of theirs.
      if (held * 2 > Math.min(jobsPerDestination, free) || held > 0 && this.#fed.has(destination)) {
        this.#excluded.add(destination);
        this.#least = Math.min(this.#least, held);
        exclude.push(key);
      } else if (destination.closedUntil(now) !== null) exclude.push(key);
      else if (held > most) most = held;
    }
    this.#fed.clear();
    if (free === 0) {
      this.#least = 0; // everybody is left out, the unknown too
      return null;
    }
    return { limit: Math.min(jobsPerDestination - most, Math.ceil((free - most) / 2)), exclude };
  }

  /** Whether mail that has just come may go to its destination at once: not while others wait there for its share. */
  welcomes(key: string, now: number): boolean {
    const { jobs, jobsPerDestination } = this.#options, destination = this.#destinations.get(key);
    const held = destination?.held ?? 0;
    return held * 2 < Math.min(jobsPerDestination, jobs - this.#held) &&
      (destination?.closedUntil(now) ?? null) === null;
  }

  /**
   * Takes a job in. False when its destination is closed or has its share: the job stays the store's.
   *
   * @param fed false: it does not come of `want`, and the destination is asked for all the same
   */
  add(key: string, job: Job<T>, now: number, { fed = true } = {}): boolean {
    const { jobs, jobsPerDestination } = this.#options;
    const destination = this.#destinations.get(key) ?? this.#meet(key);
    const { held } = destination;
    if (held >= Math.min(jobsPerDestination, jobs - this.#held) || destination.closedUntil(now) !== null) {
      if (held === 0) this.#place(destination, now);
      return false;
    }
    destination.add(job, now);
    this.#held++;
    if (fed) this.#fed.add(destination);
    // One that is in the ring keeps its place there; one that waits for its rate or for room waits on.
    if (!this.#crowded.has(destination) && !this.#asleep.has(destination)) this.#place(destination, now);
    return true;
  }

  /** The next attempt to make, null while nothing may start. It is under way when this returns. */
  next(now: number): Start<T> | null {
    this.#rouse(now);
    const { attempts } = this.#options;
    while (this.#running < attempts) {
      const [destination] = this.#ring;
      if (destination === undefined) return null;
      const { concurrency } = destination;
      const moment = destination.permitted(now);
      if (moment > now) this.#sleep(destination, moment);
      else if (concurrency.free(now) === 0) this.#leave(destination); // the end of one of its attempts brings it back
      else if (concurrency.running > 0 && concurrency.running >= attempts - this.#running) {
        this.#leave(destination);
        this.#crowded.add(destination);
      } else {
        if (destination.credit < 1) destination.credit += destination.weight;
        if (destination.credit >= 1) return this.#start(destination, now);
        this.#rotate(destination);
      }
    }
    return null;
  }

  /** An attempt is over, its job settled. What waited behind it comes back when the destination died of it. */
  done(start: Start<T>, feedback: Feedback, now: number): Returned<T> | null {
    const destination = this.#destinations.get(start.destination)!; // one with attempts is never forgotten
    this.#running--;
    this.#held--;
    const died = destination.concurrency.end(start.life, feedback, now);
    for (const each of this.#crowded) this.#ring.add(each);
    this.#crowded.clear();
    if (died) return this.#close(destination, now);
    this.#relieve(destination); // before it may be forgotten
    this.#place(destination, now);
    return null;
  }

  /**
   * Takes out what came in before a moment and still waits: leases end, and where a rate or a slow host holds it up the
   * store keeps it as well as we do. Without a moment everything that waits, as at the end.
   */
  drain(now: number, before = Infinity): readonly T[] {
    const all: T[] = [];
    for (const destination of [...this.#destinations.values()]) {
      if (destination.queued === 0) continue;
      const items = destination.drain(before);
      if (items.length === 0) continue;
      all.push(...items);
      this.#held -= items.length;
      this.#relieve(destination);
      if (destination.queued === 0) this.#place(destination, now);
    }
    return all;
  }

  /** Nothing goes there until then; what waits comes back, what is under way goes on. */
  suspend(key: string, until: number, now: number): Returned<T> {
    const destination = this.#destinations.get(key) ?? this.#meet(key);
    destination.suspend(until);
    return this.#close(destination, now);
  }

  /** A person asked for it: no rest, no suspension. A dead destination is probed by one attempt all the same. */
  wake(key: string, now: number): void {
    const destination = this.#destinations.get(key);
    if (destination === undefined) return;
    destination.wake();
    this.#place(destination, now);
    this.#hungry = true;
  }

  /** Until when a destination is closed, null when it is open. */
  closedUntil(key: string, now: number): number | null {
    return this.#destinations.get(key)?.closedUntil(now) ?? null;
  }

  /** Why a destination was closed just now: what `destinations` says of it until it is closed again. */
  explain(key: string, why: string): void {
    const destination = this.#destinations.get(key);
    if (destination !== undefined) destination.why = why.slice(0, 500); // a peer's words: no more than a line of a page shows
  }

  /** Those with jobs, and those that are closed: first what stays closed the longest, then what most waits for. */
  destinations(now: number): readonly DestinationState[] {
    return [...this.#destinations.values()].map((each) => each.state(now))
      .filter(({ waiting, running, closedUntil }) => waiting > 0 || running > 0 || closedUntil !== null)
      .sort((a, b) => (b.closedUntil ?? 0) - (a.closedUntil ?? 0) || b.waiting - a.waiting || b.running - a.running);
  }

  /** The moment to look again though nothing happened, null for never. */
  nextWake(): number | null {
    return this.#earliest === Infinity ? null : this.#earliest;
  }

  #start(destination: Destination<T>, now: number): Start<T> {
    destination.credit--;
    const item = destination.take(now), life = destination.concurrency.begin();
    this.#running++;
    if (destination.queued === 0) this.#leave(destination);
    else if (destination.credit < 1) this.#rotate(destination);
    return { destination: destination.key, item, life };
  }

  /** To the end of the ring. */
  #rotate(destination: Destination<T>): void {
    this.#ring.delete(destination);
    this.#ring.add(destination);
  }

  /** Who leaves the ring leaves his credit: nobody saves turns up. */
  #leave(destination: Destination<T>): void {
    this.#ring.delete(destination);
    destination.credit = 0;
  }

  #close(destination: Destination<T>, now: number): Returned<T> {
    const items = destination.drain(Infinity);
    this.#held -= items.length;
    this.#relieve(destination);
    this.#place(destination, now);
    return { items, until: destination.closedUntil(now) ?? now };
  }

  /** Puts a destination where it belongs now; one in the ring keeps its turn. */
  #place(destination: Destination<T>, now: number): void {
    const closed = destination.closedUntil(now);
    if (closed !== null) return this.#sleep(destination, closed);
    this.#asleep.delete(destination);
    if (destination.queued > 0) {
      this.#idle.delete(destination);
      if (!this.#crowded.has(destination) && destination.concurrency.free(now) > 0) this.#ring.add(destination);
      return;
    }
    this.#leave(destination);
    this.#crowded.delete(destination);
    if (destination.concurrency.running > 0) this.#idle.delete(destination);
    else this.#remember(destination, now);
  }

  #sleep(destination: Destination<T>, until: number): void {
    this.#leave(destination);
    this.#crowded.delete(destination);
    this.#idle.delete(destination);
    this.#asleep.delete(destination); // the last to fall asleep stands last
    this.#asleep.set(destination, until);
    this.#earliest = Math.min(this.#earliest, until);
    if (this.#asleep.size <= this.#options.remembered) return;
    for (const each of this.#asleep.keys()) {
      if (each.held === 0) return this.#forget(each); // it costs a probe too early, no more
    }
  }

  #rouse(now: number): void {
    if (now < this.#earliest) return;
    this.#earliest = Infinity;
    for (const [destination, until] of this.#asleep) {
      if (until > now) this.#earliest = Math.min(this.#earliest, until);
      else {
        this.#place(destination, now);
        this.#hungry = true;
      }
    }
  }

  /** Jobs left: is there room again for one that was left out? */
  #relieve(destination: Destination<T>): void {
    const { jobs, jobsPerDestination } = this.#options;
    if (this.#excluded.has(destination)) this.#least = Math.min(this.#least, destination.held);
    if (this.#least * 2 <= Math.min(jobsPerDestination, jobs - this.#held)) this.#hungry = true;
  }

  #meet(key: string): Destination<T> {
    const { rate, cap, capOf = () => cap } = this.#options;
    const destination = new Destination<T>(key, { ...this.#options, rate: rate(key), cap: capOf(key) });
    this.#destinations.set(key, destination);
    return destination;
  }

  #remember(destination: Destination<T>, now: number): void {
    this.#idle.delete(destination);
    if (destination.fresh(now)) return this.#forget(destination);
    this.#idle.add(destination);
    if (this.#idle.size <= this.#options.remembered) return;
    const [oldest] = this.#idle;
    this.#forget(oldest!);
  }

  #forget(destination: Destination<T>): void {
    this.#destinations.delete(destination.key);
    this.#idle.delete(destination);
    this.#asleep.delete(destination);
    this.#excluded.delete(destination);
    this.#fed.delete(destination);
  }
}
