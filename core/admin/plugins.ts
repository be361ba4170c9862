/** /api/v1/plugins: the compiled plugin lists, one per listener, as `postern check` prints them. */
import { Hono } from "hono";
import type { AdminEnv, AdminOptions } from "./options.ts";

export function plugins(options: Pick<AdminOptions, "plugins">): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get("/", (c) => c.json({ listeners: options.plugins() }));
}
