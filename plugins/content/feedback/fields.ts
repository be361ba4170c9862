/**
 * Groups of fields as reports have them (RFC 3464 2.1, RFC 5965 3.1), and the addresses in them. Bounded and linear, and
 * what cannot be read is not there. Non-job: what a field means.
 */
import { type Address, HeaderSection, parseAddress } from "../../../core/pipeline/mod.ts";

/** Groups that are read; who reports about more than this reports in vain. */
const MOST_GROUPS = 200;
const LONGEST = 2000; // characters of a value

/** Fields of one group. */
export class Fields {
  readonly #section: HeaderSection;

  constructor(section: HeaderSection) {
    this.#section = section;
  }
  /** The first of that name, any case; what is longer than makes sense is not there. */
  value(name: string): string | null {
    const found = this.#section.first(name);
    return found === undefined || found.end - found.value > LONGEST ? null : this.#section.value(found);
  }
  /** All of that name. */
  values(name: string): readonly string[] {
    return this.#section.named(name).slice(0, MOST_GROUPS)
      .filter(({ value, end }) => end - value <= LONGEST)
      .map((field) => this.#section.value(field));
  }
}

/** The groups of some octets, apart by empty lines. */
export function groupsIn(octets: Uint8Array): readonly Fields[] {
  const groups: Fields[] = [];
  let at = 0;
  while (at < octets.length && groups.length < MOST_GROUPS) {
    const section = new HeaderSection(octets.subarray(at));
    if (section.fields.length > 0) groups.push(new Fields(section));
    if (section.malformedAt === null && section.bodyStart === 0) break;
    at += section.bodyStart;
    if (section.malformedAt !== null) { // a line that is no field ends the group: nobody knows whose the next ones are
      const feed = octets.indexOf(10, at);
      at = feed < 0 ? octets.length : feed + 1;
    }
  }
  return groups;
}

/** The address of `rfc822; <bob@example.org>`, `utf-8; ...` (RFC 6533 3) or an address alone; null for any other type. */
export function typedAddress(text: string | null): Address | null {
  if (text === null) return null;
  const semicolon = text.indexOf(";"), type = text.slice(0, Math.max(semicolon, 0)).trim().toLowerCase();
  if (semicolon >= 0 && type !== "rfc822" && type !== "utf-8") return null;
  return plainAddress(text.slice(semicolon + 1));
}

/** An address with or without angle brackets, `\x{...}` read. */
export function plainAddress(text: string): Address | null {
  const trimmed = text.trim();
  const bare = trimmed.startsWith("<") && trimmed.endsWith(">") ? trimmed.slice(1, -1) : trimmed;
  const decoded = bare.replace(/\\x\{([0-9A-Fa-f]{2,6})\}/g, (whole, hex: string) => {
    const code = parseInt(hex, 16);
    return code > 0x1f && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : whole;
  });
  const address = parseAddress(decoded);
  return address === null || address.domain === "" ? null : address;
}
