/**
 * What a login may send as, as an operator writes it: an address, `*@example.org` or `@example.org` for every address of a
 * domain, `user+*@example.org`, `*` for anything. Local parts are compared without case, here as everywhere for mailboxes
 * of ours: whoever may send as Bob may send as bob. Non-job: whose pattern it is.
 */
import { type Address, DomainSet, isDomainPattern, parseAddress } from "../../../core/pipeline/mod.ts";

export type Pattern = (address: Address) => boolean;

/**
 * Null when the text is none. `separator`: what stands behind it in a local part is still the same person; empty: nothing.
 *
 * @example
 * ```ts
 * import { parsePattern } from "./pattern.ts";
 * import { assertEquals } from "@std/assert";
 * const may = parsePattern("bob@example.org", "+")!;
 * const tried = [["Bob", "example.org"], ["bob+x", "example.org"], ["bobby", "example.org"], ["bob", "example.net"]] as const;
 * assertEquals(tried.map(([local, domain]) => may({ local, domain })), [true, true, false, false]);
 * ```
 */
export function parsePattern(text: string, separator: string): Pattern | null {
  if (text === "*") return () => true;
  const at = text.lastIndexOf("@"), name = text.slice(at + 1);
  if (at < 0 || name === "") return null;
  const [before = "", after, more] = text.slice(0, at).split("*");
  if (after === undefined && at > 0) {
    const address = parseAddress(text);
    return address === null || address.domain === "" ? null : exact(address, separator);
  }
  if (more !== undefined || !isDomainPattern(name)) return null;
  const domains = new DomainSet([name]), start = before.toLowerCase(), end = (after ?? "").toLowerCase();
  return ({ local, domain }) => {
    if (!domains.has(domain)) return false;
    const lower = local.toLowerCase();
    return lower.length >= start.length + end.length && lower.startsWith(start) && lower.endsWith(end);
  };
}

function exact({ local, domain }: Address, separator: string): Pattern {
  const name = local.toLowerCase();
  return (address) => address.domain === domain && isOf(address.local, name, separator);
}

/** `local` is `name`, or `name` and a detail behind the separator. `name` in lower case. */
export function isOf(local: string, name: string, separator: string): boolean {
  const lower = local.toLowerCase();
  return lower === name || separator !== "" && lower.startsWith(name + separator);
}
