/**
 * Where a recipient's copy goes now: its route as a plugin gave it, today's rules for routes that name no next hop, and the
 * name of the destination that it shares with others. Pure. (SEMANTICS 23, 26.)
 * Non-job: the rules themselves (route_rules.ts), the hosts of a domain (core/dns), going there.
 */
import type { Address } from "../model/address.ts";
import type { Route } from "../model/envelope.ts";
import { destinationKey } from "../queue/destination.ts";
import type { NextHop } from "./next_hop.ts";
import { type RouteRule, RouteRules } from "./route_rules.ts";

export type Target =
  | { readonly kind: "local"; readonly plugin: string }
  /** The hosts that the domain names. */
  | { readonly kind: "mx"; readonly domain: string }
  | { readonly kind: "hop"; readonly hop: NextHop }
  /** Waits for a person. */
  | { readonly kind: "hold"; readonly reason: string }
  | { readonly kind: "discard" }
  /** Nothing is delivered: its sender is told. */
  | { readonly kind: "report"; readonly action: "failed" | "expanded"; readonly reason: string }
  /** A next hop that is not configured (any more), or mail that may not leave: it waits for better times. */
  | { readonly kind: "nowhere"; readonly reason: string };

/** A recipient as far as its way matters. */
export interface Routed {
  readonly address: Address;
  readonly route: Route;
  /** A person released it: it is not held by a rule again. */
  readonly released?: boolean;
}

export interface TargetOptions {
  readonly rules: readonly RouteRule[];
  readonly nextHops: ReadonlyMap<string, NextHop>;
  /** False: nothing may leave this machine. */
  readonly leaves: boolean;
}

export class Targets {
  readonly #options: TargetOptions;
  readonly #rules: RouteRules;

  constructor(options: TargetOptions) {
    this.#options = options;
    this.#rules = new RouteRules(options.rules);
  }

  of({ address, route, released = false }: Routed, sender: Address | null): Target {
    switch (route.to) {
      case "local":
        return { kind: "local", plugin: route.plugin };
      case "report":
        return { kind: "report", action: route.action, reason: route.reason };
      case "remote":
        if (!this.#options.leaves) return { kind: "nowhere", reason: "mail does not leave this machine" };
        return route.via === undefined ? this.#ruled(address, sender, released) : this.#hop(route.via);
    }
  }

  #ruled(address: Address, sender: Address | null, released: boolean): Target {
    const rule = this.#rules.of(address, sender, { released });
    switch (rule?.to) {
      case "local":
        return { kind: "local", plugin: rule.plugin! };
      case "discard":
        return { kind: "discard" };
      case "hold":
        return { kind: "hold", reason: rule.reason ?? "held by a route" };
      case "remote":
        if (rule.via !== null) return this.#hop(rule.via);
    }
    return { kind: "mx", domain: address.domain.toLowerCase() };
  }

  #hop(name: string): Target {
    const hop = this.#options.nextHops.get(name);
    return hop === undefined
      ? { kind: "nowhere", reason: `there is no next hop "${name}" in the configuration` }
      : { kind: "hop", hop };
  }
}

/** The name under which a destination is leased, limited, closed and woken. */
export function keyOf(target: Target): string {
  switch (target.kind) {
    case "local":
      return destinationKey({ to: "local", plugin: target.plugin }, "");
    case "mx":
      return destinationKey({ to: "remote" }, target.domain);
    case "hop":
      return destinationKey({ to: "remote", via: target.hop.name }, "");
    case "hold":
    case "discard":
    case "nowhere":
    case "report":
      return "report"; // nobody is asked: they share a place
  }
}
