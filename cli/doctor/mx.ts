/** Where mail of the domain goes: MX records, their hosts, their addresses (RFC 5321 5.1). Non-job: their TLS. */
import { hostAddresses } from "../../core/dns/host_addresses.ts";
import { isHostName } from "../../core/dns/name.ts";
import { isIPv4, isIPv6, isLoopback, Networks } from "../../core/model/ip.ts";
import { PRIVATE } from "../../plugins/identity/schema.ts";
import { type Findings, plain } from "./finding.ts";
import type { Exchange, MailWay, Patient } from "./patient.ts";

/** Hosts that are looked at: a sender tries no more. */
const MOST_HOSTS = 10;
const PRIVATE_NETWORKS = new Networks(PRIVATE);
const NOWHERE: MailWay = { exchanges: [], authentic: false, none: false };

/** An address that the world can reach. */
export function isPublic(ip: string): boolean {
  return !isLoopback(ip) && !PRIVATE_NETWORKS.has(ip) && !ip.startsWith("0.") && ip !== "::";
}

export async function examineMx(patient: Patient, findings: Findings): Promise<MailWay> {
  const { domain, dns, own } = patient;
  const mx = await dns.lookup(domain, "MX");
  const publish = { name: domain, type: "MX", value: `10 ${own?.hostname ?? `mail.${domain}`}.` } as const;
  if (mx.fault === "nxdomain") {
    findings.wrong(`${domain} does not exist: no mail can come to it, and mail from it is refused`, { publish });
    return NOWHERE;
  }
  if (mx.fault === "nodata") {
    const found = await hostAddresses(domain, dns);
    if (found.fault === "servfail" || found.fault === "timeout") {
      findings.unknown(`Name service does not say: A ${domain}: ${found.fault}`);
      return NOWHERE;
    }
    if (found.fault !== undefined) {
      findings.wrong(`${domain} has neither MX records nor an address`, { rfc: "RFC 5321 5.1", publish });
    } else {findings.warning(`${domain} has no MX record: mail goes to its own address`, {
        rfc: "RFC 5321 5.1",
        publish,
      });}
    const exchanges = found.fault === undefined ? [{ name: domain, found }] : [];
    return { exchanges, authentic: mx.authentic, none: false };
  }
  if (mx.fault !== undefined) {
    findings.unknown(`Name service does not say: MX ${domain}: ${mx.fault}`);
    return NOWHERE;
  }
  if (mx.records.some(({ exchange }) => exchange === "")) {
    if (mx.records.length === 1) findings.well(`${domain} says that it takes no mail (null MX)`, { rfc: "RFC 7505 3" });
    else findings.wrong("A null MX stands beside other MX records: one of the two is meant", { rfc: "RFC 7505 3" });
    if (mx.records.length === 1) return { ...NOWHERE, none: true };
  }
  const sorted = mx.records.filter(({ exchange }) => exchange !== "").toSorted((a, b) => a.preference - b.preference);
  const names = [...new Set(sorted.map(({ exchange }) => exchange))];
  if (names.length > MOST_HOSTS) {
    findings.warning(`There are ${names.length} mail hosts, and senders try some ${MOST_HOSTS}`, {
      rfc: "RFC 5321 5.1",
    });
  }
  const exchanges = await Promise.all(names.slice(0, MOST_HOSTS).map((name) => exchange(name, patient, findings)));
  if (own !== null && !names.includes(own.hostname)) {
    findings.warning(`No MX record names this host, ${own.hostname}`, { publish });
  } else if (own !== null) findings.well(`This host, ${own.hostname}, is among the mail hosts`);
  return { exchanges: exchanges.filter((each) => each !== null), authentic: mx.authentic, none: false };
}

async function exchange(name: string, { dns }: Patient, findings: Findings): Promise<Exchange | null> {
  if (isIPv4(name) || isIPv6(name)) {
    findings.wrong(`The MX record names ${name}: it must name a host, not an address`, { rfc: "RFC 5321 5.1" });
    return null;
  }
  if (!isHostName(name)) {
    findings.wrong(`The MX record names "${plain(name)}", which is no host name`, { rfc: "RFC 5321 2.3.5" });
    return null;
  }
  const [alias, found] = await Promise.all([dns.lookup(name, "CNAME"), hostAddresses(name, dns)]);
  if (alias.fault === undefined) {
    findings.wrong(`${name} is an alias (CNAME): an MX record must name the host itself`, { rfc: "RFC 2181 10.3" });
  }
  if (found.fault === "servfail" || found.fault === "timeout") {
    findings.unknown(`Name service does not say: addresses of ${name}: ${found.fault}`);
  } else if (found.fault !== undefined) {
    findings.wrong(`${name} has no address: mail cannot get there`, {
      rfc: "RFC 5321 5.1",
      publish: { name, type: "A", value: "(the address of the host)" },
    });
  } else {
    const hidden = found.addresses.filter((each) => !isPublic(each));
    if (hidden.length > 0) {
      findings.wrong(`${name} has ${hidden.join(", ")}, which nobody else can reach`, { rfc: "RFC 1918 3" });
    }
    if (hidden.length < found.addresses.length) findings.well(`${name} has ${found.addresses.join(", ")}`);
  }
  return { name, found };
}
