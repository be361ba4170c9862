/**
 * Addresses as an operator lists them: `noreply@example.org`, `bounce-*@example.org`, `*@example.org`. A `*` stands for
 * any text of the local part, none included; `*` alone or `*.name` as the domain is as in a list of domains.
 * Case does not matter. Linear in address and pattern.
 */
import { type Address, DomainSet } from "../../../core/pipeline/mod.ts";

/** @throws {TypeError} naming the text that is no pattern. */
export function parsePattern(text: string): (address: Address) => boolean {
  const at = text.lastIndexOf("@");
  if (at < 1) throw new TypeError(`"${text}" is no address like noreply@example.org or bounce-*@example.org`);
  const domains = new DomainSet([text.slice(at + 1)]);
  const parts = text.slice(0, at).toLowerCase().split("*");
  return ({ local, domain }) => domains.has(domain) && matches(local.toLowerCase(), parts);
}

/** The first part begins the text, the last ends it, those between follow each other at their earliest. */
function matches(text: string, parts: readonly string[]): boolean {
  const first = parts[0]!, last = parts[parts.length - 1]!;
  if (parts.length === 1) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}
