/**
 * What plugins and phases did and how long it took, counted in plain arrays: these are the events that come most often.
 * Non-job: other events (metrics.ts).
 */
import type { Decision, Phase } from "../events.ts";
import { OTHER } from "./counters.ts";
import type { Exposition, Labels, Sample } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

const PHASES: readonly Phase[] = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"];
const VERDICTS: readonly Decision["verdict"][] = ["accept", "defer", "reject", "next", "error"];
const PHASE: Readonly<Record<string, number>> = Object.fromEntries(PHASES.map((each, at) => [each, at]));
const VERDICT: Readonly<Record<string, number>> = Object.fromEntries(VERDICTS.map((each, at) => [each, at]));
const KINDS = PHASES.length * VERDICTS.length;
/** Names come from the configuration; whoever makes them up as he goes does not fill the memory. */
const MOST = 500;

class PluginCounts {
  readonly enforced = new Float64Array(KINDS);
  readonly observed = new Float64Array(KINDS);
  readonly times: (Histogram | null)[] = PHASES.map(() => null);
}

/** What a plugin did in a phase since the start. Times in milliseconds. */
export interface PluginTiming {
  readonly plugin: string;
  readonly phase: string;
  readonly calls: number;
  /** Own time, all calls together. */
  readonly total: number;
  /** So long took 95 of 100 calls at most: the upper bound of a bucket, Infinity above the last. */
  readonly p95: number;
  /** How often it ended with each verdict, in either mode. */
  readonly verdicts: Readonly<Record<string, number>>;
}

export class PluginMeasures {
  readonly #plugins = new Map<string, PluginCounts>();
  readonly #phases = PHASES.map(() => new Histogram());
  readonly #verdicts = new Float64Array(KINDS);

  decided({ plugin, phase, verdict, ms, observed }: Decision): void {
    const counts = this.#plugins.get(plugin) ?? this.#begin(plugin);
    const at = PHASE[phase]!;
    (observed ? counts.observed : counts.enforced)[at * VERDICTS.length + VERDICT[verdict]!]!++;
    (counts.times[at] ??= new Histogram()).add(ms / 1000);
  }

  /** A phase has its answer. */
  phase(phase: Phase, verdict: "accept" | "defer" | "reject", milliseconds: number): void {
    const at = PHASE[phase]!;
    this.#verdicts[at * VERDICTS.length + VERDICT[verdict]!]!++;
    this.#phases[at]!.add(milliseconds / 1000);
  }

  #begin(plugin: string): PluginCounts {
    const name = this.#plugins.size < MOST ? plugin : OTHER;
    let counts = this.#plugins.get(name);
    if (counts === undefined) this.#plugins.set(name, counts = new PluginCounts());
    return counts;
  }

  /** For people. */
  timings(): PluginTiming[] {
    return [...this.#plugins].flatMap(([plugin, { enforced, observed, times }]) =>
      times.flatMap((each, phase) => {
        if (each === null) return [];
        const count = (verdict: number) =>
          [enforced, observed].reduce((sum, of) => sum + of[phase * VERDICTS.length + verdict]!, 0);
        return [{
          plugin,
          phase: PHASES[phase]!,
          calls: each.count,
          total: Math.round(each.sum * 1e6) / 1000, // sums of seconds end in noise
          p95: each.quantile(0.95) * 1000,
          verdicts: Object.fromEntries(VERDICTS.map((name, at) => [name, count(at)] as const).filter(([, n]) => n > 0)),
        }];
      })
    );
  }

  write(to: Exposition): void {
    to.counter({ name: "postern_phases", help: "Answers of phases." }, samples(this.#verdicts, {}));
    to.histogram(
      { name: "postern_phase_seconds", help: "From a phase's question to its answer.", unit: "seconds" },
      this.#phases.flatMap((times, at) => times.count === 0 ? [] : [[{ phase: PHASES[at]! }, times] as const]),
    );
    const all = [...this.#plugins];
    to.counter(
      { name: "postern_decisions", help: "Decisions of plugins; those of mode observe did not count." },
      all.flatMap(([plugin, { enforced, observed }]) => [
        ...samples(enforced, { plugin, mode: "enforce" }),
        ...samples(observed, { plugin, mode: "observe" }),
      ]),
    );
    to.histogram(
      { name: "postern_plugin_seconds", help: "Own time of plugins.", unit: "seconds" },
      all.flatMap(([plugin, { times }]) =>
        times.flatMap((each, at) => each === null ? [] : [[{ plugin, phase: PHASES[at]! }, each] as const])
      ),
    );
  }
}

function samples(counts: Float64Array, labels: Labels): Sample[] {
  const found: Sample[] = [];
  for (const [at, count] of counts.entries()) {
    const phase = PHASES[Math.floor(at / VERDICTS.length)]!, verdict = VERDICTS[at % VERDICTS.length]!;
    if (count > 0) found.push([{ ...labels, phase, verdict }, count]);
  }
  return found;
}
