/**
 * /healthz (the process answers, and nothing in it wants a restart), /readyz (mail is taken), /metrics (OpenMetrics). The first two need no token, since
 * orchestrators have none, and say nothing but yes or no.
 */
import { Hono } from "hono";
import type { AdminEnv, AdminOptions } from "./options.ts";
import { Problem } from "./problem.ts";

export function health(options: Pick<AdminOptions, "ready" | "fault" | "metrics">): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  app.get("/healthz", (c) => {
    const fault = options.fault?.() ?? null;
    if (fault !== null) throw new Problem(503, fault);
    return c.json({ status: "ok" });
  });
  app.get("/readyz", (c) => {
    if (!options.ready()) throw new Problem(503, "No mail is taken now.", { "Retry-After": "5" });
    return c.json({ status: "ready" });
  });
  app.get(
    "/metrics",
    async () =>
      new Response(await options.metrics(), {
        headers: { "Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8" },
      }),
  );
  return app;
}
