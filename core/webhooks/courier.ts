/**
 * Takes the events of one hook to it, one at a time and in their order: 2xx is taken, anything else is tried again, later
 * each time. A receiver that says 410 wants no more, until the configuration is read again. Non-job: keeping events
 * (spool.ts), signing (signature.ts).
 */
import { type Hook, shownUrl } from "./hook.ts";
import { signatureHeaders } from "./signature.ts";
import type { Waiting, WebhookSpool } from "./spool.ts";

export interface CourierOptions {
  readonly hook: Hook;
  readonly spool: WebhookSpool;
  readonly userAgent: string;
  /** Waits before each further attempt, milliseconds; the last one repeats. */
  readonly retry: readonly number[];
  now(): number;
  /** From 0 up to and without 1. */
  random(): number;
  /** One event is out of the spool: taken, or too old. */
  settled(how: "taken" | "expired"): void;
  /** It takes nothing now, in a sentence; null: it does again. */
  told(fault: string | null): void;
}

/** Waits before each further attempt, milliseconds; the last one repeats. */
export const RETRY: readonly number[] = [1000, 5000, 30_000, 60_000, 300_000, 900_000, 3_600_000];
/** The longest wait that a receiver can ask for. */
const LONGEST_WAIT = 3_600_000;

export class Courier {
  readonly #options: CourierOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #gone = false;
  #fault: string | null = null;
  /** It is out of our hands, and the file could not be told. */
  #done: number | null = null;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  /** Why it takes nothing now. */
  get fault(): string | null {
    return this.#fault;
  }

  /** There may be something to take. */
  kick(): void {
    if (this.#running !== null || this.#timer !== undefined || this.#gone || this.#stop.signal.aborted) return;
    this.#running = this.#run().catch((error) => {
      this.#tell(`the file of what waits: ${wordsOf(error, 0)}`);
      this.#later(null);
    }).finally(() => this.#running = null);
  }

  /** An attempt that is under way is cut; what was not taken stays. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { hook, spool, now, settled } = this.#options;
    while (!this.#stop.signal.aborted) {
      const event = spool.first(hook.name);
      if (event === null) return;
      if (this.#done === event.seq) {
        this.#remove(event.seq);
        this.#failures = 0;
        this.#tell(null);
        continue;
      }
      if (now() - event.at > hook.expire) {
        settled("expired");
        this.#remove(event.seq);
        continue;
      }
      const result = await this.#attempt(event);
      if (this.#stop.signal.aborted && result.fault !== null) return;
      if (result.fault === null) {
        settled("taken");
        this.#remove(event.seq);
        this.#failures = 0;
        this.#tell(null);
        continue;
      }
      this.#tell(`${shownUrl(hook.url)}: ${result.fault}`);
      if (result.gone) this.#gone = true;
      else this.#later(result.wait);
      return;
    }
  }

  /** Once it is settled: a file that cannot be written does not make us say it again and again. */
  #remove(seq: number): void {
    this.#done = seq;
    this.#options.spool.remove(seq);
    this.#done = null;
  }

  #later(wished: number | null): void {
    if (this.#stop.signal.aborted) return;
    const { retry, random } = this.#options, step = retry[Math.min(this.#failures++, retry.length - 1)]!;
    const wait = Math.max(wished ?? 0, step * (0.75 + random() / 2)); // not all hooks at once
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.kick();
    }, wait);
  }

  #tell(fault: string | null): void {
    if (fault === this.#fault || fault !== null && this.#fault !== null) { // once for an outage
      this.#fault = fault;
      return;
    }
    this.#fault = fault;
    this.#options.told(fault);
  }

  async #attempt(event: Waiting): Promise<{ fault: string | null; wait: number | null; gone: boolean }> {
    const { hook, userAgent, now } = this.#options;
    const timestamp = Math.floor(now() / 1000);
    try {
      const response = await fetch(hook.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": userAgent,
          ...signatureHeaders({ id: event.id, timestamp, body: event.body }, hook.secrets),
        },
        body: event.body,
        redirect: "manual", // it goes where the operator said and nowhere else
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(hook.timeout)]),
      });
      await response.body?.cancel();
      const { status } = response;
      if (response.ok) return { fault: null, wait: null, gone: false };
      const seconds = /^\d{1,6}$/.exec(response.headers.get("retry-after") ?? "")?.[0];
      return {
        fault: status === 410 ? "answered 410, and is not told any more" : `answered ${status}`,
        wait: seconds === undefined ? null : Math.min(Number(seconds) * 1000, LONGEST_WAIT),
        gone: status === 410,
      };
    } catch (error) {
      return { fault: wordsOf(error, hook.timeout), wait: null, gone: false };
    }
  }
}

function wordsOf(error: unknown, timeout: number): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return `no answer in ${timeout / 1000} s`;
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!.slice(0, 200);
}
