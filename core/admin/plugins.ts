/**
 * /api/v1/plugins: the compiled plugin lists, one per listener, as `postern check` prints them, and what each plugin did
 * lately as far as the ledger knows.
 */
import { Hono } from "hono";
import { parseDuration } from "../model/units.ts";
import type { AdminEnv, AdminOptions } from "./options.ts";
import { Problem } from "./problem.ts";

const DAY = 86_400_000, LONGEST = 366 * DAY;

export function plugins(
  { plugins, ledger = null, timings, now }: Pick<AdminOptions, "plugins" | "ledger" | "timings"> & {
    readonly now: () => number;
  },
): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get("/", async (c) => {
    const text = c.req.query("last"), last = text ? parseDuration(text) ?? 0 : DAY;
    if (last < 1000 || last > LONGEST) throw new Problem(400, "last is a duration such as 1h or 7d.");
    const since = now() - last;
    return c.json({
      listeners: plugins(),
      since: new Date(since).toISOString(),
      timings: timings?.().map(({ p95, ...rest }) => ({ ...rest, p95: Number.isFinite(p95) ? p95 : null })) ?? null,
      counts: ledger === null ? null : await ledger.plugins(since),
    });
  });
}
