/** What DMARC found as a sentence for people, for `explain` and for reasons. Non-job: what the peer is told (mod.ts). */
import type { DmarcFinding, DmarcOverride, DmarcPolicy } from "./key.ts";

/** `Neither SPF nor a signature speaks for example.net, which asks to refuse such mail`. */
export function sentenceOf(finding: DmarcFinding): string {
  const { result, domain, problem, override } = finding;
  if (domain === null) return `Nobody can say who the author is: ${problem}`;
  switch (result) {
    case "none":
      return `${domain} says nothing about mail that fails`;
    case "temperror":
      return `Whether something speaks for ${domain} is not known: ${problem ?? "name service failed"}`;
    case "permerror":
      return `Whether something speaks for ${domain} cannot be told: ${problem ?? "its record is wrong"}`;
    case "pass":
      return `${speakers(finding)} for ${domain}, the author's domain`;
    case "fail": {
      const asked = `Neither SPF nor a signature speaks for ${domain}, the author's domain, which ${wish(finding)}`;
      return override === null ? asked : `${asked}; not followed: ${excuse(override)}`;
    }
  }
}

function speakers({ spf, dkim }: DmarcFinding): string {
  if (dkim.length === 0) return "SPF speaks";
  const signed = `a signature by ${dkim[0]}`;
  return spf ? `SPF and ${signed} speak` : `A${signed.slice(1)} speaks`;
}

const WISHES: Readonly<Record<DmarcPolicy, string>> = {
  none: "asks for nothing to follow (p=none)",
  quarantine: "asks to hold such mail (p=quarantine)",
  reject: "asks to refuse such mail (p=reject)",
};
function wish({ policy, policyDomain, domain }: DmarcFinding): string {
  const whose = policyDomain === null || policyDomain === domain ? "" : `, in the record of ${policyDomain}`;
  return `${WISHES[policy ?? "none"]}${whose}`;
}

const EXCUSES: Readonly<Record<DmarcOverride, string>> = {
  local_policy: "this site's own policy stands in its place",
  mailing_list: "a mailing list that this site knows sends it on",
  other: "for another reason",
  policy_test_mode: "the domain is only testing",
  trusted_forwarder: "a forwarder that this site trusts brings it",
};
function excuse({ type, comment }: NonNullable<DmarcFinding["override"]>): string {
  return comment === "" ? EXCUSES[type] : `${EXCUSES[type]} (${comment})`;
}
