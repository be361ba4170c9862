/**
 * /api/v1/queue: what waits and why, and what a person may do about it: try now, hold, release, delete, for one message
 * or for all that match a filter. Non-job: delivering.
 */
import { Hono } from "hono";
import { formatAddress } from "../model/address.ts";
import { readId } from "../model/id.ts";
import type { QueueChange, QueueItem, QueueQuery, QueueState, Store } from "../store/store.ts";
import { disposition, optional } from "./messages.ts";
import type { AdminEnv } from "./options.ts";
import { domainOf, limitOf, stateOf } from "./parameters.ts";
import { Problem } from "./problem.ts";

/** What a person may do to what is queued. */
export const QUEUE_VERBS = ["retry", "hold", "release", "delete"] as const;
export type QueueVerb = typeof QUEUE_VERBS[number];

export function queueChange(verb: QueueVerb): QueueChange {
  return verb === "hold" ? { do: "hold", reason: "held by hand" } : { do: verb };
}

/** The filter of a request. */
export function queueFilter(query: Readonly<Record<string, string | undefined>>): QueueQuery {
  return { ...optional("state", stateOf(query["state"])), ...optional("domain", domainOf(query["domain"])) };
}

/** The filter of a change: it must name something, so that no slip of the hand empties the queue. */
export function changeFilter(query: Readonly<Record<string, string | undefined>>): QueueQuery {
  const filter = queueFilter(query);
  if (filter.state === undefined && filter.domain === undefined) {
    throw new Problem(400, "Name a state, a domain or both.");
  }
  return filter;
}

export function queue(store: Store): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();

  app.get("/", async (c) => {
    const query = c.req.query();
    const page = await store.queue({
      ...queueFilter(query),
      limit: limitOf(query["limit"], { default: 100, max: 1000 }),
    });
    return c.json({ total: page.total, items: page.items.map(queueItemJson), corrupt: page.corrupt });
  });

  app.get("/:id", async (c) => c.json(queueItemJson(await queueItem(store, c.req.param("id")))));

  app.get("/:id/raw", async (c) => {
    const { message } = await queueItem(store, c.req.param("id"));
    const stream = await store.raw(message.id);
    if (stream === null) throw new Problem(404, "The message has just left the queue.");
    if (c.req.raw.method === "HEAD") await stream.cancel();
    return new Response(c.req.raw.method === "HEAD" ? null : stream, {
      headers: { "Content-Type": "message/rfc822", "Content-Disposition": disposition(`${message.id}.eml`) },
    });
  });

  for (const verb of QUEUE_VERBS) {
    const one = async (text: string) => {
      const id = text.length > 40 ? null : readId(text);
      const changed = id === null ? 0 : await store.change({ id }, queueChange(verb));
      if (changed === 0) await queueItem(store, text); // 404, unless it is there; what is corrupt can be changed unread
      return { changed };
    };
    const many = async (query: Record<string, string>) => ({
      changed: await store.change(changeFilter(query), queueChange(verb)),
    });
    if (verb === "delete") {
      app.delete("/", async (c) => c.json(await many(c.req.query())));
      app.delete("/:id", async (c) => c.json(await one(c.req.param("id"))));
    } else {
      app.post(`/${verb}`, async (c) => c.json(await many(c.req.query())));
      app.post(`/:id/${verb}`, async (c) => c.json(await one(c.req.param("id"))));
    }
  }
  return app;
}

/** The item with that id as a person typed it. @throws {Problem} 404 */
export async function queueItem(store: Store, text: string): Promise<QueueItem> {
  const id = text.length > 40 ? null : readId(text);
  const item = id === null ? null : await store.item(id);
  if (item === null) throw new Problem(404, `Nothing in the queue has the id ${JSON.stringify(text.slice(0, 64))}.`);
  return item;
}

/** States in which something will happen by itself. */
const WAITING: ReadonlySet<string> = new Set<QueueState>(["ready", "active", "deferred"]);

/** The promised form of an item, here and in `postern queue --json`. */
export function queueItemJson({ message, recipients }: QueueItem): Record<string, unknown> {
  return {
    id: message.id,
    from: formatAddress(message.sender),
    recipients: recipients.map((each) => ({
      address: formatAddress(each.address),
      original: formatAddress(each.original),
      route: each.route,
      state: each.state,
      attempts: each.attempts,
      nextAttempt: WAITING.has(each.state) ? new Date(each.nextAttempt).toISOString() : null,
      lastReply: each.lastReply,
      notify: each.parameters.notify,
      orcpt: each.parameters.orcpt,
    })),
    ret: message.parameters.ret,
    envid: message.parameters.envid,
    requireTls: message.parameters.requireTls ?? false,
    holdUntil: moment(message.parameters.holdUntil),
    deliverBy: message.parameters.deliverBy === undefined ? null : {
      ...message.parameters.deliverBy,
      at: moment(message.parameters.deliverBy.at),
    },
    priority: message.parameters.priority ?? 0,
    size: message.size,
    queuedAt: new Date(message.receivedAt).toISOString(),
    subject: message.summary.subject,
  };
}

function moment(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
