/** The route of live traffic: the newest that the ledger has. Non-job: how it looks (ui/sessions/live.ts), telling of it (events.ts). */
import type { Hono } from "hono";
import type { Ledger } from "../ledger/ledger.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { filtersOf } from "./sessions_pages.ts";
import { ledgerQuery } from "./ui/sessions/filters.ts";
import { livePage } from "./ui/sessions/live.ts";

const ROWS = 50;
const MINUTE = 60_000, MINUTES = 5;

export function livePages(app: Hono<AdminEnv>, options: PagesContext & { readonly ledger: Ledger }): void {
  const { admin: { now = Date.now }, context, answer, ledger } = options;

  app.get("/live", async (c) => {
    const filters = filtersOf(c), until = Math.floor(now() / MINUTE) * MINUTE;
    const [{ entries }, rates] = await Promise.all([
      ledger.search({ ...ledgerQuery(filters, now()), limit: ROWS }),
      ledger.rates({ since: until - MINUTES * MINUTE, until, step: MINUTE }),
    ]);
    const perMinute = rates.reduce((sum, { sessions }) => sum + sessions, 0) / MINUTES;
    const paused = c.req.query("paused") !== undefined;
    return answer(c, livePage(await context(), { filters, entries, perMinute, paused }));
  });
}
