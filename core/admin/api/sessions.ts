/**
 * /api/v1/sessions, /explain, /rates, /ledger and /audit: what the ledger knows, as it tells it. Times in a query are RFC 3339 or
 * milliseconds since 1970. Non-job: keeping and finding it (core/ledger), pages of it.
 */
import { Hono } from "hono";
import type { Ledger, LedgerQuery } from "../../ledger/ledger.ts";
import { type Verdict, VERDICTS } from "../../ledger/story.ts";
import { tellStory } from "../../ledger/telling.ts";
import { readId, readShortId } from "../../model/id.ts";
import { canonicalIp, isNetwork } from "../../model/ip.ts";
import { parseDuration } from "../../model/units.ts";
import { optional } from "../messages/messages.ts";
import type { AdminEnv } from "../options.ts";
import { limitOf, textOf } from "../parameters.ts";
import { Problem } from "../problem.ts";

const MAX_STEPS = 2000, MINUTE = 60_000, DAY = 86_400_000;

/** `ledger` null: nobody keeps one, and every route says so. */
export function sessions(
  { ledger = null, now }: { readonly ledger?: Ledger | null | undefined; readonly now: () => number },
): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  const kept = (): Ledger => {
    if (ledger === null) throw new Problem(409, "This server keeps no ledger: set ledger in the configuration.");
    return ledger;
  };

  app.get("/sessions", async (c) => {
    const query = ledgerQuery(c.req.query());
    const { entries, more } = await kept().search(query);
    return c.json({ entries, more });
  });

  app.delete("/sessions", async (c) => {
    const address = textOf("address", c.req.query("address"), 320);
    if (address === undefined) throw new Problem(400, "Name the address to forget: ?address=someone@example.org");
    c.set("subject", "an address"); // to write it down here would not forget it
    return c.json({ forgotten: await kept().forget(address) });
  });

  app.get("/explain/:id", async (c) => {
    const id = storyId(c.req.param("id"));
    const story = id === null ? null : await kept().explain(id);
    if (story === null) throw new Problem(404, "No message and no session has that id; it may have been too long ago.");
    return c.req.query("format") === "text" ? c.text(tellStory(story)) : c.json(story);
  });

  app.get("/rates", async (c) => {
    const { since, until, step: text } = c.req.query();
    const end = timeOf("until", until) ?? now(), begin = timeOf("since", since) ?? end - DAY;
    const step = text === undefined || text === "" ? 5 * MINUTE : parseDuration(text) ?? 0;
    if (step < MINUTE || step % MINUTE !== 0) throw new Problem(400, "step is whole minutes, such as 1m or 2h.");
    if (end <= begin || (end - begin) / step > MAX_STEPS) {
      throw new Problem(400, `From since to until are at most ${MAX_STEPS} steps, and one at least.`);
    }
    return c.json({ step, points: await kept().rates({ since: begin, until: end, step }) });
  });

  app.get("/ledger", async (c) => {
    const { oldest, ...rest } = await kept().size();
    return c.json({ ...rest, oldest: oldest === null ? null : new Date(oldest).toISOString() });
  });

  app.get("/audit", async (c) => {
    const { limit, before } = c.req.query();
    const items = await kept().audits({
      limit: limitOf(limit, { default: 100, max: 1000 }),
      ...optional("before", timeOf("before", before)),
    });
    return c.json({ items });
  });
  return app;
}

/**
 * A query string as the ledger takes it.
 *
 * @throws {Problem} 400 saying what would be right.
 */
export function ledgerQuery(query: Readonly<Record<string, string | undefined>>): LedgerQuery {
  const { verdict, ip, observed, before } = query;
  const wanted = (name: string, max: number) => optional(name, textOf(name, query[name], max));
  if (before !== undefined && before !== "" && storyId(before) === null) {
    throw new Problem(400, "before is the id of an entry.");
  }
  return {
    ...wanted("q", 200),
    ...optional("verdict", verdictOf(verdict)),
    ...optional("ip", networkIn(ip)),
    ...wanted("from", 320),
    ...wanted("to", 320),
    ...wanted("plugin", 64),
    ...(observed === "1" || observed === "true") && { observed: true },
    ...optional("since", timeOf("since", query["since"])),
    ...optional("until", timeOf("until", query["until"])),
    limit: limitOf(query["limit"], { default: 50, max: 500 }),
    ...optional("before", before === undefined || before === "" ? undefined : storyId(before)!),
  };
}

/** An id as people type it: 26 characters with or without the `s`, or the eight of a reference; null when it is none. */
export function storyId(text: string): string | null {
  if (text.length > 40) return null;
  const short = readShortId(text);
  if (short !== null) return short;
  const session = /^s/i.test(text), id = readId(session ? text.slice(1) : text);
  return id === null ? null : session ? `s${id}` : id;
}

function verdictOf(text: string | undefined): Verdict | undefined {
  if (text === undefined || text === "") return undefined;
  const verdict = VERDICTS.find((each) => each === text);
  if (verdict === undefined) throw new Problem(400, `verdict is one of ${VERDICTS.join(", ")}.`);
  return verdict;
}

/** The networks that the ledger looks for. */
const BITS = new Map([[4, new Set([8, 16, 24])], [6, new Set([32, 48, 64])]]);
function networkIn(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  const [host = "", bits] = text.slice(0, 64).split("/"), ip = canonicalIp(host);
  const known = bits === undefined || BITS.get(ip?.includes(":") ? 6 : 4)!.has(Number(bits));
  if (ip === null || !known || !isNetwork(text)) {
    throw new Problem(400, "ip is an address, or a network of /8, /16 or /24 (IPv6: /32, /48 or /64).");
  }
  return bits === undefined ? ip : `${ip}/${bits}`;
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const time = /^\d{1,15}$/.test(text) ? Number(text) : text.length <= 40 ? Date.parse(text) : NaN;
  if (Number.isNaN(time)) throw new Problem(400, `${name} is a time such as 2026-11-22T09:00:00Z.`);
  return time;
}
