/**
 * Which scope each route asks for, and what the audit calls it. One table for the guard, the audit and the document of the
 * API; what stands in no row asks for `admin`, so that a route that was forgotten is closed and not open.
 * Non-job: who asks (session.ts), telling of it (audit.ts).
 */
import type { Scope } from "./scope.ts";

export interface Rule {
  /** Null: everybody, also without a token. */
  readonly scope: Scope | null;
  /** What the audit calls it; without it nobody is told. */
  readonly action?: string;
}
type Row = readonly [route: string, scope: Scope | null, action?: string];

const API: readonly Row[] = [
  ["GET /healthz", null],
  ["GET /readyz", null],
  ["GET /metrics", "read"],
  ["GET /openapi.json", "read"],
  ["GET /api/v1/messages", "read"], // without subjects, unless the scope is there
  ["DELETE /api/v1/messages", "messages", "delete"],
  ["GET /api/v1/messages/:id", "messages", "read"],
  ["PATCH /api/v1/messages/:id", "messages", "mark"],
  ["DELETE /api/v1/messages/:id", "messages", "delete"],
  ["GET /api/v1/messages/:id/raw", "messages", "read"],
  ["GET /api/v1/messages/:id/html", "messages", "read"],
  ["GET /api/v1/messages/:id/parts/:n", "messages", "read"],
  ["POST /api/v1/messages/:id/train", "queue", "train"],
  ["POST /api/v1/messages/:id/release", "send", "release"],
  ["GET /api/v1/chaos", "read"],
  ["PUT /api/v1/chaos", "admin", "chaos"],
  ["DELETE /api/v1/chaos", "admin", "chaos"],
  ["GET /api/v1/queue", "read"],
  ["DELETE /api/v1/queue", "queue", "delete"],
  ["GET /api/v1/queue/destinations", "read"],
  ["GET /api/v1/queue/:id", "read"],
  ["DELETE /api/v1/queue/:id", "queue", "delete"],
  ["GET /api/v1/queue/:id/raw", "messages", "read"],
  ["GET /api/v1/queue/:id/received", "messages", "read"],
  ["POST /api/v1/queue/:id/train", "queue", "train"],
  ...["retry", "hold", "release", "bounce", "route"].flatMap((verb): readonly Row[] => [
    [`POST /api/v1/queue/${verb}`, "queue", verb],
    [`POST /api/v1/queue/:id/${verb}`, "queue", verb],
  ]),
  ["GET /api/v1/quarantine", "read"],
  ["GET /api/v1/suppressions", "read"],
  ["POST /api/v1/suppressions", "queue", "suppress"],
  ["GET /api/v1/suppressions/:address", "read"],
  ["DELETE /api/v1/suppressions/:address", "queue", "unsuppress"],
  ["GET /api/v1/bans", "read"],
  ["POST /api/v1/bans", "queue", "ban"],
  ["DELETE /api/v1/bans/:subject", "queue", "unban"],
  ["GET /api/v1/train", "read"],
  ["POST /api/v1/train", "queue", "train"],
  ["GET /api/v1/sessions", "read"],
  ["DELETE /api/v1/sessions", "admin", "forget"],
  ["GET /api/v1/explain/:id", "read"],
  ["GET /api/v1/rates", "read"],
  ["GET /api/v1/ledger", "read"],
  ["GET /api/v1/audit", "admin"],
  ["GET /api/v1/plugins", "read"],
  ["GET /api/v1/events", "read"],
  ["GET /api/v1/server", "read"],
  ["GET /api/v1/certificates", "read"],
  ["GET /api/v1/configuration", "admin"],
  ["GET /api/v1/webhooks", "read"],
  ["GET /api/v1/tokens", "admin"],
  ["POST /api/v1/reload", "admin", "reload"],
  ["POST /api/v1/send", "send", "send"],
];

const PAGES: readonly Row[] = [
  ["GET /login", null],
  ["POST /login", null, "sign in"],
  ["POST /logout", null],
  ["GET /assets/:name", null],
  ["GET /inbox", "messages"],
  ["GET /inbox/:id", "messages", "read"],
  ["GET /quarantine", "messages"], // with subjects
  ["GET /quarantine/:id", "messages", "read"],
  ["GET /queue/:id", "messages"], // with its subject
  ["GET /queue/:id/:verb", "messages"],
  ["GET /queue/:verb", "messages"],
  ["POST /queue/:verb/ask", "messages"], // asks again, with subjects, and changes nothing
  ["POST /inbox/:id/spam", "queue", "train"],
  ["POST /inbox/:id/ham", "queue", "train"],
  ["GET /api", "read"],
  ["GET /configuration", "admin"],
  ["GET /audit", "admin"],
  ["GET /chaos", "messages"],
  ["POST /chaos", "admin", "chaos"],
  ["POST /chaos/:verb", "admin", "chaos"],
  ["POST /inbox/:id/release", "send", "release"],
  ["POST /inbox/many", "messages", "many"],
  ["POST /inbox/read", "messages", "mark"],
  ["POST /inbox/:id/read", "messages", "mark"],
  ["POST /inbox/:id/unread", "messages", "mark"],
];
/** What forms below a page ask for, where no row says it; the audit calls them by the end of their path. */
const FORMS: Readonly<Record<string, Scope>> = {
  inbox: "messages",
  queue: "queue",
  quarantine: "queue",
  suppressions: "queue",
  suppression: "queue",
  bans: "queue",
  delivery: "queue",
};

/** The routes of the API with their rules, as `METHOD /path/:name`. */
export const API_RULES: ReadonlyMap<string, Rule> = new Map(API.map(ruleRow));
const RULES = sorted([...API, ...PAGES]);

/** The rule of a request. `path` as it stands in the URL. */
export function ruleOf(method: string, path: string): Rule {
  const verb = method === "HEAD" ? "GET" : method;
  const segments = segmentsOf(path);
  const found = RULES.get(`${verb} ${segments.length}`)?.find(({ pattern }) =>
    pattern.every((each, index) => each.startsWith(":") ? segments[index] !== "" : each === segments[index])
  );
  if (found !== undefined) return found.rule;
  if (segments[0] === "api") return { scope: "admin" };
  if (verb === "GET") return { scope: "read" };
  const scope = Object.hasOwn(FORMS, segments[0]!) ? FORMS[segments[0]!]! : "admin";
  return { scope, action: segments.at(-1)!.slice(0, 40) };
}

function ruleRow([route, scope, action]: Row): [string, Rule] {
  return [route, { scope, ...(action !== undefined && { action }) }];
}
function segmentsOf(path: string): string[] {
  return path.slice(1).split("/");
}
/** By method and length; what is named stands before what is open. */
function sorted(rows: readonly Row[]) {
  const all = new Map<string, { readonly pattern: readonly string[]; readonly rule: Rule }[]>();
  for (const row of rows) {
    const [route, rule] = ruleRow(row), [method, path] = route.split(" ") as [string, string];
    const pattern = segmentsOf(path), key = `${method} ${pattern.length}`;
    all.set(key, [...all.get(key) ?? [], { pattern, rule }]);
  }
  const open = (pattern: readonly string[]) => pattern.filter((each) => each.startsWith(":")).length;
  for (const list of all.values()) list.sort((a, b) => open(a.pattern) - open(b.pattern));
  return all;
}
