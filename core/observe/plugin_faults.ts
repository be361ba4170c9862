/**
 * What went wrong in plugins since the start: how often each threw, was late or broke a rule, and the last time in words.
 * It is an observer with one entry for each plugin. Non-job: how often in all (metrics, the ledger).
 */
import type { Event, Observer, Phase } from "./events.ts";

export interface PluginFault {
  readonly plugin: string;
  readonly times: number;
  /** The last one: when (milliseconds since 1970), where, what. */
  readonly at: number;
  readonly phase: Phase;
  readonly reason: string;
  /** It only watched, so nothing came of it. */
  readonly observed: boolean;
}

/** Names come from the configuration; whoever makes them up as he goes does not fill the memory. */
const MOST = 500;
const LONGEST_REASON = 500;

export class PluginFaults {
  readonly #faults = new Map<string, PluginFault>();
  readonly #now: () => number;

  constructor({ now = Date.now }: { now?(): number } = {}) {
    this.#now = now;
  }

  /** Subscribe it to the bus. */
  readonly observe: Observer = (event: Event) => {
    if (event.type !== "decision" || event.verdict !== "error") return;
    const { plugin, phase, reason, observed = false } = event, known = this.#faults.get(plugin);
    if (known === undefined && this.#faults.size >= MOST) return;
    const times = (known?.times ?? 0) + 1;
    this.#faults.set(plugin, {
      plugin,
      times,
      at: this.#now(),
      phase,
      reason: reason.slice(0, LONGEST_REASON),
      observed,
    });
  };

  /** The most recent first. */
  list(): readonly PluginFault[] {
    return [...this.#faults.values()].sort((a, b) => b.at - a.at);
  }
}
