/** DMARC: the record that speaks for the domain, and whether its reports may go where it wants (RFC 9989, RFC 9990 4). */
import { formatAddress } from "../../core/model/address.ts";
import { destinationsOf } from "../../plugins/identity/dmarc/destinations.ts";
import { isDmarcRecord } from "../../plugins/identity/dmarc/record.ts";
import { TreeWalk } from "../../plugins/identity/dmarc/tree_walk.ts";
import { type Findings, plain } from "./finding.ts";
import type { Patient } from "./patient.ts";
import { ask } from "./spf.ts";

export async function examineDmarc({ domain, dns, signal }: Patient, findings: Findings): Promise<void> {
  const name = `_dmarc.${domain}`;
  const publish = { name, type: "TXT", value: `v=DMARC1; p=none; rua=mailto:postmaster@${domain}` } as const;
  const here = await ask(dns.txt(name)) ?? [], records = here.filter(isDmarcRecord);
  if (records.length > 1) {
    findings.wrong(`${name} has ${records.length} DMARC records, and then none counts`, { rfc: "RFC 9989 4.10" });
  }
  if (records.length === 0 && here.some((each) => /dmarc/i.test(each))) {
    findings.wrong(`What stands at ${name} is no DMARC record: it must begin with v=DMARC1`, {
      rfc: "RFC 9989 4.8",
      publish,
    });
  }
  const walk = new TreeWalk(dns, signal), found = await walk.policy(domain);
  if (found === null) {
    findings.wrong(`No DMARC record speaks for ${domain}: large receivers refuse much of its mail`, {
      rfc: "RFC 9989 4.10",
      publish,
    });
    return;
  }
  const { record } = found, inherited = found.domain !== domain;
  const policy = inherited ? record.sp ?? record.p : record.p;
  if (record.unusable) {
    findings.wrong(`The record of ${found.domain} has no policy that can be read`, { rfc: "RFC 9989 4.7", publish });
    return;
  }
  const where = inherited ? `, by the record of ${found.domain}` : "";
  if (policy === "none") {
    findings.warning(
      `The policy is none${where}: forged mail is delivered; go on to quarantine when the reports are good`,
      {
        rfc: "RFC 9989 4.7",
      },
    );
  } else findings.well(`The policy is ${policy}${where}`);
  if (record.testing) findings.warning("t=y: the policy is applied one step milder", { rfc: "RFC 9989 4.7" });
  if (record.rua.length === 0) {
    findings.warning("No reports are asked for (rua): nobody tells you who sends in your name", { rfc: "RFC 9990 3" });
    return;
  }
  const others = record.rua.some((each) => each.domain !== found.domain); // itself it need not ask
  const allowed = others ? await destinationsOf(found.domain, record.rua, { dns, signal }) : record.rua;
  for (const address of record.rua) {
    const text = plain(formatAddress(address));
    if (allowed.some((each) => each.domain === address.domain)) findings.well(`Reports go to ${text}`);
    else {
      findings.wrong(`Reports may not go to ${text}: ${address.domain} does not say that it takes them`, {
        rfc: "RFC 9990 4",
        publish: { name: `${found.domain}._report._dmarc.${address.domain}`, type: "TXT", value: "v=DMARC1" },
      });
    }
  }
}
