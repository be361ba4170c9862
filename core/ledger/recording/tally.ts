/**
 * Counts of a minute while it lasts, and of plugins: what plots need, so that they read no entries. Handed on with each
 * batch, then empty again. Non-job: keeping them (slice.ts).
 */
import type { Accepted, Bounced, Decision, Deferred, Delivered, Held } from "../../observe/events.ts";
import { COMMIT_BOUNDS, DELAY_BOUNDS } from "../ledger.ts";
import { wouldHave } from "./open_story.ts";
import type { Verdict } from "../story.ts";

/** In the order of their columns. */
export const COUNTS = [
  "sessions",
  "accepted",
  "held",
  "refused",
  "deferred",
  "octets",
  "delivered",
  "postponed",
  "bounced",
] as const;
export const PLUGIN_COUNTS = [
  "refused",
  "deferred",
  "held",
  "would_refuse",
  "would_defer",
  "would_hold",
  "errors",
] as const;
type PluginCounter = typeof PLUGIN_COUNTS[number];

/** As it goes to the file: `counts`, `commit` and `delay` in the order of their columns. */
export interface Counted {
  /** When it was handed on, milliseconds since 1970. */
  readonly at: number;
  readonly counts: readonly number[];
  readonly commit: readonly number[];
  readonly delay: readonly number[];
  readonly queue: number | null;
  readonly plugins: readonly (readonly [plugin: string, counts: readonly number[]])[];
}

/** Plugins of one batch: names come from the configuration. */
const PLUGINS = 1000;

const ZERO = { accepted: 0, held: 0, refused: 0, deferred: 0, octets: 0, delivered: 0, postponed: 0, bounced: 0 };

export class Tally {
  sessions = 0;
  #touched = false;
  readonly #counts: Record<Exclude<typeof COUNTS[number], "sessions">, number> = { ...ZERO };
  readonly #commit = new Array<number>(COMMIT_BOUNDS.length + 1).fill(0);
  readonly #delay = new Array<number>(DELAY_BOUNDS.length + 1).fill(0);
  readonly #plugins = new Map<string, number[]>();
  #queue: number | null = null;

  /** A message or a session came to its end. */
  ended(verdict: Verdict, accepted: Accepted | null): void {
    if (verdict === "abandoned" || verdict === "none") return;
    this.#touched = true;
    this.#counts[verdict]++;
    if (accepted === null) return;
    this.#counts.octets += accepted.size;
    this.#commit[place(COMMIT_BOUNDS, accepted.ms)]!++;
  }

  attempted(event: Delivered | Deferred | Bounced | Held): void {
    if (event.type === "held") return;
    this.#touched = true;
    this.#counts[event.type === "deferred" ? "postponed" : event.type]++;
    if (event.type === "delivered") this.#delay[place(DELAY_BOUNDS, event.delay)]!++;
  }

  decided(event: Decision): void {
    if (event.verdict === "error") return this.plugin(event.plugin, "errors");
    if (event.observed) {
      const would = wouldHave(event);
      if (would !== null) this.plugin(event.plugin, WOULD[would]);
    }
  }

  /** The plugin decided what came of a message or a session. */
  plugin(name: string, what: PluginCounter): void {
    this.#touched = true;
    let counts = this.#plugins.get(name);
    if (counts === undefined) {
      if (this.#plugins.size >= PLUGINS) return;
      this.#plugins.set(name, counts = PLUGIN_COUNTS.map(() => 0));
    }
    counts[PLUGIN_COUNTS.indexOf(what)]!++;
  }

  sample(queue: number): void {
    this.#queue = queue;
  }

  /** What was counted since the last time, or null when nothing was. */
  take(at: number): Counted | null {
    if (!this.#touched && this.sessions === 0 && this.#queue === null) return null;
    const { accepted, held, refused, deferred, octets, delivered, postponed, bounced } = this.#counts;
    const counted: Counted = {
      at,
      counts: [this.sessions, accepted, held, refused, deferred, octets, delivered, postponed, bounced],
      commit: [...this.#commit],
      delay: [...this.#delay],
      queue: this.#queue,
      plugins: [...this.#plugins],
    };
    this.sessions = 0;
    Object.assign(this.#counts, ZERO);
    this.#commit.fill(0);
    this.#delay.fill(0);
    this.#plugins.clear();
    this.#queue = null;
    this.#touched = false;
    return counted;
  }
}

const WOULD = { refused: "would_refuse", deferred: "would_defer", held: "would_hold" } as const;

function place(bounds: readonly number[], value: number): number {
  let at = 0;
  while (at < bounds.length && value > bounds[at]!) at++;
  return at;
}
