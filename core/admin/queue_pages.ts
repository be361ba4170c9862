/**
 * The routes of the queue's pages: what waits and why, and what is done about it, one by one or all that match. Non-job:
 * how it looks (ui/queue/).
 */
import type { Hono } from "hono";
import type { QueueChange } from "../store/store.ts";
import { optional } from "./messages/messages.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { domainOf, stateOf } from "./parameters.ts";
import { changeFilter, QUEUE_VERBS, queueChange, type QueueVerb } from "./queue/change.ts";
import { queueItem } from "./queue/queue.ts";
import { ASKED, askPage, formBodyOf } from "./ui/queue/ask.ts";
import { queueItemPage } from "./ui/queue/item.ts";
import { queuePage } from "./ui/queue/queue.ts";

const ITEMS = 100; // queue items in a table
const NAMED = 10; // of those that a question is about

export function queuePages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin: { store }, steering, context, form: formOf, answer } = options;

  app.get("/queue", async (c) => {
    const state = stateOf(c.req.query("state")), domain = domainOf(c.req.query("domain")?.trim());
    const filter = { ...optional("state", state), ...optional("domain", domain) };
    const [page, totals] = await Promise.all([
      store.queue({ ...filter, limit: ITEMS }),
      store.totals(optional("domain", domain)),
    ]);
    const destinations = steering.destinations();
    return answer(c, queuePage(await context(), { state, domain, page, totals, destinations }));
  });
  for (const verb of ASKED) {
    app.get(`/queue/${verb}`, async (c) => {
      const filter = changeFilter({ state: c.req.query("state"), domain: c.req.query("domain") });
      const { total, items } = await store.queue({ ...filter, limit: NAMED });
      const { ways } = steering;
      return answer(c, askPage(await context(), { verb, filter, total, items, ways }));
    });
    app.get(`/queue/:id/${verb}`, async (c) => {
      const item = await queueItem(store, c.req.param("id")), { ways } = steering;
      return answer(c, askPage(await context(), { verb, filter: null, total: 1, items: [item], ways }));
    });
  }
  app.get("/queue/:id", async (c) => {
    const item = await queueItem(store, c.req.param("id"));
    return answer(c, queueItemPage(await context(), item));
  });
  for (const verb of QUEUE_VERBS) {
    app.post(`/queue/${verb}`, async (c) => {
      const form = await formOf(c);
      await steering.change(changeFilter(Object.fromEntries(form)), wanted(verb, form));
      return c.redirect("/queue", 303);
    });
    app.post(`/queue/:id/${verb}`, async (c) => {
      const form = await formOf(c);
      const { message: { id } } = await queueItem(store, c.req.param("id"));
      await steering.change({ id }, wanted(verb, form));
      return c.redirect(await store.item(id) === null ? "/queue" : `/queue/${id}`, 303);
    });
  }

  function wanted(verb: QueueVerb, form: URLSearchParams): QueueChange {
    return queueChange(verb, { body: formBodyOf(verb, form), ways: steering.ways });
  }
}
