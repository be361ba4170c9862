/**
 * The trace that core itself writes and reads: Received in front of every message, hops counted, forged
 * Authentication-Results of our own name found (RFC 5321 4.4, 6.3, RFC 3848, RFC 8601 5). No plugin can turn it off.
 */
import { type Address, formatAddress } from "./address.ts";
import { HeaderSection } from "./headers.ts";
import { isIPv4 } from "./ip.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n: number): string => n < 10 ? `0${n}` : String(n);
let second = -1, dated = "";

/**
 * A moment (milliseconds since 1970) as RFC 5322 3.3 writes it, in UTC.
 *
 * @example
 * ```ts
 * import { formatDate } from "postern";
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatDate(Date.UTC(2026, 0, 2, 3, 4, 5)), "Fri, 2 Jan 2026 03:04:05 +0000");
 * ```
 */
export function formatDate(now: number): string {
  const at = Math.floor(now / 1000);
  if (at !== second) {
    const date = new Date(at * 1000);
    const day = `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${
      MONTHS[date.getUTCMonth()]
    } ${date.getUTCFullYear()}`;
    dated = `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
    second = at;
  }
  return dated;
}

export interface TraceFacts {
  readonly id: string;
  /** Our name. */
  readonly host: string;
  /** As the peer told it: doubtful. */
  readonly helo: string;
  readonly ip: string;
  /** SMTP, ESMTPSA, LMTP, UTF8SMTP ... (RFC 3848, RFC 6531 4.3). */
  readonly protocol: string;
  /** The cipher suite, or null without TLS (RFC 8314 4.3). */
  readonly cipher?: string | null;
  /** Leave out where it came from: the writer's own address is nobody's business. */
  readonly hideClient?: boolean;
  /** Told only when there is one: several would tell them of each other (RFC 5321 7.2). */
  readonly recipient: Address | null;
  readonly now: number;
}

// What a HELO name may look like inside a structured field without quoting.
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/;

/** The Received field with its CRLF. */
export function receivedField(facts: TraceFacts): string {
  const literal = isIPv4(facts.ip) ? `[${facts.ip}]` : `[IPv6:${facts.ip}]`;
  const from = NAME.test(facts.helo) ? `${facts.helo} (${literal})` : `${literal} (HELO ${commentText(facts.helo)})`;
  const recipient = facts.recipient === null ? "" : `\r\n\tfor <${formatAddress(facts.recipient)}>`;
  const tls = facts.cipher ? `\r\n\ttls ${facts.cipher}` : ""; //                                      RFC 8314 4.3
  return `Received: ${facts.hideClient ? "" : `from ${from}\r\n\t`}by ${facts.host} (Postern) with ${facts.protocol}` +
    ` id ${facts.id}${recipient}${tls};\r\n\t${formatDate(facts.now)}\r\n`;
}

/** Foreign text inside a comment: nothing that ends the comment, folds, or hides. */
function commentText(text: string): string {
  return text.slice(0, 255).replace(/[^\x21-\x27\x2a-\x5b\x5d-\x7e]/g, "?");
}

/**
 * The authserv-id of an Authentication-Results value, lower case, or null: comments and folding anywhere, a quoted
 * string allowed (RFC 8601 2.2). Linear.
 */
export function authservId(value: string): string | null {
  let at = 0, depth = 0;
  for (; at < value.length; at++) {
    const char = value[at]!;
    if (char === "\\" && depth > 0) at++;
    else if (char === "(") depth++;
    else if (char === ")" && depth > 0) depth--;
    else if (depth === 0 && !/\s/.test(char)) break;
  }
  if (value[at] === '"') {
    let out = "";
    for (at++; at < value.length && value[at] !== '"'; at++) out += value[at] === "\\" ? value[++at] ?? "" : value[at];
    return out.toLowerCase();
  }
  const start = at;
  while (at < value.length && !/[\s;()]/.test(value[at]!)) at++;
  return at > start ? value.slice(start, at).toLowerCase() : null;
}

/**
 * Where Authentication-Results stand that claim `host` said them, or that nobody can tell who did (RFC 8601 5): octet
 * ranges, ascending. A line that is no field ends the section for us; for a reader behind us it may not, so the lines
 * up to the empty one are looked at as well. Linear.
 */
export function forgedResults(
  section: HeaderSection,
  host: string,
): readonly (readonly [start: number, end: number])[] {
  const ours = host.toLowerCase(), { octets } = section;
  const found: (readonly [number, number])[] = [];
  for (let part = section, base = 0;;) {
    for (const field of part.named("Authentication-Results")) {
      const id = authservId(part.value(field));
      if (id === null || id === ours) found.push([base + field.start, base + field.end]);
    }
    if (part.malformedAt === null) return found;
    const next = nextWithA(octets, base + part.malformedAt);
    if (next < 0) return found;
    part = new HeaderSection(octets.subarray(next));
    base = next;
  }
}

/** The next line after the one at `from` that begins with an A in either case, before the first empty one; else -1. */
function nextWithA(octets: Uint8Array, from: number): number {
  for (let at = octets.indexOf(10, from) + 1; at > 0 && at < octets.length; at = octets.indexOf(10, at) + 1) {
    const first = octets[at]!;
    if (first === 10 || (first === 13 && octets[at + 1] === 10)) return -1;
    if ((first | 32) === 0x61) return at;
  }
  return -1;
}
