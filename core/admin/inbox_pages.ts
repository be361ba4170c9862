/**
 * The routes of the inbox's pages: what was delivered here, read, marked, taught and deleted. Non-job: how it looks
 * (ui/inbox/), and reading a message's structure (messages/).
 */
import type { Context, Hono } from "hono";
import { chaosIn } from "../config/chaos.ts";
import type { Entry, Story } from "../ledger/story.ts";
import { readId } from "../model/id.ts";
import { hasPlugin } from "./chaos.ts";
import { optional } from "./messages/messages.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { beforeOf, readCopyId, textOf } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { teachStored } from "./training.ts";
import { release } from "./messages/release.ts";
import { type InboxData, inboxPage, inboxPath, type InboxView } from "./ui/inbox/inbox.ts";

const LIST = 50; // messages in a list
const SLOWEST = 3_600_000; // from the beginning of a transaction to its end, at most, milliseconds

export function inboxPages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin, reader, context, form: formOf, answer } = options, { store, ledger = null } = admin;
  const teach = () => admin.teach ?? null; // a reload makes another
  const { inboxes } = store,
    rules = chaosIn(store.counters, admin.now ?? Date.now),
    releasing = () => admin.release ?? null;

  app.get("/inbox", (c) => inboxOf(c, null));
  app.get("/inbox/:id", (c) => inboxOf(c, c.req.param("id")));
  app.post("/inbox/delete", async (c) => {
    const form = await formOf(c);
    await inboxes.remove(optional("inbox", form.get("inbox") ?? undefined));
    return c.redirect("/inbox", 303);
  });
  app.post("/inbox/read", async (c) => {
    const form = await formOf(c), view = viewOf((name) => form.get(name) ?? undefined);
    let before: string | undefined;
    do {
      const filter = { ...optional("inbox", view.inbox), ...optional("before", before), limit: 500 };
      const { messages } = await inboxes.list(filter);
      for (const { id, read } of messages) if (!read) await inboxes.markRead(id, true);
      before = messages.length < filter.limit ? undefined : messages.at(-1)!.id;
    } while (before !== undefined);
    return c.redirect(inboxPath({ ...view, before: undefined }), 303);
  });
  app.post("/inbox/many", async (c) => {
    const form = await formOf(c), verb = form.get("do");
    const ids = form.getAll("id").slice(0, LIST).map(readCopyId).filter((id) => id !== null);
    for (const id of ids) {
      if (verb === "delete") await inboxes.remove({ id }); // gone already is as good
      else await inboxes.markRead(id, verb === "read");
    }
    c.set("subject", `${verb === "delete" || verb === "read" ? verb : "unread"} ${ids.length} messages`);
    return c.redirect(inboxPath(viewOf((name) => form.get(name) ?? undefined)), 303);
  });
  app.post("/inbox/:id/release", async (c) => {
    const form = await formOf(c), id = c.req.param("id");
    const sent = await release({ store, releasing: releasing() }, { id, to: form.get("to") });
    c.set("subject", `${id} to ${sent.to}`);
    const path = inboxPath(viewOf((name) => form.get(name) ?? undefined), readCopyId(id) ?? undefined);
    return c.redirect(`${path}${path.includes("?") ? "&" : "?"}released=${sent.id}`, 303);
  });
  app.post("/inbox/:id/delete", async (c) => {
    const form = await formOf(c);
    const id = readCopyId(c.req.param("id"));
    if (id !== null) await inboxes.remove({ id }); // gone already is as good
    const next = readCopyId(form.get("next") ?? "");
    return c.redirect(inboxPath(viewOf((name) => form.get(name) ?? undefined), next ?? undefined), 303);
  });
  for (const [verb, read] of [["read", true], ["unread", false]] as const) {
    app.post(`/inbox/:id/${verb}`, async (c) => {
      const form = await formOf(c);
      const id = readCopyId(c.req.param("id"));
      if (id === null || !await inboxes.markRead(id, read)) throw new Problem(404, "The message is gone.");
      const view = viewOf((name) => form.get(name) ?? undefined);
      return c.redirect(inboxPath(view, read ? id : undefined), 303); // opening it again would read it again
    });
  }
  for (const as of ["spam", "ham"] as const) {
    app.post(`/inbox/:id/${as}`, async (c) => {
      const form = await formOf(c);
      const id = readCopyId(c.req.param("id")), found = id === null ? null : await inboxes.get(id);
      if (id === null || found === null) throw new Problem(404, "The message is gone.");
      await teachStored(store, { teach: teach(), id: found.message.id, as });
      const path = inboxPath(viewOf((name) => form.get(name) ?? undefined), id);
      return c.redirect(`${path}${path.includes("?") ? "&" : "?"}taught=${as}`, 303);
    });
  }

  async function inboxOf(c: Context<AdminEnv>, text: string | null): Promise<Response> {
    const view = viewOf((name) => c.req.query(name));
    const id = text === null ? null : readCopyId(text);
    const open = id === null ? null : await reader.open(id);
    if (text !== null && open === null) {
      throw new Problem(404, "That message is not here; it may have been deleted.");
    }
    const filter = { ...optional("inbox", view.inbox), ...optional("q", view.q) };
    const [boxes, page] = await Promise.all([
      inboxes.names(),
      inboxes.list({ ...filter, ...optional("before", view.before), limit: LIST + 1 }),
    ]);
    const taught = c.req.query("taught"), released = readId(c.req.query("released") ?? "");
    const [story, marks, active] = await Promise.all([
      open === null ? null : storyOf(open.message.id),
      marksOf(page.messages),
      rules.list(),
    ]);
    const data: InboxData = {
      view,
      learns: teach() !== null,
      taught: taught === "spam" || taught === "ham" ? taught : null,
      boxes,
      total: page.total,
      messages: page.messages.slice(0, LIST),
      more: page.messages.length > LIST,
      open,
      story,
      marks,
      errors: active.filter(({ rule }) => rule.on).length,
      chaos: hasPlugin(admin, "chaos"),
      releases: releasing()?.to ?? null,
      released,
    };
    return answer(c, inboxPage(await context(boxes), data));
  }

  /** A ledger in trouble does not keep anybody from his mail. */
  async function storyOf(id: string): Promise<Story | null> {
    return await ledger?.explain(id).catch(() => null) ?? null;
  }

  /** Of the messages of a list: what plugins in mode observe would have done. */
  async function marksOf(messages: InboxData["messages"]): Promise<InboxData["marks"]> {
    const marks = new Map<string, NonNullable<Entry["observed"]>>();
    if (ledger === null || messages.length === 0) return marks;
    const times = messages.map(({ receivedAt }) => receivedAt);
    const range = { since: Math.min(...times) - SLOWEST, until: Math.max(...times) + 1 };
    const found = await ledger.search({ observed: true, ...range, limit: 500 }).catch(() => null);
    for (const { id, observed } of found?.entries ?? []) if (observed !== null) marks.set(id, observed);
    return marks;
  }
}

function viewOf(get: (name: string) => string | undefined): InboxView {
  return {
    inbox: textOf("inbox", get("inbox"), 320),
    q: textOf("q", get("q")?.trim(), 200),
    before: beforeOf(get("before")),
  };
}
