/**
 * One message's attachments under inspection: what was found, what may still be spent on archives, and the inflaters that
 * have work. Non-job: what a file is (inspector.ts), what becomes of the message (mod.ts).
 */
import { type Inflated, Inflater } from "./inflater.ts";
import { shownName } from "./names.ts";
import type { Finding, RuleName } from "./rules.ts";

/** What archives may cost. */
export interface ArchiveLimits {
  /** Archives in archives. */
  readonly depth: number;
  /** Files in all archives of a message. */
  readonly entries: number;
  /** Octets that are unpacked, in all, and that an archive may say it has. */
  readonly size: number;
  /** Octets unpacked for each octet packed; counts from a megabyte on. */
  readonly ratio: number;
}
/** What an inspector needs to know of the policy. */
export interface InspectionPolicy {
  /** Extensions, lower case. */
  readonly extensions: ReadonlySet<string>;
  readonly archives: ArchiveLimits;
}

const MAX_FINDINGS = 100;
const TURN = 20; // milliseconds, after which others have theirs
const MAX_INFLATERS = 1000; // of a message: each costs a little, however small it is

export class Inspection {
  readonly policy: InspectionPolicy;
  readonly findings: Finding[] = [];
  readonly #seen = new Set<string>();
  readonly #inflaters = new Set<Inflater>();
  #begun = 0;
  #entries = 0;
  #unpacked = 0;
  #rested = performance.now();

  constructor(policy: InspectionPolicy) {
    this.policy = policy;
  }

  /** Each rule once for a place. */
  report(
    rule: RuleName,
    part: string | null,
    { names, what }: { readonly names: readonly string[]; readonly what: string },
  ) {
    const where = names.map(shownName).join(" > ");
    const key = `${rule} ${part} ${where}`;
    if (this.#seen.has(key) || this.findings.length >= MAX_FINDINGS) return;
    this.#seen.add(key);
    this.findings.push({ rule, part, where, what: shownName(what) });
  }

  /** Counts a file in an archive; false when there are too many. */
  countEntry(): boolean {
    return ++this.#entries <= this.policy.archives.entries;
  }

  /** Who inflates for it, or null when nothing more may be inflated. `spent` is told when the budget is. */
  inflate(
    to: Inflated,
    { spent, trailed }: { readonly spent: () => void; readonly trailed: boolean },
  ): Inflater | null {
    if (++this.#begun > MAX_INFLATERS || this.#unpacked > this.policy.archives.size) return null;
    const inflater = new Inflater(to, (octets) => {
      this.#unpacked += octets;
      if (this.#unpacked <= this.policy.archives.size) return true;
      spent();
      return false;
    }, trailed);
    this.#inflaters.add(inflater);
    return inflater;
  }

  /**
   * Works through what archives have brought so far, and what that brings: the inmost first, so that no more lies in memory
   * than one step brings. Lets others have their turn. @throws the signal's reason.
   */
  async work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const inflater = [...this.#inflaters].findLast((each) => each.pending);
      if (inflater === undefined) return;
      await inflater.work();
      if (!inflater.pending && inflater.over) this.#inflaters.delete(inflater);
      await this.#rest();
      signal.throwIfAborted();
    }
  }

  /** Streams wait for each other without a turn of the event loop: no timer, no other session would have one. */
  async #rest(): Promise<void> {
    if (performance.now() - this.#rested < TURN) return;
    await new Promise<void>((resolve) => setTimeout(resolve));
    this.#rested = performance.now();
  }

  /** Ends inflaters that wait for more. */
  async close(): Promise<void> {
    for (const inflater of this.#inflaters) await inflater.stop();
    this.#inflaters.clear();
  }
}
