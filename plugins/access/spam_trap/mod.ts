/**
 * Addresses that nobody uses and that only harvesters and guessers know: who writes to one is marked for the rest of the
 * connection. `ban` and `reputation` hear of it by the decision: this plugin answers at RCPT for its addresses and for no
 * others. Non-job: what follows for the client elsewhere (ban, reputation), learning from what is sent.
 */
import { z } from "zod";
import {
  accept,
  definePlugin,
  formatAddress,
  Networks,
  parseAddressPattern,
  type PluginFactory,
  type PluginRoute,
  reject,
  routedTo,
} from "../../../core/pipeline/mod.ts";
import { network } from "../schema.ts";
import { TRAPPED } from "./key.ts";

export { TRAPPED } from "./key.ts";

const pattern = z.string().refine((text) => text !== "*" && parseAddressPattern(text) !== null, {
  error: (issue) => `"${issue.input}" is no address, nor a pattern like old-*@example.org`,
});

const Options = z.strictObject({
  addresses: z.array(pattern).min(1).describe("Addresses that nobody uses, patterns too"),
  action: z.enum(["discard", "reject", "hold"]).default("discard").describe(
    "Take the copy and drop it, refuse it as an unknown user, or hold the whole message for a person",
  ),
  points: z.number().min(0).max(1000).default(5).describe(
    "Points for each message of a client that was caught; 0: none",
  ),
  networks: z.array(network).default([]).describe("Clients that may write to them: your own probes"),
});

/**
 * @example
 * ```ts
 * import { spam_trap } from "./mod.ts";
 * const plugin = spam_trap({ addresses: ["sales-1999@example.org", "old-*@example.org"] });
 * ```
 */
export const spam_trap: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "spam_trap",
  options: Options,
  roles: ["mx"],
  create({ addresses, action, points, networks }, { name }) {
    const traps = addresses.map((text) => parseAddressPattern(text)!);
    const exempt = new Networks(networks);
    const here: PluginRoute = { to: "local", plugin: name };
    return {
      rcpt(ctx, next) {
        const { sender, client: { ip, identity }, recipient: { address, origin, copy } } = ctx;
        // What an alias leads to is our doing; whoever has logged in is known, and mistypes; whoever bounces what somebody
        // sends in the name of a trap was chosen by him
        if (origin !== null || copy || identity !== null || sender === null || exempt.has(ip)) return next();
        if (!traps.some((isTrap) => isTrap(address))) return next();
        ctx.set(TRAPPED, (ctx.get(TRAPPED) ?? 0) + 1);
        const reason = `a trap: ${formatAddress(address)}`;
        if (action === "reject") return reject("5.1.1", "No such user here", { reason });
        ctx.route(here);
        return accept("OK", { reason });
      },
      data(ctx, next) {
        const hits = ctx.get(TRAPPED);
        if (hits === undefined || ctx.client.identity !== null) return next();
        if (points > 0) ctx.score(points, `the client has written to ${hits === 1 ? "a trap" : `${hits} traps`}`);
        if (action === "hold" && routedTo(name, ctx.recipients).length > 0) ctx.hold(`${name}: sent to a trap`);
        return next();
      },
      queue(ctx, next) {
        for (const recipient of routedTo(name, ctx.recipients)) ctx.settle(recipient, "discarded");
        return next();
      },
    };
  },
});
