/**
 * What plugins do beside mail: jobs that a site does once in a period, whatever the number of its threads and nodes, and
 * lessons that a person teaches. Non-job: what comes of them.
 */
import type { Resolver } from "../dns/resolver.ts";
import { leavesOf } from "./compile.ts";
import type { Host } from "./contexts/contexts.ts";
import { houseOf, type ObserverServices } from "./observers.ts";
import type { Job, Learn, Lesson, Letter, Plugin } from "./plugin.ts";

/** What errands need from the house. */
export interface ErrandServices extends ObserverServices {
  readonly host: Host;
  readonly dns: Resolver;
  /** Puts a letter of this site into the queue; resolves when it is durable. */
  send(letter: Letter): Promise<void>;
}

/** How often it is looked whether a job is due, milliseconds. */
const LOOK = 30_000;

/** Runs the jobs of plugins. The period that a start falls into counts: what was missed is made up for at once. */
export class Errands {
  readonly #jobs: readonly { readonly plugin: string; readonly job: Job }[];
  readonly #services: ErrandServices;
  readonly #stop = new AbortController();
  readonly #running = new Map<Job, Promise<void>>();
  /** The last period that each was asked about. */
  readonly #asked = new Map<Job, number>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Of the lists of all listeners together; an instance that stands in several counts once. */
  constructor(plugins: readonly Plugin[], services: ErrandServices) {
    const jobs = new Map<Job, { plugin: string; job: Job }>();
    for (const { plugin, policy } of leavesOf(plugins, undefined)) {
      if (policy.mode === "observe") continue;
      for (const job of plugin.jobs ?? []) jobs.set(job, { plugin: plugin.name, job });
    }
    this.#jobs = [...jobs.values()];
    this.#services = services;
  }

  start(): void {
    if (this.#jobs.length === 0) return;
    this.#timer = setInterval(() => void this.look(), LOOK);
    void this.look();
  }

  /** Runs what is due. Resolves when that is done. */
  async look(): Promise<void> {
    await Promise.all(this.#jobs.map(({ plugin, job }) => this.#look(plugin, job)));
  }

  /** No job begins any more; those under way are told, and waited for. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort(new DOMException("the server stops", "AbortError"));
    await Promise.all(this.#running.values());
  }

  async #look(plugin: string, job: Job): Promise<void> {
    const { counters, now, emit } = this.#services;
    const period = Math.floor((now() - (job.after ?? 0)) / job.every);
    if (this.#stop.signal.aborted || this.#running.has(job) || this.#asked.get(job) === period) return;
    const seconds = Math.ceil(job.every * 2 / 1000);
    const run = async () => {
      // The first to count has it: no other thread, node or life of this process does it again
      const turn = await counters.add(`job:${plugin}:${job.name}:${period}`, 1, { seconds, durable: true });
      this.#asked.set(job, period);
      if (turn !== 1) return;
      await job.run({
        ...houseOf(plugin, this.#services),
        host: this.#services.host,
        dns: this.#services.dns,
        signal: this.#stop.signal,
        send: (letter) => this.#services.send(letter),
      });
    };
    const running = run().catch((error) => {
      const why = error instanceof Error ? error.message : String(error);
      emit({ type: "trouble", where: plugin, message: `the job ${job.name} failed: ${why}` });
    }).finally(() => this.#running.delete(job));
    this.#running.set(job, running);
    await running;
  }
}

/** Teaches every plugin that learns, each instance once. Null where nobody does. */
export function teacherOf(
  plugins: readonly Plugin[],
  services: ObserverServices,
): ((content: Uint8Array<ArrayBuffer>, as: Lesson) => Promise<readonly string[]>) | null {
  const found = new Map<Learn, string>();
  for (const { plugin } of leavesOf(plugins, undefined)) if (plugin.learn) found.set(plugin.learn, plugin.name);
  if (found.size === 0) return null;
  return async (content, as) => {
    const said: string[] = [];
    for (const [learn, name] of found) said.push(`${name}: ${await learn(content, as, houseOf(name, services))}`);
    return said;
  };
}
