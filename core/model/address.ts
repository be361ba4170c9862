/**
 * A mailbox of the envelope and its grammar (RFC 5321 4.1.2, RFC 6531 3.3): values, no I/O.
 * The local part is kept as it means, without the quotes of the wire: `"ab"@d` and `ab@d` are one address, and
 * `formatAddress` quotes again where the grammar asks for it. Its case is kept; the domain is canonical.
 */
import { canonicalDomain, canonicalLiteral } from "./domain.ts";

/** A mailbox as the envelope names it. */
export interface Address {
  /** Without quotes, in its own case. */
  readonly local: string;
  /** Lower case, A-labels; an address literal with its brackets; empty only for the `<Postmaster>` of RFC 5321 4.5.1. */
  readonly domain: string;
}

/** Why a path is none; the engine words it (501 5.1.3, 5.1.7, 5.1.2, 553 5.6.7). */
export type PathFault = "syntax" | "length" | "domain" | "non-ascii";
/** `end` is the index after the path. `address` is null for `<>`. */
export type Path =
  | { readonly address: Address | null; readonly end: number; readonly fault?: undefined }
  | { readonly fault: PathFault };

export interface PathOptions {
  /** Allow UTF-8 in local parts and U-labels (RFC 6531). */
  readonly smtputf8?: boolean;
  /** Take a path without angle brackets, and spaces before it. */
  readonly lenient?: boolean;
}

const MAX_LOCAL = 64, MAX_DOMAIN = 255, MAX_PATH = 256; // octets as written, RFC 5321 4.5.3.1.1 to 4.5.3.1.3
const ATEXT = 1, LET_DIG = 2, UPPER = 4;
/** What each ASCII character is. */
const KIND = new Uint8Array(128);
for (const char of "abcdefghijklmnopqrstuvwxyz0123456789") KIND[char.charCodeAt(0)] = ATEXT | LET_DIG;
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") KIND[char.charCodeAt(0)] = ATEXT | LET_DIG | UPPER;
for (const char of "!#$%&'*+-/=?^_`{|}~") KIND[char.charCodeAt(0)] = ATEXT; // RFC 5322 3.2.3
const QUOTE = 0x22, HYPHEN = 0x2d, DOT = 0x2e, LESS = 0x3c, GREATER = 0x3e, AT = 0x40, BACKSLASH = 0x5c;

const utf8 = new TextEncoder();
const NON_ASCII = /[^\x00-\x7f]/;
const octets = (text: string): number => NON_ASCII.test(text) ? utf8.encode(text).length : text.length;
/** Beyond ASCII but no text: C1 controls, line separators. */
const isControl = (code: number): boolean => code < 0xa0 || code === 0x2028 || code === 0x2029;

/**
 * Reads `<path>` at `start`. Linear in the length of the text.
 *
 * @example
 * ```ts
 * import { parsePath } from "./address.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(parsePath('<"a b"@Example.ORG>', 0), { address: { local: "a b", domain: "example.org" }, end: 19 });
 * ```
 */
export function parsePath(text: string, start: number, options: PathOptions = {}): Path {
  return plainPath(text, start) ?? anyPath(text, start, options);
}

/** The path that nearly every peer writes, `<Dot-string@Domain>` in ASCII; null when it is another, or none. */
function plainPath(text: string, start: number): Path | null {
  if (text.charCodeAt(start) !== LESS) return null;
  let at = start + 1, code = 0, atom = 0;
  for (;; at++) { // past the end charCodeAt is NaN, and KIND of that undefined
    code = text.charCodeAt(at);
    if (KIND[code]! & ATEXT) atom++;
    else if (code === DOT && atom > 0) atom = 0;
    else break;
  }
  if (code !== AT || atom === 0 || at - start - 1 > MAX_LOCAL) return null;
  const local = text.slice(start + 1, at), from = ++at;
  let label = 0, last = 0, kinds = 0;
  for (;; at++, last = code) {
    code = text.charCodeAt(at);
    const kind = KIND[code]!;
    if (kind & LET_DIG) kinds |= kind, label++;
    else if (code === HYPHEN && label > 0) {
      if (label === 3 && last === HYPHEN) return null; // an A-label perhaps
      label++;
    } else {
      if (label === 0 || label > 63 || last === HYPHEN) return null;
      if (code !== DOT) break;
      label = 0;
    }
  }
  if (code !== GREATER || at - from > MAX_DOMAIN || at + 1 - start > MAX_PATH) return null;
  const domain = text.slice(from, at);
  return { address: { local, domain: kinds & UPPER ? domain.toLowerCase() : domain }, end: at + 1 };
}

/** Every path, and the reason when it is none. */
function anyPath(text: string, start: number, options: PathOptions): Path {
  let at = start;
  if (options.lenient) { while (text[at] === " ") at++; }
  const open = text[at] === "<";
  if (!open && !options.lenient) return { fault: "syntax" };
  if (open) at++;
  if (open && text[at] === ">") return { address: null, end: at + 1 };
  const wide = options.smtputf8 === true;
  if (text[at] === "@") { // A-d-l ":" is accepted, and ignored           RFC 5321 4.1.1.3, appendix C
    const colon = routeEnd(text, at, wide);
    if (typeof colon === "string") return { fault: colon };
    at = colon + 1;
  }
  const mailbox = at;
  const local = text.charCodeAt(at) === QUOTE ? quoted(text, at, wide) : dotString(text, at, wide);
  if (typeof local === "string") return { fault: local };
  at = local.end;
  let domain = "";
  if (!(text[at] === ">" && local.text.toLowerCase() === "postmaster")) { // RFC 5321 4.5.1
    if (text[at] !== "@") return { fault: "syntax" };
    const from = ++at;
    if (text[at] === "[") {
      while (at < text.length && text[at] !== "]" && at - from <= MAX_DOMAIN) at++;
      at++;
    } else {
      while (at < text.length && text[at] !== ">" && text[at] !== " " && at - from <= MAX_DOMAIN) at++;
    }
    const name = text.slice(from, at);
    if (!wide && NON_ASCII.test(name)) return { fault: "non-ascii" };
    if (octets(name) > MAX_DOMAIN) return { fault: "length" };
    const canonical = name.startsWith("[") ? canonicalLiteral(name) : canonicalDomain(name);
    if (canonical === null) return { fault: /[^\x00-\x7f]|(?:^|\.)xn--/i.test(name) ? "domain" : "syntax" };
    domain = canonical;
  }
  const written = text.slice(mailbox, at);
  if (open) {
    if (text[at] !== ">") return { fault: "syntax" };
    at++;
  } else if (at < text.length && text[at] !== " ") return { fault: "syntax" };
  const address = { local: local.text, domain };
  // As it came, and as it goes on: A-labels may be longer than what they stand for.
  if (octets(written) + 2 > MAX_PATH || octets(formatAddress(address)) + 2 > MAX_PATH) return { fault: "length" };
  return { address, end: at };
}

/** Index of the colon that ends a source route `@a,@b:`. */
function routeEnd(text: string, start: number, wide: boolean): number | PathFault {
  let colon = start;
  while (text[colon] !== ":") {
    if (colon === text.length) return "syntax";
    if (++colon - start > MAX_PATH) return "length";
  }
  const route = text.slice(start, colon);
  if (!wide && NON_ASCII.test(route)) return "non-ascii";
  const good = route.split(",").every((hop) => hop.startsWith("@") && canonicalDomain(hop.slice(1)) !== null);
  return good ? colon : "syntax";
}

interface LocalPart {
  /** What it means, without the quotes. */
  readonly text: string;
  readonly end: number;
}

/** Dot-string = Atom *("." Atom) */
function dotString(text: string, start: number, wide: boolean): LocalPart | PathFault {
  let at = start, atom = 0, size = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) {
      if (KIND[code]! & ATEXT) atom++;
      else if (code !== DOT) break;
      else if (atom === 0) return "syntax";
      else atom = 0;
    } else { // UTF8-non-ascii                                                RFC 6531 3.3
      if (!wide) return "non-ascii";
      if (isControl(code)) return "syntax";
      atom++;
    }
    if (++size > MAX_LOCAL) return "length";
  }
  return atom === 0 ? "syntax" : checked(text.slice(start, at), text.slice(start, at), at);
}

/** Quoted-string = DQUOTE *( qtextSMTP / quoted-pairSMTP ) DQUOTE: %d32-126 only, no controls. */
function quoted(text: string, start: number, wide: boolean): LocalPart | PathFault {
  let out = "";
  for (let at = start + 1; at < text.length; at++) {
    if (at - start >= MAX_LOCAL) return "length";
    let code = text.charCodeAt(at);
    if (code === QUOTE) return checked(out, text.slice(start, at + 1), at + 1);
    if (code === BACKSLASH) {
      code = text.charCodeAt(++at);
      if (!(code >= 0x20 && code <= 0x7e)) return "syntax";
    } else if (code >= 0x80) {
      if (!wide) return "non-ascii";
      if (isControl(code)) return "syntax";
    } else if (code < 0x20 || code === 0x7f) return "syntax";
    out += text[at];
  }
  return "syntax";
}

function checked(meaning: string, written: string, end: number): LocalPart | PathFault {
  if (!meaning.isWellFormed()) return "syntax"; // half a surrogate pair has no UTF-8
  return octets(written) > MAX_LOCAL ? "length" : { text: meaning, end };
}

/**
 * The address as the wire writes it, without angle brackets.
 *
 * @example
 * ```ts
 * import { formatAddress } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatAddress({ local: "a b", domain: "example.org" }), '"a b"@example.org');
 * ```
 */
export function formatAddress(address: Address | null): string {
  if (address === null) return "";
  const { local, domain } = address;
  const text = isDotString(local) ? local : `"${local.replace(/["\\]/g, "\\$&")}"`;
  return domain === "" ? text : `${text}@${domain}`;
}

/** True when the grammar wants no quotes around it. */
function isDotString(local: string): boolean {
  let atom = 0;
  for (let at = 0; at < local.length; at++) {
    const code = local.charCodeAt(at);
    if (code >= 0x80 || KIND[code]! & ATEXT) atom++;
    else if (code === DOT && atom > 0) atom = 0;
    else return false;
  }
  return atom > 0;
}

/**
 * An address from a configuration or an API, `local@domain` without angle brackets; null when it is none. The domain is
 * canonical, quotes are taken off the local part, which is at most 64 octets (RFC 5321 4.1.2, 4.5.3.1.1, RFC 6531).
 *
 * @example
 * ```ts
 * import { parseAddress } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseAddress('"a b"@Example.ORG'), { local: "a b", domain: "example.org" });
 * assertEquals(parseAddress("no address"), null);
 * ```
 */
export function parseAddress(text: string): Address | null {
  const path = `<${text.trim()}>`, read = parsePath(path, 0, { smtputf8: true });
  return read.fault === undefined && read.end === path.length ? read.address : null;
}

/**
 * One mailbox of ours: local parts of our own domains are compared without case. Those of others are theirs to read (RFC 5321
 * 2.4): compare them as they are.
 *
 * @example
 * ```ts
 * import { parseAddress, sameAddress } from "postern";
 * import { assertEquals } from "@std/assert";
 * const [bob, shouted, ann] = ["bob@example.org", "BOB@example.org", "ann@example.org"].map((each) => parseAddress(each)!);
 * assertEquals([sameAddress(bob!, shouted!), sameAddress(bob!, ann!)], [true, false]);
 * ```
 */
export function sameAddress(a: Address, b: Address): boolean {
  return a.domain === b.domain && (a.local === b.local || a.local.toLowerCase() === b.local.toLowerCase());
}
