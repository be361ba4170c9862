/**
 * The routes of the queue's pages: what waits and why, and what is done about it: one by one, those that are chosen, or
 * all that match. Non-job: how it looks (ui/queue/).
 */
import type { Hono } from "hono";
import type { QueueChange, QueueOrder, QueueQuery } from "../store/store.ts";
import { readId } from "../model/id.ts";
import { optional } from "./messages/messages.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { domainOf, stateOf, textOf } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { changeFilter, MOST_TEXT, QUEUE_VERBS, queueChange, type QueueVerb } from "./queue/change.ts";
import { queueItem } from "./queue/queue.ts";
import { ASKED, askPage, formBodyOf } from "./ui/queue/ask.ts";
import { queueItemPage } from "./ui/queue/item.ts";
import { ITEMS, queuePage } from "./ui/queue/queue.ts";
import { type Age, AGES, queuePath, type QueueView } from "./ui/queue/view.ts";

const NAMED = 10; // messages that a question is about
const MOST_CHOSEN = 1000;
const MOST_PAGES = 10_000;
const ORDERS: readonly QueueOrder[] = ["newest", "oldest", "next"];

export function queuePages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin: { store, ledger = null }, steering, reader, context, form: formOf, answer } = options;

  app.get("/queue", async (c) => {
    const view = viewOf((name) => c.req.query(name)), { order, page = 1 } = view;
    const shell = await context();
    const filter = filterOf(view, shell.now);
    const [found, totals] = await Promise.all([
      store.queue({ ...filter, ...optional("order", order), limit: ITEMS, offset: (page - 1) * ITEMS }),
      store.totals(optional("domain", view.domain)),
    ]);
    const destinations = steering.destinations();
    return answer(c, queuePage(shell, { view, filter, page: found, totals, destinations }));
  });
  for (const verb of ASKED) {
    app.get(`/queue/${verb}`, async (c) => {
      const filter = changeFilter(c.req.query());
      return answer(c, askPage(await context(), { verb, filter, ...await about(filter), ways: steering.ways }));
    });
    app.post(`/queue/${verb}/ask`, async (c) => {
      const filter = chosenOf(await formOf(c));
      return answer(c, askPage(await context(), { verb, filter, ...await about(filter), ways: steering.ways }));
    });
    app.get(`/queue/:id/${verb}`, async (c) => {
      const item = await queueItem(store, c.req.param("id")), { ways } = steering;
      return answer(c, askPage(await context(), { verb, filter: null, total: 1, items: [item], ways }));
    });
  }
  app.get("/queue/:id", async (c) => {
    const item = await queueItem(store, c.req.param("id")), { id } = item.message;
    const [story, content] = await Promise.all([
      ledger?.explain(id).catch(() => null) ?? null, // what it says is beside the point here
      reader.look(item.message),
    ]);
    const known = { item, content, attempts: story?.id === id ? story.attempts : null, told: story !== null };
    return answer(c, queueItemPage(await context(), known));
  });
  for (const verb of QUEUE_VERBS) {
    app.post(`/queue/${verb}`, async (c) => {
      const form = await formOf(c);
      const filter = form.has("id") || form.has("chosen") ? chosenOf(form) : changeFilter(Object.fromEntries(form));
      await steering.change(filter, wanted(verb, form));
      const then = new URLSearchParams(form.get("then") ?? "");
      return c.redirect(queuePath(viewOf((name) => then.get(name) ?? undefined)), 303);
    });
    app.post(`/queue/:id/${verb}`, async (c) => {
      const form = await formOf(c);
      const { message: { id } } = await queueItem(store, c.req.param("id"));
      await steering.change({ id }, wanted(verb, form));
      return c.redirect(await store.item(id) === null ? "/queue" : `/queue/${id}`, 303);
    });
  }

  /** Which messages a question is about: how many, and the newest. */
  async function about(filter: QueueQuery) {
    const { total, items } = await store.queue({ ...filter, limit: NAMED });
    return { total, items };
  }

  function wanted(verb: QueueVerb, form: URLSearchParams): QueueChange {
    return queueChange(verb, { body: formBodyOf(verb, form), ways: steering.ways });
  }
}

function viewOf(get: (name: string) => string | undefined): QueueView {
  return {
    state: stateOf(get("state")),
    domain: domainOf(get("domain")?.trim()),
    q: textOf("q", get("q")?.trim(), MOST_TEXT),
    older: ageOf(get("older")),
    order: orderOf(get("order")),
    page: pageOf(get("page")),
  };
}

function filterOf({ state, domain, q, older }: QueueView, now: number): QueueQuery {
  return {
    ...optional("state", state),
    ...optional("domain", domain),
    ...optional("q", q),
    ...optional("receivedBefore", older && now - AGES[older]),
  };
}

function pageOf(text: string | undefined): number {
  if (text === undefined || text === "") return 1;
  const page = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (page < 1 || page > MOST_PAGES) throw new Problem(400, `page is a whole number from 1 to ${MOST_PAGES}.`);
  return page;
}

function ageOf(text: string | undefined): Age | undefined {
  if (text === undefined || text === "") return undefined;
  if (!Object.hasOwn(AGES, text)) throw new Problem(400, `older is one of ${Object.keys(AGES).join(", ")}.`);
  return text as Age;
}

function orderOf(text: string | undefined): QueueOrder | undefined {
  if (text === undefined || text === "") return undefined;
  const order = ORDERS.find((each) => each === text);
  if (order === undefined) throw new Problem(400, `order is one of ${ORDERS.join(", ")}.`);
  return order;
}

/** The messages that were chosen in a list. */
function chosenOf(form: URLSearchParams): QueueQuery {
  const ids = form.getAll("id").map((text) => text.length > 40 ? null : readId(text));
  if (ids.length === 0) throw new Problem(400, "No message is chosen: tick those that you mean, then try again.");
  if (ids.length > MOST_CHOSEN || ids.includes(null)) throw new Problem(400, "Those are no ids of messages.");
  return { ids: ids as string[] };
}
