/** What the check found, for the plugins behind it: `ctx.get(DMARC)`. Absent when the client was not checked. */
import { type Key, key } from "../../../core/pipeline/mod.ts";

/** RFC 9989 9.2 (the results for Authentication-Results). */
export type DmarcResult = "none" | "pass" | "fail" | "temperror" | "permerror";
/** RFC 9989 4.7: what an owner asks for mail that fails. */
export type DmarcPolicy = "none" | "quarantine" | "reject";
/** RFC 9990 3.1.6: why a policy was not followed. */
export type DmarcOverride =
  | "local_policy"
  | "mailing_list"
  | "other"
  | "policy_test_mode"
  | "trusted_forwarder";

export interface DmarcFinding {
  readonly result: DmarcResult;
  /** The author's domain in A-labels; null where From does not name exactly one. */
  readonly domain: string | null;
  /** Where the record was found: the author's domain, its organization's or a public suffix. Null: nowhere. */
  readonly policyDomain: string | null;
  /** What the owner asks for this message should it fail, `t=y` taken into account. Null without a record. */
  readonly policy: DmarcPolicy | null;
  /** The sender's domain is aligned, and SPF passed for it. */
  readonly spf: boolean;
  /** The aligned ones among the domains of signatures that verify. */
  readonly dkim: readonly string[];
  /** Domains of addresses that a display name or a comment of From shows and that are none of the author's. */
  readonly shown: readonly string[];
  /** Why the policy was not followed where it was not. */
  readonly override: { readonly type: DmarcOverride; readonly comment: string } | null;
  /** What became of it here. */
  readonly disposition: DmarcPolicy | "pass";
  /** What is wrong with From, the record or name service. Holds no octets of a peer. */
  readonly problem: string | null;
}

/** Of the author's domain. */
export const DMARC: Key<DmarcFinding> = key("dmarc", "transaction", told);

/** Told as `fail for example.net, policy reject of example.net`. */
function told({ result, domain, policy, policyDomain }: DmarcFinding): string {
  const whose = domain === null ? "" : ` for ${domain}`;
  return `${result}${whose}${policy === null ? "" : `, policy ${policy} of ${policyDomain}`}`;
}
