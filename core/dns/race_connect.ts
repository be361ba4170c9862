/**
 * Several addresses, one connection (RFC 8305 5): tries them in their order, a moment apart or as soon as one fails. The
 * first success wins; the others are aborted, and what they still open is closed. Schedules only: how to connect, to close
 * and to wait are given. Non-job: the order (host_addresses.ts), what is spoken then.
 */

/** Calls back after so many milliseconds; the result takes it back. */
export type After = (milliseconds: number, callback: () => void) => () => void;

export interface RaceOptions<T> {
  /** Closes a connection that came too late. */
  close(connection: T): void;
  /** Milliseconds from one try to the next while nothing is decided (default 250, RFC 8305 8). */
  readonly delay?: number;
  /** Ends the race without a winner. */
  readonly signal?: AbortSignal;
  readonly after?: After;
}
/** One address, and why there is no connection to it. */
export interface ConnectFailure {
  readonly address: string;
  readonly error: unknown;
}
/** The winner, or null. `failures` are those that lost before it was decided, in the order of their ends. */
export type Race<T> =
  | { readonly connection: T; readonly address: string; readonly failures: readonly ConnectFailure[] }
  | { readonly connection: null; readonly address: null; readonly failures: readonly ConnectFailure[] };

const DELAY = 250;
const timer: After = (milliseconds, callback) => {
  const id = setTimeout(callback, milliseconds);
  return () => clearTimeout(id);
};

/**
 * Never rejects. `connect` is called once for each address that has its turn; it should give up when its signal aborts, and
 * has a time-out of its own if it wants one. An abort from outside leaves the addresses not decided yet without failure.
 */
export function raceConnect<T>(
  addresses: readonly string[],
  connect: (address: string, signal: AbortSignal) => Promise<T>,
  options: RaceOptions<T>,
): Promise<Race<T>> {
  const { close, delay = DELAY, signal, after = timer } = options;
  const { promise, resolve } = Promise.withResolvers<Race<T>>();
  const failures: ConnectFailure[] = [];
  const running = new Set<AbortController>();
  let next = 0, decided = false, unplan = () => {};

  const decide = (race: Race<T>): void => {
    decided = true;
    unplan();
    signal?.removeEventListener("abort", give);
    for (const each of running) each.abort();
    resolve(race);
  };
  const give = (): void => decide({ connection: null, address: null, failures });
  const start = async (): Promise<void> => {
    unplan();
    if (next === addresses.length) return running.size === 0 ? give() : undefined;
    const address = addresses[next++]!, attempt = new AbortController();
    running.add(attempt);
    if (next < addresses.length) unplan = after(delay, start);
    try {
      const connection = await connect(address, attempt.signal);
      running.delete(attempt);
      if (decided) close(connection);
      else decide({ connection, address, failures });
    } catch (error) {
      running.delete(attempt);
      if (decided) return;
      failures.push({ address, error });
      start(); // at once: nothing is to be waited for                                                     RFC 8305 5
    }
  };
  if (signal?.aborted) give();
  else {
    signal?.addEventListener("abort", give, { once: true });
    start();
  }
  return promise;
}
