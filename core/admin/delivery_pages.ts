/**
 * The routes of the pages about the way out: how delivery to each domain fares, and the addresses that nothing is sent to.
 * Non-job: how it looks (ui/delivery/).
 */
import type { Hono } from "hono";
import { LONGEST_SUPPRESSION, type Suppression } from "../delivery/suppression.ts";
import { keptStsPolicy } from "../delivery/tls/mta_sts_policies.ts";
import { formatAddress, parseAddress } from "../model/address.ts";
import type { Destinations } from "../observe/destinations.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { domainOf, textOf } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { deliveryPage, type DomainRow } from "./ui/delivery/delivery.ts";
import { suppressionsPage } from "./ui/delivery/suppressions.ts";

const SHOWN = 100; // domains of a table
const LOOKED_AT = 1000; // of those with mail in the queue
const ADDRESSES = 100;
const DAY = 86_400;

export interface DeliveryPagesOptions extends PagesContext {
  readonly health: Destinations;
  readonly suppression: Suppression;
}

export function deliveryPages(app: Hono<AdminEnv>, options: DeliveryPagesOptions): void {
  const { admin: { store }, steering, health, suppression, context, form: formOf, answer } = options;

  app.get("/delivery", async (c) => {
    const q = textOf("q", c.req.query("q")?.trim().toLowerCase(), 255);
    const states = steering.destinations();
    const rows = new Map<string, DomainRow>();
    const row = (domain: string) => rows.get(domain) ?? { domain, totals: null, health: null, state: null, sts: null };
    for (const totals of await store.domains({ limit: LOOKED_AT })) {
      rows.set(totals.domain, { ...row(totals.domain), totals });
    }
    for (const each of health.list()) rows.set(each.domain, { ...row(each.domain), health: each });
    for (const state of states) {
      const domain = /^mx:(.+)$/s.exec(state.destination)?.[1];
      if (domain !== undefined) rows.set(domain, { ...row(domain), state });
    }
    const found = [...rows.values()].filter(({ domain }) => q === undefined || domain.includes(q)).sort(urgency);
    const shown = await Promise.all(
      found.slice(0, SHOWN).map(async (each): Promise<DomainRow> => {
        const policy = await keptStsPolicy(store.counters, each.domain).catch(() => null);
        return { ...each, sts: policy === null || policy.mode === "none" ? null : policy.mode };
      }),
    );
    const others = states.filter(({ destination }) => /^(?:via|local):/.test(destination));
    return answer(c, deliveryPage(await context(), { q, rows: shown, total: found.length, others }));
  });

  for (
    const [verb, change] of [
      ["retry", { do: "retry" }],
      ["hold", { do: "hold", reason: "held by hand" }],
      ["release", { do: "release" }],
    ] as const
  ) {
    app.post(`/delivery/${verb}`, async (c) => {
      const form = await formOf(c), domain = domainOf(form.get("domain") ?? undefined);
      if (domain === undefined) throw new Problem(400, "Name a domain.");
      await steering.change({ domain }, change);
      return c.redirect("/delivery", 303);
    });
  }

  app.get("/suppressions", async (c) => {
    const q = textOf("q", c.req.query("q")?.trim(), 256), after = c.req.query("after");
    const behind = after === undefined || after === "" ? null : parseAddress(after);
    const found = await suppression.list({
      limit: ADDRESSES + 1,
      ...q === undefined ? {} : { prefix: q },
      ...behind === null ? {} : { after: behind },
    });
    const entries = found.slice(0, ADDRESSES), last = entries.at(-1);
    const next = found.length > ADDRESSES && last !== undefined ? formatAddress(last.address) : null;
    return answer(c, suppressionsPage(await context(), { q, first: behind === null, entries, next }));
  });

  app.post("/suppressions/add", async (c) => {
    const form = await formOf(c), address = addressOf(form.get("address"));
    const reason = form.get("reason")?.trim() ?? "", days = Number(form.get("days") ?? "");
    if (reason.length > 500) throw new Problem(400, "A reason has 500 characters at most.");
    if (!Number.isSafeInteger(days) || days < 0 || days * DAY > LONGEST_SUPPRESSION) {
      throw new Problem(400, `Days are a whole number up to ${LONGEST_SUPPRESSION / DAY}; 0 is without an end.`);
    }
    c.set("subject", formatAddress(address));
    await suppression.add(address, { reason: reason || "put there by hand", seconds: days === 0 ? null : days * DAY });
    return c.redirect("/suppressions", 303);
  });

  app.post("/suppressions/remove", async (c) => {
    const address = addressOf((await formOf(c)).get("address"));
    c.set("subject", formatAddress(address));
    await suppression.remove(address); // gone already is as good
    return c.redirect("/suppressions", 303);
  });
}

/** What rests comes first, then where most waits, then where most was tried. */
function urgency(a: DomainRow, b: DomainRow): number {
  return Number(rests(b)) - Number(rests(a)) || waiting(b) - waiting(a) || tried(b) - tried(a) ||
    (a.domain < b.domain ? -1 : 1);
}
function rests({ state }: DomainRow): boolean {
  return state !== null && state.closedUntil !== null;
}
function waiting({ totals }: DomainRow): number {
  return totals === null ? 0 : totals.ready + totals.active + totals.deferred + totals.held;
}
function tried({ health }: DomainRow): number {
  return health === null ? 0 : health.day.delivered + health.day.deferred + health.day.bounced;
}

function addressOf(text: string | null): ReturnType<typeof parseAddress> & object {
  const address = text === null || text.length > 512 ? null : parseAddress(text.trim());
  if (address === null || address.domain === "") throw new Problem(400, "An address is like someone@example.org.");
  return address;
}
