/**
 * Postern: an SMTP server whose policy you write yourself. This is the API for plugins and their tests, and the door to a
 * whole server inside another program; what that is made of is in "postern/server".
 *
 * @example
 * ```ts
 * import { definePlugin, reject, simulate } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 *
 * const short_names = definePlugin({
 *   name: "short_names",
 *   options: z.strictObject({ longest: z.number().default(32) }),
 *   create: ({ longest }) => ({
 *     rcpt: (ctx, next) => ctx.recipient.address.local.length > longest ? reject("5.1.3", "Too long a name") : next(),
 *   }),
 * });
 * const { reply } = await simulate([short_names({ longest: 3 })], { to: "alice@example.org" });
 * assertEquals(String(reply), "550 5.1.3 Too long a name");
 * ```
 *
 * @module
 */
export * from "./core/pipeline/mod.ts";
export { createServer } from "./core/embedded/create.ts";
export type * from "./core/embedded/embedded.ts";
