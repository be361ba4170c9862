/**
 * How long a milter may take: one end for all that a call asks of it, and one for each answer, which signs of life put off.
 * Non-job: what follows when the time is over.
 */
import { MilterError } from "./protocol.ts";

/** It took too long. */
export class MilterLate extends MilterError {}

/** Milliseconds. */
export interface PatienceOptions {
  /** For each answer, and for each wait until octets are taken. */
  readonly answer: number;
  /** For all of it, however many signs of life there are. */
  readonly whole: number;
  /** Ends it before. */
  readonly signal: AbortSignal;
}

export class Patience implements Disposable {
  readonly #stop = new AbortController();
  readonly #options: PatienceOptions;
  readonly #whole: ReturnType<typeof setTimeout>;
  #answer: ReturnType<typeof setTimeout> | undefined;
  readonly #leave: () => void;

  constructor(options: PatienceOptions) {
    const { whole, signal } = options;
    this.#options = options;
    this.#whole = setTimeout(() => this.#late(whole), whole);
    this.#leave = () => this.#stop.abort(signal.reason);
    if (signal.aborted) this.#leave();
    else signal.addEventListener("abort", this.#leave, { once: true });
  }

  /** Aborted when it is at an end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }
  /** Something is awaited from now on, `time` long if said; again: there was a sign of life. */
  await(time: number = this.#options.answer): void {
    clearTimeout(this.#answer);
    if (time < this.#options.whole) this.#answer = setTimeout(() => this.#late(time), time);
  }
  /** It came. */
  came(): void {
    clearTimeout(this.#answer);
  }
  [Symbol.dispose](): void {
    clearTimeout(this.#whole);
    clearTimeout(this.#answer);
    this.#options.signal.removeEventListener("abort", this.#leave);
  }

  #late(time: number): void {
    this.#stop.abort(new MilterLate(`no answer within ${time} ms`));
  }
}
