/** DNS lists (RFC 5782): whether one of them has our addresses. Non-job: which lists; the operator names them. */
import { kindOf } from "../../plugins/access/dnsbl/codes.ts";
import { queryName } from "../../plugins/access/dnsbl/query_name.ts";
import type { Findings } from "./finding.ts";
import type { Patient } from "./patient.ts";

export async function examineLists({ addresses, lists, dns }: Patient, findings: Findings): Promise<void> {
  const pairs = addresses.flatMap((ip) => lists.map((zone) => ({ ip, zone })));
  await Promise.all(pairs.map(async ({ ip, zone }) => {
    const { records, fault } = await dns.lookup(queryName(ip, zone), "A");
    if (fault === "nxdomain" || fault === "nodata") return findings.well(`${zone} does not list ${ip}`);
    if (fault !== undefined) return findings.unknown(`Name service does not say: ${ip} in ${zone}: ${fault}`);
    const kinds = records.map(kindOf);
    if (kinds.includes("refused")) return findings.unknown(`${zone} does not answer this resolver`);
    if (!kinds.includes("code")) {
      return findings.unknown(`${zone} is no list any more: it answers ${records.join(", ")}`);
    }
    findings.wrong(`${zone} lists ${ip} (${records.join(", ")}): ask there why, and to be taken out`, {
      rfc: "RFC 5782 2.1",
    });
  }));
}
