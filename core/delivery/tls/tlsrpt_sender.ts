/**
 * Sends the reports about TLS that are due, an hour between two looks: by mail into the queue, by HTTPS at once, tried again
 * at each look until their days are over (RFC 8460 5.3, 5.4). One timer, one look at a time, bounded; no fault ends it.
 * Non-job: what is due (tlsrpt_counts.ts), what a report says (tlsrpt_report.ts), the mail's delivery and signature.
 */
import type { Address } from "../../model/address.ts";
import { letterOf } from "../../queue/letter.ts";
import type { NewMessage } from "../../store/store.ts";
import type { HttpFetch } from "./mta_sts_fetch.ts";
import type { DayCounts, TlsrptTarget } from "./tlsrpt.ts";
import type { TlsrptCounts } from "./tlsrpt_counts.ts";
import { postTlsReport, type Reporter, type TlsReport, tlsReport, tlsReportMail } from "./tlsrpt_report.ts";

export interface TlsrptSenderOptions {
  readonly counts: Pick<TlsrptCounts, "due" | "claim" | "release" | "sent">;
  readonly reporter: Reporter;
  /** The sender of the mails: an address of the reporter's domain. */
  readonly from: Address;
  /** Whose plugins the mails pass on their way out, the signature among them. */
  readonly listener: string;
  readonly fetch: HttpFetch;
  /** Makes it durable in the queue, then resolves. */
  commit(message: NewMessage, content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Milliseconds since 1970. */
  now(): number;
  /** What went wrong, a sentence each. */
  trouble(message: string): void;
  /** Milliseconds between two looks (default an hour). */
  readonly every?: number;
  /** Milliseconds for one request (default 30 s). */
  readonly timeout?: number;
}

const HOUR = 3_600_000;
/** Requests at a time. */
const AT_ONCE = 8;

export class TlsrptSender {
  readonly #options: TlsrptSenderOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | null = null;
  #stop = new AbortController();

  constructor(options: TlsrptSenderOptions) {
    this.#options = options;
  }

  /** Looks now, and again and again until `stop`. */
  start(): void {
    const again = (): void => {
      if (this.#stop.signal.aborted) return;
      this.#timer = setTimeout(() => void this.look().then(again), this.#options.every ?? HOUR);
    };
    void this.look().then(again);
  }

  /** Resolves when nothing is under way any more: requests are cut, their reports come again after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Sends what is due. Never rejects; a look that is under way is the one that is waited for. */
  look(): Promise<void> {
    return this.#looking ??= this.#look().finally(() => this.#looking = null);
  }

  async #look(): Promise<void> {
    const silent = new Set<string>(); // hosts that failed at this look: the many domains that name them wait for the next
    const running = new Set<Promise<void>>();
    try {
      for await (const counts of this.#options.counts.due()) {
        if (this.#stop.signal.aborted) break;
        const one: Promise<void> = this.#send(counts, silent).finally(() => running.delete(one));
        running.add(one);
        if (running.size >= AT_ONCE) await Promise.race(running);
      }
    } catch (error) {
      this.#trouble("the reports that are due", error);
    }
    await Promise.all(running);
  }

  /** Never rejects. */
  async #send(counts: DayCounts, silent: Set<string>): Promise<void> {
    const { counts: all, reporter } = this.#options;
    const what = `the report of ${counts.day} for ${counts.domain}`;
    try {
      if (!await all.claim(counts)) return; // another node sends it
      const report = await tlsReport(counts, reporter);
      const left: TlsrptTarget[] = [];
      for (const target of counts.targets) {
        try {
          if (!await this.#deliver(report, target, silent)) left.push(target);
        } catch (error) {
          left.push(target);
          if (target.kind === "https") silent.add(new URL(target.url).host);
          if (!this.#stop.signal.aborted) this.#trouble(what, error);
        }
      }
      if (left.length < counts.targets.length) await all.sent(counts, left);
      if (left.length > 0) await all.release(counts);
    } catch (error) {
      this.#trouble(what, error);
    }
  }

  /** False: not this time. */
  async #deliver(report: TlsReport, target: TlsrptTarget, silent: ReadonlySet<string>): Promise<boolean> {
    const { commit, fetch, now, reporter, timeout = 30_000 } = this.#options;
    const { signal } = this.#stop;
    if (signal.aborted) return false;
    if (target.kind === "https") {
      if (silent.has(new URL(target.url).host)) return false;
      const cut: HttpFetch = (url, init) =>
        fetch(url, { ...init, signal: init.signal ? AbortSignal.any([init.signal, signal]) : signal });
      await postTlsReport(report, target.url, { fetch: cut, timeout });
      return true;
    }
    const at = now(), to = target.address;
    const content = new TextEncoder().encode(tlsReportMail(report, reporter, { to, now: at }));
    const { from, listener } = this.#options;
    await commit(letterOf({ from, to: [to], content }, { at, listener }), content);
    return true;
  }

  #trouble(what: string, error: unknown): void {
    this.#options.trouble(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
