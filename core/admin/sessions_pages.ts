/**
 * The routes of sessions and of their stories: what the ledger is asked, and where an id leads. Non-job: how it looks
 * (ui/sessions/, ui/explain/).
 */
import type { Context, Hono } from "hono";
import { dialogueOf } from "../ledger/dialogue.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Entry, Story } from "../ledger/story.ts";
import { tellStory } from "../ledger/telling.ts";
import { may } from "./access/scope.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { Problem } from "./problem.ts";
import { explainPage } from "./ui/explain/explain.ts";
import type { Talk } from "./ui/explain/talk.ts";
import type { StoryLinks } from "./ui/explain/verdict.ts";
import { FILTER_NAMES, type Filters, ledgerQuery, readFilters, sessionsPath, without } from "./ui/sessions/filters.ts";
import { type SessionsData, sessionsPage } from "./ui/sessions/sessions.ts";

const ROWS = 50; // of a page
const COUNTED = 200; // entries at most that a filter is said to hide

export function sessionsPages(app: Hono<AdminEnv>, options: PagesContext & { readonly ledger: Ledger }): void {
  const { admin, context, answer, ledger } = options, { now = Date.now } = admin;

  app.get("/sessions", async (c) => {
    const filters = filtersOf(c), before = beforeOf(c.req.query("before"));
    const story = await named(filters);
    if (story !== null) return c.redirect(`/explain/${story.id}`, 303);
    const clean = sessionsPath({ ...filters, ...before !== undefined && { before } });
    if (/[?&][a-z]+=(?:&|$)/.test(c.req.url)) return c.redirect(clean, 302); // a form sends its empty fields too
    return answer(c, sessionsPage(await context(), await find(filters, before)));
  });

  app.get("/explain/:id", async (c) => {
    const id = c.req.param("id"), story = await storyOf(id);
    if (story === null) {
      throw new Problem(404, "Nothing is known of that id: it was never given, or it is older than what is kept.");
    }
    if (story.id !== id) return c.redirect(`/explain/${story.id}`, 302);
    const [links, talk] = await Promise.all([linksOf(story), talkOf(story, may(c.get("caller"), "messages"))]);
    const data = { story, links, talk, text: tellStory(story) };
    return answer(c, explainPage(await context(), data));
  });

  /** A search for nothing but an id is a question for its story. */
  async function named(filters: Filters): Promise<Entry | null> {
    const [name, ...others] = Object.keys(filters);
    if (name !== "q" || others.length > 0) return null;
    const text = filters.q!.replace(/^\(?ref:? +([0-9a-z]{8})\)?$/i, "$1");
    return await storyOf(text);
  }

  /** `text`: as an id is written, whole, or the eight characters that a refusal quotes. */
  async function storyOf(text: string): Promise<Story | null> {
    const id = /^s[0-9a-z]{8}$/i.test(text) ? text.slice(1) : text;
    return /^(?:s?[0-9a-z]{26}|[0-9a-z]{8})$/i.test(id) ? await ledger.explain(id) : null;
  }

  async function find(filters: Filters, before: string | undefined): Promise<SessionsData> {
    const began = performance.now();
    const found = await ledger.search({
      ...ledgerQuery(filters, now()),
      limit: ROWS,
      ...before !== undefined && { before },
    });
    const took = performance.now() - began, none = found.entries.length === 0 && before === undefined;
    const fresh = none && (await ledger.search({ limit: 1 })).entries.length === 0;
    return { filters, before, found, took, hides: none && !fresh ? await hiding(filters) : null, fresh };
  }

  /** The filter without which the most would be found. */
  async function hiding(filters: Filters): Promise<SessionsData["hides"]> {
    const names = FILTER_NAMES.filter((name) => filters[name] !== undefined);
    if (names.length < 2) return null; // without the only one there is all, which is offered anyway
    const counts = await Promise.all(names.map(async (name) => {
      const { entries, more } = await ledger.search({ ...ledgerQuery(without(filters, name), now()), limit: COUNTED });
      return { name, count: entries.length, more };
    }));
    const most = counts.reduce((a, b) => b.count > a.count ? b : a);
    return most.count === 0 ? null : most;
  }

  /** A recording holds what the ledger may have been told to leave out, so not everybody reads it. */
  async function talkOf(story: Story, whole: boolean): Promise<Talk> {
    const said = whole && story.session !== "" ? await admin.recorded?.(story.session) ?? null : null;
    return said === null ? { lines: dialogueOf(story), recorded: false } : { lines: said, recorded: true };
  }

  async function linksOf({ id, verdict }: Story): Promise<StoryLinks> {
    const [item, copy] = await Promise.all([admin.store.item(id), admin.store.inboxes.get(id)]);
    const held = item?.recipients.some(({ state }) => state === "held") ?? false;
    return { queue: item !== null, inbox: copy !== null, quarantine: verdict === "held" && held };
  }
}

/** @throws {Problem} 400 */
export function filtersOf(c: Context<AdminEnv>): Filters {
  const filters = readFilters((name) => c.req.query(name));
  if (typeof filters === "string") throw new Problem(400, filters);
  return filters;
}

function beforeOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^s?[0-9A-Z]{26}$/.test(text)) throw new Problem(400, "before is the id of a session or a message.");
  return text;
}
