/** What SPF found as a sentence for people, for `explain` and for reasons. Non-job: what the peer is told (mod.ts). */
import type { SpfFinding, SpfResult } from "./key.ts";

const WORDS: Readonly<Record<SpfResult, (domain: string, ip: string) => string>> = {
  pass: (domain, ip) => `${domain} lets ${ip} send for it`,
  fail: (domain, ip) => `SPF failed: ${domain} does not let ${ip} send for it`,
  softfail: (domain, ip) => `${domain} does not list ${ip} among its senders, and asks to be lenient`,
  neutral: (domain, ip) => `${domain} says neither that ${ip} may send for it nor that it may not`,
  none: (domain) => `${domain} says nothing about who sends for it`,
  temperror: (domain) => `Name service failed while SPF of ${domain} was checked`,
  permerror: (domain) => `What ${domain} says about who sends for it cannot be evaluated`,
};

/** `SPF failed: example.net does not let 192.0.2.1 send for it (-all)`. */
export function sentenceOf({ result, identity, domain, mechanism, problem }: SpfFinding, ip: string): string {
  const said = WORDS[result](identity === "helo" ? `the HELO name ${domain}` : domain, ip), more = problem ?? mechanism;
  return more === null ? said : `${said} (${more})`;
}
