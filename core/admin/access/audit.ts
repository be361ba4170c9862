/**
 * Who looked at what a mail says, and who changed something: an `audit` event for each, by the rules of the routes, when it
 * was done (SEMANTICS 28). A page that asks for a message, its frame and its parts looks once. Non-job: keeping it (the
 * ledger), wording it (core/observe/wording.ts).
 */
import type { Context, MiddlewareHandler } from "hono";
import { canonicalIp } from "../../model/ip.ts";
import type { Bus } from "../../observe/bus.ts";
import type { AdminEnv } from "../options.ts";
import { readCopyId } from "../parameters.ts";
import { ruleOf } from "./rules.ts";
import { ANYONE } from "./scope.ts";

/** How long further looks of one caller at one message are the same look, milliseconds. */
const LOOK = 60_000;
const MAX_LOOKS = 1000, LONGEST = 300, MAX_FIELDS = 20;
/** What forms carry for the site, not for what is done. */
const OWN_FIELDS = new Set(["token", "secret", "then", "next"]);

/** Goes around every handler. */
export function audited(options: { readonly bus: Bus; readonly now: () => number }): MiddlewareHandler<AdminEnv> {
  const { bus, now } = options, looks = new Map<string, number>();
  const again = (look: string): boolean => {
    const last = looks.get(look), at = now();
    if (last !== undefined && at - last < LOOK) return true;
    if (looks.size >= MAX_LOOKS) looks.delete(looks.keys().next().value!);
    looks.delete(look);
    looks.set(look, at);
    return false;
  };
  return async (c, next) => {
    await next();
    const { action } = ruleOf(c.req.method, c.req.path);
    if (action === undefined || c.res.status >= 400) return;
    const by = (c.get("caller") ?? ANYONE).name, ip = canonicalIp(c.env.remote) ?? "", subject = subjectOf(c);
    if (action === "read" && again([by, ip, subject].join("\n"))) return;
    bus.emit({ type: "audit", by, ip, action, subject });
  };
}

/** What the handler named; else the message of the path, its last name, or the filter. */
function subjectOf(c: Context<AdminEnv>): string {
  const named = c.get("subject");
  if (named !== undefined) return named.slice(0, LONGEST);
  const { pathname, searchParams } = new URL(c.req.url);
  const segments = pathname.split("/").slice(pathname.startsWith("/api/") ? 3 : 1);
  for (const segment of segments.slice(1)) {
    const id = readCopyId(segment);
    if (id !== null) return id.split(".", 1)[0]!;
  }
  const fields = [...searchParams, ...c.get("form") ?? []].filter(([name, value]) =>
    value !== "" && !OWN_FIELDS.has(name)
  );
  const filter = fields.slice(0, MAX_FIELDS).map(([name, value]) => `${name}=${value}`);
  if (filter.length > 0) return `${segments[0]} ${filter.join(" ")}`.slice(0, LONGEST);
  return decoded(segments.length > 1 && pathname.startsWith("/api/") ? segments.at(-1)! : segments[0]!);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, LONGEST);
  } catch {
    return text.slice(0, LONGEST);
  }
}
