/** What `early_talker` saw, for the plugins behind it. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** True for a client that talked before the greeting, false for one that waited for it; absent where nobody looked. */
export const EARLY_TALKER: Key<boolean, "connection"> = key(
  "early_talker",
  "connection",
  (talked) => talked ? "talked before the greeting" : "waited for the greeting",
);
