/** The whole examination: MX first, since the rest is about its hosts, then everything at once. Non-job: printing. */
import { examineDkim } from "./dkim.ts";
import { examineDmarc } from "./dmarc.ts";
import { type Finding, Findings } from "./finding.ts";
import { examineLists } from "./lists.ts";
import { examineMx } from "./mx.ts";
import type { Patient } from "./patient.ts";
import { examineReverse } from "./reverse.ts";
import { examineSpf } from "./spf.ts";
import { examineSts, examineTlsrpt } from "./sts.ts";
import { examineTls } from "./tls.ts";
import { DomainSet } from "../../core/model/domain.ts";

/** Every finding, in the order of the topics. What name service does not say is a finding too. */
export async function examine(patient: Patient): Promise<readonly Finding[]> {
  const topics = [
    "Configuration",
    "MX",
    "Addresses",
    "SPF",
    "DKIM",
    "DMARC",
    "MTA-STS",
    "TLSRPT",
    "DANE",
    "Certificates",
    "Lists",
  ];
  const at = new Map(topics.map((topic) => [topic, new Findings(topic)]));
  const of = (topic: string) => at.get(topic)!;
  const { own, domain } = patient;
  if (own !== null && !DomainSet.of(own.domains).has(domain)) {
    of("Configuration").warning(`${domain} is none of the domains of the configuration: its mail is not taken here`);
  }
  const way = await examineMx(patient, of("MX"));
  const each = async (findings: Findings, work: Promise<void>) => {
    await work.catch((error) => findings.failed(error));
  };
  await Promise.all([
    each(of("Addresses"), examineReverse(patient, way, of("Addresses"))),
    each(of("SPF"), examineSpf(patient, way, of("SPF"))),
    each(of("DKIM"), examineDkim(patient, of("DKIM"))),
    each(of("DMARC"), examineDmarc(patient, of("DMARC"))),
    each(of("MTA-STS"), examineSts(patient, way, of("MTA-STS"))),
    each(of("TLSRPT"), examineTlsrpt(patient, way, of("TLSRPT"))),
    each(of("DANE"), examineTls(patient, way, { dane: of("DANE"), certificates: of("Certificates") })),
    each(of("Lists"), examineLists(patient, of("Lists"))),
  ]);
  return topics.flatMap((topic) => of(topic).list);
}
