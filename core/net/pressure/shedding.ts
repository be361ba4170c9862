/**
 * What was sent away, and who is told of it: all of it is counted, a few each second are told one by one (a crowd that is
 * refused must not fill the log and the ledger), and the log has a sentence when it begins and when it is over.
 * Non-job: deciding (pressure.ts), words for the peer (doors.ts).
 */
import type { Event } from "../../observe/events.ts";

/**
 * Why a peer is sent away: no place is left (`places`), or none of its share (`share`); the event loop is behind (`loop`),
 * or the store's writer (`writer`); memory or disk space runs out.
 */
export const WHYS = ["places", "share", "loop", "writer", "memory", "disk"] as const;
export type Why = typeof WHYS[number];
/** Where it was. */
export const WHERES = ["connect", "mail"] as const;
export type Where = typeof WHERES[number];
/** So many were sent away there for that. */
export interface Shed {
  readonly where: Where;
  readonly why: Why;
  readonly count: number;
}

/** Of a second, so many are told one by one. */
const EACH_SECOND = 20;
/** Milliseconds without any until it is over. */
const OVER = 5000;
/** The beginning is told once in so many milliseconds at most. */
const AGAIN = 60_000;

/** For people; null: nobody was asked to come again. */
export function shedWords(asked: number, because = "The log says why."): string | null {
  return asked === 0 ? null : `More comes in than can be taken: ${asked} were asked to come again. ${because}`;
}

export class Shedding {
  readonly #counts = new Map<Where, Map<Why, number>>(WHERES.map((where) => [where, new Map()]));
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

  /** Since it began; 0: nobody is sent away. */
  get asked(): number {
    return this.#count;
  }
  /** Since the start. */
  get counts(): readonly Shed[] {
    return [...this.#counts].flatMap(([where, counts]) => [...counts].map(([why, count]) => ({ where, why, count })));
  }

  /** For people, while it goes on: how many, and why; null: nobody is sent away. */
  get words(): string | null {
    return shedWords(this.#count, `When it began, ${this.#because}.`);
  }

  /** One was sent away at `now`; `because`: in a sentence, for the log. True when it should be told by itself. */
  add({ where, why, because, now }: { where: Where; why: Why; because: string; now: number }): boolean {
    const counts = this.#counts.get(where)!;
    counts.set(why, (counts.get(why) ?? 0) + 1);
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
