/**
 * XCLIENT (Postfix's XCLIENT_README): a trusted proxy says whose session this is. Attributes in, a map out.
 * Non-job: who is trusted, and what becomes of the session (the verb and its host). XFORWARD is not spoken here: it
 * only decorates a log, and whoever can send it can send XCLIENT.
 */
import { canonicalIp, isIPv4, isIPv6 } from "../model/ip.ts";
import { reject, type Reply } from "../model/reply.ts";

/** What a value means, or null when it means nothing. */
type Read = (value: string) => string | null;

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/; // resolvers do give names with an underscore
const host: Read = (value) => {
  const name = value.toLowerCase();
  return name.length <= 255 && name.split(".").every((label) => LABEL.test(label)) ? name : null;
};
const address: Read = (value) => {
  if (!/^ipv6:/i.test(value)) return isIPv4(value) ? value : null;
  const six = value.slice(5);
  return isIPv6(six) ? canonicalIp(six) : null; // the IPV6: of a mapped address goes with the mapping
};
const port: Read = (value) => /^\d{1,5}$/.test(value) && Number(value) <= 65535 ? String(Number(value)) : null;
const word: Read = (value) => /^[^\s\p{Cc}]{1,255}$/u.test(value) ? value : null;
const protocol: Read = (value) => /^E?SMTP$/i.test(value) ? value.toUpperCase() : null;

const ATTRIBUTES: ReadonlyMap<string, Read> = new Map([
  ["NAME", host],
  ["ADDR", address],
  ["PORT", port],
  ["PROTO", protocol],
  ["HELO", word],
  ["LOGIN", word],
  ["DESTADDR", address],
  ["DESTPORT", port],
]);

/** The line of EHLO. */
export const XCLIENT_KEYWORDS: string = ["XCLIENT", ...ATTRIBUTES.keys()].join(" ");

// xclient-command = XCLIENT 1*( SP attribute-name"="attribute-value )             attribute-value = xtext
const ATTRIBUTE = /^([A-Za-z]{1,16})=((?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+)$/;
const ABSENT: ReadonlySet<string> = new Set(["[UNAVAILABLE]", "[TEMPUNAVAIL]"]);

const bad = (text: string): Reply<"reject"> => reject("5.5.4", text, { code: 501 });

/**
 * What stands behind the verb, by attribute name in upper case: addresses canonical, ports decimal, names in lower case,
 * null where the proxy does not know. Or the refusal.
 */
export function parseXclient(text: string): ReadonlyMap<string, string | null> | Reply<"reject"> {
  const attributes = new Map<string, string | null>();
  for (const each of text.split(" ")) {
    if (each === "") continue; // more than one space: harmless
    const [, key = "", xtext = ""] = ATTRIBUTE.exec(each) ?? [];
    const name = key.toUpperCase(), read = ATTRIBUTES.get(name);
    if (read === undefined) return bad("XCLIENT takes NAME=value, and the names that EHLO lists");
    if (attributes.has(name)) return bad(`${name} stands twice`);
    const value = decoded(xtext) ?? "";
    const absent = ABSENT.has(value.toUpperCase());
    const meaning = absent ? null : read(value);
    if (meaning === null && !absent) return bad(`Bad ${name} value`);
    attributes.set(name, meaning);
  }
  return attributes.size === 0 ? bad("XCLIENT takes NAME=value") : attributes;
}

/** The text of xtext (RFC 3461 4), or null when its octets are no UTF-8. */
function decoded(xtext: string): string | null {
  if (!xtext.includes("+")) return xtext;
  const octets = Uint8Array.from(
    xtext.match(/\+..|./g)!,
    (each) => each.length === 3 ? parseInt(each.slice(1), 16) : each.charCodeAt(0),
  );
  try {
    return UTF8.decode(octets);
  } catch {
    return null;
  }
}
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
