/**
 * SPF records: version, terms, mechanisms and modifiers (RFC 7208 4.6, 5, 6, 12). A record is right as a whole or not at
 * all: the first wrong term makes it a permerror, evaluated or not (4.6). Pure and linear.
 */
import ipaddr from "ipaddr.js";
import { isIPv4, isIPv6 } from "../../../core/pipeline/mod.ts";
import { type MacroString, parseDomainSpec, parseMacroString } from "./macro.ts";

export type Qualifier = "+" | "-" | "~" | "?";
export type Mechanism =
  | { readonly name: "all" }
  | { readonly name: "include" | "exists"; readonly domain: MacroString }
  | { readonly name: "ptr"; readonly domain: MacroString | null }
  | { readonly name: "a" | "mx"; readonly domain: MacroString | null; readonly bits4: number; readonly bits6: number }
  | { readonly name: "ip4" | "ip6"; readonly network: readonly number[]; readonly bits: number };
export interface Directive {
  readonly qualifier: Qualifier;
  readonly mechanism: Mechanism;
  /** As it stands in the record. */
  readonly text: string;
}
export interface SpfRecord {
  readonly directives: readonly Directive[];
  readonly redirect: MacroString | null;
  readonly exp: MacroString | null;
}

/** True when a TXT record says it is an SPF record, right or wrong: `v=spf1` and a space or the end (RFC 7208 4.5). */
export function isSpfRecord(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

// modifier = name "=" value ;  name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
const MODIFIER = /^([a-z][a-z0-9\-_.]*)=(.*)$/is;
// directive = [ qualifier ] name [ ":" or "/" and the rest ]
const DIRECTIVE = /^([+\-?~]?)([a-z0-9]+)(?:([:/])(.*))?$/is;

/** Reads a record that `isSpfRecord`; a string says which term is wrong. */
export function parseRecord(text: string): SpfRecord | string {
  const directives: Directive[] = [];
  let redirect: MacroString | null = null, exp: MacroString | null = null;
  for (const term of text.slice("v=spf1".length).split(" ")) { // terms are separated by SP, nothing else
    if (term === "") continue;
    const modifier = MODIFIER.exec(term);
    if (modifier !== null) {
      const [, name = "", value = ""] = modifier;
      switch (name.toLowerCase()) {
        case "redirect":
          if (redirect !== null) return "redirect stands twice"; // RFC 7208 6
          redirect = parseDomainSpec(value);
          if (redirect === null) return wrong(term);
          break;
        case "exp":
          if (exp !== null) return "exp stands twice";
          exp = parseDomainSpec(value);
          if (exp === null) return wrong(term);
          break;
        default: // unknown modifiers are ignored once their syntax is right
          if (parseMacroString(value) === null) return wrong(term);
      }
      continue;
    }
    const mechanism = parseMechanism(term);
    if (mechanism === null) return wrong(term);
    const first = term[0]!;
    const qualifier = first === "-" || first === "~" || first === "?" ? first : "+";
    directives.push({ qualifier, mechanism, text: term });
  }
  return { directives, redirect, exp };
}

function wrong(term: string): string {
  return `wrong term ${term.slice(0, 60)}`;
}

function parseMechanism(term: string): Mechanism | null {
  const found = DIRECTIVE.exec(term);
  if (found === null) return null;
  const [, , word = "", mark, rest = ""] = found;
  const name = word.toLowerCase();
  switch (name) {
    case "all":
      return mark === undefined ? { name } : null;
    case "include":
    case "exists": {
      const domain = mark === ":" ? parseDomainSpec(rest) : null;
      return domain === null ? null : { name, domain };
    }
    case "ptr": {
      if (mark === undefined) return { name, domain: null };
      const domain = mark === ":" ? parseDomainSpec(rest) : null;
      return domain === null ? null : { name, domain };
    }
    case "a":
    case "mx":
      return parseHosts(name, mark, rest);
    case "ip4": {
      const [address, bits] = parseNetwork(rest, 32);
      if (mark !== ":" || bits === null || !isIPv4(address)) return null;
      return { name, network: ipaddr.IPv4.parse(address).toByteArray(), bits };
    }
    case "ip6": {
      const [address, bits] = parseNetwork(rest, 128);
      if (mark !== ":" || bits === null || !isIPv6(address)) return null;
      return { name, network: ipaddr.IPv6.parse(address).toByteArray(), bits };
    }
    default:
      return null;
  }
}

/** `a` and `mx`: [ ":" domain-spec ] [ dual-cidr-length ] */
function parseHosts(name: "a" | "mx", mark: string | undefined, rest: string): Mechanism | null {
  const tail = mark === "/" ? `/${rest}` : rest;
  // dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ] ; a domain-end cannot end in one
  const [suffix = "", four, six] = /(?:\/(\d{1,3}))?(?:\/\/(\d{1,3}))?$/.exec(tail) ?? [];
  const spec = tail.slice(0, tail.length - suffix.length);
  const bits4 = parseBits(four, 32), bits6 = parseBits(six, 128);
  if (bits4 === null || bits6 === null) return null;
  if (mark !== ":") return spec === "" ? { name, domain: null, bits4, bits6 } : null;
  const domain = parseDomainSpec(spec);
  return domain === null ? null : { name, domain, bits4, bits6 };
}

function parseNetwork(text: string, wide: number): readonly [address: string, bits: number | null] {
  const slash = text.indexOf("/");
  return slash < 0 ? [text, wide] : [text.slice(0, slash), parseBits(text.slice(slash + 1), wide)];
}

/** "0" / %x31-39 0*2DIGIT, at most `wide`, which is also what nothing means; null when it is wrong. */
function parseBits(digits: string | undefined, wide: number): number | null {
  if (digits === undefined) return wide;
  return /^(?:0|[1-9]\d{0,2})$/.test(digits) && Number(digits) <= wide ? Number(digits) : null;
}
