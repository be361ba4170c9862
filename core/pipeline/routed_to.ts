/** What a storage plugin begins with: which recipients are its own. Non-job: storing. */
import type { Recipient } from "./contexts/contexts.ts";

/**
 * The recipients that `plugin` is to settle: their route names it, and they have no result yet.
 *
 * @example
 * ```ts
 * import { definePlugin, routedTo, runPhase } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const hole = definePlugin({
 *   name: "hole",
 *   options: z.strictObject({}),
 *   create: (_options, { name }) => ({
 *     queue(ctx, next) {
 *       for (const recipient of routedTo(name, ctx.recipients)) ctx.settle(recipient, "discarded");
 *       return next();
 *     },
 *   }),
 * });
 * const { recipients } = await runPhase(hole(), "queue", { to: "b@example.org" });
 * assertEquals(recipients[0]?.result, "discarded");
 * ```
 */
export function routedTo(plugin: string, recipients: readonly Recipient[]): Recipient[] {
  return recipients.filter(({ route, result }) => route?.to === "local" && route.plugin === plugin && result === null);
}
