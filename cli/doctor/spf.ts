/**
 * SPF as receivers evaluate it (RFC 7208): one record, right, within its limits, and that it lets our own addresses pass.
 * Non-job: evaluating for one address (plugins/identity/spf/check_host.ts).
 */
import { DnsError, type Resolver } from "../../core/dns/resolver.ts";
import { isIPv4 } from "../../core/model/ip.ts";
import { checkHost } from "../../plugins/identity/spf/check_host.ts";
import type { MacroString } from "../../plugins/identity/spf/macro.ts";
import { isSpfRecord, parseRecord, type SpfRecord } from "../../plugins/identity/spf/record.ts";
import { type Findings, plain } from "./finding.ts";
import type { MailWay, Patient } from "./patient.ts";

/** RFC 7208 4.6.4. */
const MOST_TERMS = 10, MOST_VOID = 2;
/** Octets beyond which answers begin not to fit into a packet (RFC 7208 3.4). */
const LONG = 450;

export async function examineSpf(patient: Patient, way: MailWay, findings: Findings): Promise<void> {
  const { domain, dns, addresses } = patient;
  const texts = (await ask(dns.txt(domain)) ?? []).filter(isSpfRecord);
  const [text, second] = texts;
  const own = addresses.map(termOf).join(" ");
  if (text === undefined) {
    const value = way.none ? "v=spf1 -all" : `v=spf1 ${own === "" ? "mx" : own} -all`;
    findings.wrong(`${domain} has no SPF record: anybody may send in its name, and others refuse its mail`, {
      rfc: "RFC 7208 3",
      publish: { name: domain, type: "TXT", value },
    });
    return;
  }
  if (second !== undefined) {
    findings.wrong(`There are ${texts.length} SPF records, and then none counts: make them one`, {
      rfc: "RFC 7208 4.5",
    });
    return;
  }
  const record = parseRecord(text);
  if (typeof record === "string") {
    findings.wrong(`The record cannot be read, and so counts for nothing: ${plain(record)}`, { rfc: "RFC 7208 4.6" });
    return;
  }
  findings.well(`The record: ${plain(text)}`);
  if (text.length > LONG) {
    findings.warning(`The record has ${text.length} octets: above ${LONG} some resolvers fail`, {
      rfc: "RFC 7208 3.4",
    });
  }
  sayEnd(record, findings);
  if (record.directives.some(({ mechanism }) => mechanism.name === "ptr")) {
    findings.warning("ptr is slow and unreliable, and should not be used", { rfc: "RFC 7208 5.5" });
  }
  sayCost(await weigh(domain, record, dns), findings);
  await Promise.all(addresses.map((ip) => passes(ip, patient, text, findings)));
}

/** What becomes of everybody else. */
function sayEnd({ directives, redirect }: SpfRecord, findings: Findings): void {
  const all = directives.find(({ mechanism }) => mechanism.name === "all");
  if (all?.qualifier === "+") {
    findings.wrong("+all: every host of the world may send in this name", { rfc: "RFC 7208 5.1" });
  } else if (all?.qualifier === "?" || all === undefined && redirect === null) {
    findings.warning(
      `${all === undefined ? "The record has no end" : "?all"}: it forbids nobody; end it by -all or ~all`,
      {
        rfc: "RFC 7208 4.7",
      },
    );
  } else if (all !== undefined) {
    findings.well(`${all.text}: others are ${all.qualifier === "-" ? "forbidden" : "doubtful"}`);
  }
}

function sayCost({ terms, voids, missing, unread }: Cost, findings: Findings): void {
  const rfc = "RFC 7208 4.6.4";
  if (terms > MOST_TERMS) {
    findings.wrong(
      `Evaluating it takes ${
        terms >= CEILING ? `${CEILING} or more` : terms
      } lookups, and at ${MOST_TERMS} it ends in an error: leave includes out`,
      { rfc },
    );
  } else findings.well(`Evaluating it takes ${terms} of ${MOST_TERMS} lookups`, { rfc });
  if (voids.length > MOST_VOID) {
    findings.wrong(
      `${voids.length} of its names are not there, and at the third it ends in an error: ${
        voids.slice(0, 5).join(", ")
      }`,
      { rfc },
    );
  } else if (voids.length > 0) findings.warning(`It names what is not there: ${voids.join(", ")}`, { rfc });
  for (const each of missing) findings.wrong(each, { rfc: "RFC 7208 5.2" });
  for (const each of unread) findings.unknown(`Name service does not say: ${each}`);
}

async function passes(ip: string, { domain, dns, own, now, signal }: Patient, text: string, findings: Findings) {
  const helo = own?.hostname ?? domain;
  const { result, mechanism, problem } = await checkHost({ ip, domain, local: "postmaster", helo }, dns, {
    receiver: helo,
    now,
    signal,
  });
  if (result === "pass") findings.well(`Mail from ${ip} passes, by ${mechanism ?? "the record"}`);
  else if (result === "temperror") findings.unknown(`Whether mail from ${ip} passes cannot be said: ${problem}`);
  else if (result === "permerror") {
    findings.wrong(`For ${ip} the record ends in an error: ${problem}`, { rfc: "RFC 7208 2.6.7" });
  } else {
    const value = text.replace(/^v=spf1/i, `v=spf1 ${termOf(ip)}`);
    findings.wrong(`Mail from ${ip} does not pass: ${result}`, {
      rfc: "RFC 7208 2.6",
      publish: { name: domain, type: "TXT", value },
    });
  }
}

function termOf(ip: string): string {
  return `${isIPv4(ip) ? "ip4" : "ip6"}:${ip}`;
}

/** What evaluating a record costs at worst. */
export interface Cost {
  /** Terms that ask name service; counted up to `CEILING`. */
  readonly terms: number;
  /** Names that such terms ask for in vain. */
  readonly voids: readonly string[];
  /** Included records that are not there or cannot be read, a sentence each. */
  readonly missing: readonly string[];
  /** Questions without an answer. */
  readonly unread: readonly string[];
}
const CEILING = 50;

/** Walks every include and redirect, as a receiver does whom nothing matches. At most 50 questions. */
export async function weigh(domain: string, record: SpfRecord, dns: Resolver): Promise<Cost> {
  const cost = { terms: 0, voids: [] as string[], missing: [] as string[], unread: [] as string[] };
  const count = () => ++cost.terms < CEILING;
  const exists = async (query: string, question: Promise<unknown>) => {
    try {
      if (await ask(question) === null) cost.voids.push(query);
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      cost.unread.push(query);
    }
  };
  const below = async (name: string | null) => {
    if (name === null) return; // made of macros: another name for each sender
    try {
      const texts = (await ask(dns.txt(name)) ?? []).filter(isSpfRecord);
      const read = texts.length === 1 ? parseRecord(texts[0]!) : null;
      if (read !== null && typeof read !== "string") await walk(name, read);
      else {
        const why = texts.length === 0
          ? "has no SPF record"
          : read === null
          ? "has more than one"
          : `has a wrong one: ${read}`;
        cost.missing.push(`It includes ${plain(name)}, which ${plain(why)}: it ends in an error there`);
      }
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      cost.unread.push(error.query);
    }
  };
  const walk = async (at: string, { directives, redirect }: SpfRecord): Promise<void> => {
    for (const { mechanism } of directives) {
      if (mechanism.name === "all") return; // nothing behind it is looked at, the redirect neither
      if (!("domain" in mechanism)) continue; // networks ask nobody
      if (!count()) return;
      const name = literal(mechanism.domain, at);
      if (mechanism.name === "include") await below(name);
      else if (name !== null && mechanism.name === "mx") await exists(`MX ${name}`, dns.mx(name));
      else if (name !== null && mechanism.name === "a") {
        await exists(`A ${name}`, either(dns.a(name), dns.aaaa(name)));
      } else if (name !== null && mechanism.name === "exists") await exists(`A ${name}`, dns.a(name));
    }
    if (redirect !== null && count()) await below(literal(redirect, at));
  };
  await walk(domain, record);
  return cost;
}

/** The first that has something; the first's fault where neither has. */
async function either<T>(one: Promise<T>, other: Promise<T>): Promise<T> {
  const [first, second] = await Promise.allSettled([one, other]);
  if (first.status === "fulfilled") return first.value;
  if (second.status === "fulfilled") return second.value;
  throw first.reason;
}

/** Null where it depends on who sends. */
function literal(spec: MacroString | null, domain: string): string | null {
  if (spec === null) return domain;
  return spec.every((each) =>
      typeof each === "string" || each.letter === "d" && each.keep === Infinity && !each.reverse
    )
    ? spec.map((each) => typeof each === "string" ? each : domain).join("").replace(/\.$/, "")
    : null;
}

/** Null: there is nothing, for sure. @throws {DnsError} where nobody knows. */
export async function ask<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof DnsError && !error.temporary) return null;
    throw error;
  }
}
