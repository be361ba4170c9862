/**
 * The pages: what all of them share, and which there are. Routes read the store, hand what they found to ui/, and take
 * forms back (NAME_pages.ts). A form is heard only with the hidden token that our own page put into it; every change
 * answers with the page to look at next (303).
 */
import { Hono } from "hono";
import type { Context } from "hono";
import type { Suppression } from "../delivery/suppression.ts";
import type { Destinations } from "../observe/destinations.ts";
import type { PluginFaults } from "../observe/plugin_faults.ts";
import { deliveryPages } from "./delivery_pages.ts";
import { PAGE_POLICY, tooMany } from "./guard.ts";
import { chaosPages } from "./chaos_pages.ts";
import { inboxPages } from "./inbox_pages.ts";
import { livePages } from "./live_pages.ts";
import type { MailReader } from "./messages/reader.ts";
import type { AdminEnv, AdminOptions, Steering } from "./options.ts";
import { overviewPages } from "./overview_pages.ts";
import type { PagesContext } from "./pages_context.ts";
import { formBody } from "./parameters.ts";
import { Problem, problemOf } from "./problem.ts";
import { quarantinePages } from "./quarantine_pages.ts";
import { queuePages } from "./queue_pages.ts";
import { serverPages } from "./server_pages.ts";
import { sessionsPages } from "./sessions_pages.ts";
import type { Sessions } from "./session.ts";
import { ASSETS } from "./ui/assets.ts";
import type { Html } from "./ui/html.ts";
import { BAR, MORE, notice, type PageContext, type PageName } from "./ui/layout.ts";
import { loginPage } from "./ui/login.ts";

export interface PagesOptions {
  readonly admin: AdminOptions;
  readonly steering: Steering;
  readonly reader: MailReader;
  readonly sessions: Sessions;
  readonly suppression: Suppression;
  /** How deliveries fare, and what went wrong in plugins: observers of the bus. */
  readonly health: Destinations;
  readonly faults: PluginFaults;
  readonly now: () => number;
}

export class Pages {
  readonly #admin: AdminOptions;
  readonly #steering: Steering;
  readonly #reader: MailReader;
  readonly #sessions: Sessions;
  readonly #suppression: Suppression;
  readonly #health: Destinations;
  readonly #faults: PluginFaults;
  readonly #now: () => number;
  /** The paths that exist, known once all routes are. */
  #paths: ReadonlySet<string> = new Set();

  constructor(options: PagesOptions) {
    this.#admin = options.admin;
    this.#steering = options.steering;
    this.#reader = options.reader;
    this.#sessions = options.sessions;
    this.#suppression = options.suppression;
    this.#health = options.health;
    this.#faults = options.faults;
    this.#now = options.now;
  }

  routes(): Hono<AdminEnv> {
    const app = new Hono<AdminEnv>();
    app.get("/", (c) => {
      return c.redirect(this.#admin.site.devInbox ? "/inbox" : "/overview", 302);
    });
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
    const pages: PagesContext = {
      admin: this.#admin,
      steering: this.#steering,
      reader: this.#reader,
      context: (boxes) => this.#context(boxes),
      form: (c) => this.#form(c),
      answer: (c, page) => this.#answer(c, page),
    };
    inboxPages(app, pages);
    chaosPages(app, pages);
    queuePages(app, pages);
    quarantinePages(app, pages);
    deliveryPages(app, { ...pages, health: this.#health, suppression: this.#suppression });
    serverPages(app, { ...pages, faults: this.#faults });
    overviewPages(app, pages);
    const { ledger = null } = this.#admin;
    if (ledger !== null) {
      sessionsPages(app, { ...pages, ledger });
      livePages(app, { ...pages, ledger });
    }
    this.#paths = new Set(app.routes.filter(({ method }) => method === "GET").map(({ path }) => path));
    return app;
  }

  /** The page that an error is told on. */
  async fault(error: unknown, c: Context<AdminEnv>): Promise<Response> {
    const problem = problemOf(error);
    // Around it a page tells of the whole house, which is not for who has not said who he is
    if (this.#sessions.required && c.get("caller") === undefined) {
      if (c.req.path !== "/login") return problem.toResponse();
      const { loginToken: formToken } = this.#sessions;
      return this.#answer(c, loginPage({ then: "/", formToken, fault: problem.detail }), problem.status);
    }
    const context = await this.#context().catch(() => null);
    if (context === null) return problem.toResponse();
    const page = notice(context, { title: problem.title, text: problem.detail });
    for (const [name, value] of Object.entries(problem.headers)) c.header(name, value);
    return this.#answer(c, page, problem.status);
  }

  // ---- Who ---------------------------------------------------------------------------------------------------------

  #session(app: Hono<AdminEnv>): void {
    const { loginToken: formToken } = this.#sessions;
    app.get("/login", (c) => {
      if (!this.#sessions.required) return c.redirect("/", 303);
      return this.#answer(c, loginPage({ then: localPath(c.req.query("then")), formToken }));
    });
    app.post("/login", async (c) => {
      const form = await this.#form(c, (token) => this.#sessions.isLoginToken(token));
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
  async #form(
    c: Context<AdminEnv>,
    isOurs = (token: string) => this.#sessions.isFormToken(token),
  ): Promise<URLSearchParams> {
    const form = await formBody(c.req.raw);
    if (!isOurs(form.get("token") ?? "")) {
      throw new Problem(403, "The page was too old or not ours: go back, load it again, and try once more.");
    }
    c.set("form", form);
    return form;
  }

  // ---- All of them -------------------------------------------------------------------------------------------------

  /** The pages that exist here, in their order. */
  #names(): readonly PageName[] {
    const { site, plugins } = this.#admin;
    const inbox = site.devInbox || plugins().some((each) => each.plugins.some((plugin) => plugin.name === "inbox"));
    return [...BAR, ...MORE].filter((name) => this.#paths.has(`/${name}`) && (name !== "inbox" || inbox));
  }

  async #context(boxes?: Parameters<PagesContext["context"]>[0]): Promise<PageContext> {
    const names = boxes ?? await this.#admin.store.inboxes.names();
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

/** A path of this site to go on to; anything that could lead elsewhere leads home. */
function localPath(text: string | undefined): string {
  return text !== undefined && /^\/(?![/\\])[\x21-\x7e]{0,1000}$/.test(text) && !text.includes("\\") ? text : "/";
}
