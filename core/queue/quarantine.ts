/**
 * The quarantine: mail that was accepted and is held for a person, until one releases it or its time is over. It bounds its
 * own size: what does not fit is deferred, never dropped. Non-job: who puts mail there (plugins), showing it (core/admin).
 */
import { defer, type Reply } from "../model/reply.ts";
import type { Event } from "../observe/events.ts";
import type { Store } from "../store/store.ts";

export interface QuarantineOptions {
  readonly store: Pick<Store, "quarantine">;
  /** How long it holds a message, milliseconds; null: until a person comes. */
  readonly keep: number | null;
  /** Octets of all messages together. */
  readonly size: number;
  /** Milliseconds since 1970. */
  now(): number;
  emit(event: Event): void;
}

/** The last moment that there is (ECMA-262 21.4.1.1), milliseconds since 1970. */
const FOREVER = 8.64e15;
/** Between two looks at what has expired and how much there is, milliseconds. */
const LOOK = 10 * 60_000;
/** Between two alerts that it is full, milliseconds. */
const QUIET = 3_600_000;

export class Quarantine {
  readonly #options: QuarantineOptions;
  /** Octets at the last look, and what came since. */
  #octets: Promise<number> | null = null;
  #since = 0;
  #looked = -Infinity;
  #told = -Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** Until when a message that comes now is held. What is kept forever has a moment too: it counts for the size. */
  until(): number {
    const { keep, now } = this.#options;
    return keep === null ? FOREVER : now() + keep;
  }

  /** Whether there is room for a message of so many octets; null, or why its sender has to come again. */
  async admit(size: number): Promise<Reply<"defer"> | null> {
    const { size: most, now, emit } = this.#options;
    if (await this.#total() + this.#since + size <= most) {
      this.#since += size;
      return null;
    }
    if (now() - this.#told >= QUIET) {
      this.#told = now();
      emit({
        type: "alert",
        where: "quarantine",
        subject: "full",
        message: `it holds ${most} octets and takes no more`,
      });
    }
    return defer("4.3.1", "No space for messages now", { code: 452, reason: "the quarantine is full" });
  }

  start(): void {
    this.#timer = setInterval(() => void this.expire(), LOOK);
    void this.expire();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Removes what has been held too long. */
  async expire(): Promise<void> {
    const { store, now, emit, keep } = this.#options;
    if (keep === null) return;
    try {
      for (const id of await store.quarantine.expire({ now: now() })) {
        emit({ type: "notice", where: "quarantine", message: `${id} was held too long and is gone` });
      }
    } catch (error) {
      emit({ type: "trouble", where: "quarantine", message: error instanceof Error ? error.message : String(error) });
    }
  }

  /** Looks seldom: a flood of spam must not make a query of each message. */
  #total(): Promise<number> {
    const now = performance.now();
    if (this.#octets === null || now - this.#looked > 1000) {
      this.#looked = now;
      this.#since = 0;
      this.#octets = this.#options.store.quarantine.total().then(({ octets }) => octets);
      this.#octets.catch(() => this.#octets = null);
    }
    return this.#octets;
  }
}
