/**
 * Two instances of a plugin, as two threads or two nodes have them, over one store whose every answer lets the other one go
 * on first: what reads and then writes back loses what both did at once. Non-job: what a plugin makes of it.
 */
import {
  type CallAhead,
  type CounterOptions,
  type CounterQuery,
  type Counters,
  type ObserverHouse,
  type Phase,
  type Plugin,
  runPhase,
  type Simulated,
  SimulatedCounters,
  type SimulatedResult,
} from "../../../../core/pipeline/mod.ts";
import { houseOf } from "../../../../core/pipeline/observers.ts";

/** Answers later than it is asked: all that were asked together are asked before any goes on. */
class Shared implements Counters {
  readonly #inner: SimulatedCounters;
  constructor(now: () => number) {
    this.#inner = new SimulatedCounters(now);
  }
  async get(name: string) {
    const value = await this.#inner.get(name);
    await Promise.resolve();
    return value;
  }
  async put(name: string, value: string, options: CounterOptions) {
    await Promise.resolve();
    await this.#inner.put(name, value, options);
  }
  async add(name: string, amount: number, options: CounterOptions) {
    await Promise.resolve();
    return await this.#inner.add(name, amount, options);
  }
  list(query: CounterQuery) {
    return this.#inner.list(query);
  }
}

export class Pair {
  now = Date.UTC(2026, 0, 1);
  readonly counters: Counters = new Shared(() => this.now);
  readonly one: Plugin;
  readonly two: Plugin;
  /** Questions to next hops. */
  asked = 0;

  constructor(make: () => Plugin) {
    this.one = make();
    this.two = make();
  }

  get facts(): Simulated {
    const callAhead: CallAhead = ({ recipient }) => {
      this.asked++;
      return Promise.resolve(this.says(recipient.local));
    };
    return { now: () => this.now, counters: this.counters, callAhead };
  }
  says: (local: string) => Awaited<ReturnType<CallAhead>> = () => {
    throw new Error("nobody is to be asked");
  };

  /** Of an instance; `others` stand behind it. */
  run(plugin: Plugin, phase: Phase, facts: Simulated = {}, others: readonly Plugin[] = []): Promise<SimulatedResult> {
    return runPhase([plugin, ...others], phase, { ...this.facts, ...facts });
  }
  /** So many at once, by turns at either; the codes of the replies in order of size. */
  async together(times: number, phase: Phase, facts: Simulated, others: readonly Plugin[] = []): Promise<number[]> {
    const runs = Array.from({ length: times }, (_, n) => this.run(n % 2 ? this.two : this.one, phase, facts, others));
    return (await Promise.all(runs)).map(({ reply }) => reply.code).sort();
  }
  houseOf({ name }: Plugin): ObserverHouse {
    return houseOf(name, { counters: this.counters, now: () => this.now, emit: () => {} });
  }
}
