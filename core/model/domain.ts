/**
 * Domain names and address literals of the envelope (RFC 5321 4.1.2, 4.1.3, RFC 5890 for internationalised labels).
 * Domains are kept in lower case with A-labels, so that one name has one text. Non-job: name service.
 */
import { compactIPv6, isIPv4 } from "./ip.ts";

// sub-domain = Let-dig [Ldh-str]                                            RFC 5321 4.1.2
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ASCII = /^[\x00-\x7f]*$/;
/** ASCII that the URL host parser would give a meaning of its own. */
const URL_MEANING = /[\u0000-\u0020"#%/:<>?@[\\\]^`{|}\u007f]/;

/** A label that begins or ends with a hyphen (RFC 5891 4.2.3.1), at any of the dots of UTS 46. */
const HYPHEN_EDGE = /(?:^|[.\u3002\uff0e\uff61])-|-(?:[.\u3002\uff0e\uff61]|$)/;

/**
 * The domain in lower case and A-labels, or null when it is none. Non-ASCII is taken as U-labels (RFC 6531 3.3). At most 255
 * octets, 63 in a label (RFC 5321 4.5.3.1.2, RFC 1035 2.3.4). No address literal is a domain.
 *
 * @example
 * ```ts
 * import { canonicalDomain } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(canonicalDomain("Bücher.Example"), "xn--bcher-kva.example");
 * assertEquals([canonicalDomain("-a.example"), canonicalDomain("[192.0.2.1]")], [null, null]);
 * ```
 */
export function canonicalDomain(text: string): string | null {
  let name = text;
  if (!ASCII.test(text) || /(?:^|\.)xn--/i.test(text)) {
    if (text.length > 255 || URL_MEANING.test(text) || HYPHEN_EDGE.test(text)) return null;
    try {
      name = new URL(`http://${text}`).hostname; // UTS 46 with bidi, joiner and A-label checks
    } catch {
      return null;
    }
    if (isIPv4(name)) return null; // the URL parser reads full-width digits as an address
  } else {
    name = text.toLowerCase();
  }
  if (name.length === 0 || name.length > 255) return null; // RFC 5321 4.5.3.1.2
  return name.split(".").every((label) => LABEL.test(label)) ? name : null;
}

/** The canonical form of an address literal with its brackets, or null. General literals have no registered tag: null. */
export function canonicalLiteral(text: string): string | null {
  const inner = text.slice(1, -1);
  if (isIPv4(inner)) return `[${inner}]`;
  if (!/^ipv6:/i.test(inner)) return null;
  const six = compactIPv6(inner.slice(5));
  return six === null ? null : `[IPv6:${six}]`;
}

/** The domain in a name of a `DomainSet`, canonical; null when there is none. */
function domainIn(name: string): string | null {
  const bare = name.startsWith("*.") ? name.slice(2) : name;
  return bare.startsWith("[") ? canonicalLiteral(bare) : canonicalDomain(bare);
}

/**
 * True for what `DomainSet` takes: a domain, `*.domain`, an address literal, or `*`. For a schema of options, so that a typo
 * is found at the start.
 *
 * @example
 * ```ts
 * import { isDomainPattern } from "postern";
 * import { assertEquals } from "@std/assert";
 * import { z } from "zod";
 * const Domains = z.array(z.string().refine(isDomainPattern, "no domain"));
 * assertEquals(Domains.safeParse(["example.org", "*.example.net", "[192.0.2.1]"]).success, true);
 * assertEquals(Domains.safeParse(["ex ample"]).error?.issues[0]?.message, "no domain");
 * ```
 */
export function isDomainPattern(text: string): boolean {
  return text === "*" || domainIn(text) !== null;
}

/**
 * A set of domains: names, and `*.name` for every name below one (not the name itself).
 *
 * @example
 * ```ts
 * import { DomainSet } from "postern";
 * import { assertEquals } from "@std/assert";
 * const ours = new DomainSet(["example.org", "*.lists.example.org"]);
 * assertEquals([ours.has("example.org"), ours.has("a.lists.example.org"), ours.has("lists.example.org")], [true, true, false]);
 * ```
 * @throws {TypeError} naming the text that is no domain.
 */
export class DomainSet {
  static readonly #made = new WeakMap<readonly string[], DomainSet>();

  /** The set for this very list, made once: for lists that live as long as the configuration, like `host.domains`. */
  static of(names: readonly string[]): DomainSet {
    let set = DomainSet.#made.get(names);
    if (set === undefined) DomainSet.#made.set(names, set = new DomainSet(names));
    return set;
  }

  readonly #exact = new Set<string>();
  readonly #below = new Set<string>();
  readonly #all: boolean;

  /** `*` alone is every domain. */
  constructor(names: readonly string[]) {
    this.#all = names.includes("*");
    for (const name of names) {
      if (name === "*") continue;
      const domain = domainIn(name);
      if (domain === null) throw new TypeError(`"${name}" is no domain`);
      (name.startsWith("*.") ? this.#below : this.#exact).add(domain);
    }
  }

  /** The single names, canonical, in their order; without what a `*` stands for. */
  get names(): Iterable<string> {
    return this.#exact;
  }

  /** `domain` in canonical form. */
  has(domain: string): boolean {
    if (this.#all || this.#exact.has(domain)) return true;
    if (this.#below.size === 0) return false;
    for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) {
      if (this.#below.has(domain.slice(dot + 1))) return true;
    }
    return false;
  }
}
