/**
 * A stub resolver (RFC 1034 5.3.1): asks the configured recursive servers in turn over UDP, over TCP when an answer is cut.
 * It exists because node:dns of Deno tells neither "no such name" nor "no such record" nor a failed server apart
 * (docs/decisions/dns.md). Non-job: caching (cache.ts), recursion.
 */
import { isLoopback } from "../model/ip.ts";
import { type Answer, type NameService, type RecordType, unanswered } from "./answer.ts";
import { type Exchanged, overTcp, overUdp, type Server } from "./exchange.ts";

/** Whom to ask, and how. */
export interface StubOptions {
  /** Asked in this order, beginning with the one that answered last. At least one. */
  readonly servers: readonly Server[];
  /**
   * The servers check DNSSEC, and nobody between them and us can change what they say. Unless said: true when all of
   * them are on this host.
   */
  readonly validating?: boolean;
  /** Milliseconds for one try at one server (default 3,000). */
  readonly timeout?: number;
  /** Rounds over all servers (default 2). */
  readonly attempts?: number;
  /** Questions on the wire at a time, each holds a socket (default 256); more wait their turn. */
  readonly concurrency?: number;
  /** A number from 0 to 65,535 that nobody can foresee. */
  readonly randomId?: () => number;
}

/** Docker's forwarder in every container: it hands on whatever an unsigned path brought. */
const FORWARDER = "127.0.0.11";

/**
 * Whether the AD bit of these servers means anything (RFC 6840 5.8, RFC 7672 2.2). All or none: were one of them not to
 * be trusted, then it would be asked as soon as one that is refuses what is bogus.
 */
export function isTrusted({ servers, validating }: StubOptions): boolean {
  return validating ?? servers.every(({ address }) => isLoopback(address) && address !== FORWARDER);
}

export class Stub implements NameService {
  readonly #servers: readonly Server[];
  readonly #trusted: boolean;
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #randomId: () => number;
  readonly #plain = new Set<Server>(); // servers that know no EDNS
  readonly #waiting = new Set<() => void>();
  #free: number;
  #first = 0;

  constructor(options: StubOptions) {
    if (options.servers.length === 0) throw new TypeError("a stub resolver needs a server to ask");
    this.#servers = options.servers;
    this.#trusted = isTrusted(options);
    this.#timeout = options.timeout ?? 3000;
    this.#attempts = options.attempts ?? 2;
    this.#free = options.concurrency ?? 256;
    this.#randomId = options.randomId ?? (() => crypto.getRandomValues(new Uint16Array(1))[0]!);
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
      const outcome = await this.#exchange(this.#servers[index]!, type, name, signal);
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

  async #exchange(
    server: Server,
    type: RecordType,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<Exchanged> {
    const ask = (way: typeof overUdp) =>
      way(server, { id: this.#randomId(), type, name }, {
        edns: !this.#plain.has(server),
        timeout: this.#timeout,
        signal,
      });
    let outcome = await ask(overUdp);
    if (outcome.kind === "plain" && !this.#plain.has(server)) { // RFC 6891 7: ask again without OPT
      this.#plain.add(server);
      outcome = await ask(overUdp);
    }
    if (outcome.kind === "truncated") outcome = await ask(overTcp); // RFC 7766 5
    return outcome;
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
