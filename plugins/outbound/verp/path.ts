/**
 * Variable envelope return paths: `list+user=domain@host`, so that a bounce names the recipient it is about. What is no
 * plain atom is written `+XX`, each octet in hex, so every path reads back to one recipient. Non-job: when to use one.
 */
import { type Address, formatAddress, parseAddress } from "../../../core/pipeline/mod.ts";

const MAX_LOCAL = 64; // RFC 5321 4.5.3.1.1
const PLAIN = /[A-Za-z0-9!#$&'*/?^_`{|}~.-]/;

function escaped(text: string): string {
  let out = "";
  for (const octet of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(octet);
    const dots = char === "." && (out === "" || out.endsWith("."));
    out += PLAIN.test(char) && !dots ? char : `+${octet.toString(16).padStart(2, "0")}`;
  }
  return out.endsWith(".") ? `${out.slice(0, -1)}+2e` : out;
}

/** The path for a recipient; null when it would be too long. */
export function verpPath(list: Address, recipient: Address): Address | null {
  const local = `${list.local}+${escaped(recipient.local)}=${escaped(recipient.domain)}`;
  const path = { local, domain: list.domain }, written = formatAddress({ local, domain: "" });
  return new TextEncoder().encode(written).length > MAX_LOCAL ? null : path;
}

/** The recipient that a path of the list names; null when it is none that `verpPath` wrote. */
export function verpRecipient(list: Address, path: Address): Address | null {
  const front = `${list.local}+`;
  if (path.domain !== list.domain || !path.local.toLowerCase().startsWith(front.toLowerCase())) return null;
  const parts = path.local.slice(front.length).split("=");
  if (parts.length !== 2 || path.local.length > MAX_LOCAL) return null;
  try {
    const [local, domain] = parts.map((part) => decodeURIComponent(part.replaceAll("%", "%25").replaceAll("+", "%")));
    const found = parseAddress(formatAddress({ local: local!, domain: domain! }));
    const again = found && verpPath(list, found);
    return again?.local.toLowerCase() === path.local.toLowerCase() ? found : null;
  } catch {
    return null; // no hex, or no UTF-8
  }
}
