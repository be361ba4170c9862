/**
 * DANE and certificates: what DNS says of the certificates of the mail hosts, and whether those that they show, or that
 * we have here, are such (RFC 7672, RFC 9525). Non-job: connecting (connect.ts).
 */
import { createHash } from "node:crypto";
import { daneFailure, formatTlsa, isUsable } from "../../core/delivery/tls/dane.ts";
import { tlsaRecords } from "../../core/dns/tlsa_records.ts";
import { type Certificate, publicKeyOf, readCertificate } from "../../core/net/tls/certificate.ts";
import { DerError } from "../../core/net/tls/der.ts";
import { isExpectedName, namesIn } from "../../core/net/tls/reference_name.ts";
import { type Findings, plain } from "./finding.ts";
import type { Exchange, MailWay, Patient } from "./patient.ts";

const PORT = 25, DAY = 86_400_000;
/** Whoever renews by hand wants to know (days). */
const SOON = 14;

type Chain = readonly Uint8Array<ArrayBuffer>[];

export async function examineTls(
  patient: Patient,
  way: MailWay,
  findings: { readonly dane: Findings; readonly certificates: Findings },
): Promise<void> {
  await Promise.all(way.exchanges.map(async (exchange) => {
    const chains = await chainsOf(exchange, patient, findings.certificates);
    for (const { chain, whose } of chains) sayCertificate(exchange.name, whose, chain, patient, findings.certificates);
    await sayDane(exchange, chains, { patient, way, findings: findings.dane });
  }));
}

interface ShownChain {
  readonly chain: Chain;
  readonly whose: string;
}

/** What the host shows, else what our configuration has for it. */
async function chainsOf(
  { name, found }: Exchange,
  { connect, own }: Patient,
  findings: Findings,
): Promise<ShownChain[]> {
  if (connect !== null && found.fault === undefined) {
    const [address = ""] = found.addresses, shown = await connect(address);
    if (shown.kind === "tls") {
      findings.well(`${name} speaks ${shown.version}`);
      return [{ chain: shown.chain, whose: name }];
    }
    if (shown.kind === "clear") findings.warning(`${name} has no TLS: ${plain(shown.why)}`, { rfc: "RFC 3207 4" });
    else findings.unknown(`${name} [${address}] was not reached on port ${PORT}: ${plain(shown.why)}`);
    return [];
  }
  if (own?.hostname !== name) return [];
  const ours = own.certificates.filter(({ chain }) => {
    const certificate = certificateOf(chain);
    return certificate !== null && isExpectedName(namesIn(certificate, { commonName: true }), [name]);
  });
  if (ours.length === 0 && own.certificates.length > 0) {
    findings.wrong(`No certificate of the configuration is for ${name}`, { rfc: "RFC 9525 6" });
  }
  return ours.map(({ chain, file }) => ({ chain, whose: file }));
}

function certificateOf([own]: Chain): Certificate | null {
  try {
    return own === undefined ? null : readCertificate(own);
  } catch (error) {
    if (error instanceof DerError) return null;
    throw error;
  }
}

function sayCertificate(name: string, whose: string, chain: Chain, { now }: Patient, findings: Findings): void {
  const certificate = certificateOf(chain);
  if (certificate === null) return findings.wrong(`The certificate of ${whose} cannot be read`);
  const names = namesIn(certificate, { commonName: true }), days = Math.floor((certificate.notAfter - now) / DAY);
  if (!isExpectedName(names, [name])) {
    findings.wrong(`The certificate of ${whose} is for ${names.slice(0, 5).join(", ") || "nobody"}, not for ${name}`, {
      rfc: "RFC 9525 6",
    });
  }
  if (days < 0) findings.wrong(`The certificate of ${whose} has ended ${-days} days ago`);
  else if (certificate.notBefore > now) findings.wrong(`The certificate of ${whose} has not begun`);
  else if (days < SOON) findings.warning(`The certificate of ${whose} ends in ${days} days`);
  else findings.well(`The certificate of ${whose} is good for ${days} days`);
}

async function sayDane(
  { name, found }: Exchange,
  chains: readonly ShownChain[],
  { patient, way, findings }: { readonly patient: Patient; readonly way: MailWay; readonly findings: Findings },
): Promise<void> {
  if (found.fault !== undefined) return;
  const { dns, now } = patient, at = `_${PORT}._tcp.${name}`;
  const wanted = chains.slice(0, 1).flatMap(({ chain: [own] }) =>
    own === undefined ? [] : [{ name: at, type: "TLSA" as const, value: `3 1 1 ${digestOf(own)}` }]
  );
  const answer = await tlsaRecords(found, PORT, dns);
  if (answer.kind === "fault") {
    findings.wrong(`${answer.query}: ${answer.fault}: senders that check DNSSEC send nothing to ${name}`, {
      rfc: "RFC 7672 2.1.2",
    });
    return;
  }
  if (answer.kind === "none") {
    const there = await dns.lookup(at, "TLSA");
    if (there.fault === undefined) {
      findings.warning(
        `${name} has TLSA records, and nobody vouches for them: the zone is not signed, or this resolver does not check DNSSEC`,
        { rfc: "RFC 7672 2.2" },
      );
    } else if (!way.authentic || !found.authentic) {
      findings.warning(`${name}: no DANE, since DNSSEC does not vouch for its name (or this resolver does not check)`, {
        rfc: "RFC 7672 2.2.1",
      });
    } else {findings.warning(`${name} has no TLSA record: senders may be led astray`, {
        rfc: "RFC 7672 3",
        publish: wanted,
      });}
    return;
  }
  const records = answer.records.filter(isUsable);
  if (records.length === 0) {
    findings.wrong(`None of the TLSA records of ${name} is of use between mail servers: they must begin with 3 or 2`, {
      rfc: "RFC 7672 3.1.3",
      publish: wanted,
    });
    return;
  }
  if (!way.authentic) {
    findings.warning(`DNSSEC vouches for ${name} but not for the MX record that names it`, { rfc: "RFC 7672 2.2.1" });
  }
  findings.well(`${name} has ${records.map(formatTlsa).slice(0, 4).join("; ")}`);
  for (const { chain, whose } of chains) {
    const failure = daneFailure(chain, { records, names: [answer.base, patient.domain] }, now);
    if (failure === null) findings.well(`The certificate of ${whose} is the one that DNS names`);
    else {
      findings.wrong(`The certificate of ${whose} is not the one that DNS names: senders that check send nothing`, {
        rfc: "RFC 7672 3.1",
        publish: wanted,
      });
    }
  }
}

function digestOf(certificate: Uint8Array<ArrayBuffer>): string {
  return createHash("sha256").update(publicKeyOf(certificate)).digest("hex").toUpperCase();
}
