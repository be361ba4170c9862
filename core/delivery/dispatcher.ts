/**
 * Tries what could not be stored at once: takes due recipients of local routes from the store by lease, runs the
 * `queue` phase for them and writes down what came of it, a bounded number of messages at a time. Recipients with a
 * remote route are not its business: they wait until delivery to other hosts is there. (SEMANTICS 2, 3, 16, 23.)
 * Non-job: one attempt (attempt.ts), when the next one is due (core/queue/backoff.ts).
 */
import { formatAddress } from "../model/address.ts";
import { longestWait } from "../queue/backoff.ts";
import type { Lease, RecipientOutcome } from "../store/store.ts";
import { Attempt, type AttemptOptions } from "./attempt.ts";

const LEASE_SECONDS = 900; // longer than any plugin may take
const AT_ONCE = 16;
const LONGEST_SLEEP = 60_000; // a clock that is set forward is noticed within a minute
const STORE_RETRY = 5000; // milliseconds between two questions to a store that fails

export class Dispatcher {
  readonly #options: AttemptOptions;
  readonly #owner: string;
  readonly #attempts = new Map<Attempt, Promise<void>>();
  /** Ends the waits for a store that fails. */
  readonly #pauses = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | null = null;
  #busy = false;
  #again = false;
  #stopped = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#owner = crypto.randomUUID();
  }

  /** Something may be due. Cheap, any number of times. */
  kick(): void {
    this.#again = true;
    if (this.#stopped || this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    this.#looking = this.#look();
  }

  /** No new attempts; those under way may finish for so long, then they are ended and count for nothing. */
  async stop(milliseconds = 0): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const wake of this.#pauses) wake();
    await this.#looking;
    if (this.#attempts.size === 0) return;
    const cut = setTimeout(() => {
      for (const attempt of this.#attempts.keys()) attempt.abort("the server stops");
    }, milliseconds);
    await Promise.all(this.#attempts.values());
    clearTimeout(cut);
  }

  /** Begins attempts while something is due and there is room, then sleeps until more is. */
  async #look(): Promise<void> {
    let wait = LONGEST_SLEEP;
    try {
      while (this.#again && !this.#stopped && this.#attempts.size < AT_ONCE) {
        this.#again = false;
        if (await this.#begin() > 0) this.#again = true;
        else wait = await this.#nextDue();
      }
    } catch (error) {
      this.#trouble(error);
      wait = STORE_RETRY;
    }
    this.#busy = false; // in the same turn as the last look at #again: no kick falls between
    // With no room left, the end of an attempt looks again.
    if (!this.#stopped) this.#timer = setTimeout(() => this.kick(), wait);
  }

  async #begin(): Promise<number> {
    const { store, services, schedule } = this.#options;
    const now = services.now();
    const leases = await store.lease({
      owner: this.#owner,
      now,
      seconds: LEASE_SECONDS,
      limit: AT_ONCE - this.#attempts.size,
      horizon: now + longestWait(schedule),
    });
    for (const lease of leases) {
      const running = [...this.#attempts.keys()].find((each) => each.lease.message.id === lease.message.id);
      if (running !== undefined) { // the wall clock jumped past a lease of our own: no second attempt beside the first
        running.lease = lease;
        continue;
      }
      const attempt = new Attempt(lease, this.#options);
      this.#attempts.set(
        attempt,
        this.#run(attempt).finally(() => {
          this.#attempts.delete(attempt);
          this.kick();
        }),
      );
    }
    return leases.length;
  }

  async #nextDue(): Promise<number> {
    const due = await this.#options.store.nextDue({ now: this.#options.services.now() });
    return due === null ? LONGEST_SLEEP : Math.min(LONGEST_SLEEP, Math.max(50, due - this.#options.services.now()));
  }

  async #run(attempt: Attempt): Promise<void> {
    const outcomes = await attempt.run();
    for (let failed = false;; failed = true) {
      const { lease } = attempt;
      try {
        if (await this.#options.store.settle(lease, outcomes)) return this.#tell(lease, outcomes);
        // A write that failed may have been made all the same.
        if (!failed) this.#trouble(`the lease of ${lease.message.id} had ended before its result was written`);
        return;
      } catch (error) {
        this.#trouble(error);
      }
      // What is stored is stored: say so as soon as the store can hear it. Else the lease's end makes it due again.
      if (this.#stopped || this.#options.services.now() + STORE_RETRY >= lease.until) return;
      await this.#pause(STORE_RETRY);
    }
  }

  #tell({ message, recipients }: Lease, outcomes: readonly RecipientOutcome[]): void {
    for (const { index, state, lastReply } of outcomes) {
      const recipient = recipients.find((each) => each.index === index)!;
      this.#options.services.emit({
        type: "settled",
        transaction: message.id,
        recipient: formatAddress(recipient.address),
        outcome: state === "delivered" ? "stored" : state,
        reason: lastReply ?? "",
      });
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#pauses.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.#pauses.add(wake);
    });
  }

  #trouble(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.services.emit({ type: "trouble", where: "dispatcher", message });
  }
}
