/** Whether the client has written to an address that nobody uses: `ctx.get(TRAPPED)`. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** How often in this connection, from 1 on; absent until the first time. */
export const TRAPPED: Key<number, "connection"> = key("spam_trap.hits", "connection", String);
