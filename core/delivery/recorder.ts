/**
 * Writes down what became of recipients, with the reports that it calls for, in one write; as often as it takes while the
 * lease holds. Then observers hear of it. (SEMANTICS 3, 16.)
 * Non-job: what is written (settlement.ts), what a report says (reports.ts).
 */
import type { Services } from "../pipeline/contexts/transaction_context.ts";
import { nextAttempt } from "../queue/backoff.ts";
import { Pauses } from "../store/pauses.ts";
import type { Lease, NewReport, Store, StoredRecipient } from "../store/store.ts";
import { type Reports, ReportWaits } from "./reports.ts";
import type { Settled } from "./settlement.ts";
import type { Terms } from "./terms.ts";

export interface RecorderOptions {
  readonly store: Pick<Store, "settle">;
  readonly services: Pick<Services, "now" | "emit">;
  readonly reports: Reports;
  readonly terms: Terms;
  /** Something that was written falls due at that moment. */
  waits(moment: number): void;
  /** Reports are in the queue. */
  added(): void;
  trouble(error: unknown): void;
}

/** A lease, which may be prolonged meanwhile, and the recipients of it that are settled. */
export interface Recorded {
  readonly lease: Lease;
  readonly recipients: readonly StoredRecipient[];
}

/** Milliseconds before a store that failed is asked again, doubled each time: most failures are over at once. */
const STORE_RETRY = 50, LONGEST_STORE_RETRY = 5000;

/** @param failures in a row, before this one */
export function storeRetry(failures: number): number {
  return Math.min(LONGEST_STORE_RETRY, STORE_RETRY * 2 ** failures);
}

export class Recorder {
  readonly #options: RecorderOptions;
  /** Ends the waits for a store that fails. */
  readonly #pauses = new Pauses();
  #stopped = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Waits for a store that fails no longer. */
  stop(): void {
    this.#stopped = true;
    this.#pauses.endAll();
  }

  /** Outcomes and reports in one write; then observers hear of it. */
  async write(job: Recorded, settled: readonly Settled[]): Promise<void> {
    const { store, services, waits, added, trouble } = this.#options, { message } = job.lease;
    for (let failures = 0;; failures++) {
      const { lease } = job;
      try {
        const [reports, parts] = await this.#reported(job, settled);
        if (await store.settle(lease, parts.map(({ outcome }) => outcome), reports)) {
          for (const { outcome, event } of parts) {
            if (outcome.nextAttempt !== undefined) waits(Math.min(outcome.nextAttempt, outcome.deadline ?? Infinity));
            if (event !== null) services.emit(event);
          }
          if (reports.length > 0) added();
          return;
        }
        if (failures === 0) trouble(`the lease of ${message.id} had ended before its result was written`);
        else added(); // a write that failed may have been made all the same, reports included
        return;
      } catch (error) {
        trouble(error);
      }
      // What is delivered is delivered: say so as soon as the store can hear it. Else the lease's end makes it due again.
      const wait = storeRetry(failures);
      if (this.#stopped || services.now() + wait >= lease.until) return;
      await this.#pauses.wait(wait);
    }
  }

  /**
   * The reports that are owed. Where nobody can say yet how the sender is reached, what failed waits to have failed, and a
   * delay to be told; what was delivered stays so and is not told.
   */
  async #reported(
    { lease: { message }, recipients }: Recorded,
    settled: readonly Settled[],
  ): Promise<[readonly NewReport[], readonly Settled[]]> {
    const events = settled.flatMap(({ report }) => report === null ? [] : [report]);
    if (events.length === 0) return [[], settled];
    try {
      return [await this.#options.reports.of(message, events), settled];
    } catch (error) {
      if (!(error instanceof ReportWaits)) throw error;
      this.#options.trouble(`a report about ${message.id} has to wait: ${error.message}`);
      const attempts = new Map(recipients.map((each) => [each.index, each.attempts]));
      return [[], settled.map((each) => this.#waiting(each, attempts.get(each.outcome.index) ?? 0, error.message))];
    }
  }

  #waiting({ outcome, report, event }: Settled, attempts: number, why: string): Settled {
    const { terms, services } = this.#options;
    const again = nextAttempt(services.now(), attempts + 1, terms.retry, 0.5); // who refused it is asked again, too
    switch (report?.action) {
      case "delayed": {
        const { told: _, ...others } = outcome;
        return { outcome: { ...others, deadline: again }, report: null, event };
      }
      case "failed":
      case "expanded": {
        const { index, attempt = true } = outcome;
        const lastReply = `${report.words ?? "expanded"} (${why})`.slice(0, 1000);
        const waits = { index, state: "deferred", nextAttempt: again, deadline: again, lastReply, attempt } as const;
        return { outcome: waits, report: null, event: null };
      }
      default:
        return { outcome, report: null, event };
    }
  }
}
