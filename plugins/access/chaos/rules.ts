/**
 * The rules that were set while the server runs, in the store: shared by all threads, gone by themselves after a week, so
 * that nobody wonders for long about errors that somebody once asked for. Non-job: what a rule means (rule.ts).
 */
import { z } from "zod";
import type { Counters } from "../../../core/pipeline/mod.ts";
import { MOST_RULES, type ReadRule, RuleOptions } from "./rule.ts";

/** Seconds that rules and their counts last. */
export const LASTING = 7 * 86_400;

const List = z.array(RuleOptions).max(MOST_RULES);
const Kept = z.strictObject({ set: z.string().max(40), rules: List });

/** A list, and what tells it from those before: its counts are its own. */
export type RuleSet = z.output<typeof Kept>;
export const NO_RULES: RuleSet = { set: "", rules: [] };

/** Rules that were turned down: a sentence for each fault. */
export class RulesError extends Error {
  override readonly name = "RulesError";
}
/** A rule, and how often it was used. */
export interface UsedRule {
  readonly rule: ReadRule;
  readonly used: number;
}

export class ChaosRules {
  readonly #store: Pick<Counters, "get" | "put">;
  readonly #now: () => number;

  constructor(store: Pick<Counters, "get" | "put">, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  async list(): Promise<readonly UsedRule[]> {
    const { set, rules } = readRules(await this.#store.get(NAME));
    return await Promise.all(
      rules.map(async (rule, n) => ({ rule, used: Number(await this.#store.get(usedName(`${set}.${n + 1}`)) ?? 0) })),
    );
  }

  /**
   * In the place of all that were set before.
   *
   * @throws {RulesError}
   */
  async set(written: unknown): Promise<void> {
    const read = List.safeParse(written);
    if (!read.success) {
      throw new RulesError(
        read.error.issues.slice(0, 8).map(({ path, message }) => {
          const [n, ...rest] = path;
          return `${typeof n === "number" ? `rule ${[n + 1, ...rest].join(".")}: ` : ""}${message}`;
        }).join("; "),
      );
    }
    const kept: RuleSet = { set: `${this.#now()}-${Math.random().toString(36).slice(2, 8)}`, rules: read.data };
    await this.#store.put(NAME, JSON.stringify(kept), { seconds: LASTING });
  }
}

const NAME = "rules";

/** Of what stands in the store under `rules`; nothing, where that is not ours. */
export function readRules(text: string | undefined): RuleSet {
  if (text === undefined) return NO_RULES;
  try {
    return Kept.parse(JSON.parse(text));
  } catch {
    return NO_RULES;
  }
}

/** The counter of a rule's uses. */
export function usedName(id: string): string {
  return `used ${id}`;
}
