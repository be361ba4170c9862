/**
 * Where mail for other hosts goes, as the operator says it: by the recipient's domain and the sender, the first rule that
 * fits. Asked for recipients that a plugin routed `remote` without naming a next hop. Pure. Non-job: what is local
 * (plugins), what a next hop is (next_hop.ts).
 */
import { type Address, formatAddress, parseAddress } from "../model/address.ts";
import { DomainSet } from "../model/domain.ts";

/** One of them. */
export interface RouteRule {
  /** Of recipients, as `DomainSet` reads them. */
  readonly domains: readonly string[];
  /** Domains as `DomainSet` reads them, whole addresses, `<>` for mail without a sender; null: any. */
  readonly senders: readonly string[] | null;
  /** The hosts that the domain names or a next hop, a storage plugin, a person, or nowhere. */
  readonly to: "remote" | "local" | "hold" | "discard";
  /** With `remote`: the next hop; null: the hosts that the domain names. */
  readonly via: string | null;
  /** With `local`: who stores it; else null. */
  readonly plugin: string | null;
  /** With `hold`: what a person is told; else null. */
  readonly reason: string | null;
}

/** Mail without a sender, among `senders`. */
export const NO_SENDER = "<>";

interface Made {
  readonly rule: RouteRule;
  readonly domains: DomainSet;
  readonly senders: ((sender: Address | null) => boolean) | null;
}

/**
 * The rules in their order.
 *
 * @example
 * ```ts
 * import { RouteRules } from "./route_rules.ts";
 * import { assertEquals } from "@std/assert";
 * const held = { senders: null, to: "hold", via: null, plugin: null, reason: "asked for" } as const;
 * const rules = new RouteRules([{ ...held, domains: ["*.example.net"] }]);
 * const to = (domain: string) => rules.of({ local: "bob", domain }, null)?.to;
 * assertEquals([to("mail.example.net"), to("example.net")], ["hold", undefined]);
 * ```
 */
export class RouteRules {
  readonly #rules: readonly Made[];

  /** @throws {TypeError} naming the text that is no domain. */
  constructor(rules: readonly RouteRule[]) {
    this.#rules = rules.map((rule) => ({
      rule,
      domains: new DomainSet(rule.domains),
      senders: rule.senders === null ? null : senderTest(rule.senders),
    }));
  }

  /**
   * The first that fits, null when there is none: then the hosts that the domain names.
   *
   * @param released a person let it go: rules that hold do not count
   */
  of(recipient: Address, sender: Address | null, { released = false } = {}): RouteRule | null {
    for (const { rule, domains, senders } of this.#rules) {
      if (released && rule.to === "hold") continue;
      if (domains.has(recipient.domain) && (senders === null || senders(sender))) return rule;
    }
    return null;
  }
}

/** Local parts are compared without case: who writes a rule means the person. */
function senderTest(patterns: readonly string[]): (sender: Address | null) => boolean {
  const addresses = new Set<string>(), domains: string[] = [];
  let nobody = false;
  for (const each of patterns) {
    const address = each.includes("@") ? parseAddress(each) : null;
    if (each === NO_SENDER) nobody = true;
    else if (address !== null) addresses.add(formatAddress(address).toLowerCase());
    else domains.push(each);
  }
  const set = new DomainSet(domains);
  return (sender) =>
    sender === null ? nobody : set.has(sender.domain) || addresses.has(formatAddress(sender).toLowerCase());
}
