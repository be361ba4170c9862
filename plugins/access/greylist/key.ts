/** What the greylist knows of a mail, for the plugins behind it. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/**
 * `waiting`: it was asked to come again. `passed`: it has just come again in time. `known`: it, or its client, passed before.
 */
export type Greylisted = "waiting" | "passed" | "known";

/** Set for each recipient that the greylist was asked about; absent for all others. */
export const GREYLIST: Key<Greylisted, "recipient"> = key("greylist", "recipient", (found) => found);
