/**
 * Addresses as an operator writes them: one, `*@example.org` or `@example.org` for every address of a domain,
 * `user+*@example.org`, `*` for anything. Local parts are compared without case, here as everywhere for mailboxes of
 * ours: whoever may send as Bob may send as bob. Non-job: what a pattern is for.
 */
import { type Address, parseAddress } from "./address.ts";
import { DomainSet, isDomainPattern } from "./domain.ts";

/** True for the addresses that are meant. */
export type AddressPattern = (address: Address) => boolean;

/**
 * Reads a pattern; null when the text is none. `separator`: what stands behind it in a local part is still the same
 * person; empty (the default): nothing.
 *
 * @example
 * ```ts
 * import { parseAddressPattern } from "postern";
 * import { assertEquals } from "@std/assert";
 * const may = parseAddressPattern("bob@example.org", "+")!;
 * const tried = [["Bob", "example.org"], ["bob+x", "example.org"], ["bobby", "example.org"], ["bob", "example.net"]] as const;
 * assertEquals(tried.map(([local, domain]) => may({ local, domain })), [true, true, false, false]);
 * ```
 */
export function parseAddressPattern(text: string, separator = ""): AddressPattern | null {
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

function exact({ local, domain }: Address, separator: string): AddressPattern {
  const name = local.toLowerCase();
  return (address) => address.domain === domain && isNameOrDetail(address.local, name, separator);
}

/**
 * `local` is `name`, or `name` and a detail behind the separator (RFC 5233). `name` in lower case; an empty separator: no
 * details.
 *
 * @example
 * ```ts
 * import { isNameOrDetail } from "postern";
 * import { assertEquals } from "@std/assert";
 * const found = ["Bob", "bob+news", "bobby"].map((local) => isNameOrDetail(local, "bob", "+"));
 * assertEquals(found, [true, true, false]);
 * ```
 */
export function isNameOrDetail(local: string, name: string, separator: string): boolean {
  const lower = local.toLowerCase();
  return lower === name || separator !== "" && lower.startsWith(name + separator);
}
