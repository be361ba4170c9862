/** Where the lines are drawn, for whoever explains what became of a message, and for plugins behind. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** From so many points on; Infinity: never. */
export interface SpamLimits {
  readonly quarantine: number;
  readonly reject: number;
}

/** Told as `held from 6, refused from 12`, or `never` in the place of a number. */
export const SPAM_LIMITS: Key<SpamLimits> = key(
  "spam_score.limits",
  "transaction",
  ({ quarantine, reject }) => `held from ${from(quarantine)}, refused from ${from(reject)}`,
);

function from(points: number): string {
  return points === Infinity ? "never" : String(points);
}
