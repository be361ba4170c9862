/** Who may come in and what another site can make a browser do: Host, token, session, origin, policies. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import type { AdminOptions } from "../../../core/admin/app.ts";
import { hostName } from "../../../core/admin/guard.ts";
import { adminOptions, NOW, ORDER, PLAIN, TestStore } from "./fixture.ts";

const TOKEN = "correct horse battery staple".replaceAll(" ", "-");

async function withSite(
  body: (
    call: (path: string, init?: RequestInit & { host?: string; remote?: string }) => Promise<Response>,
    store: TestStore,
  ) => Promise<void>,
  change: Partial<AdminOptions> = {},
): Promise<void> {
  const store = new TestStore();
  const admin = createAdmin(adminOptions(store, change));
  try {
    await body(async (path, { host = "127.0.0.1:8025", remote = "127.0.0.1", ...init } = {}) => {
      const request = new Request(`http://127.0.0.1:8025${path}`, init);
      request.headers.set("host", host);
      return await admin.fetch(request, { remote });
    }, store);
  } finally {
    await admin.close();
  }
}

Deno.test("hostName reads what a Host header can be, and nothing else", () => {
  const cases: [string, string | null][] = [
    ["localhost", "localhost"],
    ["LocalHost:8025", "localhost"],
    ["localhost.:1", "localhost"],
    ["127.0.0.1:65535", "127.0.0.1"],
    ["[::1]:8025", "::1"],
    ["[::1", null],
    ["a b", null],
    ["", null],
    ["evil.example/127.0.0.1", null],
    ["127.0.0.1@evil.example", null],
    ["127.0.0.1:80:80", null],
  ];
  for (const [header, name] of cases) assertEquals(hostName(header), name, header);
});

Deno.test("Host: without a token only loopback and what is listed, against DNS rebinding", () =>
  withSite(async (call) => {
    const good = ["localhost", "localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:8025", "Inbox.Test:8025"];
    for (const host of good) assertEquals((await call("/api/v1/messages", { host })).status, 200, host);
    const bad = [
      "evil.example",
      "127.0.0.1.evil.example",
      "192.168.1.7:8025",
      "localhost.evil.example",
      "0.0.0.0:8025",
      "x y",
    ];
    for (const host of bad) {
      for (const path of ["/api/v1/messages", "/inbox", "/assets/site.js", "/openapi.json"]) {
        const response = await call(path, { host });
        assertEquals(response.status, 421, `${host} ${path}`);
        assertEquals(response.headers.get("content-type"), "application/problem+json");
      }
    }
    assertEquals((await call("/healthz", { host: "10.1.2.3:8025" })).status, 200); // probes call by address
  }, { hosts: ["inbox.test:8025"] }));

Deno.test("Host: with a token an address will do, a foreign name will not", () =>
  withSite(async (call) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    assertEquals((await call("/api/v1/messages", { headers, host: "192.168.1.7:8025" })).status, 200);
    assertEquals((await call("/api/v1/messages", { headers, host: "localhost:8025" })).status, 200);
    assertEquals((await call("/api/v1/messages", { headers, host: "evil.example" })).status, 421);
  }, { token: TOKEN }));

Deno.test("token: nothing but probes, assets and the login page without it", () =>
  withSite(async (call) => {
    for (
      const path of ["/api/v1/messages", "/api/v1/queue", "/api/v1/events", "/metrics", "/openapi.json", "/api/v1/x"]
    ) {
      const response = await call(path);
      assertEquals([response.status, response.headers.get("www-authenticate")], [401, "Bearer"], path);
    }
    for (const path of ["/", "/inbox", "/queue?state=held", "/plugins", "/nothing"]) {
      const response = await call(path);
      assertEquals(response.status, 303);
      assertEquals(response.headers.get("location"), `/login?then=${encodeURIComponent(path)}`);
    }
    for (const path of ["/healthz", "/readyz", "/login", "/assets/site.css"]) {
      assertEquals((await call(path)).status, 200);
    }
    for (const value of [`bearer ${TOKEN}`, `Bearer  ${TOKEN}`]) {
      assertEquals((await call("/metrics", { headers: { authorization: value } })).status, 200);
    }
    for (const value of [TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, "Bearer ", "Bearer"]) {
      assertEquals((await call("/metrics", { headers: { authorization: value } })).status, 401, value);
    }
  }, { token: TOKEN }));

Deno.test("token: too many wrong ones lock a network for a minute, not the session that is open", async () => {
  let now = NOW;
  await withSite(async (call) => {
    const bearer = (token: string, remote: string) =>
      call("/metrics", { headers: { authorization: `Bearer ${token}` }, remote });
    const cookie = await login(call, TOKEN);
    for (let i = 0; i < 10; i++) assertEquals((await bearer("wrong", "2001:db8::1")).status, 401);
    const locked = await bearer(TOKEN, "2001:db8::2");
    assertEquals([locked.status, locked.headers.get("retry-after")], [429, "60"]);
    assertEquals((await bearer(TOKEN, "2001:db8:1::2")).status, 200);
    assertEquals((await call("/inbox", { headers: { cookie }, remote: "2001:db8::1" })).status, 200);
    now += 61_000;
    assertEquals((await bearer(TOKEN, "2001:db8::1")).status, 200);
  }, { token: TOKEN, now: () => now });
});

Deno.test("token: IPv4 clients of a socket for both families are locked out one by one", () =>
  withSite(async (call) => {
    const bearer = (token: string, remote: string) =>
      call("/metrics", { headers: { authorization: `Bearer ${token}` }, remote });
    for (let i = 0; i < 10; i++) assertEquals((await bearer("wrong", "::ffff:192.0.2.1")).status, 401);
    assertEquals((await bearer(TOKEN, "::ffff:192.0.2.1")).status, 429);
    assertEquals((await bearer(TOKEN, "192.0.2.1")).status, 429);
    assertEquals((await bearer(TOKEN, "::ffff:192.0.2.2")).status, 200);
  }, { token: TOKEN }));

type Call = Parameters<Parameters<typeof withSite>[0]>[0];
/** Signs in as a browser does and returns the Cookie header. */
async function login(call: Call, secret: string): Promise<string> {
  const page = await (await call("/login")).text();
  const token = /name="token" value="([^"]+)"/.exec(page)![1]!;
  const response = await call("/login", {
    method: "POST",
    body: new URLSearchParams({ token, secret, then: "/queue" }),
    headers: { "sec-fetch-site": "same-origin", origin: "null" },
  });
  assertEquals([response.status, response.headers.get("location")], [303, "/queue"]);
  const cookie = response.headers.get("set-cookie")!;
  assertMatch(cookie, /; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  assert(!cookie.includes(TOKEN));
  return cookie.split(";")[0]!;
}

Deno.test("session: a cookie for the token, which ends, and which nobody can make", async () => {
  let now = NOW;
  await withSite(async (call) => {
    const page = await (await call("/login")).text();
    const token = /name="token" value="([^"]+)"/.exec(page)![1]!;
    const wrong = await call("/login", { method: "POST", body: new URLSearchParams({ token, secret: "guess" }) });
    assertEquals(wrong.status, 403);
    assertStringIncludes(await wrong.text(), "That is not the token.");
    const without = await call("/login", { method: "POST", body: new URLSearchParams({ secret: TOKEN }) });
    assertEquals(without.status, 403);

    const cookie = await login(call, TOKEN);
    assertEquals((await call("/inbox", { headers: { cookie } })).status, 200);
    assertEquals((await call("/api/v1/messages", { headers: { cookie } })).status, 200);
    const [name, value] = cookie.split("=");
    const [end, mac] = value!.split(".");
    for (
      const forged of [`${Number(end) + 9}.${mac}`, `${end}.`, `${end}.${mac}x`, "", ".", `${end}.${"A".repeat(43)}`]
    ) {
      assertEquals((await call("/api/v1/messages", { headers: { cookie: `${name}=${forged}` } })).status, 401, forged);
    }
    const inside = await (await call("/inbox", { headers: { cookie } })).text();
    const out = await call("/logout", {
      method: "POST",
      headers: { cookie },
      body: new URLSearchParams({ token: /name="token" value="([^"]+)"/.exec(inside)![1]! }),
    });
    assertMatch(out.headers.get("set-cookie")!, /^postern_session=; Path=\/; Max-Age=0/);
    now += 43_201_000;
    assertEquals((await call("/api/v1/messages", { headers: { cookie } })).status, 401);
  }, { token: TOKEN, now: () => now });
});

Deno.test("who has not signed in learns nothing of the house, not by errors either, and no token for its forms", () =>
  withSite(async (call) => {
    const cookie = await login(call, TOKEN);
    const field = (page: string) => /name="token" value="([^"]+)"/.exec(page)![1]!;
    const open = await (await call("/login")).text(),
      inner = await (await call("/queue", { headers: { cookie } })).text();
    const form = (fields: Record<string, string>) => ({ method: "POST", body: new URLSearchParams(fields) });
    const told = [
      ["/assets/none.css"],
      ["/login", form({ secret: TOKEN })],
      ["/login", form({ token: field(inner), secret: TOKEN })],
      ["/login", form({ token: "x".repeat(70_000) })],
      ["/logout", form({ token: field(open) })],
    ] as const;
    for (const [path, init] of told) {
      const response = await call(path, init), text = await response.text();
      assert(response.status >= 400, `${path}: ${response.status}`);
      for (const word of ["Quarantine", "A sentence to act on.", field(inner)]) {
        assert(!text.includes(word), `${path}: ${word}`);
      }
    }
    assert(inner.includes("A sentence to act on."));
    const foreign = { headers: { cookie }, ...form({ token: field(open), address: "bob@example.org" }) };
    assertEquals((await call("/suppressions/add", foreign)).status, 403);
    const own = { headers: { cookie }, ...form({ token: field(inner), address: "bob@example.org" }) };
    assertEquals((await call("/suppressions/add", own)).status, 303);
  }, { token: TOKEN, warnings: () => ["A sentence to act on."] }));

Deno.test("login leads to paths of this site only", () =>
  withSite(async (call) => {
    for (
      const then of ["//evil.example", "https://evil.example", "/\\evil.example", "/a\\b", "javascript:x", "/a b\r\n"]
    ) {
      const page = await (await call(`/login?then=${encodeURIComponent(then)}`)).text();
      assertStringIncludes(page, 'name="then" value="/"');
    }
    assertStringIncludes(await (await call("/login?then=/queue%3Fstate%3Dheld")).text(), 'value="/queue?state=held"');
  }, { token: TOKEN }));

Deno.test("an empty token is refused at start", () => {
  assertThrows(() => createAdmin(adminOptions(new TestStore(), { token: "" })), TypeError, "empty");
});

Deno.test("CSRF: a change from another site is refused on every route that changes something", () =>
  withSite(async (call, store) => {
    const id = await store.deliver(PLAIN), item = await store.queueUp([{ address: "a@example.net", state: "held" }]);
    const changes: [string, string][] = [
      ["DELETE", "/api/v1/messages"],
      ["DELETE", `/api/v1/messages/${id}`],
      ["PATCH", `/api/v1/messages/${id}`],
      ["POST", `/api/v1/queue/${item}/release`],
      ["POST", "/api/v1/queue/retry?state=held"],
      ["POST", `/api/v1/queue/${item}/bounce`],
      ["POST", "/api/v1/queue/route?state=held"],
      ["DELETE", `/api/v1/queue/${item}`],
      ["POST", "/inbox/delete"],
      ["POST", `/inbox/${id}/delete`],
      ["POST", `/inbox/${id}/read`],
      ["POST", `/queue/${item}/release`],
      ["POST", "/queue/delete"],
      ["POST", "/queue/bounce"],
      ["POST", `/queue/${item}/route`],
    ];
    const foreign: Record<string, string>[] = [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:8025" },
      { "sec-fetch-site": "none" },
      { origin: "http://evil.example" },
      { origin: "http://127.0.0.1:9999" },
      { origin: "nonsense" },
      { origin: "null", "sec-fetch-site": "cross-site" },
    ];
    for (const [method, path] of changes) {
      for (const headers of foreign) {
        assertEquals(
          (await call(path, { method, headers })).status,
          403,
          `${method} ${path} ${JSON.stringify(headers)}`,
        );
      }
      if (path.startsWith("/api/")) {
        assertEquals((await call(path, { method, headers: { origin: "null" } })).status, 403, path); // a sandboxed frame
        for (const type of ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]) {
          const response = await call(path, { method, headers: { "content-type": type }, body: "{}" });
          assertEquals(response.status, 415, `${method} ${path} ${type}`);
        }
      } else { // a form of ours carries the token of our page
        for (const body of ["", "token=", "token=guess"]) {
          const headers = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
          assertEquals((await call(path, { method, headers, body })).status, 403, path);
        }
      }
    }
    assertEquals([(await store.entries()).length, (await store.entries())[0]!.read, store.changes.length], [
      1,
      false,
      0,
    ]);
    const own = { origin: "http://127.0.0.1:8025", "sec-fetch-site": "same-origin" };
    assertEquals((await call(`/api/v1/messages/${id}`, { method: "DELETE", headers: own })).status, 200);
  }));

Deno.test("no GET changes anything", () =>
  withSite(async (call, store) => {
    const id = await store.deliver(ORDER), item = await store.queueUp([{ address: "a@example.net", state: "held" }]);
    const before = JSON.stringify([await store.entries(), store.changes]);
    const paths = ["/", "/inbox", `/inbox/${id}`, "/queue", `/queue/${item}`, "/plugins", "/login", "/logout"];
    const api = [
      "messages",
      `messages/${id}`,
      `messages/${id}/html`,
      `messages/${id}/html?remote=1`,
      "queue/retry?state=held",
    ];
    for (
      const path of [
        ...paths,
        ...api.map((each) => `/api/v1/${each}`),
        `/inbox/${id}/delete`,
        `/queue/${item}/release`,
        ...["bounce", "route", "delete"].flatMap((verb) => [`/queue/${item}/${verb}`, `/queue/${verb}?state=held`]),
      ]
    ) {
      await (await call(path)).body?.cancel();
    }
    assertEquals(JSON.stringify([await store.entries(), store.changes]), before);
  }));

Deno.test("policies: every page, every answer, every part of a message", () =>
  withSite(async (call, store) => {
    const id = await store.deliver(ORDER), item = await store.queueUp([{ address: "a@example.net", state: "held" }]);
    const strict = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; " +
      "frame-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    const pages = [
      "/inbox",
      `/inbox/${id}`,
      "/inbox?q=x",
      "/queue",
      "/queue/bounce?state=held",
      `/queue/${item}/route`,
      `/queue/${item}`,
      "/plugins",
      "/nothing",
      "/inbox/x",
    ];
    for (const path of pages) {
      const response = await call(path);
      assertEquals(response.headers.get("content-security-policy"), strict, path);
      assertEquals(response.headers.get("content-type"), "text/html; charset=utf-8");
      const page = await response.text();
      assert(!/<[^>]+ (?:on[a-z]+|style)=/i.test(page), `${path}: inline handler or style`);
      assert(
        !/<script(?! src="\/assets\/site\.js\?v=[\w-]+"><\/script>)|<style|javascript:/i.test(page),
        `${path}: inline`,
      );
    }
    const all = [
      ...pages,
      "/api/v1/messages",
      `/api/v1/messages/${id}/raw`,
      `/api/v1/messages/${id}/parts/3`,
      "/healthz",
    ];
    for (const path of all) {
      const { headers } = await call(path);
      assertEquals(headers.get("x-content-type-options"), "nosniff", path);
      assertEquals(headers.get("x-dns-prefetch-control"), "off", path);
      assertEquals(headers.get("referrer-policy"), "no-referrer", path);
      assertEquals(headers.get("cache-control"), "no-store", path);
      assertMatch(headers.get("content-security-policy")!, /default-src 'none'.*frame-ancestors 'none'/, path);
      assertEquals(headers.get("access-control-allow-origin"), null, path);
    }
    const frame = (await call(`/api/v1/messages/${id}/html`)).headers.get("content-security-policy")!;
    assert(!/script|https?:|\*|'self'(?!$)/.test(frame.replace("allow-popups-to-escape-sandbox", "")), frame);
    const remote = (await call(`/api/v1/messages/${id}/html?remote=1`)).headers.get("content-security-policy")!;
    assertStringIncludes(remote, "img-src data: http: https:;");
    assertMatch((await call("/inbox")).headers.get("content-security-policy")!, /script-src 'self'/);
    const asset = /\/assets\/site\.js\?v=[\w-]+/.exec(await (await call("/inbox")).text())![0];
    assertStringIncludes((await call(asset)).headers.get("cache-control")!, "immutable");
  }));
