/**
 * Schemas for the words that keys take: addresses of every kind, domains, networks, counts. Non-job: quantities with a
 * unit (units.ts), which key takes what (schema.ts).
 */
import { z } from "zod";
import { parseAddress } from "../model/address.ts";
import { parseAddressPattern } from "../model/address_pattern.ts";
import { canonicalDomain, isDomainPattern } from "../model/domain.ts";
import { canonicalIp, isNetwork } from "../model/ip.ts";
import type { TcpAddress, UnixAddress } from "./config.ts";

/** A string that `read` turns into a value, or turns down. */
export function text<T>(read: (text: string) => T | null, expected: string) {
  return z.string({ error: `must be ${expected}` }).transform((value, context) => {
    const found = read(value);
    if (found !== null) return found;
    context.addIssue(`"${value.slice(0, 80)}" is not ${expected}`);
    return z.NEVER;
  });
}

/** `host:port`; IPv6 addresses in brackets. */
export function parseTcp(value: string): TcpAddress | null {
  const [, six, name, digits] = /^(?:\[([^\]\s]+)\]|([^:\s[\]/]+)):(\d{1,5})$/.exec(value) ?? [];
  const host = six ?? name, port = Number(digits);
  if (host === undefined || port > 65535) return null;
  return (six === undefined ? canonicalDomain(host) : canonicalIp(host)) === null ? null : { host, port };
}
/** `host:port`, or `unix:PATH`. */
export function parseEndpoint(value: string): TcpAddress | UnixAddress | null {
  if (!value.startsWith("unix:")) return parseTcp(value);
  return value.length > 5 ? { path: value.slice(5) } : null;
}

export const TCP = 'an address and a port, such as "127.0.0.1:2525" or "[::1]:2525"';
export const tcp = text(parseTcp, TCP);
export const endpoint = text(parseEndpoint, `${TCP}, or a socket file, such as "unix:./lmtp.sock"`);
export const domainPattern = text(
  (value) => isDomainPattern(value) ? value : null,
  'a domain, such as "example.org", "*.example.org" or "*"',
);
export const network = text(
  (value) => isNetwork(value) ? value : null,
  'an IP address or a network, such as "192.0.2.0/24"',
);
export const permissions = text(
  (value) => /^0?[0-7]{3}$/.test(value) ? parseInt(value, 8) : null,
  'permissions in quotes, such as "0660"',
);
/** Milliseconds since midnight. */
export const timeOfDay = text((value) => {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(value) ?? [];
  return hours === undefined ? null : (Number(hours) * 60 + Number(minutes)) * 60_000;
}, 'a time of day, such as "06:00"');
export const address = text(parseAddress, 'an address, such as "ops@example.org"');
export const addressPattern = text(
  (value) => parseAddressPattern(value) === null ? null : value,
  'an address, "*@example.org", "user+*@example.org" or "*"',
);
export const hostname = text(canonicalDomain, 'a host name, such as "mx.example.org"');
export const count = (max = 1_000_000) => z.int().min(1).max(max);

/** A value, or a list of them; out comes a list. */
export function oneOrMore<T extends z.ZodType>(schema: T) {
  return z.union([schema, z.array(schema).min(1)]).transform((value) => Array.isArray(value) ? value : [value]);
}
