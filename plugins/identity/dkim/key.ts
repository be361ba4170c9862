/** What the signatures of a message came to, for the plugins behind it: `ctx.get(DKIM)`. Absent when none was checked. */
import type { SignatureResult, SignatureVerdict } from "../../../core/dkim/mod.ts";
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** RFC 8601 2.7.1; `none` is of a message without a signature, never of a signature. */
export type DkimResult = SignatureVerdict | "none";

/** One signature. With `pass` alone its `domain` answers for the message. */
export type DkimFinding = SignatureResult;

/** Of all signatures of a message. */
export interface DkimFindings {
  /** `pass` when one passes; else `temperror` when one of them might later; else the best of the rest. */
  readonly result: DkimResult;
  /** In the order of their fields. */
  readonly signatures: readonly DkimFinding[];
  /** How many more there were, which nobody looked at. */
  readonly more: number;
}

/** What the signatures of the received octets came to. */
export const DKIM: Key<DkimFindings> = key("dkim", "transaction", told);

const TOLD = 3; // signatures

/** Told as `fail, by example.net with s2026`: what they come to, and each one where there are several. */
function told({ result, signatures }: DkimFindings): string {
  const [only] = signatures;
  if (only === undefined) return result;
  if (signatures.length === 1) return `${result}, ${by(only)}`;
  const each = signatures.slice(0, TOLD).map((each) => `${each.result} ${by(each)}`).join(", ");
  return `${result} of ${signatures.length}: ${each}`;
}

function by({ domain, selector }: DkimFinding): string {
  return `by ${domain ?? "nobody it names"}${selector === null ? "" : ` with ${selector}`}`;
}
