/**
 * What is said of domains by patterns, and which of it counts for one: the closest. Non-job: sets of domains (domain.ts).
 */
import { canonicalDomain, canonicalLiteral, isDomainPattern } from "./domain.ts";

/**
 * Values by domain, by `*.domain` for all below (the longest one counts), and by `*` for all others.
 *
 * @example
 * ```ts
 * import { DomainMap } from "./domain_map.ts";
 * import { assertEquals } from "@std/assert";
 * const map = new DomainMap(Object.entries({ "*": 1, "*.example.org": 2, "mx.example.org": 3 }));
 * assertEquals(["mx.example.org", "a.b.example.org", "example.org"].map((each) => map.of(each)), [3, 2, 1]);
 * ```
 */
export class DomainMap<T> {
  readonly #exact = new Map<string, T>();
  /** Without the star and its dot. */
  readonly #below = new Map<string, T>();
  readonly #all: T | undefined;

  /** @throws {TypeError} naming the text that is no domain. */
  constructor(entries: Iterable<readonly [pattern: string, value: T]>) {
    let all: T | undefined;
    for (const [pattern, value] of entries) {
      if (!isDomainPattern(pattern)) throw new TypeError(`"${pattern}" is no domain`);
      if (pattern === "*") all = value;
      else if (pattern.startsWith("*.")) this.#below.set(canonical(pattern.slice(2)), value);
      else this.#exact.set(canonical(pattern), value);
    }
    this.#all = all;
  }

  /** `domain` in canonical form. Undefined where nothing is said of it. */
  of(domain: string): T | undefined {
    const exact = this.#exact.get(domain);
    if (exact !== undefined) return exact;
    if (this.#below.size > 0) {
      for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) {
        const found = this.#below.get(domain.slice(dot + 1));
        if (found !== undefined) return found;
      }
    }
    return this.#all;
  }
}

function canonical(name: string): string {
  return (name.startsWith("[") ? canonicalLiteral(name) : canonicalDomain(name)) ?? name;
}
