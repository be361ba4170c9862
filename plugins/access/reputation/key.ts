/** What this server remembers of a client and of the domain that it sends for: `ctx.get(REPUTATION)`. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** From -1 (nothing but good) to 1 (nothing but bad); 0: unknown, or as much of the one as of the other. */
export interface ReputationFinding {
  /** Of the client's address, what is known of its network included. */
  readonly address: number;
  /** Of the client's network (/24, IPv6: /56). */
  readonly network: number;
  /** Of the domain that was authenticated, from `data` on; null where there is none. */
  readonly domain: number | null;
}

/** Set at `mail`, and again at `data`, when the domain is known. Absent for clients that are exempt. */
export const REPUTATION: Key<ReputationFinding> = key("reputation");
