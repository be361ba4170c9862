/** The bans of the plugin `ban`, for those who list and change them: the API and the command line. Non-job: its rules. */
import { NamespacedCounters } from "../pipeline/contexts/plugin_context.ts";
import type { Counters } from "../store/store.ts";
import { Bans } from "../../plugins/mod.ts";

export { type Ban, Bans, subjectIn } from "../../plugins/mod.ts";

/** As long as a ban without an end lasts, seconds: ten years. */
export const LONGEST_BAN = 10 * 365 * 86_400;

/** Of a plugin that goes by its own name in the list. */
export function bansIn(counters: Counters, now: () => number): Bans {
  return new Bans(new NamespacedCounters(counters, "plugin:ban:"), now);
}
