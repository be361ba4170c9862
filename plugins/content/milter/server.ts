/**
 * The milter that all sessions of a plugin talk to: where it is, what is offered to it, how long it may take, and whether it
 * is known to hang, so that not every session waits for it. Non-job: what it is told (conversation.ts).
 */
import { EngineError } from "../engine_error.ts";
import { type EnginePlace, formatEnginePlace } from "../engine.ts";
import { Channel } from "./channel.ts";
import type { Offer } from "./negotiation.ts";
import { MilterLate, type Patience } from "./patience.ts";

export interface ServerOptions {
  readonly place: EnginePlace;
  readonly offered: Offer;
  /** Milliseconds: for the connection and the first words, for each answer, for all that a phase asks. */
  readonly times: { readonly connect: number; readonly answer: number; readonly whole: number };
  /** Milliseconds for which one that did not answer in time is not tried again. */
  readonly pause: number;
  /** Values of the operator's. */
  readonly macros: ReadonlyMap<string, string>;
  readonly trouble: (message: string) => void;
}

/** Milliseconds between two words to the operator. */
const REMINDER = 60_000;

export class Server {
  readonly #options: ServerOptions;
  /** Milliseconds since 1970. */
  #pausedUntil = 0;
  #toldUntil = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get times(): ServerOptions["times"] {
    return this.#options.times;
  }
  get macros(): ServerOptions["macros"] {
    return this.#options.macros;
  }

  /** @throws {EngineError} when it cannot be had. */
  async open(patience: Patience, now: () => number): Promise<Channel> {
    if (now() < this.#pausedUntil) throw new EngineError("it did not answer a moment ago");
    const { place, offered, times } = this.#options;
    try {
      return await Channel.open(place, { offered, patience, connect: times.connect });
    } catch (error) {
      if (error instanceof MilterLate) this.#pausedUntil = now() + this.#options.pause;
      throw error;
    }
  }

  /** It did what it should. */
  answered(): void {
    this.#pausedUntil = 0;
  }

  /** It did not: what was wrong, with its place. The operator hears of it once a minute. */
  failed(error: EngineError, now: number): string {
    const message = `${formatEnginePlace(this.#options.place)}: ${error.message}`;
    if (now >= this.#toldUntil) {
      this.#toldUntil = now + REMINDER;
      this.#options.trouble(message);
    }
    return message;
  }
}
