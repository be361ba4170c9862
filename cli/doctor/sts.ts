/** MTA-STS and the reports about TLS: the records, the policy behind them, and whether it names our hosts (RFC 8461, RFC 8460). */
import { isStsHost, readStsId } from "../../core/delivery/tls/mta_sts.ts";
import { fetchStsPolicy, StsFetchError } from "../../core/delivery/tls/mta_sts_fetch.ts";
import { readTlsrptTargets } from "../../core/delivery/tls/tlsrpt.ts";
import { type Findings, plain } from "./finding.ts";
import type { MailWay, Patient } from "./patient.ts";
import { ask } from "./spf.ts";

/** Milliseconds for the policy. */
const PATIENCE = 10_000;
/** Shorter, and an attacker has not long to wait (RFC 8461 10.2), seconds. */
const SHORT_AGE = 86_400;

export async function examineSts(patient: Patient, way: MailWay, findings: Findings): Promise<void> {
  const { domain, dns, signal, fetch } = patient;
  if (way.none) return;
  const name = `_mta-sts.${domain}`, hosts = way.exchanges.map((each) => each.name);
  const id = new Date(patient.now).toISOString().replace(/\D/g, "").slice(0, 14);
  const publish = { name, type: "TXT", value: `v=STSv1; id=${id}` } as const;
  const texts = await ask(dns.txt(name)) ?? [];
  if (readStsId(texts) === null) {
    const policy = ["version: STSv1", "mode: testing", ...hosts.map((each) => `mx: ${each}`), "max_age: 604800"];
    const how = `serve https://mta-sts.${domain}/.well-known/mta-sts.txt with "${policy.join("\\n")}"`;
    if (texts.some((each) => /sts/i.test(each))) {
      findings.wrong(`The record at ${name} cannot be used`, { rfc: "RFC 8461 3.1", publish });
    } else {findings.warning(`There is no policy: senders may send in clear. To have one, ${how}`, {
        rfc: "RFC 8461 3",
        publish,
      });}
    return;
  }
  try {
    const policy = await fetchStsPolicy(domain, { fetch, signal, timeout: PATIENCE });
    if (policy.mode === "enforce") findings.well("The policy is enforced");
    else findings.warning(`The mode of the policy is ${policy.mode}: it binds nobody`, { rfc: "RFC 8461 5" });
    const strange = hosts.filter((each) => !isStsHost(policy, each));
    const bad = policy.mode === "enforce" ? "wrong" : "warning";
    if (strange.length > 0) {
      findings[bad](`The policy does not name ${strange.join(", ")}: senders that obey it send nothing there`, {
        rfc: "RFC 8461 4.1",
      });
    } else if (hosts.length > 0) findings.well("The policy names every mail host");
    if (policy.maxAge < SHORT_AGE && policy.mode !== "none") {
      findings.warning(`The policy holds for ${policy.maxAge} seconds: make it weeks`, { rfc: "RFC 8461 3.2" });
    }
  } catch (error) {
    if (!(error instanceof StsFetchError)) throw error;
    if (signal.aborted) findings.unknown("The policy was not fetched in time");
    else findings.wrong(`The policy cannot be had: ${plain(error.message)}`, { rfc: "RFC 8461 3.3" });
  }
}

export async function examineTlsrpt({ domain, dns }: Patient, way: MailWay, findings: Findings): Promise<void> {
  if (way.none) return;
  const name = `_smtp._tls.${domain}`;
  const publish = { name, type: "TXT", value: `v=TLSRPTv1; rua=mailto:postmaster@${domain}` } as const;
  const texts = await ask(dns.txt(name)) ?? [], targets = readTlsrptTargets(texts);
  if (targets.length > 0) {
    const to = targets.map((each) => each.kind === "mail" ? `${each.address.local}@${each.address.domain}` : each.url);
    findings.well(`Reports about TLS go to ${to.join(", ")}`);
  } else if (texts.some((each) => /tlsrpt/i.test(each))) {
    findings.wrong(`The record at ${name} names nobody who could be told`, { rfc: "RFC 8460 3", publish });
  } else findings.warning("Nobody tells you when TLS to your hosts fails", { rfc: "RFC 8460 3", publish });
}
