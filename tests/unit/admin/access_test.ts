/** Tokens and scopes: which token may do what, from where and how often, and what the audit tells of it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { API_RULES, ruleOf } from "../../../core/admin/access/rules.ts";
import { type AccessToken, digestOf, type Scope, SCOPES } from "../../../core/admin/access/scope.ts";
import { type AdminOptions, createAdmin } from "../../../core/admin/app.ts";
import type { Audit } from "../../../core/observe/events.ts";
import { adminOptions, NOW, ORDER, PLAIN, TestStore } from "./fixture.ts";

const ORIGIN = "http://127.0.0.1:8025", MAIN = "the-main-token-of-all";
const secretOf = (name: string) => `token-of-${name}-0123456789`;

function token(name: string, scopes: readonly Scope[], networks: readonly string[] | null = null): AccessToken {
  return { name, sha256: digestOf(secretOf(name)), scopes, networks, account: name };
}
const ONE_EACH = SCOPES.map((scope) => token(scope, [scope]));

type Call = (path: string, init?: RequestInit & { as?: string; from?: string }) => Promise<Response>;

async function withSite(
  body: (call: Call, site: { store: TestStore; audits: Audit[]; options: AdminOptions }) => Promise<void>,
  change: Partial<AdminOptions> = {},
): Promise<void> {
  const store = new TestStore();
  const options = adminOptions(store, { token: MAIN, tokens: () => ONE_EACH, ...change });
  const audits: Audit[] = [];
  options.bus.subscribe((event) => event.type === "audit" && audits.push(event));
  const admin = createAdmin(options);
  const call: Call = async (path, { as, from = "192.0.2.1", ...init } = {}) => {
    const request = new Request(ORIGIN + path, init);
    if (as !== undefined) request.headers.set("authorization", `Bearer ${as === "main" ? MAIN : secretOf(as)}`);
    return await admin.fetch(request, { remote: from });
  };
  try {
    await body(call, { store, audits, options });
  } finally {
    await admin.close();
  }
}

/** Every route of the API with something in the place of its names. */
const ROUTES = [...API_RULES].map(([route, { scope }]) => {
  const [method = "", path = ""] = route.split(" ");
  return { route, method, path: path.replace(/:\w+/g, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), scope };
});

Deno.test("scopes: every route has a rule, and every rule a route", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const routes = new Set(admin.routes.map(({ method, path }) => `${method} ${path.replace(/(.)\/$/, "$1")}`));
  assertEquals([...API_RULES.keys()].sort(), [...routes].sort());
  await admin.close();
});

Deno.test("scopes: a token does what its scope says and nothing else, on every route", () =>
  withSite(async (call) => {
    for (const { route, method, path, scope } of ROUTES) {
      if (scope === null || path === "/api/v1/events") continue;
      for (const each of SCOPES) {
        const response = await call(path, { method, as: each });
        const name = `${route} with ${each}`;
        if (each === scope) {
          assert(![401, 403].includes(response.status), `${name}: ${response.status}`);
          await response.body?.cancel();
          continue;
        }
        assertEquals(response.status, 403, name);
        assertEquals(response.headers.get("content-type"), "application/problem+json");
        assertEquals(
          response.headers.get("www-authenticate"),
          `Bearer error="insufficient_scope", scope="${scope}"`,
          name,
        );
        assertStringIncludes((await response.json()).detail, `the scope ${scope}`);
      }
      const nobody = await call(path, { method });
      assertEquals(nobody.status, 401, route);
    }
  }, { limits: { rate: null } }));

Deno.test("scopes: what no rule names is closed; the main token may do everything", () =>
  withSite(async (call) => {
    for (const scope of ["read", "messages", "queue", "send"]) {
      assertEquals((await call("/api/v1/nothing", { as: scope })).status, 403);
      assertEquals((await call("/nothing/here", { method: "POST", as: scope })).status, 403);
    }
    assertEquals((await call("/api/v1/nothing", { as: "admin" })).status, 404);
    for (const { method, path } of ROUTES.filter(({ path }) => path !== "/api/v1/events")) {
      const response = await call(path, { method, as: "main" });
      assert(![401, 403].includes(response.status), path);
      await response.body?.cancel();
    }
    assertEquals(ruleOf("GET", "/api/v1/messages/x/y/z/raw"), { scope: "admin" });
    const pages = [
      ["GET", "/inbox/X", "messages", "read"],
      ["POST", "/inbox/X/release", "send", "release"],
      ["POST", "/inbox/X/spam", "queue", "train"],
      ["POST", "/queue/delete/ask", "messages", undefined],
      ["POST", "/queue/X/delete", "queue", "delete"],
      ["POST", "/quarantine/X/release", "queue", "release"],
      ["POST", "/delivery/retry", "queue", "retry"],
      ["POST", "/configuration/reload", "admin", "reload"],
      ["POST", "/something/new", "admin", "new"],
      ["GET", "/explain/X", "read", undefined],
    ] as const;
    for (const [method, path, scope, action] of pages) {
      const rule = ruleOf(method, path);
      assertEquals([rule.scope, rule.action], [scope, action], path);
    }
    assertEquals(ruleOf("HEAD", "/api/v1/messages/x/raw"), { scope: "messages", action: "read" });
  }, { limits: { rate: null } }));

Deno.test("scopes: without messages no subject is told, nor can be searched for", () =>
  withSite(async (call, { store }) => {
    await store.deliver(PLAIN);
    const id = await store.queueUp([{ address: "turing@example.net", state: "deferred" }]);
    const [reader, opener] = [token("r", ["read"]), token("o", ["read", "messages"])].map(({ name }) => name);
    const read = async (path: string, as: string) => await (await call(path, { as })).json();
    for (
      const [as, subject, queued] of [[reader, null, null], [opener, "Build 892 failed on main", "Order"]] as const
    ) {
      assertEquals((await read("/api/v1/messages", as!)).messages[0].subject, subject);
      assertEquals((await read("/api/v1/queue", as!)).items[0].subject, queued);
      assertEquals((await read(`/api/v1/queue/${id}`, as!)).subject, queued);
    }
    assertEquals((await call("/api/v1/messages?q=Build", { as: reader! })).status, 403);
    assertEquals((await read("/api/v1/messages?q=Build", opener!)).total, 1);
  }, { tokens: () => [token("r", ["read"]), token("o", ["read", "messages"])] }));

Deno.test("tokens: from its networks only, by name and by session; gone when the configuration says so", () => {
  let tokens = [token("near", ["read", "queue"], ["10.0.0.0/8", "::1"])];
  return withSite(async (call) => {
    assertEquals((await call("/api/v1/queue", { as: "near", from: "10.1.2.3" })).status, 200);
    const far = await call("/api/v1/queue", { as: "near" });
    assertStringIncludes((await far.json()).detail, "may not be used from that address");
    const cookie = await signIn(call, "near", "10.1.2.3");
    const queue = (from: string) => call("/queue", { headers: { cookie }, from });
    assertEquals((await queue("10.9.9.9")).status, 200);
    assertEquals((await queue("192.0.2.1")).status, 403);
    tokens = [{ ...tokens[0]!, sha256: digestOf("another-token-of-that-name") }];
    assertEquals((await queue("10.9.9.9")).status, 303, "a session of the old token");
    tokens = [];
    assertEquals((await queue("10.9.9.9")).status, 303);
  }, { tokens: () => tokens });
});

/** The cookie of somebody who signed in on the page. */
async function signIn(call: Call, name: string, from = "192.0.2.1"): Promise<string> {
  const page = await (await call("/login", { from })).text();
  const form = new URLSearchParams({ token: /name="token" value="([^"]+)"/.exec(page)![1]!, secret: secretOf(name) });
  const answer = await call("/login", { method: "POST", body: form, from });
  assertEquals(answer.status, 303);
  return answer.headers.get("set-cookie")!.split(";")[0]!;
}

Deno.test("pages: who signs in with a scoped token sees and does what it may", () =>
  withSite(async (call, { store, audits }) => {
    const id = await store.deliver(ORDER);
    const held = await store.queueUp([{ address: "turing@example.net", state: "held" }]);
    const cookie = await signIn(call, "read");
    for (
      const [path, status] of [["/queue", 200], ["/plugins", 200], ["/inbox", 403], [`/inbox/${id}`, 403]] as const
    ) {
      const response = await call(path, { headers: { cookie } });
      assertEquals(response.status, status, path);
      const text = await response.text();
      if (status === 403) assertStringIncludes(text, "the scope messages");
    }
    const post = (path: string) => call(path, { method: "POST", headers: { cookie }, body: new URLSearchParams() });
    for (const path of [`/queue/${held}/release`, "/queue/delete", `/inbox/${id}/delete`, "/suppressions/remove"]) {
      assertEquals((await post(path)).status, 403, path);
    }
    assertEquals(store.changes, []);
    assertEquals((await store.entries()).length, 1);
    assertEquals(audits, [{ type: "audit", by: "read", ip: "192.0.2.1", action: "sign in", subject: "site" }]);
  }));

Deno.test("audit: every look at a mail and every change, by whom, once it is done", () =>
  withSite(async (call, { store, audits }) => {
    const id = await store.deliver(ORDER);
    const queued = await store.queueUp([{ address: "turing@example.net", state: "held" }]);
    const told = () => audits.splice(0).map(({ by, action, subject }) => [by, action, subject]);
    const json = (method: string, body: unknown) => ({
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    for (const path of ["", "/raw", "/html", "/parts/1", ".1"]) {
      const response = await call(`/api/v1/messages/${id.toLowerCase()}${path}`, { as: "messages" });
      await response.body?.cancel();
    }
    assertEquals(told(), [["messages", "read", id]]); // one look
    await (await call(`/api/v1/queue/${queued}/raw`, { as: "messages" })).body?.cancel();
    await (await call(`/api/v1/messages/${id}`, { as: "main" })).body?.cancel();
    assertEquals(told(), [["messages", "read", queued], ["admin", "read", id]]);
    await call("/api/v1/messages/01ARZ3NDEKTSV4RRFFQ69G5FAV", { as: "main" });
    await call("/api/v1/messages", { as: "read" });
    await call("/api/v1/messages", { method: "DELETE", as: "read" });
    await call("/api/v1/queue/retry", { method: "POST", as: "queue" });
    assertEquals(told(), [], "what was not there, not allowed, or no look at a mail");
    await call(`/api/v1/queue/${queued}/release`, { method: "POST", as: "queue" });
    await call("/api/v1/queue/retry?state=deferred&domain=example.net", { method: "POST", as: "queue" });
    await call("/api/v1/suppressions", { ...json("POST", { address: "bob@example.org" }), as: "queue" });
    await call("/api/v1/suppressions/bob%40example.org", { method: "DELETE", as: "queue" });
    await call("/api/v1/bans", { ...json("POST", { subject: "192.0.2.0/24" }), as: "queue" });
    await call("/api/v1/bans/192.0.2.0%2F24", { method: "DELETE", as: "queue" });
    await call(`/api/v1/messages/${id}`, { ...json("PATCH", { read: true }), as: "messages" });
    await call("/api/v1/messages?inbox=default", { method: "DELETE", as: "messages" });
    assertEquals(told(), [
      ["queue", "release", queued],
      ["queue", "retry", "queue state=deferred domain=example.net"],
      ["queue", "suppress", "bob@example.org"],
      ["queue", "unsuppress", "bob@example.org"],
      ["queue", "ban", "192.0.2.0/24"],
      ["queue", "unban", "192.0.2.0/24"],
      ["messages", "mark", id],
      ["messages", "delete", "messages inbox=default"],
    ]);
  }));

Deno.test("audit: by pages too, with the filter that a form named", () =>
  withSite(async (call, { store, audits }) => {
    const id = await store.deliver(ORDER);
    await store.queueUp([{ address: "turing@example.net", state: "deferred" }]);
    const page = await (await call(`/inbox/${id}`)).text();
    const token = /name="token" value="([^"]+)"/.exec(page)![1]!;
    const post = (path: string, fields: Record<string, string> = {}) =>
      call(path, { method: "POST", body: new URLSearchParams({ token, ...fields }) });
    assertEquals((await post("/queue/retry", { state: "deferred" })).status, 303);
    assertEquals((await post(`/inbox/${id}/delete`)).status, 303);
    assertEquals((await call("/queue/retry", { method: "POST", body: new URLSearchParams() })).status, 403);
    assertEquals(audits.map(({ by, action, subject }) => [by, action, subject]), [
      ["anyone", "read", id],
      ["anyone", "retry", "queue state=deferred"],
      ["anyone", "delete", id],
    ]);
  }, { token: null, tokens: () => [] }));

Deno.test("rate: so many requests of a token and of a network, then 429 until the window ends", () => {
  let now = NOW;
  return withSite(async (call) => {
    const status = async (as: string | undefined, from: string) =>
      (await call("/api/v1/queue", { ...as !== undefined && { as }, from })).status;
    for (let i = 0; i < 5; i++) assertEquals(await status("read", "192.0.2.1"), 200);
    const over = await call("/api/v1/queue", { as: "read", from: "192.0.2.2" });
    assertEquals([over.status, over.headers.get("retry-after")], [429, "60"], "the token from elsewhere");
    assertEquals(await status("main", "192.0.2.1"), 429, "another token from that network");
    assertEquals(await status("main", "198.51.100.1"), 200);
    for (let i = 0; i < 5; i++) await status(undefined, "2001:db8::1");
    assertEquals(await status(undefined, "2001:db8::ffff"), 429, "the same /64");
    assertEquals((await call("/healthz", { from: "192.0.2.1" })).status, 200);
    assertEquals(await status("main", "127.0.0.1"), 200, "this machine");
    now += 60_000;
    assertEquals(await status("read", "192.0.2.1"), 200);
  }, { now: () => now, limits: { rate: { count: 5, milliseconds: 60_000 } } });
});

Deno.test("tokens are listed without themselves", () =>
  withSite(async (call) => {
    const text = await (await call("/api/v1/tokens", { as: "admin" })).text();
    assertMatch(text, /"name":"queue","scopes":\["queue"\],"networks":null/);
    for (const { sha256, name } of ONE_EACH) {
      assert(!text.includes(sha256) && !text.includes(secretOf(name)));
    }
  }));

/** What a page leads to, and what its forms would do. */
function linksOf(page: string): { readonly hrefs: string[]; readonly actions: string[] } {
  const of = (pattern: RegExp) =>
    [...page.matchAll(pattern)].map((match) => match[1]!.replaceAll("&amp;", "&")).filter((path) =>
      /^\/(?!\/)/.test(path)
    );
  return {
    hrefs: of(/ (?:href|src)="([^"#]*)/g),
    actions: [...of(/<form method="post"\s+action="([^"]+)"/g), ...of(/ formaction="([^"]+)"/g)],
  };
}

Deno.test("scopes: from page to page, nobody sees more or does more than his token may, however he writes the path", () =>
  withSite(async (call, { store }) => {
    const marked = ORDER.replace("Your order 4711 is on its way", "MARKEDSUBJECT").replaceAll("parcel", "MARKEDBODY");
    await store.deliver(marked);
    const octets = new TextEncoder().encode(marked.replaceAll("\n", "\r\n"));
    await store.queueUp([{ address: "a@example.net", state: "held", reply: "spam" }], octets);
    await store.queueUp([{ address: "b@example.net", state: "deferred", reply: "421 no" }], octets);
    const seen = new Set<string>(), actions = new Set<string>(["/chaos", "/configuration/reload"]);
    for (const open = ["/", "/queue", "/quarantine", "/inbox", "/chaos", "/configuration", "/api"]; open.length > 0;) {
      const path = open.pop()!;
      if (seen.has(path) || seen.size > 300) continue;
      seen.add(path);
      const response = await call(path, { as: "main" }), text = await response.text();
      const to = response.headers.get("location");
      if (to !== null) open.push(to);
      if (!response.headers.get("content-type")?.startsWith("text/html") || path.endsWith("/html")) continue;
      const links = linksOf(text);
      open.push(...links.hrefs);
      for (const each of links.actions) actions.add(each);
    }
    assert(seen.size > 30 && actions.size > 20, `${seen.size} pages, ${actions.size} forms`);
    const spellings = (path: string): readonly string[] => [
      path,
      path.replace(/^\/(.)/, (_, first: string) => `/%${first.charCodeAt(0).toString(16)}`),
      `/.${path}`,
      `/x/..${path}`,
      `/${path}`,
      `${path}/`,
      path.replace(/(?<=.)\/(?=[^/]*$)/, "%2f"),
      path.replace(/\/(?=[^/]*$)/, "//"),
      path.replace(/\/([^/]*)$/, (_, last: string) => `/${last.toUpperCase()}`),
      path.replace(/[?]|$/, ";x=1$&"),
    ];
    for (
      const path of [
        ...seen,
        ...[...API_RULES.keys()].map((route) => route.split(" ")[1]!.replaceAll(":id", store.ids[0]!)),
      ]
    ) {
      for (const spelling of spellings(path)) {
        for (const as of ["read", "queue", "send", "admin"]) {
          if (spelling.includes("/events")) continue;
          for (const method of ["GET", "HEAD"]) {
            const text = await (await call(spelling, { as, method })).text();
            assert(!/MARKED/.test(text), `${method} ${spelling} with ${as}`);
          }
        }
      }
    }
    actions.delete("/logout"); // anybody may go
    const body = () => new URLSearchParams({ token: "none" });
    for (const path of actions) {
      for (const spelling of spellings(path)) {
        const { status, headers } = await call(spelling, { as: "read", method: "POST", body: body() });
        const shut = status === 403 && headers.has("www-authenticate") || status === 404;
        assert(shut, `POST ${spelling}: ${status}`);
      }
    }
  }, { limits: { rate: null, rateLoopback: false } }));
