/**
 * The keys `nextHops`, `delivery` and `dns`, each with its type, its default and its sentence. Non-job: what one key means
 * for another (next_hops.ts, read.ts).
 */
import { z } from "zod";
import { HOP_URL, type HopHost, parseHopHost } from "../../delivery/next_hop.ts";
import { NO_SENDER } from "../../delivery/route_rules.ts";
import { TLS_LEVELS } from "../../delivery/tls/rules.ts";
import { parseHttpsServer } from "../../dns/doh.ts";
import { parseServer } from "../../dns/resolv_conf.ts";
import { formatAddress, parseAddress } from "../../model/address.ts";
import { isDomainPattern } from "../../model/domain.ts";
import { canonicalIp, isIPv4, isIPv6 } from "../../model/ip.ts";
import { duration, durationOrOff, rate, size } from "../units.ts";
import { address, count, domainPattern, oneOrMore, text } from "../values.ts";

/** What is wrong with a URL is said without showing it. */
const hopHost = z.string({ error: `must be ${HOP_URL}` }).transform((value, context): HopHost => {
  const host = parseHopHost(value);
  if (typeof host !== "string") return host;
  context.addIssue(host);
  return z.NEVER;
});
const nameServer = text(
  (value) => parseServer(value) ?? parseHttpsServer(value),
  'a name server, such as "127.0.0.1", "127.0.0.1:5353", "[::1]:53" or "https://dns.example.net/dns-query"',
);
const sender = text(
  (value) => {
    if (value === NO_SENDER) return value;
    const found = value.includes("@") ? parseAddress(value) : null;
    return found !== null ? formatAddress(found) : isDomainPattern(value) ? value : null;
  },
  'a domain, an address, such as "news@example.org", or "<>" for mail without a sender',
);
const secret = z.string().min(1, { error: "is empty" });
const NAME = "must begin with a letter and have only letters, digits, dots, dashes and underscores";
const hopName = z.string().regex(/^[A-Za-z][\w.-]{0,63}$/, { error: NAME });
const fieldName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, { error: "is no name of a header field" });
const fieldValue = z.string().regex(/^[\x20-\x7e]{0,4096}$/, { error: "must be one line of ASCII" });

export const NextHop = z.strictObject({
  hosts: z.array(hopHost).min(1).max(32).describe(
    "URLs, tried in their order: smtp, smtps, lmtp, lmtp+unix, http, https.",
  ),
  auth: z.strictObject({
    user: secret.describe("Whose login it is."),
    password: secret.optional().describe("Its password."),
    token: secret.optional().describe("A bearer token instead of a password (RFC 7628)."),
    inClear: z.boolean().prefault(false).describe(
      "Say it without TLS too, and to a host whose certificate nobody vouches for.",
    ),
  }).optional().describe("How to log in there (RFC 4954)."),
  mx: z.boolean().prefault(false).describe(
    "Look up which hosts take mail for these names, instead of their addresses.",
  ),
  format: z.enum(["raw", "json"]).optional().describe(
    "Of web hosts: the message as it is, or inside JSON; raw unless given.",
  ),
  secret: secret.optional().describe("Of web hosts: what requests are signed with."),
  headers: z.record(fieldName, fieldValue).optional().describe("Of web hosts: header fields that requests carry."),
  timeout: duration({ min: 1000, max: 600_000 }).optional().describe(
    "Of web hosts: how long a request may take; one minute unless given.",
  ),
  concurrency: count(10_000).optional().describe(
    "Deliveries there at once; as `delivery.concurrencyPerDomain` unless given.",
  ),
  rate: rate().optional().describe("How often deliveries there may start."),
});
export const NextHops = z.record(hopName, NextHop);

const Route = z.strictObject({
  domain: oneOrMore(domainPattern).prefault("*").describe("The recipient's domain."),
  sender: oneOrMore(sender).optional().describe('The sender\'s domain or address; "<>" for mail without one.'),
  to: z.enum(["remote", "local", "hold", "discard"]).describe(
    "Another host, a storage plugin, a person who releases it, or nowhere.",
  ),
  via: z.string().optional().describe("The next hop; without it the hosts that the domain's MX records name."),
  plugin: z.string().optional().describe("The storage plugin, with `to: local`."),
  reason: z.string().min(1).max(200).regex(/^[^\p{Cc}]*$/u, { error: "must be one line" }).optional()
    .describe("What that person is told, with `to: hold`."),
});

/** One of `delivery.tls.rules`. */
export const TlsRule = z.strictObject({
  level: z.enum(TLS_LEVELS as [string, ...string[]]).transform((level) => level as typeof TLS_LEVELS[number]).describe(
    "How much TLS there must be.",
  ),
  names: z.array(z.string()).min(1).optional().describe(
    "With secure: names that the certificate may have; the domain and all below it unless given.",
  ),
  fingerprints: z.array(z.string()).min(1).optional().describe(
    "With fingerprint: SHA-256 of the certificate or of its public key, in hex.",
  ),
  ignorePublished: z.boolean().optional().describe("DANE and MTA-STS of this domain do not count."),
});
const Level = z.enum(TLS_LEVELS as [string, ...string[]]).transform((level) => ({
  level: level as typeof TLS_LEVELS[number],
}));

const REPORTS = "must be off, or a group of keys: {} has good defaults";

const Tls = z.strictObject({
  rules: z.record(domainPattern, z.union([TlsRule, Level])).prefault({}).describe(
    "What TLS there must be, by the recipient's domain or the host of a next hop: a level, or a group of keys.",
  ),
  mtaSts: z.boolean().prefault(true).describe("Keep to what domains publish by MTA-STS (RFC 8461)."),
  dane: z.boolean().prefault(true).describe("Keep to what domains publish by DANE (RFC 7672)."),
  ca: z.string().min(1).optional().describe("PEM file: authorities to trust beside those of the system."),
  reports: z.union([
    z.strictObject({
      from: address.optional().describe("Their sender; postmaster unless given."),
      contact: z.string().min(1).max(200).regex(/^[\x20-\x7e]*$/, { error: "must be one line of ASCII" }).optional()
        .describe("Where questions go; the sender unless given."),
      organization: z.string().min(1).max(200).regex(/^[^\p{Cc}]*$/u, { error: "must be one line" }).optional()
        .describe(
          "Who reports; the sender's domain unless given.",
        ),
    }, { error: (issue) => issue.code === "invalid_type" ? REPORTS : undefined }),
    z.string({ error: REPORTS }).regex(/^off$/, { error: REPORTS }).transform(() => null),
  ]).prefault("off").describe(
    "Daily reports about TLS to domains that ask for them (RFC 8460): off, or a group of keys.",
  ),
});

export const Delivery = z.strictObject({
  retry: z.array(duration({ min: 1000 })).min(1).prefault(["1m", "5m", "15m", "30m", "1h", "2h", "4h"])
    .describe("Waits before each further attempt; the last one repeats."),
  expire: duration({ min: 60_000 }).prefault("5d").describe("When to give up (RFC 5321 4.5.4.1)."),
  nullSenderExpire: duration({ min: 60_000 }).prefault("1d").describe(
    "When to give up mail without a sender; never after `expire`.",
  ),
  delayNotice: durationOrOff({ min: 60_000 }).prefault("4h").describe(
    "When the sender is told that a message still waits, or off.",
  ),
  concurrencyPerDomain: count(10_000).prefault(20).describe("Deliveries to one destination at once, at most."),
  connections: count(10_000).prefault(200).describe(
    "Deliveries under way at all, at most; `ulimit -n` may allow less.",
  ),
  rates: z.record(domainPattern, rate()).prefault({}).describe(
    "How often deliveries may start, by the recipient's domain; the closest pattern counts.",
  ),
  routes: z.array(Route).max(10_000).prefault([]).describe("Where mail for other hosts goes; the first that fits."),
  softBounce: z.boolean().prefault(false).describe("Try again where another host refuses for good."),
  doubleBounce: z.enum(["postmaster", "drop"]).optional().describe(
    "Where reports go that cannot be delivered; to postmaster unless there is none.",
  ),
  successReports: z.enum(["anyone", "known"]).prefault("anyone").describe(
    "Who gets reports of success that were asked for (RFC 3461): anyone, or clients that had logged in.",
  ),
  returnSize: size({ max: 2 ** 20 }).prefault("50KiB").describe(
    "Up to this size a report returns the whole message, where it may.",
  ),
  eightBit: z.enum(["convert", "bounce"]).prefault("convert").describe(
    "8-bit content for a host without 8BITMIME (RFC 6152 3): code it anew, or return it.",
  ),
  port: z.int().min(1).max(65_535).prefault(25).describe("The port of the hosts that domains name."),
  source: z.strictObject({
    ipv4: text((value) => isIPv4(value) ? value : null, "an IPv4 address").optional()
      .describe("The address that connections to IPv4 come from."),
    ipv6: text((value) => isIPv6(value) ? canonicalIp(value) : null, "an IPv6 address").optional()
      .describe("The address that connections to IPv6 come from."),
  }).prefault({}).describe("Addresses of this host; the system's choice unless given."),
  preferFamily: z.enum(["none", "ipv6", "ipv4"]).prefault("none").describe(
    "Which addresses of a host are tried first (RFC 8305).",
  ),
  suspend: z.array(z.strictObject({
    reply: z.string().describe("What a reply begins with; `*` stands for anything."),
    for: duration({ min: 1000, max: 7 * 86_400_000 }).describe("How long nothing goes there."),
  })).max(1000).prefault([]).describe("Replies that keep us away from a destination for a time."),
  suppress: z.strictObject({
    hardBounces: durationOrOff({ min: 60_000, max: 3650 * 86_400_000 }).prefault("off").describe(
      "How long an address that refused for good gets nothing, or off.",
    ),
  }).prefault({}).describe("Addresses that are left alone."),
  tls: Tls.prefault({}).describe("TLS with other hosts."),
});

export const Dns = z.strictObject({
  servers: z.array(nameServer).min(1).max(
    8,
  )
    .optional().describe("Asked instead of those in /etc/resolv.conf."),
  validating: z.boolean().optional().describe(
    "They check DNSSEC, and nobody on the way can change what they say; by default when they are on this host.",
  ),
});
