/** The route of the overview: what is asked of the ledger, the store and the rest of the house. Non-job: how it looks (ui/overview/). */
import type { Hono } from "hono";
import type { Ledger } from "../ledger/ledger.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { actsOf } from "./ui/overview/acts.ts";
import { type OverviewData, overviewPage } from "./ui/overview/overview.ts";
import { certificateWarnings } from "./ui/server/certificates.ts";
import { type Range, rangeOf, spanOf } from "./ui/overview/range.ts";

const LOOKED_AT = 500; // refusals whose reasons are counted

export function overviewPages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin, steering, context, answer } = options, { now = Date.now, ledger = null } = admin;

  app.get("/overview", async (c) => {
    const range = rangeOf(c.req.query("range")), at = now();
    const [page, totals, told] = await Promise.all([
      context(),
      admin.store.totals({}),
      ledger === null ? null : tell(ledger, { range, now: at }),
    ]);
    const acts = actsOf({
      warnings: page.warnings,
      certificates: certificateWarnings(admin.certificates?.() ?? [], at),
      destinations: steering.destinations(),
      plugins: told?.plugins ?? [],
      range,
      now: at,
    });
    return answer(c, overviewPage(page, { acts, totals, told }));
  });
}

async function tell(
  ledger: Ledger,
  { range, now }: { readonly range: Range; readonly now: number },
): Promise<OverviewData["told"]> {
  const span = spanOf(range, now), { since, until } = span;
  const [points, plugins, refused, any] = await Promise.all([
    ledger.rates(span),
    ledger.plugins(since),
    ledger.search({ verdict: "refused", since, limit: LOOKED_AT }),
    ledger.search({ limit: 1 }),
  ]);
  return { plots: { range, since, until, points, now }, plugins, refused, fresh: any.entries.length === 0 };
}
