/**
 * Servers that all do the same: the first that can is asked. One that failed stands behind the others for half a minute,
 * so that not every message waits for it, and is asked all the same when nobody else can. Time is shared out so that there
 * is some left for each. Non-job: speaking to them, what it means when nobody can.
 */
import { EngineError } from "./engine_error.ts";

/** Milliseconds for which a server that failed stands behind the others. */
const SET_BACK = 30_000;

/** A server in its place. */
interface Entry<S> {
  readonly server: S;
  readonly name: string;
  /** Milliseconds since 1970. */
  setBackUntil: number;
}

/** What one question has to keep to. */
export interface FailoverOptions {
  /** Milliseconds for all servers together. */
  readonly timeout: number;
  /** Ends it: nobody wants the answer any more. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of each server that failed. */
  readonly failed?: (name: string, why: string) => void;
}

/** The servers of one plugin instance. */
export class Failover<S> {
  readonly #entries: readonly Entry<S>[];

  /** `nameOf`: how a server is called in the log. */
  constructor(servers: readonly S[], nameOf: (server: S) => string) {
    this.#entries = servers.map((server) => ({ server, name: nameOf(server), setBackUntil: 0 }));
  }

  /**
   * What `question` gives for the first server for which it does not throw an EngineError. Its signal ends the question
   * when the server's share of the time is over.
   *
   * @throws {EngineError} with what is wrong with each, when none can; the signal's reason when that ends it; whatever else
   * `question` throws, at once: that is no fault of a server.
   */
  async ask<T>(question: (server: S, signal: AbortSignal) => Promise<T>, options: FailoverOptions): Promise<T> {
    const { timeout, signal, now, failed } = options;
    const begun = now(), end = performance.now() + timeout;
    const behind = (entry: Entry<S>) => entry.setBackUntil > begun;
    const order = [...this.#entries.filter((each) => !behind(each)), ...this.#entries.filter(behind)];
    const faults: string[] = [];
    for (const [index, entry] of order.entries()) {
      const share = (end - performance.now()) / (order.length - index);
      try {
        const answer = await limited(question, entry.server, { share: Math.max(share, 1), signal });
        entry.setBackUntil = 0;
        return answer;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof EngineError)) throw error;
        entry.setBackUntil = now() + SET_BACK;
        faults.push(`${entry.name}: ${error.message}`);
        failed?.(entry.name, error.message);
      }
    }
    throw new EngineError(faults.join("; "));
  }
}

async function limited<S, T>(
  question: (server: S, signal: AbortSignal) => Promise<T>,
  server: S,
  { share, signal }: { readonly share: number; readonly signal: AbortSignal },
): Promise<T> {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(new EngineError(`no answer within ${Math.round(share)} ms`)), share);
  const leave = () => stop.abort(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    if (signal.aborted) throw signal.reason;
    return await question(server, stop.signal);
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", leave);
  }
}
