/**
 * Whose a bound is: how much of it each peer holds (an IPv4 address, an IPv6 /64), and whether that is its part. All that
 * are there have the same part, and one alone leaves a quarter for whoever comes next: one peer with many connections must
 * not shut out all others. Non-job: the bound (gate.ts, intake.ts).
 */
import { PeerCounts } from "../peer_counts.ts";

/** Of a bound, one peer has so much at most, also where nobody else is there. */
const ALONE = 0.75;

export class Shares extends PeerCounts {
  /** It holds its part of `bound` already. One is everybody's. */
  spent(peer: string, bound: number): boolean {
    const held = this.of(peer);
    return held > 0 && held >= Math.max(1, bound * Math.min(ALONE, 1 / this.size));
  }
}
