/**
 * Several name servers asked in turn, beginning with the one that answered last, so many questions at a time. What they
 * are asked over is given. Non-job: the way to one of them (exchange.ts, doh.ts), caching (cache.ts).
 */
import { type Answer, type NameService, type RecordType, unanswered } from "./answer.ts";
import type { Reading } from "./message.ts";

/** `silence`: no answer in time. `unreachable`: there is no way to it. */
export type Exchanged = Exclude<Reading, { kind: "foreign" }> | { readonly kind: "silence" | "unreachable" };

/** One question to one server. Never rejects. */
export type Exchange<S> = (
  server: S,
  question: { readonly type: RecordType; readonly name: string },
  signal: AbortSignal | undefined,
) => Promise<Exchanged>;

export interface RoundsOptions<S> {
  /** At least one. */
  readonly servers: readonly S[];
  /** The AD bit of all of them means something (RFC 6840 5.8). */
  readonly trusted: boolean;
  /** Rounds over all servers (default 2). */
  readonly attempts?: number;
  /** Questions under way at a time (default 256); more wait their turn. */
  readonly concurrency?: number;
}

export class Rounds<S> implements NameService {
  readonly #servers: readonly S[];
  readonly #trusted: boolean;
  readonly #attempts: number;
  readonly #exchange: Exchange<S>;
  readonly #waiting = new Set<() => void>();
  #free: number;
  #first = 0;

  /** @throws {TypeError} without a server. */
  constructor(exchange: Exchange<S>, options: RoundsOptions<S>) {
    if (options.servers.length === 0) throw new TypeError("a stub resolver needs a server to ask");
    this.#exchange = exchange;
    this.#servers = options.servers;
    this.#trusted = options.trusted;
    this.#attempts = options.attempts ?? 2;
    this.#free = options.concurrency ?? 256;
  }

  async ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>> {
    if (!await this.#enter(signal)) return unanswered("timeout", name);
    try {
      return await this.#ask(type, name, signal) as Answer<T>;
    } finally {
      this.#leave();
    }
  }

  async #ask(type: RecordType, name: string, signal: AbortSignal | undefined): Promise<Answer> {
    let heard = false;
    const count = this.#servers.length, first = this.#first;
    for (let attempt = 0; attempt < this.#attempts * count; attempt++) {
      if (signal?.aborted) break;
      const index = (first + attempt) % count;
      const outcome = await this.#exchange(this.#servers[index]!, { type, name }, signal);
      if (outcome.kind === "answer") {
        this.#first = index;
        return this.#trusted ? outcome.answer : { ...outcome.answer, authentic: false };
      }
      if (outcome.kind !== "silence") heard = true;
    }
    // A server that answered and would not say, or none that answered: both mean that nobody knows. What fails the
    // check of DNSSEC is among them: a validating resolver answers it with SERVFAIL                      RFC 4035 5.5
    return unanswered(heard && !signal?.aborted ? "servfail" : "timeout", name);
  }

  /** Waits for a turn; false when the caller gave up before. */
  #enter(signal: AbortSignal | undefined): boolean | Promise<boolean> {
    if (signal?.aborted) return false;
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return new Promise((resolve) => {
      const go = () => {
        signal?.removeEventListener("abort", giveUp);
        resolve(true);
      };
      const giveUp = () => {
        this.#waiting.delete(go);
        resolve(false);
      };
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(go);
    });
  }

  #leave(): void {
    for (const go of this.#waiting) { // the turn passes on
      this.#waiting.delete(go);
      return go();
    }
    this.#free++;
  }
}
