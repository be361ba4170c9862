/**
 * What the operator says of TLS to others, by the domain that mail is for or the next hop that he named. Non-job: what
 * the others publish of themselves (policy.ts joins both).
 */
import { canonicalDomain, isDomainPattern } from "../../model/domain.ts";
import { DomainMap } from "../../model/domain_map.ts";

/**
 * `none`: never. `may`: when it can be had. `encrypt`: only inside it, whoever answers. `secure`: and with a certificate
 * that an authority of ours vouches for. `fingerprint`: and with this very one. `dane`: `may`, and DANE also where the
 * rule says to ignore what is published. `dane-only`: DANE or nothing.
 */
export type TlsLevel = "none" | "may" | "encrypt" | "secure" | "dane" | "dane-only" | "fingerprint";
export const TLS_LEVELS: readonly TlsLevel[] = ["none", "may", "encrypt", "secure", "dane", "dane-only", "fingerprint"];

/** What TLS there must be with a domain or a host. */
export interface TlsRule {
  /** How much. */
  readonly level: TlsLevel;
  /** With `secure`: names that the certificate may have, `*.` for all below; default the domain and all below it. */
  readonly names?: readonly string[];
  /** With `fingerprint`: SHA-256 of the certificate or of its public key, hex, with or without colons. */
  readonly fingerprints?: readonly string[];
  /** Their DANE and MTA-STS do not count here: for a domain that publishes what it does not keep. */
  readonly ignorePublished?: boolean;
}

export class TlsRules {
  readonly #rules: DomainMap<TlsRule>;

  /**
   * By domain, by `*.domain` for all below, or by `*`; the closest counts.
   *
   * @throws {TypeError} that names what is wrong.
   */
  constructor(rules: Readonly<Record<string, TlsRule>> = {}) {
    this.#rules = new DomainMap(Object.entries(rules).map(([pattern, rule]) => [pattern, checked(pattern, rule)]));
  }

  /** `domain` canonical. */
  of(domain: string): TlsRule | null {
    return this.#rules.of(domain) ?? null;
  }
}

function checked(pattern: string, rule: TlsRule): TlsRule {
  const { level, names, fingerprints } = rule;
  if (names !== undefined && level !== "secure") throw new TypeError(`"${pattern}": names go with the level secure`);
  if ((fingerprints !== undefined) !== (level === "fingerprint")) {
    throw new TypeError(`"${pattern}": the level fingerprint and fingerprints go together`);
  }
  const wrong = names?.find((name) => name === "*" || !isDomainPattern(name));
  if (wrong !== undefined) throw new TypeError(`"${pattern}": "${wrong}" is no name of a host`);
  const prints = fingerprints?.map((each) => each.replaceAll(":", "").toUpperCase());
  const odd = prints?.findIndex((each) => !/^[0-9A-F]{64}$/.test(each)) ?? -1;
  if (odd >= 0) throw new TypeError(`"${pattern}": "${fingerprints![odd]}" is no SHA-256 fingerprint`);
  return {
    ...rule,
    ...names && { names: names.map(canonicalPattern) },
    ...prints && { fingerprints: prints },
  };
}

function canonicalPattern(name: string): string {
  return name.startsWith("*.") ? `*.${canonicalDomain(name.slice(2))}` : canonicalDomain(name) ?? name;
}
