/**
 * Whether a certificate belongs to a name that we expect (RFC 9525 6.3; for DANE RFC 7672 3.2.3, for MTA-STS RFC 8461
 * 4.2). Names are lower case with A-labels and without a trailing dot. Non-job: who issued it.
 */
import type { Certificate } from "./certificate.ts";

/** The names in it: the alternative ones; where there is none at all and `commonName` is set, the common name. */
export function namesIn(certificate: Certificate, options: { readonly commonName?: boolean } = {}): readonly string[] {
  const { dnsNames, commonName } = certificate;
  if (dnsNames.length > 0 || options.commonName !== true || commonName === "") return dnsNames;
  return [commonName.toLowerCase()];
}

/**
 * True when one of the names `presented` in a certificate is one of those expected. In a certificate `*` stands for one
 * whole label, the first. In `expected`, `*.example.org` takes every name below example.org.
 */
export function isExpectedName(presented: readonly string[], expected: readonly string[]): boolean {
  return expected.some((name) => presented.some((each) => matches(without(each), name)));
}

function matches(presented: string, expected: string): boolean {
  if (expected.startsWith("*.")) return presented.length >= expected.length && presented.endsWith(expected.slice(1));
  if (presented === expected) return true;
  if (!presented.startsWith("*.")) return false;
  const dot = expected.indexOf(".");
  // "*.org" would be everybody: two labels at least must stand behind the star
  return dot > 0 && expected.slice(dot) === presented.slice(1) && presented.indexOf(".", 2) > 0;
}

function without(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
