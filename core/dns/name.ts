/**
 * Names as name service takes and gives them: what may be asked, what of an answer may be shown (RFC 1035 2.3.4, 3.5).
 * Non-job: what a mail domain is (core/model/domain.ts is stricter).
 */
import ipaddr from "ipaddr.js";
import { canonicalIp, isIPv4 } from "../model/ip.ts";

const PRINTABLE = /^[\x20-\x7e]+$/;
const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/**
 * The name in lower case without its last dot, or null when no question can be made of it: a control character, NUL,
 * anything beyond ASCII, an empty label, a label over 63 octets or a name over 253 never reaches the wire.
 */
export function canonicalName(text: string): string | null {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name.length === 0 || name.length > 253 || !PRINTABLE.test(name)) return null;
  for (let start = 0; start <= name.length;) {
    const dot = name.indexOf(".", start), end = dot < 0 ? name.length : dot;
    if (end === start || end - start > 63) return null;
    start = end + 1;
  }
  return name.toLowerCase();
}

/** True for a name made of letters, digits, hyphens and underscores: what PTR and MX may say to the rest of the house. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && HOST.test(name);
}

/** The name under in-addr.arpa or ip6.arpa, or null when the text is no address. */
export function reverseName(ip: string): string | null {
  const text = canonicalIp(ip);
  if (text === null) return null;
  if (isIPv4(text)) return `${text.split(".").reverse().join(".")}.in-addr.arpa`;
  let name = "";
  for (const byte of ipaddr.parse(text).toByteArray()) {
    name = `${(byte & 15).toString(16)}.${(byte >> 4).toString(16)}.${name}`;
  }
  return `${name}ip6.arpa`;
}
