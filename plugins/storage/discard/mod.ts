/**
 * Takes mail and drops it on purpose, with a 250 and without a report, ever (SEMANTICS 16): addresses that nobody reads,
 * load tests. Also the end of any recipient that another plugin routes here. Non-job: refusing.
 */
import { z } from "zod";
import { definePlugin, DomainSet, type PluginFactory, type Route, routedTo } from "../../../core/pipeline/mod.ts";
import { parsed } from "../parsed.ts";
import { parsePattern } from "./pattern.ts";

const DiscardOptions = z.strictObject({
  everything: z.boolean().default(false).describe("Drop mail for every recipient that no plugin before has routed."),
  domains: z.array(z.string()).transform(parsed((names) => new DomainSet(names))).prefault([]).describe(
    "Drop mail for these domains; *.name is all below a name.",
  ),
  addresses: z.array(z.string().transform(parsed(parsePattern))).default([]).describe(
    "Drop mail for these addresses; * is any part of a local part.",
  ),
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
  create({ everything, domains, addresses }, { name }) {
    const here: Route = { to: "local", plugin: name };
    return {
      rcpt(ctx, next) {
        const { address, route } = ctx.recipient;
        if (route === null) {
          const taken = everything || domains.has(address.domain) || addresses.some((match) => match(address));
          if (taken) ctx.route(here);
        }
        return next();
      },
      queue(ctx, next) {
        const mine = routedTo(name, ctx.recipients);
        if (mine.length > 0) ctx.note("Dropped on purpose: nobody reads these addresses");
        for (const recipient of mine) ctx.settle(recipient, "discarded");
        return next();
      },
    };
  },
});
