/**
 * /api/v1/suppressions: addresses to which nothing is sent; a person lists them, adds one, takes one away.
 * Non-job: what the list does to mail (core/delivery).
 */
import { Hono } from "hono";
import { LONGEST_SUPPRESSION, type Suppressed, type Suppression } from "../delivery/suppression.ts";
import { type Address, formatAddress, parseAddress } from "../model/address.ts";
import type { AdminEnv } from "./options.ts";
import { jsonBody, limitOf, textOf } from "./parameters.ts";
import { Problem } from "./problem.ts";

const DAY = 86_400;
/** Days of the longest entry that has an end. */
const MOST_DAYS = LONGEST_SUPPRESSION / DAY;

export function suppressions(list: Suppression): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();

  app.get("/", async (c) => {
    const { limit, after, prefix } = c.req.query();
    const begins = textOf("prefix", prefix, 256);
    const entries = await list.list({
      limit: limitOf(limit, { default: 100, max: 1000 }),
      ...after === undefined || after === "" ? {} : { after: addressOf(after) },
      ...begins === undefined ? {} : { prefix: begins },
    });
    return c.json({ items: entries.map(suppressedJson) });
  });

  app.post("/", async (c) => {
    const { address, reason, days } = entryOf(await jsonBody(c.req.raw));
    c.set("subject", formatAddress(address));
    return c.json(suppressedJson(await list.add(address, { reason, seconds: days === null ? null : days * DAY })));
  });

  app.get("/:address", async (c) => {
    const entry = await list.get(addressOf(c.req.param("address")));
    if (entry === null) throw absent();
    return c.json(suppressedJson(entry));
  });

  app.delete("/:address", async (c) => {
    if (!await list.remove(addressOf(c.req.param("address")))) throw absent();
    return c.json({ removed: 1 });
  });
  return app;
}

/** The promised form of an entry, here and in `postern suppress list --json`. */
export function suppressedJson({ address, reason, since, until }: Suppressed): Record<string, unknown> {
  return {
    address: formatAddress(address),
    reason,
    since: new Date(since).toISOString(),
    until: until === null ? null : new Date(until).toISOString(),
  };
}

function addressOf(text: unknown): Address {
  const address = typeof text === "string" ? parseAddress(text) : null;
  if (address === null || address.domain === "") throw new Problem(400, "An address is like someone@example.org.");
  return address;
}

function entryOf(body: unknown): { readonly address: Address; readonly reason: string; readonly days: number | null } {
  const { address, reason = "", days = null, ...rest } = (body ?? {}) as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Problem(400, `There is no ${JSON.stringify(unknown.slice(0, 64))} here.`);
  if (typeof reason !== "string" || reason.length > 500) throw new Problem(400, "reason is a text of 500 characters.");
  if (days !== null && !(typeof days === "number" && days * DAY >= 1 && days <= MOST_DAYS)) {
    throw new Problem(400, `days is a number up to ${MOST_DAYS}, or null for no end.`);
  }
  return { address: addressOf(address), reason, days };
}

function absent(): Problem {
  return new Problem(404, "That address is not on the list.");
}
