/**
 * What was sent away, and who is told of it: all of it is counted, a few each second are told one by one (a crowd that is
 * refused must not fill the log and the ledger), and the log has a sentence when it begins and when it is over.
 * Non-job: deciding (pressure.ts), words for the peer (doors.ts).
 */
import type { Event } from "../../observe/events.ts";
import { Counters } from "../../observe/metrics/counters.ts";

/**
 * Why a peer is sent away: no place is left (`places`), or none of its share (`share`); the event loop is behind (`loop`),
 * or the store's writer (`writer`); memory or disk space runs out.
 */
export type Why = "places" | "share" | "loop" | "writer" | "memory" | "disk";
/** Where it was. */
export type Where = "connect" | "mail";

/** Of a second, so many are told one by one. */
const EACH_SECOND = 20;
/** Milliseconds without any until it is over. */
const OVER = 5000;
/** The beginning is told once in so many milliseconds at most. */
const AGAIN = 60_000;

export class Shedding {
  readonly counters = new Counters(["where", "why"]);
  readonly #emit: (event: Event) => void;
  #second = -Infinity;
  #told = 0;
  #begun = -Infinity;
  #last = -Infinity;
  #count = 0;
  #because = "";
  /** The end is told of what the beginning was told of. */
  #open = false;

  constructor(emit: (event: Event) => void) {
    this.#emit = emit;
  }

  /** It has begun and is not over. */
  get open(): boolean {
    return this.#count > 0;
  }

  /** For people, while it goes on: how many, and why; null: nobody is sent away. */
  get words(): string | null {
    if (this.#count === 0) return null;
    return `More comes in than can be taken: ${this.#count} were asked to come again. When it began, ${this.#because}.`;
  }

  /** One was sent away at `now`; `because`: in a sentence, for the log. True when it should be told by itself. */
  add({ where, why, because, now }: { where: Where; why: Why; because: string; now: number }): boolean {
    this.counters.add(where, why);
    if (why !== "share") this.#episode(because, now); // a peer's own fault is nothing of the server's
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#told = 0;
    }
    return ++this.#told <= EACH_SECOND;
  }

  /** Asked now and then: is it over? */
  look(now: number): void {
    if (this.#count === 0 || now - this.#last < OVER) return;
    const seconds = Math.round((this.#last - this.#begun) / 1000);
    const message = `over: ${this.#count} were asked to come again in ${seconds} s`;
    if (this.#open) this.#emit({ type: "notice", where: "overload", message });
    this.#count = 0;
    this.#open = false;
  }

  #episode(because: string, now: number): void {
    this.look(now);
    this.#last = now;
    if (this.#count++ > 0 || this.#open) return;
    this.#because = because;
    const soon = now - this.#begun < AGAIN;
    this.#begun = now;
    if (soon) return;
    this.#open = true;
    this.#emit({ type: "trouble", where: "overload", message: `${because}: mail is asked to come again` });
  }
}
