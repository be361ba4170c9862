/**
 * The pages: routes that read the store, hand what they found to ui/, and take forms back. A form is heard only with the
 * hidden token that our own page put into it; every change answers with the page to look at next (303).
 */
import { Hono } from "hono";
import type { Context } from "hono";
import type { QueueChange, Store } from "../store/store.ts";
import { PAGE_POLICY, tooMany } from "./guard.ts";
import { optional } from "./messages/messages.ts";
import type { MailReader } from "./messages/reader.ts";
import type { AdminEnv, AdminOptions, Steering } from "./options.ts";
import { beforeOf, domainOf, formBody, readCopyId, stateOf, textOf } from "./parameters.ts";
import { Problem, problemOf } from "./problem.ts";
import { quarantinePages } from "./quarantine_pages.ts";
import { changeFilter, QUEUE_VERBS, queueChange, type QueueVerb } from "./queue/change.ts";
import { queueItem } from "./queue/queue.ts";
import type { Sessions } from "./session.ts";
import { teachStored } from "./training.ts";
import { ASSETS } from "./ui/assets.ts";
import type { Html } from "./ui/html.ts";
import { type InboxData, inboxPage, inboxPath, type InboxView } from "./ui/inbox/inbox.ts";
import { notice, type PageContext, type PageName } from "./ui/layout.ts";
import { loginPage } from "./ui/login.ts";
import { pluginsPage } from "./ui/plugins.ts";
import { ASKED, askPage, formBodyOf } from "./ui/queue/ask.ts";
import { queueItemPage } from "./ui/queue/item.ts";
import { queuePage } from "./ui/queue/queue.ts";

const LIST = 50; // messages in a list
const ITEMS = 100; // queue items in a table
const NAMED = 10; // of those that a question is about

export interface PagesOptions {
  readonly admin: AdminOptions;
  readonly steering: Steering;
  readonly reader: MailReader;
  readonly sessions: Sessions;
  readonly now: () => number;
}

export class Pages {
  readonly #admin: AdminOptions;
  readonly #steering: Steering;
  readonly #store: Store;
  readonly #reader: MailReader;
  readonly #sessions: Sessions;
  readonly #now: () => number;

  constructor(options: PagesOptions) {
    this.#admin = options.admin;
    this.#steering = options.steering;
    this.#store = options.admin.store;
    this.#reader = options.reader;
    this.#sessions = options.sessions;
    this.#now = options.now;
  }

  routes(): Hono<AdminEnv> {
    const app = new Hono<AdminEnv>();
    app.get("/", (c) => c.redirect(`/${this.#names()[0]}`, 302));
    app.get("/assets/:name", (c) => {
      const asset = Object.hasOwn(ASSETS, c.req.param("name"))
        ? ASSETS[c.req.param("name") as keyof typeof ASSETS]
        : null;
      if (asset === null) throw new Problem(404, "There is no such file.");
      return new Response(asset.content, {
        headers: { "Content-Type": asset.type, "Cache-Control": "public, max-age=31536000, immutable" },
      });
    });
    this.#session(app);
    this.#inbox(app);
    this.#queue(app);
    quarantinePages(app, {
      admin: this.#admin,
      steering: this.#steering,
      reader: this.#reader,
      context: () => this.#context(),
      form: (c) => this.#form(c),
      answer: (c, page) => this.#answer(c, page),
    });
    app.get("/plugins", async (c) => this.#answer(c, pluginsPage(await this.#context(), this.#admin.plugins())));
    return app;
  }

  /** The page that an error is told on. */
  async fault(error: unknown, c: Context<AdminEnv>): Promise<Response> {
    const problem = problemOf(error);
    const context = await this.#context().catch(() => null);
    if (context === null) return problem.toResponse();
    const page = notice(context, { title: problem.title, text: problem.detail });
    for (const [name, value] of Object.entries(problem.headers)) c.header(name, value);
    return this.#answer(c, page, problem.status);
  }

  // ---- Who ---------------------------------------------------------------------------------------------------------

  #session(app: Hono<AdminEnv>): void {
    const { formToken } = this.#sessions;
    app.get("/login", (c) => {
      if (!this.#sessions.required) return c.redirect("/", 303);
      return this.#answer(c, loginPage({ then: localPath(c.req.query("then")), formToken }));
    });
    app.post("/login", async (c) => {
      const form = await this.#form(c);
      const then = localPath(form.get("then") ?? undefined);
      if (!this.#sessions.required) return c.redirect("/", 303);
      const wait = this.#sessions.lockedFor(c.env.remote);
      if (wait > 0) {
        c.header("Retry-After", String(wait));
        return this.#answer(c, loginPage({ then, formToken, fault: tooMany(wait).detail }), 429);
      }
      const token = this.#sessions.check(form.get("secret") ?? "", c.env.remote);
      if (token === null) {
        return this.#answer(c, loginPage({ then, formToken, fault: "That is not the token." }), 403);
      }
      c.set("caller", token);
      c.set("subject", "site");
      c.header("Set-Cookie", this.#sessions.open(token, new URL(c.req.url).protocol === "https:"));
      return c.redirect(then, 303);
    });
    app.post("/logout", async (c) => {
      await this.#form(c);
      c.header("Set-Cookie", this.#sessions.end(new URL(c.req.url).protocol === "https:"));
      return c.redirect("/login", 303);
    });
  }

  /** The fields of a form of ours. */
  async #form(c: Context<AdminEnv>): Promise<URLSearchParams> {
    const form = await formBody(c.req.raw);
    if (!this.#sessions.isFormToken(form.get("token") ?? "")) {
      throw new Problem(403, "The page was too old or not ours: go back, load it again, and try once more.");
    }
    c.set("form", form);
    return form;
  }

  // ---- Inbox -------------------------------------------------------------------------------------------------------

  #inbox(app: Hono<AdminEnv>): void {
    const { inboxes } = this.#store;
    app.get("/inbox", (c) => this.#inboxPage(c, null));
    app.get("/inbox/:id", (c) => this.#inboxPage(c, c.req.param("id")));
    app.post("/inbox/delete", async (c) => {
      const form = await this.#form(c);
      await inboxes.remove(optional("inbox", form.get("inbox") ?? undefined));
      return c.redirect("/inbox", 303);
    });
    app.post("/inbox/:id/delete", async (c) => {
      const form = await this.#form(c);
      const id = readCopyId(c.req.param("id"));
      if (id !== null) await inboxes.remove({ id }); // gone already is as good
      const next = readCopyId(form.get("next") ?? "");
      return c.redirect(inboxPath(viewOf((name) => form.get(name) ?? undefined), next ?? undefined), 303);
    });
    for (const [verb, read] of [["read", true], ["unread", false]] as const) {
      app.post(`/inbox/:id/${verb}`, async (c) => {
        const form = await this.#form(c);
        const id = readCopyId(c.req.param("id"));
        if (id === null || !await inboxes.markRead(id, read)) throw new Problem(404, "The message is gone.");
        const view = viewOf((name) => form.get(name) ?? undefined);
        return c.redirect(inboxPath(view, read ? id : undefined), 303); // opening it again would read it again
      });
    }
    for (const as of ["spam", "ham"] as const) {
      app.post(`/inbox/:id/${as}`, async (c) => {
        const form = await this.#form(c);
        const id = readCopyId(c.req.param("id")), found = id === null ? null : await inboxes.get(id);
        if (id === null || found === null) throw new Problem(404, "The message is gone.");
        const { store, teach = null } = this.#admin;
        await teachStored(store, { teach, id: found.message.id, as });
        const path = inboxPath(viewOf((name) => form.get(name) ?? undefined), id);
        return c.redirect(`${path}${path.includes("?") ? "&" : "?"}taught=${as}`, 303);
      });
    }
  }

  async #inboxPage(c: Context<AdminEnv>, text: string | null): Promise<Response> {
    const view = viewOf((name) => c.req.query(name));
    const id = text === null ? null : readCopyId(text);
    const open = id === null ? null : await this.#reader.open(id);
    if (text !== null && open === null) {
      throw new Problem(404, "That message is not here; it may have been deleted.");
    }
    const filter = { ...optional("inbox", view.inbox), ...optional("q", view.q) };
    const [boxes, page] = await Promise.all([
      this.#store.inboxes.names(),
      this.#store.inboxes.list({ ...filter, ...optional("before", view.before), limit: LIST + 1 }),
    ]);
    const taught = c.req.query("taught");
    const data: InboxData = {
      view,
      learns: (this.#admin.teach ?? null) !== null,
      taught: taught === "spam" || taught === "ham" ? taught : null,
      boxes,
      total: page.total,
      messages: page.messages.slice(0, LIST),
      more: page.messages.length > LIST,
      open,
    };
    return this.#answer(c, inboxPage(await this.#context(boxes), data));
  }

  // ---- Queue -------------------------------------------------------------------------------------------------------

  #queue(app: Hono<AdminEnv>): void {
    app.get("/queue", async (c) => {
      const state = stateOf(c.req.query("state")), domain = domainOf(c.req.query("domain")?.trim());
      const filter = { ...optional("state", state), ...optional("domain", domain) };
      const [page, totals] = await Promise.all([
        this.#store.queue({ ...filter, limit: ITEMS }),
        this.#store.totals(optional("domain", domain)),
      ]);
      const destinations = this.#steering.destinations();
      return this.#answer(c, queuePage(await this.#context(), { state, domain, page, totals, destinations }));
    });
    for (const verb of ASKED) {
      app.get(`/queue/${verb}`, async (c) => {
        const filter = changeFilter({ state: c.req.query("state"), domain: c.req.query("domain") });
        const { total, items } = await this.#store.queue({ ...filter, limit: NAMED });
        const { ways } = this.#steering;
        return this.#answer(c, askPage(await this.#context(), { verb, filter, total, items, ways }));
      });
      app.get(`/queue/:id/${verb}`, async (c) => {
        const item = await queueItem(this.#store, c.req.param("id")), { ways } = this.#steering;
        return this.#answer(c, askPage(await this.#context(), { verb, filter: null, total: 1, items: [item], ways }));
      });
    }
    app.get("/queue/:id", async (c) => {
      const item = await queueItem(this.#store, c.req.param("id"));
      return this.#answer(c, queueItemPage(await this.#context(), item));
    });
    for (const verb of QUEUE_VERBS) {
      app.post(`/queue/${verb}`, async (c) => {
        const form = await this.#form(c);
        await this.#steering.change(changeFilter(Object.fromEntries(form)), this.#wanted(verb, form));
        return c.redirect("/queue", 303);
      });
      app.post(`/queue/:id/${verb}`, async (c) => {
        const form = await this.#form(c);
        const { message: { id } } = await queueItem(this.#store, c.req.param("id"));
        await this.#steering.change({ id }, this.#wanted(verb, form));
        return c.redirect(await this.#store.item(id) === null ? "/queue" : `/queue/${id}`, 303);
      });
    }
  }

  #wanted(verb: QueueVerb, form: URLSearchParams): QueueChange {
    return queueChange(verb, { body: formBodyOf(verb, form), ways: this.#steering.ways });
  }

  // ---- All of them -------------------------------------------------------------------------------------------------

  #names(): readonly PageName[] {
    const { site, plugins } = this.#admin;
    const inbox = site.devInbox || plugins().some((each) => each.plugins.some((plugin) => plugin.name === "inbox"));
    return [...inbox ? ["inbox"] as const : [], "queue", "quarantine", "plugins"];
  }

  async #context(boxes?: InboxData["boxes"]): Promise<PageContext> {
    const names = boxes ?? await this.#store.inboxes.names();
    return {
      site: this.#admin.site,
      pages: this.#names(),
      unread: names.reduce((sum, box) => sum + box.unread, 0),
      warnings: this.#admin.warnings?.() ?? [],
      session: this.#sessions.required,
      formToken: this.#sessions.formToken,
      now: this.#now(),
    };
  }

  #answer(c: Context<AdminEnv>, page: Html, status = 200): Response {
    c.header("Content-Type", "text/html; charset=utf-8");
    c.header("Content-Security-Policy", PAGE_POLICY);
    return c.body(page.text.trimStart(), status as 200);
  }
}

function viewOf(get: (name: string) => string | undefined): InboxView {
  return {
    inbox: textOf("inbox", get("inbox"), 320),
    q: textOf("q", get("q")?.trim(), 200),
    before: beforeOf(get("before")),
  };
}

/** A path of this site to go on to; anything that could lead elsewhere leads home. */
function localPath(text: string | undefined): string {
  return text !== undefined && /^\/(?![/\\])[\x21-\x7e]{0,1000}$/.test(text) && !text.includes("\\") ? text : "/";
}
