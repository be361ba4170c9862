/**
 * The daily summary: a job of the site, once a day whatever the number of its threads and nodes, that writes a letter to
 * the postmaster. It stands beside the plugins of the configuration, since plugins have jobs and observers.
 * Non-job: what it says (day.ts, letter.ts), the queue.
 */
import type { Address } from "../model/address.ts";
import type { Event } from "../observe/events.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import { type DayHouse, gather, type Said } from "./day.ts";
import { letterOf } from "./letter.ts";

export interface SummaryOptions {
  readonly to: Address;
  /** Milliseconds since midnight, UTC. */
  readonly at: number;
  /** `unusual`: only when something wants a person. */
  readonly when: "always" | "unusual";
}

const DAY = 86_400_000;
/** Sentences of alerts and troubles that are told apart. */
const MOST = 100;

/** Give it to `Errands` and `observersOf` with the plugins of the listeners. `house` is asked when a letter is written. */
export function summaryPlugin(options: SummaryOptions, house: () => DayHouse): Plugin {
  const alerts = new Heard(), troubles = new Heard();
  return {
    name: "summary",
    handlers: {},
    observe(event: Event) {
      if (event.type === "alert") alerts.add(`${event.where}, ${event.subject}: ${event.message}`);
      else if (event.type === "trouble") troubles.add(`${event.where}: ${event.message}`);
    },
    jobs: [{
      name: "daily",
      every: DAY,
      after: options.at,
      async run({ host, now, send }) {
        const day = await gather(house(), { until: now(), alerts: alerts.take(), troubles: troubles.take() });
        if (options.when === "unusual" && day.findings.length === 0) return;
        await send({ from: null, to: [options.to], content: letterOf(day, { hostname: host.name, to: options.to }) });
      },
    }],
  };
}

/** Sentences since the last letter, bounded. */
class Heard {
  #times = new Map<string, number>();

  add(sentence: string): void {
    const words = sentence.slice(0, 300), times = this.#times.get(words);
    if (times !== undefined || this.#times.size < MOST) this.#times.set(words, (times ?? 0) + 1);
  }

  /** The most frequent ones; from here on nothing was heard. */
  take(): readonly Said[] {
    const all = [...this.#times].map(([words, times]) => ({ words, times }));
    this.#times = new Map();
    return all.toSorted((a, b) => b.times - a.times).slice(0, 10);
  }
}
