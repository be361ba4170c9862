/** The errors on purpose of the plugin `chaos`, for those who list and set them: the API and the page. Non-job: its rules. */
import { NamespacedCounters } from "../pipeline/contexts/plugin_context.ts";
import type { Counters } from "../store/store.ts";
import { ChaosRules } from "../../plugins/mod.ts";

export { type ChaosRules, RulesError, type UsedRule } from "../../plugins/mod.ts";

/** Of a plugin that goes by its own name in the list. */
export function chaosIn(counters: Counters, now: () => number): ChaosRules {
  return new ChaosRules(new NamespacedCounters(counters, "plugin:chaos:"), now);
}
