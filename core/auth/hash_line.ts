/**
 * Work that takes a whole core for long, a few pieces at once: some run, some wait in line, first in, first out; who
 * comes when the line is full is told so at once. Without this a burst of logins would take the machine from those who
 * are in, and its memory. Non-job: the work (passwords.ts), what a client is told (454 4.7.0, the phase `auth`).
 */

/** No place left to check a password now. Holds nothing of it. */
export class PasswordsBusy extends Error {
  override readonly name = "PasswordsBusy";
  constructor() {
    super("too many passwords are being checked");
  }
}

export interface HashLineOptions {
  /** Pieces of work at once. */
  readonly running: number;
  /** Places in line behind them. */
  readonly waiting: number;
}
interface Place {
  readonly owner: string;
  readonly start: () => void;
}

/** Of the line's places, those that work for one owner may take: one account must not fill it for all. */
const SHARE = 1 / 4;

export class HashLine {
  readonly #options: HashLineOptions;
  readonly #line: Place[] = [];
  /** Places that each owner has in line. */
  readonly #owners = new Map<string, number>();
  readonly #most: number;
  #running = 0;

  constructor(options: HashLineOptions) {
    this.#options = options;
    this.#most = Math.ceil(options.waiting * SHARE);
  }

  /**
   * Runs `work` when its turn has come.
   *
   * @throws {PasswordsBusy} at once, when the line is full, or its owner's share of it; else what `work` throws.
   */
  async run<T>(owner: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.running) this.#running++;
    else await this.#turn(owner); // whoever ends hands its place on: `#running` stays
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#running--;
      else {
        this.#leave(next.owner);
        next.start();
      }
    }
  }

  #turn(owner: string): Promise<void> {
    const taken = this.#owners.get(owner) ?? 0;
    if (this.#line.length >= this.#options.waiting || taken >= this.#most) throw new PasswordsBusy();
    this.#owners.set(owner, taken + 1);
    return new Promise((start) => this.#line.push({ owner, start }));
  }

  #leave(owner: string): void {
    const left = this.#owners.get(owner)! - 1;
    if (left === 0) this.#owners.delete(owner);
    else this.#owners.set(owner, left);
  }
}
