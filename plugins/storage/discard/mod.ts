/**
 * Takes mail and drops it on purpose, with a 250 and without a report, ever (SEMANTICS 16): addresses that nobody reads,
 * load tests. Also the end of any recipient that another plugin routes here. Non-job: refusing.
 */
import { z } from "zod";
import { definePlugin, DomainSet, OptionsError, type PluginFactory, type Route } from "../../../core/pipeline/mod.ts";
import { parsePattern } from "./pattern.ts";

const DiscardOptions = z.strictObject({
  everything: z.boolean().default(false).describe("Drop mail for every recipient that no plugin before has routed."),
  domains: z.array(z.string()).default([]).describe("Drop mail for these domains; *.name is all below a name."),
  addresses: z.array(z.string()).default([]).describe("Drop mail for these addresses; * is any part of a local part."),
});

/**
 * Delivery to nowhere.
 *
 * @example
 * ```ts
 * import { discard } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(discard({ addresses: ["bounce-*@example.org"] }).name, "discard");
 * ```
 */
export const discard: PluginFactory<z.input<typeof DiscardOptions>> = definePlugin({
  name: "discard",
  options: DiscardOptions,
  create(options, { name }) {
    const domains = new DomainSet(options.domains);
    const patterns = options.addresses.map((text, index) => {
      try {
        return parsePattern(text);
      } catch (error) {
        throw new OptionsError([{ path: ["addresses", index], message: (error as Error).message }]);
      }
    });
    const here: Route = { to: "local", plugin: name };
    return {
      rcpt(ctx, next) {
        const { address, route } = ctx.recipient;
        if (route === null) {
          const taken = options.everything || domains.has(address.domain) || patterns.some((match) => match(address));
          if (taken) ctx.route(here);
        }
        return next();
      },
      queue(ctx, next) {
        for (const recipient of ctx.recipients) {
          const { route, result } = recipient;
          if (route?.to !== "local" || route.plugin !== name || result !== null) continue;
          ctx.settle(recipient, "discarded");
        }
        return next();
      },
    };
  },
});
