/**
 * Postern's spam_score as it ships, taught and asked about messages of the corpus: through its plugin, as a server would.
 * Name service has nothing to say, so nothing but the message counts. Non-job: which messages (main.ts).
 */
import process from "node:process";
import { NamespacedCounters } from "../../core/pipeline/contexts/plugin_context.ts";
import { on, runPhase, SimulatedCounters } from "../../core/pipeline/mod.ts";
import { spamScore } from "../../plugins/content/spam_score/mod.ts";
import type { Sample } from "./corpus.ts";

/** What becomes of a message. */
export type Fate = "passed" | "tagged" | "quarantined" | "rejected";
export interface Judged {
  readonly sample: Sample;
  readonly fate: Fate;
  readonly points: number;
  /** The rules that hit. */
  readonly rules: readonly string[];
}

export class Filter {
  readonly #plugin = spamScore();
  readonly #store = new SimulatedCounters();

  async teach(samples: readonly Sample[]): Promise<void> {
    const store = new NamespacedCounters(this.#store, "plugin:spam_score:"); // as the server gives it to a lesson
    const house = { store, now: this.#store.now, alert: () => {} };
    for (const { octets, spam } of samples) await this.#plugin.learn!(octets, spam ? "spam" : "ham", house);
  }

  /** Milliseconds of CPU for each, beside those of a plugin that does nothing; all threads of this process. */
  async cost(samples: readonly Sample[]): Promise<string> {
    const idle = on("data", (_ctx, next) => next());
    const run = async (plugin: Parameters<typeof runPhase>[0]) => {
      const { user, system } = process.cpuUsage();
      for (let round = 0; round < 10; round++) {
        for (const { octets } of samples) {
          await runPhase(plugin, "data", { message: octets, counters: this.#store });
        }
      }
      const { user: u, system: s } = process.cpuUsage({ user, system });
      return (u + s) / 1000 / (10 * samples.length);
    };
    await run(this.#plugin); // warms it up
    return (await run(this.#plugin) - await run(idle)).toFixed(2);
  }

  async judge(samples: readonly Sample[]): Promise<Judged[]> {
    const judged: Judged[] = [];
    for (const sample of samples) {
      const { reply, held, scores, edits } = await runPhase(this.#plugin, "data", {
        message: sample.octets,
        counters: this.#store,
      });
      judged.push({
        sample,
        points: scores.reduce((sum, { points }) => sum + points, 0),
        rules: scores.map(({ reason }) => reason.slice(0, reason.indexOf(":"))),
        fate: reply.verdict !== "accept"
          ? "rejected"
          : held !== null
          ? "quarantined"
          : edits.prepend.includes("X-Spam-Flag")
          ? "tagged"
          : "passed",
      });
    }
    return judged;
  }
}
