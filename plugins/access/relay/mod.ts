/**
 * Authority: who may send to domains that are not ours (RFC 5321 3.6.2, 7.9). Closed unless a peer has authenticated,
 * stands in a listed network, or names a domain that this host is backup for.
 * Non-job: our own domains and who lives there (`recipients`), where foreign mail goes (delivery).
 */
import { z } from "zod";
import {
  definePlugin,
  DomainSet,
  isDomainPattern,
  Networks,
  type PluginFactory,
  type RcptContext,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { UNPROVEN } from "../../auth/any_login/key.ts";
import { RELAY, type RelayReason } from "./key.ts";

export { RELAY, type RelayReason } from "./key.ts";
export { openNetworks } from "./world.ts";

const described = network.describe("An address or a network: 192.0.2.7, 10.0.0.0/8, fd00::/8");

// "*" would relay for the world, and "*.com" for a good part of it, whatever else stands here.
const WIDE = /^\*(?:\.[^.]+)?\.?$/;
const domain = z.string().refine((text) => !WIDE.test(text) && isDomainPattern(text), {
  error: (issue) =>
    WIDE.test(String(issue.input))
      ? `"${issue.input}" would make an open relay: name the domains`
      : `"${issue.input}" is no domain`,
}).describe("A domain, or *.domain for all names below it");

const Options = z.strictObject({
  networks: z.array(described).default([]).describe("Peers that may send anywhere without authenticating"),
  domains: z.array(domain).default([]).describe(
    "Foreign domains that anybody may send to: this host is their backup MX",
  ),
  authenticated: z.boolean().default(true).describe("Whether authenticated peers may send anywhere"),
});

/**
 * Lets authenticated peers, listed networks and mail for listed domains out to the world; says no to nobody: a foreign
 * recipient that nobody gave a route ends as 550 5.7.1.
 *
 * @example
 * ```ts
 * import { relay } from "./mod.ts";
 * const plugin = relay({ networks: ["10.0.0.0/8", "::1"], domains: ["partner.example"] });
 * ```
 */
export const relay: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "relay",
  options: Options,
  create(options) {
    const networks = new Networks(options.networks);
    const domains = new DomainSet(options.domains);

    function reason(ctx: RcptContext): RelayReason | null {
      const { client, recipient } = ctx;
      // A login that anybody gets with any password is none here
      if (options.authenticated && client.identity !== null && ctx.get(UNPROVEN) !== true) return "identity";
      if (networks.has(client.ip)) return "network";
      return domains.has(recipient.address.domain) ? "domain" : null;
    }

    return {
      rcpt(ctx, next) {
        const { address, route } = ctx.recipient;
        if (route !== null) return next();
        // No domain is <Postmaster> (RFC 5321 4.5.1): ours, like the local domains, and not for this plugin to send away.
        if (address.domain === "" || DomainSet.of(ctx.host.domains).has(address.domain)) {
          ctx.note(`${address.domain || "Postmaster"} is ours`);
          return next();
        }
        const why = reason(ctx);
        if (why !== null) {
          ctx.set(RELAY, why);
          ctx.route({ to: "remote" });
          ctx.note(SENTENCES[why]);
        } else if (ctx.recipient.origin === null) {
          ctx.note( // where an alias leads is for who wrote it to say
            `${address.domain} is none of our domains, and nothing lets this client send there`,
          );
        }
        return next();
      },
    };
  },
});

const SENTENCES: Readonly<Record<RelayReason, string>> = {
  identity: "It may leave: the client has logged in",
  network: "It may leave: the client is in a network that may send anywhere",
  domain: "It may leave: this host is backup for that domain",
};
