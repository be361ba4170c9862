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
export const REPUTATION: Key<ReputationFinding> = key("reputation", "transaction", told);

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** Told as `client 0.6, network 0.2, domain unknown`; 1 is nothing but bad, -1 nothing but good. */
function told({ address, network, domain }: ReputationFinding): string {
  const named = domain === null ? "none" : rounded(domain);
  return `client ${rounded(address)}, network ${rounded(network)}, domain ${named} (-1 good, 1 bad)`;
}
