/** What the signatures of a message came to, for the plugins behind it: `ctx.get(DKIM)`. Absent when none was checked. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** RFC 8601 2.7.1; `none` is of a message without a signature, never of a signature. */
export type DkimResult = "none" | "pass" | "fail" | "neutral" | "policy" | "temperror" | "permerror";

/** One signature. What it says of itself stands here as it was found, whatever came of it: null where it cannot be read. */
export interface DkimFinding {
  /** `pass`: it holds, and what it covers is enough for the policy here. Nothing else vouches for anybody. */
  readonly result: Exclude<DkimResult, "none">;
  /** Why it is no pass; also what limits a pass. Our own words, with nothing of the peer's in them. */
  readonly reason: string | null;
  /** d=, canonical: the domain that answers for the message. */
  readonly domain: string | null;
  /** i=, or `@` and the domain (RFC 6376 3.5). */
  readonly agent: string | null;
  /** s=, canonical. */
  readonly selector: string | null;
  /** a=, lower case. */
  readonly algorithm: string | null;
  /** The first characters of b=, which tell signatures of one domain apart (RFC 6008 4). */
  readonly b: string | null;
  /** With l=: how many octets of the canonical body it covers, and how many there are. Null: it covers all. */
  readonly limited: { readonly covered: number; readonly size: number } | null;
  /** The domain is only trying (t=y of its key): its failure is to count as if there were no signature. */
  readonly testing: boolean;
}

/** Of all signatures of a message. */
export interface DkimFindings {
  /** The best there is: `pass` when one passes. */
  readonly result: DkimResult;
  /** In the order of their fields. Those beyond the limit are not here. */
  readonly signatures: readonly DkimFinding[];
}

/** What the signatures of the received octets came to. */
export const DKIM: Key<DkimFindings> = key("dkim");
