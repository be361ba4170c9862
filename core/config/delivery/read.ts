/**
 * From the keys of `delivery` and `dns` to what they mean, each fault with its place: routes name what is there, rules of
 * TLS and of suspension are ones. Non-job: the keys (schema.ts), next hops (next_hops.ts).
 */
import { resolve } from "node:path";
import type { z } from "zod";
import { NO_SENDER, type RouteRule } from "../../delivery/route_rules.ts";
import { type SuspensionRule, SuspensionRules } from "../../delivery/suspension.ts";
import { type TlsRule, TlsRules } from "../../delivery/tls/rules.ts";
import type { Family } from "../../dns/host_addresses.ts";
import type { StubOptions } from "../../dns/stub.ts";
import { type Address, formatAddress } from "../../model/address.ts";
import { leavesOf } from "../../pipeline/compile.ts";
import type { DeliveryConfig, DeliveryTls, ListenerConfig, TlsReports } from "../config.ts";
import type { Faults } from "../faults.ts";
import type { Path } from "../issue.ts";
import { didYouMean } from "../nearest.ts";
import type * as schema from "./schema.ts";

type Written = z.output<typeof schema.Delivery>;

export interface DeliveryOptions {
  readonly base: string;
  readonly faults: Faults;
  readonly hostname: string;
  readonly postmaster: Address | null;
  /** Names of the next hops, those with faults too. */
  readonly nextHops: readonly string[];
  readonly listeners: readonly ListenerConfig[];
  /** See `DeliveryConfig.leaves`. */
  readonly leaves: boolean;
}

/** What `delivery` means. */
export function readDelivery(written: Written, options: DeliveryOptions): DeliveryConfig {
  const { faults, postmaster } = options;
  const { source, suspend, suppress, tls, routes, preferFamily, doubleBounce, ...plain } = written;
  if (doubleBounce === "postmaster" && postmaster === null) {
    faults.add(["delivery", "doubleBounce"], "there is no postmaster: set postmaster: ADDRESS");
  }
  return {
    ...plain,
    leaves: options.leaves,
    nullSenderExpire: Math.min(plain.nullSenderExpire, plain.expire),
    routes: readRoutes(routes, options),
    doubleBounce: doubleBounce ?? (postmaster === null ? "drop" : "postmaster"),
    source: {
      ...source.ipv4 !== undefined && { 4: source.ipv4 },
      ...source.ipv6 !== undefined && { 6: source.ipv6 },
    },
    preferFamily: FAMILIES[preferFamily],
    suspend: suspend.map((each, index) => readSuspension(each, ["delivery", "suspend", index], faults)),
    suppress,
    tls: readTls(tls, options),
  };
}

const FAMILIES: Readonly<Record<Written["preferFamily"], Family | null>> = { none: null, ipv4: 4, ipv6: 6 };

function readRoutes(routes: Written["routes"], options: DeliveryOptions): RouteRule[] {
  const { faults, nextHops } = options, stores = storesOf(options.listeners);
  return routes.map(({ domain, sender, to, via = null, plugin = null, reason = null }, index) => {
    const path: Path = ["delivery", "routes", index];
    for (
      const [key, value, word] of [["via", via, "remote"], ["plugin", plugin, "local"], ["reason", reason, "hold"]]
    ) {
      if (value !== null && to !== word) faults.add([...path, key!], `goes with to: ${word}`, { key: true });
    }
    if (to === "remote" && via !== null && !nextHops.includes(via)) {
      faults.add([...path, "via"], noNextHop(via, nextHops));
    }
    if (to === "local" && plugin === null) faults.add(path, "to: local needs plugin: NAME, a plugin that stores mail");
    else if (plugin !== null && stores !== null && !stores.includes(plugin)) {
      const others = stores.length > 0 ? `; what stores mail is ${stores.join(", ")}` : "";
      const found = didYouMean(plugin, stores) || others;
      faults.add([...path, "plugin"], `"${plugin}" stores no mail on any listener${found}`);
    }
    return {
      domains: domain,
      senders: sender ?? null,
      to,
      via,
      plugin,
      reason: to === "hold" ? reason ?? "a route of the configuration" : null,
    };
  });
}

/** The sentence about a name that is no next hop. */
export function noNextHop(name: string, nextHops: readonly string[]): string {
  const others = nextHops.length > 0 ? `; there ${nextHops.length > 1 ? "are" : "is"} ${nextHops.join(", ")}` : "";
  return `"${name}" is not among nextHops${didYouMean(name, nextHops) || others}`;
}

/** Null when a plugin with faults stands in a list: it may be the one. */
function storesOf(listeners: readonly ListenerConfig[]): string[] | null {
  const leaves = listeners.flatMap(({ plugins }) => leavesOf(plugins, undefined));
  if (leaves.some(({ plugin }) => Object.keys(plugin.handlers).length === 0)) return null;
  return [...new Set(storing(leaves))];
}
function storing(leaves: ReturnType<typeof leavesOf>): string[] {
  return leaves.filter(({ plugin, policy }) => plugin.handlers.queue && policy.mode !== "observe")
    .map(({ plugin }) => plugin.name);
}

/** Sentences about routes that work and are probably not meant. */
export function routeWarnings(routes: readonly RouteRule[], listeners: readonly ListenerConfig[]): string[] {
  const warnings: string[] = [];
  const all = routes.findIndex(({ domains, senders }) =>
    domains.includes("*") && (senders === null || senders.includes("*") && senders.includes(NO_SENDER))
  );
  if (all >= 0 && all < routes.length - 1) {
    warnings.push(`delivery.routes[${all}]: takes everything, so that the routes after it are never used`);
  }
  for (const [index, { plugin }] of routes.entries()) {
    if (plugin === null) continue;
    for (const { name, plugins } of listeners) {
      if (storing(leavesOf(plugins, undefined)).includes(plugin)) continue;
      warnings.push(
        `delivery.routes[${index}]: "${plugin}" stores no mail of listener ${name}, which would wait for it`,
      );
    }
  }
  return warnings;
}

function readSuspension(
  written: Written["suspend"][number],
  path: Path,
  faults: Faults,
): SuspensionRule {
  const rule = { reply: written.reply, milliseconds: written.for };
  judged(() => new SuspensionRules([rule]), [...path, "reply"], { faults });
  return rule;
}

function readTls({ rules, mtaSts, dane, ca, reports }: Written["tls"], options: DeliveryOptions): DeliveryTls {
  const { faults, base } = options;
  for (const [pattern, rule] of Object.entries(rules)) {
    const prefix = `"${pattern}": `; // the path says it
    judged(() => new TlsRules({ [pattern]: rule as TlsRule }), ["delivery", "tls", "rules", pattern], {
      faults,
      prefix,
    });
  }
  return {
    rules: rules as Readonly<Record<string, TlsRule>>,
    mtaSts,
    dane,
    ca: ca === undefined ? null : resolve(base, ca),
    reports: reports === null ? null : readReports(reports, options),
  };
}

function readReports(
  { from, contact, organization }: NonNullable<Written["tls"]["reports"]>,
  { hostname, postmaster }: DeliveryOptions,
): TlsReports {
  const sender = from ?? postmaster ?? { local: "postmaster", domain: hostname };
  return {
    from: sender,
    contact: contact ?? formatAddress(sender),
    organization: organization ?? sender.domain,
  };
}

/** Whoever reads a rule at work is asked whether it is one. */
function judged(make: () => unknown, path: Path, options: { readonly faults: Faults; readonly prefix?: string }): void {
  try {
    make();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    options.faults.add(path, error.message.replace(options.prefix ?? "", ""));
  }
}

/** What `dns` means; null where it says nothing. */
export function readDns(written: z.output<typeof schema.Dns> | undefined): Partial<StubOptions> | null {
  const { servers, validating } = written ?? {};
  if (servers === undefined && validating === undefined) return null;
  return { ...servers !== undefined && { servers }, ...validating !== undefined && { validating } };
}
