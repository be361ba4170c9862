/**
 * /api/v1/queue: what waits and why, which destinations rest, and what a person may do about it: try now, hold, release,
 * bounce, send another way, delete, for one message or for all that match a filter. Non-job: what each of them changes
 * (change.ts), delivering.
 */
import { type Context, Hono } from "hono";
import type { DestinationState } from "../../delivery/destination.ts";
import { formatAddress } from "../../model/address.ts";
import { readId, readShortId, shortId } from "../../model/id.ts";
import type { QueueItem, QueueState, Store } from "../../store/store.ts";
import { type Caller, may } from "../access/scope.ts";
import { disposition } from "../messages/messages.ts";
import type { AdminEnv, Steering } from "../options.ts";
import { jsonBody, limitOf } from "../parameters.ts";
import { Problem } from "../problem.ts";
import { changeFilter, QUEUE_VERBS, queueChange, queueFilter } from "./change.ts";

/** Items that are looked through for a short id. */
const SHORT_LOOK = 100;

export function queue(store: Store, steering: Steering): Hono<AdminEnv> {
  const { change, destinations } = steering, app = new Hono<AdminEnv>();

  app.get("/", async (c) => {
    const query = c.req.query();
    const page = await store.queue({
      ...queueFilter(query),
      limit: limitOf(query["limit"], { default: 100, max: 1000 }),
    });
    const items = page.items.map((each) => itemOf(c.get("caller"), each));
    return c.json({ total: page.total, items, corrupt: page.corrupt });
  });

  app.get("/destinations", (c) => {
    const all = destinations(), limit = limitOf(c.req.query("limit"), { default: 100, max: 1000 });
    return c.json({ total: all.length, items: all.slice(0, limit).map(destinationJson) });
  });

  app.get("/:id", async (c) => c.json(itemOf(c.get("caller"), await queueItem(store, c.req.param("id")))));

  for (const form of ["raw", "received"] as const) {
    app.get(`/:id/${form}`, async (c) => {
      const { message } = await queueItem(store, c.req.param("id"));
      c.set("subject", message.id);
      const stream = await store[form](message.id);
      if (stream === null) throw new Problem(404, "The message has just left the queue.");
      if (c.req.raw.method === "HEAD") await stream.cancel();
      return new Response(c.req.raw.method === "HEAD" ? null : stream, {
        headers: { "Content-Type": "message/rfc822", "Content-Disposition": disposition(`${message.id}.eml`) },
      });
    });
  }

  for (const verb of QUEUE_VERBS) {
    const asked = async (request: Request) =>
      queueChange(verb, {
        body: verb === "bounce" || verb === "route" ? await jsonBody(request, {}) : null,
        ways: steering.ways,
      });
    const one = async (c: Context<AdminEnv>) => {
      const text = c.req.param("id")!, request = c.req.raw;
      const wanted = await asked(request), id = await wholeId(store, text);
      const changed = id === null ? 0 : await change({ id }, wanted);
      if (changed === 0) await queueItem(store, text); // 404, unless it is there; what is corrupt can be changed unread
      if (id !== null) c.set("subject", id);
      return c.json({ changed });
    };
    const many = async (query: Record<string, string>, request: Request) => ({
      changed: await change(changeFilter(query), await asked(request)),
    });
    if (verb === "delete") {
      app.delete("/", async (c) => c.json(await many(c.req.query(), c.req.raw)));
      app.delete("/:id", one);
    } else {
      app.post(`/${verb}`, async (c) => c.json(await many(c.req.query(), c.req.raw)));
      app.post(`/:id/${verb}`, one);
    }
  }
  return app;
}

/** A subject is what a mail says: without the right to that it is null. */
export function itemOf(caller: Caller, item: QueueItem): Record<string, unknown> {
  return { ...queueItemJson(item), ...!may(caller, "messages") && { subject: null } };
}

/** The id that a person typed, whole or its last eight, of which the newest counts; null when there is none. */
export async function wholeId(store: Store, text: string): Promise<string | null> {
  if (text.length > 40) return null;
  const short = readShortId(text);
  if (short === null) return readId(text);
  const { items } = await store.queue({ q: short, limit: SHORT_LOOK }); // addresses may hold it too
  return items.find(({ message }) => shortId(message.id) === short)?.message.id ?? null;
}

/** The item with that id as a person typed it. @throws {Problem} 404 */
export async function queueItem(store: Store, text: string): Promise<QueueItem> {
  const id = await wholeId(store, text);
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
      destination: each.destination,
      state: each.state,
      attempts: each.attempts,
      nextAttempt: WAITING.has(each.state) ? new Date(each.nextAttempt).toISOString() : null,
      lastReply: each.lastReply,
      told: moment(each.told),
      deadline: moment(each.deadline),
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

/** The promised form of a destination, here and in `postern queue destinations --json`. */
function destinationJson({ closedUntil, ...rest }: DestinationState): Record<string, unknown> {
  return { ...rest, closedUntil: moment(closedUntil) };
}

function moment(at: number | null | undefined): string | null {
  return at === undefined || at === null ? null : new Date(at).toISOString();
}
