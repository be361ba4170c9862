/**
 * The value of a Received-SPF field (RFC 7208 9.1). Every word of the peer's and of name service's stands in a quoted
 * string, cut and without controls: none of it can become a key, a result or a field (case 54).
 */
import { canonicalDomain } from "../../../core/pipeline/mod.ts";
import type { SpfFinding, SpfResult } from "./key.ts";

export interface ReceivedSpf {
  readonly finding: SpfFinding;
  readonly ip: string;
  /** As the wire writes it, empty for the null sender. */
  readonly sender: string;
  readonly helo: string;
  /** Our name. */
  readonly receiver: string;
  /** The message may have UTF-8 in its header (RFC 6532). */
  readonly utf8: boolean;
}

const COMMENTS: Readonly<Record<SpfResult, (domain: string, ip: string) => string>> = {
  none: (domain) => `${domain} does not say who may send for it`,
  neutral: (domain, ip) => `${ip} is neither permitted nor denied by ${domain}`,
  pass: (domain, ip) => `${domain} designates ${ip} as permitted sender`,
  fail: (domain, ip) => `${domain} does not designate ${ip} as permitted sender`,
  softfail: (domain, ip) => `${domain} in transition does not designate ${ip} as permitted sender`,
  temperror: (domain) => `name service failed while checking ${domain}`,
  permerror: (domain) => `the SPF record of ${domain} cannot be evaluated`,
};

export function receivedSpf({ finding, ip, sender, helo, receiver, utf8 }: ReceivedSpf): string {
  const { result, identity, mechanism, problem } = finding;
  const domain = canonicalDomain(finding.domain) ?? "a domain that is none"; // no text of the peer's in a comment
  const pairs = [
    `client-ip=${value(ip, utf8)}`,
    `envelope-from=${quoted(sender, utf8)}`,
    `helo=${value(helo, utf8)}`,
    `receiver=${value(receiver, utf8)}`,
  ];
  // "default" is the RFC's word for a record of which nothing matched
  if (mechanism !== null || result === "neutral") pairs.push(`mechanism=${quoted(mechanism ?? "default", false)}`);
  if (problem !== null) pairs.push(`problem=${quoted(problem, false)}`);
  pairs.push(`identity=${identity}`);
  return `${result} (${receiver}: ${COMMENTS[result](domain, ip)}) ${pairs.join("; ")}`;
}

/** A dot-atom where it is a plain host name or IPv4 address, else a quoted-string. */
function value(text: string, utf8: boolean): string {
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i.test(text) && text.length <= 255 ? text : quoted(text, utf8);
}

const MAX_VALUE = 320; // an address: 64 + "@" + 255

function quoted(text: string, utf8: boolean): string {
  let out = "";
  for (const char of text.slice(0, MAX_VALUE)) {
    const printable = char >= " " && char <= "~" || utf8 && /^[^\p{C}\p{Zl}\p{Zp}]$/u.test(char);
    out += !printable ? "?" : char === '"' || char === "\\" ? `\\${char}` : char;
  }
  return `"${out}"`;
}
