/**
 * What a list's answer means: the addresses in 127.0.0.0/8 that it gives back (RFC 5782 2.1, 2.3), and which of them an
 * operator wants to hear. Values only. Non-job: asking (list.ts).
 */
import { ipOctets, isIPv4, isNetwork, Networks } from "../../../core/pipeline/mod.ts";

/** True for an answer (an IPv4 address) that counts. */
export type CodeFilter = (code: string) => boolean;

/** One text to the next: what stands there is an IPv4 address. */
const number = (ip: string): number => ipOctets(ip).reduce((sum, octet) => sum * 256 + octet, 0);

/**
 * Reads a filter: `127.0.0.2`, `127.0.0.4-11` or `127.0.0.4-127.0.1.11` (both ends included), `127.0.0.0/28`, and
 * `&0.0.0.6`, which counts when one of these bits is set. Null when the text is none.
 *
 * @example
 * ```ts
 * import { parseCodeFilter } from "./codes.ts";
 * import { assertEquals } from "@std/assert";
 * const policy = parseCodeFilter("127.0.0.10-11")!;
 * assertEquals([policy("127.0.0.10"), policy("127.0.0.12"), parseCodeFilter("127.0.0.x")], [true, false, null]);
 * ```
 */
export function parseCodeFilter(text: string): CodeFilter | null {
  if (text.startsWith("&")) {
    const mask = text.slice(1);
    if (!isIPv4(mask) || number(mask) === 0) return null;
    const bits = ipOctets(mask);
    return (code) => ipOctets(code).some((octet, at) => (octet & bits[at]!) !== 0);
  }
  const dash = text.indexOf("-");
  if (dash > 0) {
    const from = text.slice(0, dash), end = text.slice(dash + 1);
    if (!isIPv4(from)) return null;
    const to = end.includes(".") ? end : `${from.slice(0, from.lastIndexOf(".") + 1)}${end}`;
    if (!isIPv4(to) || number(to) < number(from)) return null;
    return (code) => number(from) <= number(code) && number(code) <= number(to);
  }
  if (isIPv4(text)) return (code) => code === text;
  if (!isNetwork(text) || !isIPv4(text.slice(0, text.indexOf("/")))) return null;
  const networks = new Networks([text]);
  return (code) => networks.has(code);
}

/**
 * What an answer is: `code` may mean something; `refused` is how public lists say that they do not serve this resolver
 * (127.255.255.0/24); `wild` comes from no list at all, but from whoever got its name after it had closed.
 */
export function kindOf(answer: string): "code" | "refused" | "wild" {
  if (answer.startsWith("127.255.255.")) return "refused";
  return answer.startsWith("127.") && isIPv4(answer) ? "code" : "wild";
}
