/**
 * What `postern check` and the site say of delivery to other hosts: when is tried again, next hops, which mail goes where, what TLS
 * there must be. Non-job: asking any of those hosts.
 */
import type { Config } from "../config.ts";
import { formatHopHost, type NextHop } from "../../delivery/next_hop.ts";
import type { RouteRule } from "../../delivery/route_rules.ts";
import type { TlsRule } from "../../delivery/tls/rules.ts";
import { isTrusted, type StubOptions } from "../../dns/stub.ts";
import { formatAddress } from "../../model/address.ts";
import { formatDuration, formatRate } from "../../model/units.ts";

/** Line by line. `resolver`: whom this host asks. */
export function describeDelivery({ delivery, nextHops }: Config, resolver: StubOptions): string[] {
  if (!delivery.leaves) return [line("delivery", "nothing leaves this machine")];
  const { retry, delayNotice, expire, nullSenderExpire, concurrencyPerDomain, connections, rates, tls } = delivery;
  const notice = delayNotice === null ? "no notice of delay" : `notice of delay after ${formatDuration(delayNotice)}`;
  const times = `retry after ${retry.map(formatDuration).join(", ")}; ${notice}`;
  const { softBounce, suspend, suppress } = delivery;
  const end = `given up after ${formatDuration(expire)}, without a sender after ${formatDuration(nullSenderExpire)}`;
  return [
    line("delivery", `${times}; ${end}`),
    line("at once", `${concurrencyPerDomain} to a destination, ${connections} in all`),
    ...Object.entries(rates).map(([domain, rate]) => line("rate", `${domain}: ${formatRate(rate)}`)),
    ...suspend.map(({ reply, milliseconds }) => line("suspend", `${formatDuration(milliseconds)} after "${reply}"`)),
    ...suppress.hardBounces === null ? [] : [
      line("suppress", `${formatDuration(suppress.hardBounces)} what was refused for good`),
    ],
    ...softBounce ? [line("soft bounce", "what is refused for good is tried again")] : [],
    ...[...nextHops.values()].map((hop) => line("next hop", describeHop(hop))),
    ...delivery.routes.map((route) => line("route", describeRoute(route, delivery.port))),
    ...takesEverything(delivery.routes) ? [] : [line("route", `${others(delivery.routes)}${byMx(delivery.port)}`)],
    ...Object.entries(tls.rules).map(([domain, rule]) => line("TLS", `${domain}: ${describeRule(rule)}`)),
    ...Object.hasOwn(tls.rules, "*") ? [] : [line("TLS", `${others(Object.keys(tls.rules))}where it is offered`)],
    line("MTA-STS", tls.mtaSts ? "on" : "off"),
    line("DANE", tls.dane ? describeDane(resolver) : "off"),
    line("TLS reports", tls.reports === null ? "off" : `from ${formatAddress(tls.reports.from)}`),
  ];
}

function line(name: string, text: string): string {
  return `${name.padEnd(15)}${text}`;
}
function others(before: readonly unknown[]): string {
  return before.length === 0 ? "*: " : "all others: ";
}
function byMx(port: number): string {
  return `the hosts of the domain${port === 25 ? "" : `, port ${port}`}`;
}

function describeHop({ name, hosts, auth, mx, http, concurrency, rate }: NextHop): string {
  const notes = [
    `${name}: ${hosts.map(formatHopHost).join(", then ")}`,
    mx ? "by MX" : "",
    auth === null ? "" : `login ${auth.user}${auth.inClear ? " without TLS too" : ""}`,
    http === null ? "" : `${http.format}, ${http.secret === null ? "not signed" : "signed"}`,
    concurrency === null ? "" : `${concurrency} at once`,
    rate === null ? "" : formatRate(rate),
  ];
  return notes.filter((each) => each !== "").join("; ");
}

function describeRoute({ domains, senders, to, via, plugin, reason }: RouteRule, port: number): string {
  const which = `${domains.join(", ")}${senders === null ? "" : ` from ${senders.join(", ")}`}`;
  const where = to === "hold"
    ? `held: ${reason}`
    : to === "discard"
    ? "discarded"
    : to === "local"
    ? `stored by ${plugin}`
    : via === null
    ? byMx(port)
    : `via ${via}`;
  return `${which}: ${where}`;
}
function takesEverything(routes: readonly RouteRule[]): boolean {
  return routes.some(({ domains, senders }) => domains.includes("*") && senders === null);
}

function describeRule({ level, names, fingerprints, ignorePublished }: TlsRule): string {
  const notes = [
    names === undefined ? "" : `names ${names.join(", ")}`,
    fingerprints === undefined ? "" : `${fingerprints.length} fingerprint${fingerprints.length === 1 ? "" : "s"}`,
    ignorePublished ? "whatever is published" : "",
  ];
  return [level, ...notes.filter((each) => each !== "")].join("; ");
}

function describeDane(resolver: StubOptions): string {
  if (isTrusted(resolver)) return "on";
  return resolver.validating === false
    ? "off, dns.validating says that the resolver checks nothing"
    : "off, the resolver is not on this host";
}
