/**
 * Instances of one plugin as threads of one server have them: one store, one clock, every event told to all. Job: sessions
 * at an instance each, and what happens in them. Non-job: what the plugin makes of it.
 */
import {
  type Event,
  observersOf,
  type Plugin,
  type Reply,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
  type SimulatedResult,
} from "../../../../core/pipeline/mod.ts";

type Refused = Extract<Event, { type: "refused" }>;
type Accepted = Extract<Event, { type: "accepted" }>;

export const START = Date.UTC(2026, 0, 1);

export class Threads {
  now = START;
  readonly counters = new SimulatedCounters(() => this.now);
  readonly events: Event[] = [];
  readonly #observers;
  #turn = 0;

  /** Two of them stand for two threads. */
  constructor(readonly instances: readonly Plugin[]) {
    this.#observers = instances.flatMap((each) =>
      observersOf([each], {
        counters: this.counters,
        now: () => this.now,
        emit: (event) => void this.events.push(event),
      })
    );
  }

  get facts(): Simulated {
    return { now: () => this.now, counters: this.counters };
  }

  /** Tells all of them what happened, and waits until they have done what they do about it. */
  async tell(...events: readonly Event[]): Promise<void> {
    for (const event of events) for (const observer of this.#observers) observer(event);
    await new Promise((resolve) => setTimeout(resolve)); // behind every microtask, and nothing here waits for more
  }

  /** A new connection, at the next instance: what it is told, and its session. */
  async connect(ip: string, facts: Simulated = {}): Promise<{ reply: Reply; session: string }> {
    const instance = this.instances[this.#turn++ % this.instances.length]!;
    const { reply, decisions } = await runPhase(instance, "connect", { ...this.facts, ...facts, ip });
    return { reply, session: decisions[0]!.session };
  }

  /** A whole transaction; what plugins decided in it is told as it happened. */
  async transaction(others: readonly Plugin[], facts: Simulated): Promise<SimulatedResult> {
    const instance = this.instances[this.#turn++ % this.instances.length]!;
    const result = await simulate([instance, ...others], { ...this.facts, ...facts });
    await this.tell(...result.decisions);
    return result;
  }

  refused(session: string, ip: string, facts: Partial<Refused> & Pick<Refused, "command" | "reply">): Promise<void> {
    return this.tell({
      type: "refused",
      session,
      transaction: null,
      ip,
      sender: null,
      recipients: [],
      plugin: null,
      reason: null,
      delayedFrom: null,
      ...facts,
    });
  }

  accepted(session: string, ip: string, facts: Partial<Accepted> & Pick<Accepted, "transaction">): Promise<void> {
    return this.tell({
      type: "accepted",
      session,
      ip,
      sender: "a@example.net",
      recipients: ["b@example.org"],
      size: 1000,
      ms: 1,
      held: null,
      ...facts,
    });
  }

  get alerts(): string[] {
    return this.events.flatMap((each) => each.type === "alert" ? `${each.where} ${each.subject}: ${each.message}` : []);
  }
}
