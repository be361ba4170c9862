/** What the check found, for the plugins behind it: `ctx.get(SPF)`. Absent when the client was not checked. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** RFC 7208 2.6. */
export type SpfResult = "none" | "neutral" | "pass" | "fail" | "softfail" | "temperror" | "permerror";

export interface SpfFinding {
  readonly result: SpfResult;
  readonly identity: "mailfrom" | "helo";
  /** The domain that was asked about. */
  readonly domain: string;
  /** The mechanism that matched, as it stands in the record: not to be trusted, nor shown unquoted. */
  readonly mechanism: string | null;
  /** The domain's own words about a fail: printable ASCII, at most 500 characters. */
  readonly explanation: string | null;
  /** What went wrong in a permerror or temperror. */
  readonly problem: string | null;
}

/** Of the sender's domain, or of the HELO name when the sender is null (RFC 7208 2.4). */
export const SPF: Key<SpfFinding> = key("spf", "transaction", told);
/** Of the HELO name, where the option `helo` is on; lasts until the client greets again. */
export const SPF_HELO: Key<SpfFinding, "connection"> = key("spf.helo", "connection", told);

/** Told as `fail for example.net`. */
function told({ result, identity, domain }: SpfFinding): string {
  return `${result} for ${identity === "helo" ? "the HELO name " : ""}${domain}`;
}
