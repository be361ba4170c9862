/**
 * /api/v1/quarantine: what is held, how much of it, and until when. What is done with it is the queue's: release, delete,
 * bounce and train take the same ids.
 */
import { Hono } from "hono";
import { optional } from "../messages/messages.ts";
import type { AdminEnv, AdminOptions } from "../options.ts";
import { domainOf, limitOf } from "../parameters.ts";
import { itemOf } from "../queue/queue.ts";

export function quarantine(options: Pick<AdminOptions, "store" | "quarantine">): Hono<AdminEnv> {
  const { store } = options;
  return new Hono<AdminEnv>().get("/", async (c) => {
    const { keep, size } = options.quarantine ?? { keep: null, size: Infinity }; // a reload may change it
    const { domain, limit } = c.req.query();
    const [page, { octets }] = await Promise.all([
      store.queue({
        state: "held",
        ...optional("domain", domainOf(domain)),
        limit: limitOf(limit, { default: 100, max: 1000 }),
      }),
      store.quarantine.total(),
    ]);
    return c.json({
      total: page.total,
      octets,
      size: Number.isFinite(size) ? size : null,
      items: page.items.map((each) => ({
        ...itemOf(c.get("caller"), each),
        until: keep === null ? null : new Date(each.message.receivedAt + keep).toISOString(),
      })),
    });
  });
}
