/**
 * A mailbox of the envelope and its grammar (RFC 5321 4.1.2, RFC 6531 3.3): values, no I/O.
 * The local part is kept as it means, without the quotes of the wire: `"ab"@d` and `ab@d` are one address, and
 * `formatAddress` quotes again where the grammar asks for it. Its case is kept; the domain is canonical.
 */
import { canonicalDomain, canonicalLiteral } from "./domain.ts";

export interface Address {
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

// atext = ALPHA / DIGIT / these                                                RFC 5322 3.2.3
const ATEXT = new Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~");
const MAX_LOCAL = 64, MAX_PATH = 256; // octets, RFC 5321 4.5.3.1.1 and 4.5.3.1.3
const utf8 = new TextEncoder();
const octets = (text: string): number => utf8.encode(text).length;

/**
 * Reads `<path>` at `start`. Linear in the length of the text.
 *
 * @example
 * ```ts
 * import { parsePath } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(parsePath('<"a b"@Example.ORG>', 0), { address: { local: "a b", domain: "example.org" }, end: 19 });
 * ```
 */
export function parsePath(text: string, start: number, options: PathOptions = {}): Path {
  let at = start;
  if (options.lenient) { while (text[at] === " ") at++; }
  const open = text[at] === "<";
  if (!open && !options.lenient) return { fault: "syntax" };
  if (open) at++;
  if (open && text[at] === ">") return { address: null, end: at + 1 };
  if (text[at] === "@") { // A-d-l ":" is accepted, and ignored           RFC 5321 4.1.1.3, appendix C
    const colon = routeEnd(text, at);
    if (colon < 0) return { fault: "syntax" };
    at = colon + 1;
  }
  const local = localPart(text, at, options.smtputf8 === true);
  if (typeof local === "string") return { fault: local };
  at = local.end;
  const postmaster = text[at] === ">" && local.text.toLowerCase() === "postmaster"; // RFC 5321 4.5.1
  let domain = "";
  if (!postmaster) {
    if (text[at] !== "@") return { fault: "syntax" };
    const from = ++at;
    if (text[at] === "[") {
      const close = text.indexOf("]", at);
      if (close < 0) return { fault: "syntax" };
      at = close + 1;
    } else {
      while (at < text.length && text[at] !== ">" && text[at] !== " ") at++;
    }
    const name = text.slice(from, at);
    if (!options.smtputf8 && /[^\x00-\x7f]/.test(name)) return { fault: "non-ascii" };
    if (name.length > 1024 || octets(name) > 255) return { fault: "length" };
    const canonical = name.startsWith("[") ? canonicalLiteral(name) : canonicalDomain(name);
    if (canonical === null) return { fault: /[^\x00-\x7f]|(?:^|\.)xn--/i.test(name) ? "domain" : "syntax" };
    domain = canonical;
  }
  if (open) {
    if (text[at] !== ">") return { fault: "syntax" };
    at++;
  } else if (at < text.length && text[at] !== " ") return { fault: "syntax" };
  const address = { local: local.text, domain };
  if (octets(local.text) > MAX_LOCAL || octets(formatAddress(address)) + 2 > MAX_PATH) return { fault: "length" };
  return { address, end: at };
}

/** Index of the colon that ends a source route `@a,@b:`, or -1. */
function routeEnd(text: string, start: number): number {
  const colon = text.indexOf(":", start);
  if (colon < 0 || colon - start > MAX_PATH) return -1;
  const hops = text.slice(start, colon).split(",");
  return hops.every((hop) => hop.startsWith("@") && canonicalDomain(hop.slice(1)) !== null) ? colon : -1;
}

function localPart(text: string, start: number, wide: boolean): { text: string; end: number } | PathFault {
  return text[start] === '"' ? quoted(text, start, wide) : dotString(text, start, wide);
}

/** Dot-string = Atom *("." Atom) */
function dotString(text: string, start: number, wide: boolean): { text: string; end: number } | PathFault {
  let at = start, atom = 0;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === ".") {
      if (atom === 0) return "syntax";
      atom = 0;
    } else if (ATEXT.has(char)) atom++;
    else if (char >= "\u0080") {
      if (!wide) return "non-ascii";
      if (char < "\u00a0" || char === "\u2028" || char === "\u2029") return "syntax"; // C1 controls, line separators
      atom++;
    } else break;
  }
  return atom === 0 ? "syntax" : { text: text.slice(start, at), end: at };
}

/** Quoted-string = DQUOTE *( qtextSMTP / quoted-pairSMTP ) DQUOTE: %d32-126 only, no controls. */
function quoted(text: string, start: number, wide: boolean): { text: string; end: number } | PathFault {
  let out = "";
  for (let at = start + 1; at < text.length; at++) {
    let char = text[at]!;
    if (char === '"') return out.length === 0 ? "syntax" : { text: out, end: at + 1 };
    if (char === "\\") {
      char = text[++at] ?? "";
      if (char < " " || char > "~") return "syntax";
    }
    if (char >= "\u0080") {
      if (!wide) return "non-ascii";
      if (char < "\u00a0" || char === "\u2028" || char === "\u2029") return "syntax";
    } else if (char < " " || char === "\u007f") return "syntax";
    out += char;
  }
  return "syntax";
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
  const plain = typeof dotString(local, 0, true) === "object" &&
    (dotString(local, 0, true) as { end: number }).end === local.length;
  const text = plain ? local : `"${local.replace(/["\\]/g, "\\$&")}"`;
  return domain === "" ? text : `${text}@${domain}`;
}

/** An address from a configuration or an API, `local@domain` without angle brackets; null when it is none. */
export function parseAddress(text: string): Address | null {
  const path = parsePath(`<${text.trim()}>`, 0, { smtputf8: true });
  return path.fault === undefined && path.address !== null && path.end === text.trim().length + 2 ? path.address : null;
}

/** One mailbox of ours: local parts of our own domains are compared without case. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.domain === b.domain && (a.local === b.local || a.local.toLowerCase() === b.local.toLowerCase());
}
