/** What the header plugin found, for plugins after it: the names of the rules, none when all is well. */
import { type Key, key } from "../../../core/pipeline/mod.ts";
import type { RuleName } from "./rules.ts";

export const HEADERS: Key<readonly RuleName[]> = key(
  "headers",
  "transaction",
  (rules) => rules.join(", ") || "nothing wrong",
);
