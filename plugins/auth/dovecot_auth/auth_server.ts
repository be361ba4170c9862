/**
 * Dovecot's auth server as it is now: a connection that is opened when a login needs one, and again after it broke, with
 * a growing pause between attempts that fail, in which logins are told so at once. Non-job: the protocol (channel.ts).
 */
import { randomInt } from "node:crypto";
import { Channel, type Outcome, type Place, type Question } from "./channel.ts";

const FIRST_PAUSE = 100, LONGEST_PAUSE = 10_000;
/** A Dovecot that was told to stop or to read its configuration anew waits for its clients to leave. */
const LIFETIME = 60_000;

export interface AuthServerOptions {
  readonly place: Place;
  /** Milliseconds for the handshake, and for each answer. */
  readonly timeout: number;
}

export class AuthServer {
  readonly #options: AuthServerOptions;
  readonly #name: string;
  #channel: Channel | null = null;
  #opening: Promise<Channel> | null = null;
  /** Since the last handshake that worked. */
  #failures = 0;
  #failed = 0;
  #why = "";

  constructor(options: AuthServerOptions) {
    const { place } = options;
    this.#options = options;
    this.#name = "path" in place ? place.path : `${place.host}:${place.port}`;
  }

  /** @throws {Error} naming the place, when there is no clear answer. */
  async ask(question: Question, signal: AbortSignal, now: number): Promise<Outcome> {
    try {
      return await (await this.#ready(now)).ask(question, signal);
    } catch (error) {
      throw new Error(`Dovecot at ${this.#name}: ${error instanceof Error ? error.message : "failed"}`);
    }
  }

  async #ready(now: number): Promise<Channel> {
    if (this.#channel !== null && !this.#channel.closed) return this.#channel;
    this.#channel = null;
    if (this.#opening !== null) return await this.#opening;
    const pause = this.#failures === 0 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#failures - 1));
    if (now >= this.#failed && now < this.#failed + pause) throw new Error(`${this.#why}, a moment ago`);
    return await (this.#opening = this.#open(now));
  }

  async #open(now: number): Promise<Channel> {
    const { place, timeout } = this.#options;
    try {
      // Not our process id: Dovecot turns down a second client with one that it has, and each thread and each list of
      // plugins is a client of its own.
      const pid = randomInt(1, 0x7fff_ffff);
      this.#channel = await Channel.open(place, { timeout, pid, lifetime: LIFETIME });
      this.#failures = 0;
      return this.#channel;
    } catch (error) {
      this.#failures = Math.min(this.#failures + 1, 16);
      this.#failed = now;
      this.#why = error instanceof Error ? error.message : "failed";
      throw error;
    } finally {
      this.#opening = null;
    }
  }
}
