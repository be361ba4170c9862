/**
 * How much mail may be under way while the server is behind. Open as long as it is not; then a bound on messages that have
 * begun lately, found by trial: it grows while the event loop keeps its time and shrinks while it does not. What a message
 * has cost before says where the bound begins, because a crowd arrives faster than a loop can find out that it is late.
 * A peer that begins and then is slow holds its part of the bound for `FRESH` and no longer, and one peer has a share of it
 * (shares.ts), so nobody can keep it shut.
 * Non-job: measuring (pressure.ts), refusing (doors.ts). Times are monotonic milliseconds that the caller gives.
 */
import { Shares } from "./shares.ts";

/** A message that is expected or under way, one at most for each connection. */
export class Passage {
  /** When it was counted last. */
  since = 0;
  /** Where it counts; null: nowhere. */
  gate: Gate | null = null;

  /** `peer`: the network it comes from. */
  constructor(readonly peer: string) {}
}

/** How long a message counts at most: what has not ended by then waits for its peer, and costs nothing meanwhile. */
const FRESH = 3000;
/** A connection that was taken is expected to begin one, and counts so long: who says nothing costs nothing. */
const EXPECTED = 1000;
/** Without a refusal for so long, and the loop in time, it is open again. */
const CALM = 3000;
/** Between two changes of the bound: its effect must be seen first. */
const PERIOD = 250;
/** So much work of messages may wait at the beginning, in periods of lateness. */
const AHEAD = 5;
/** Of the rest of a message's way nobody knows: so many are always let in, and at most so many where they cost little. */
const LEAST = 8, LEAST_CHEAP = 32;
/** What a message costs before the first has come, milliseconds. */
const UNKNOWN = 5;

export class Gate {
  /** Lateness that is borne, milliseconds. */
  lag: number;
  #bound = Infinity;
  #cost = UNKNOWN;
  #known = false;
  #count = 0;
  #refused = -Infinity;
  #changed = 0;
  readonly #shares = new Shares();
  readonly #begun = new Recent(FRESH);
  readonly #expected = new Recent(EXPECTED);

  constructor(lag: number) {
    this.lag = lag;
  }

  /** Messages may be under way; Infinity while it is open. */
  get bound(): number {
    return this.#bound;
  }
  /** Messages that began lately and have not ended. */
  get count(): number {
    return this.#count;
  }
  get closing(): boolean {
    return this.#bound !== Infinity;
  }

  /** Messages cost so much of this thread, milliseconds each. Of a crowd that is refused it says at least no more. */
  cost(each: number): void {
    const known = this.#cost, next = this.#known ? known + (each - known) * 0.3 : Math.max(0.05, each);
    if (!this.#known || !this.closing || next < known) this.#cost = next;
    this.#known = true;
  }

  /** Is there room for one more, of this peer? */
  admits(peer: string, now: number): boolean {
    if (!this.closing || this.#count < this.#bound && !this.#shares.spent(peer, this.#bound)) return true;
    this.#refused = now;
    return false;
  }

  /** Of what counts here. */
  of(peer: string): number {
    return this.#shares.of(peer);
  }

  /** It begins. */
  enter(passage: Passage, now: number): void {
    this.#counts(passage, now);
    this.#begun.add(passage, now);
  }

  /** Its connection was taken. */
  expect(passage: Passage, now: number): void {
    this.#counts(passage, now);
    this.#expected.add(passage, now);
  }

  #counts(passage: Passage, now: number): void {
    if (passage.gate !== this) {
      passage.gate?.leave(passage); // it has logged in
      passage.gate = this;
      this.#shares.add(passage.peer);
      this.#count++;
    }
    passage.since = now;
  }

  leave(passage: Passage): void {
    if (passage.gate !== this) return;
    passage.gate = null;
    this.#shares.remove(passage.peer);
    this.#count--;
  }

  /**
   * What was seen since the last look. `late`: how late the loop is now; `steadily`: it has been late for a while.
   * A loop that was late once (a collection of garbage, a process that was stopped) closes nothing by itself.
   */
  look({ now, late, steadily }: { readonly now: number; readonly late: number; readonly steadily: boolean }): void {
    this.#expected.forget(now);
    this.#begun.forget(now);
    if (!this.closing) {
      const ahead = Math.max(this.#least, AHEAD * this.lag / this.#cost);
      if (!steadily && !(this.#known && late > this.lag / 2 && this.#count >= ahead)) return;
      this.#bound = ahead;
      this.#changed = this.#refused = now;
      return;
    }
    if (now - this.#changed < PERIOD) return;
    this.#changed = now;
    if (late > this.lag) this.#bound = Math.max(this.#least, this.#bound * 0.8);
    // Grows only while somebody wants more: else the next crowd would find no bound
    else if (now - this.#refused < PERIOD * 2 && late < this.lag / 2) this.#bound = this.#bound * 1.1 + 1;
    if (steadily) return;
    if (now - this.#refused > CALM) this.#bound = Infinity;
  }

  /** Only the least is let in, for as long as somebody calls this. That much always is: memory comes free by work alone. */
  squeeze(now: number): void {
    this.#bound = this.#least;
    this.#changed = this.#refused = now;
  }

  get #least(): number {
    return Math.min(LEAST_CHEAP, Math.max(LEAST, 3 * this.lag / this.#cost));
  }
}

/** What counts for a time, the oldest first. */
class Recent {
  readonly #entries: { readonly passage: Passage; readonly since: number }[] = [];
  #first = 0;

  /** `age`: how long, milliseconds. */
  constructor(readonly age: number) {}

  add(passage: Passage, since: number): void {
    this.#entries.push({ passage, since });
  }

  /** Lets go of what has not ended in its time. */
  forget(now: number): void {
    const entries = this.#entries;
    while (this.#first < entries.length) {
      const { passage, since } = entries[this.#first]!;
      if (now - since < this.age) break;
      if (passage.since === since) passage.gate?.leave(passage); // else it is another one by now
      this.#first++;
    }
    if (this.#first < 1024 && this.#first < entries.length) return;
    entries.splice(0, this.#first);
    this.#first = 0;
  }
}
