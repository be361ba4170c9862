/** What `relay` found out, for plugins after it. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** Why mail to a foreign recipient is taken: an authenticated peer, a listed network, or a domain we are backup for. */
export type RelayReason = "identity" | "network" | "domain";

/** Set for each recipient that `relay` gave a route; absent for all others. */
export const RELAY: Key<RelayReason, "recipient"> = key("relay", "recipient", (reason) => WORDS[reason]);

const WORDS: Readonly<Record<RelayReason, string>> = {
  identity: "the client has logged in",
  network: "the client is in a network that may send anywhere",
  domain: "anybody may send to this domain: this host is its backup",
};
