/** Names of addresses, and whether they point back (RFC 1912 2.1): who has none is turned away at many doors. */
import { reverseName } from "../../core/dns/name.ts";
import { confirm } from "../../plugins/identity/fcrdns/confirm.ts";
import type { Findings } from "./finding.ts";
import { isPublic } from "./mx.ts";
import type { MailWay, Patient } from "./patient.ts";

const MOST_ADDRESSES = 20;

export async function examineReverse(patient: Patient, way: MailWay, findings: Findings): Promise<void> {
  const { dns, signal, own, addresses } = patient;
  const senders = new Set(addresses), hosts = new Map<string, string>();
  for (const { name, found } of way.exchanges) {
    for (const ip of found.fault === undefined ? found.addresses.filter(isPublic) : []) hosts.set(ip, name);
  }
  const all = [...new Set([...senders, ...hosts.keys()])];
  await Promise.all(
    all.slice(0, MOST_ADDRESSES).map(async (ip) => {
      const { result, name, names } = await confirm(ip, { dns, signal });
      const host = own?.hostname ?? hosts.get(ip) ?? null;
      const publish = host === null ? [] : [{ name: reverseName(ip)!, type: "PTR" as const, value: `${host}.` }];
      // A host that only takes mail needs no name
      const bad = senders.has(ip) ? "wrong" : "warning", rfc = "RFC 1912 2.1";
      if (result === "pass") findings.well(`${ip} is ${name}, and ${name} is ${ip}`);
      else if (result === "temperror") findings.unknown(`Name service does not say: PTR ${ip}`);
      else if (result === "none") {
        findings[bad](`${ip} has no name (PTR): mail from it is refused by many`, { rfc, publish });
      } else findings[bad](`${ip} is ${names.join(", ")}, and that does not point back to it`, { rfc, publish });
    }),
  );
  if (senders.size === 0) findings.warning("No address that mail is sent from is known: name it by --ip");
}
