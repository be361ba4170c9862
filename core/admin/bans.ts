/**
 * /api/v1/bans: clients that are turned away at the door; a person lists them, adds one, takes one away.
 * Non-job: what a ban does to a connection, and who is banned by himself (the plugin ban).
 */
import { Hono } from "hono";
import { type Ban, type Bans, LONGEST_BAN, subjectIn } from "../config/bans.ts";
import type { AdminEnv } from "./options.ts";
import { jsonBody, limitOf } from "./parameters.ts";
import { Problem } from "./problem.ts";

const LONGEST_REASON = 200;

export function bans(list: Bans, now: () => number): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();

  app.get("/", async (c) => {
    const limit = limitOf(c.req.query("limit"), { default: 100, max: 1000 });
    return c.json({ items: (await list.list({ limit })).map(banJson) });
  });

  app.post("/", async (c) => {
    const { subject, reason, seconds } = entryOf(await jsonBody(c.req.raw));
    const ban = { subject, reason, until: now() + seconds * 1000 };
    c.set("subject", subject);
    await list.put(ban);
    return c.json(banJson(ban));
  });

  app.delete("/:subject", async (c) => {
    if (!await list.remove(subjectOf(c.req.param("subject")))) throw new Problem(404, "That client is not banned.");
    return c.json({ removed: 1 });
  });
  return app;
}

/** The promised form of a ban, here and in `postern ban list --json`. */
export function banJson({ subject, reason, until }: Ban): Record<string, unknown> {
  return { subject, reason, until: new Date(until).toISOString() };
}

function subjectOf(text: unknown): string {
  const subject = typeof text === "string" ? subjectIn(text) : null;
  if (subject === null) throw new Problem(400, "A client is an address, or a network of /24 (IPv6: /56 or /64).");
  return subject;
}

function entryOf(body: unknown): { readonly subject: string; readonly reason: string; readonly seconds: number } {
  const { subject, reason = "", seconds = null, ...rest } = (body ?? {}) as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Problem(400, `There is no ${JSON.stringify(unknown.slice(0, 64))} here.`);
  if (typeof reason !== "string" || reason.length > LONGEST_REASON) {
    throw new Problem(400, `reason is a text of ${LONGEST_REASON} characters.`);
  }
  if (seconds !== null && !(typeof seconds === "number" && seconds >= 1 && seconds <= LONGEST_BAN)) {
    throw new Problem(400, `seconds is a number up to ${LONGEST_BAN}, or null for so many.`);
  }
  return { subject: subjectOf(subject), reason, seconds: seconds ?? LONGEST_BAN };
}
