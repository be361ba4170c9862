/**
 * What every request must pass before a handler sees it: the right Host (against DNS rebinding), the right to come in,
 * and for changes the right origin (against cross-site request forgery); and what every answer carries.
 * A browser says where a POST comes from (Fetch Metadata, RFC 6454 Origin), so a request that says nothing is no browser.
 */
import type { Context, MiddlewareHandler } from "hono";
import { isIPv4, isIPv6, isLoopback } from "../model/ip.ts";
import type { RequestRates } from "./access/rates.ts";
import { ruleOf } from "./access/rules.ts";
import { ANYONE, type Caller, may, type Scope } from "./access/scope.ts";
import type { AdminEnv } from "./options.ts";
import { Problem } from "./problem.ts";
import type { Sessions } from "./session.ts";

/** The policy of our own pages. */
export const PAGE_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "form-action 'self'; frame-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
/** The policy of everything that is no page: nothing runs, nothing loads, nobody frames it. */
const DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** Answers that need no right: probes of orchestrators, which call by pod address. */
const OPEN = new Set(["/healthz", "/readyz"]);
/** Content types that a form on any site can send without asking first. */
const FORM_TYPES = /^(?:application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/i;

/** Headers of every answer. A handler that set its own policy keeps it. */
export function secureHeaders(): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    await next();
    const headers = c.res.headers;
    if (!headers.has("Content-Security-Policy")) headers.set("Content-Security-Policy", DATA_POLICY);
    if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("Referrer-Policy", "no-referrer");
    headers.set("X-DNS-Prefetch-Control", "off"); // else a browser looks up the hosts of a mail's links as it shows them
    headers.set("Cross-Origin-Resource-Policy", "same-origin");
    headers.set("Cross-Origin-Opener-Policy", "same-origin");
  };
}

/** The name part of a Host header in lower case, IPv6 without brackets; null when it is none. */
export function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,255}?)\.?)(?::\d{1,5})?$/i.exec(host);
  return match === null ? null : (match[1] ?? match[2]!).toLowerCase();
}

/**
 * Refuses a Host that is neither loopback nor listed. A rebound name is a name, so with a token, where reading anything
 * needs it anyway, addresses are taken too.
 */
export function hostGuard(options: { hosts: readonly string[]; token: boolean }): MiddlewareHandler<AdminEnv> {
  const listed = new Set(options.hosts.map((each) => hostName(each) ?? each.toLowerCase()));
  return async (c, next) => {
    const host = ownHost(c.req.raw);
    const name = hostName(host);
    const known = name !== null && (name === "localhost" || isLoopback(name) || listed.has(name) ||
      options.token && (isIPv4(name) || isIPv6(name)));
    if (!known && !OPEN.has(c.req.path)) {
      throw new Problem(
        421,
        "This Host is not one of this site's: use a loopback address, or list it in the configuration.",
      );
    }
    await next();
  };
}

function ownHost(request: Request): string {
  return request.headers.get("host") ?? new URL(request.url).host;
}

/** Finds out who asks: 401 for the API without a token, the login page for people. Then, whether he may ask for that. */
export function tokenGuard(sessions: Sessions, rates: RequestRates): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const path = c.req.path, { remote } = c.env, { scope } = ruleOf(c.req.method, path);
    if (!OPEN.has(path)) rates.ofNetwork(remote);
    if (!sessions.required) c.set("caller", ANYONE);
    if (!sessions.required || scope === null) return await next();
    const caller = callerOf(c, sessions);
    if (caller !== null) {
      rates.ofToken(caller.name, remote);
      c.set("caller", caller);
      if (!may(caller, scope)) throw lacking(scope);
      return await next();
    }
    if (isApi(path)) {
      throw new Problem(401, "Send the token: Authorization: Bearer TOKEN.", { "WWW-Authenticate": "Bearer" });
    }
    const then = c.req.method === "GET" ? `?then=${encodeURIComponent(path + new URL(c.req.url).search)}` : "";
    return c.redirect(`/login${then}`, 303);
  };
}

function callerOf(c: Context<AdminEnv>, sessions: Sessions): Caller | null {
  const { remote } = c.env;
  const bearer = /^Bearer +([^\s]{1,4096})$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (bearer === undefined) return sessions.holder(c.req.header("cookie") ?? null, remote);
  const wait = sessions.lockedFor(remote);
  if (wait > 0) throw tooMany(wait);
  return sessions.check(bearer, remote);
}

/** RFC 6750 3.1: which scope it would have taken. */
export function lacking(scope: Scope): Problem {
  return new Problem(403, `This token may not do that: it would need the scope ${scope}.`, {
    "WWW-Authenticate": `Bearer error="insufficient_scope", scope="${scope}"`,
  });
}

export function tooMany(wait: number): Problem {
  return new Problem(429, `Too many wrong tokens; try again in ${wait} s.`, { "Retry-After": String(wait) });
}

export function isApi(path: string): boolean {
  return path.startsWith("/api/") || path === "/metrics" || path === "/openapi.json" || OPEN.has(path);
}

/** Refuses changes that another site could have sent in a visitor's name. Forms of pages also carry a token (pages.ts). */
export function originGuard(): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const method = c.req.method;
    if (method !== "GET" && method !== "HEAD" && method !== "OPTIONS") {
      const site = c.req.header("sec-fetch-site");
      if (site !== undefined && site !== "same-origin") throw foreign();
      const origin = c.req.header("origin");
      // "null" is what our own forms send under no-referrer where the browser has no Fetch Metadata: their token decides
      if (origin !== undefined && !(origin === "null" && (site === "same-origin" || !isApi(c.req.path)))) {
        if (originHost(origin) !== ownHost(c.req.raw).toLowerCase()) throw foreign();
      }
      if (isApi(c.req.path) && FORM_TYPES.test(c.req.header("content-type") ?? "")) {
        throw new Problem(415, "Send JSON (Content-Type: application/json) or no body.");
      }
    }
    await next();
  };
}

function originHost(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null;
  }
}
function foreign(): Problem {
  return new Problem(403, "A change must come from this site's own pages, or from a program without an Origin header.");
}
