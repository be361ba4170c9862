/** What the chain of ARC (RFC 8617) in a message came to: `ctx.get(ARC)`. Absent when it was not checked. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** One hop that sealed, as its seal names it. */
export interface ArcSealer {
  /** i= */
  readonly instance: number;
  /** d= of its ARC-Seal, canonical. */
  readonly domain: string;
}

export interface ArcFinding {
  /** RFC 8617 4.4; `none`: no sealed field is there. Only with `pass` is anything below true. */
  readonly cv: "none" | "pass" | "fail";
  /** Why it failed; null otherwise. Our own words. */
  readonly reason: string | null;
  /** It failed because name service did: nothing is known against the chain. */
  readonly temporary: boolean;
  /** Who sealed, the first hop first. Empty unless it passed. */
  readonly sealers: readonly ArcSealer[];
  /** The lowest instance from which on nothing signed was changed (RFC 8617 5.2: oldest-pass); 0: nothing since the first. */
  readonly oldestPass: number | null;
  /** It passed, and every sealer is in the list of the trusted: what the first of them saw may be believed. */
  readonly trusted: boolean;
  /**
   * The Authentication-Results (RFC 8601) that the first sealer saw, without i=: what became of the author's own
   * signatures and SPF before anybody changed the message. Only of a trusted chain, else null.
   */
  readonly results: string | null;
}

/** Of the received octets. */
export const ARC: Key<ArcFinding> = key("arc", "transaction", told);

/** Told as `pass, sealed by a.example, b.example, who are trusted`. */
function told({ cv, sealers, trusted }: ArcFinding): string {
  if (sealers.length === 0) return cv;
  const more = sealers.length > 5 ? " and more" : "";
  const who = sealers.slice(0, 5).map(({ domain }) => domain).join(", ");
  return `${cv}, sealed by ${who}${more}${trusted ? ", who are trusted" : ""}`;
}
