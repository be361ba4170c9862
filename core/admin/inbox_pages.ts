/**
 * The routes of the inbox's pages: what was delivered here, read, marked, taught and deleted. Non-job: how it looks
 * (ui/inbox/), and reading a message's structure (messages/).
 */
import type { Context, Hono } from "hono";
import { optional } from "./messages/messages.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { beforeOf, readCopyId, textOf } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { teachStored } from "./training.ts";
import { type InboxData, inboxPage, inboxPath, type InboxView } from "./ui/inbox/inbox.ts";

const LIST = 50; // messages in a list

export function inboxPages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin: { store, teach = null }, reader, context, form: formOf, answer } = options, { inboxes } = store;

  app.get("/inbox", (c) => inboxOf(c, null));
  app.get("/inbox/:id", (c) => inboxOf(c, c.req.param("id")));
  app.post("/inbox/delete", async (c) => {
    const form = await formOf(c);
    await inboxes.remove(optional("inbox", form.get("inbox") ?? undefined));
    return c.redirect("/inbox", 303);
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
      await teachStored(store, { teach, id: found.message.id, as });
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
    const taught = c.req.query("taught");
    const data: InboxData = {
      view,
      learns: teach !== null,
      taught: taught === "spam" || taught === "ham" ? taught : null,
      boxes,
      total: page.total,
      messages: page.messages.slice(0, LIST),
      more: page.messages.length > LIST,
      open,
    };
    return answer(c, inboxPage(await context(boxes), data));
  }
}

function viewOf(get: (name: string) => string | undefined): InboxView {
  return {
    inbox: textOf("inbox", get("inbox"), 320),
    q: textOf("q", get("q")?.trim(), 200),
    before: beforeOf(get("before")),
  };
}
