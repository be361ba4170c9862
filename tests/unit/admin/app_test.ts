/** Every route of the API, what it refuses, and that the document describes what is there. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import type { AdminOptions } from "../../../core/admin/app.ts";
import { Reply } from "../../../core/model/reply.ts";
import { Bus } from "../../../core/observe/bus.ts";
import { StoreError } from "../../../core/store/store.ts";
import { waitFor } from "../../support/wait.ts";
import { adminOptions, NOW, ORDER, PLAIN, TestStore } from "./fixture.ts";

const ORIGIN = "http://127.0.0.1:8025";
type Call = (path: string, init?: RequestInit) => Promise<Response>;

/** Runs `body` with a site over a fresh store. */
async function withSite(
  body: (call: Call, store: TestStore, options: AdminOptions) => Promise<void>,
  change: Partial<AdminOptions> = {},
): Promise<void> {
  const store = new TestStore();
  const options = adminOptions(store, change);
  const admin = createAdmin(options);
  try {
    await body(
      async (path, init) => await admin.fetch(new Request(ORIGIN + path, init), { remote: "127.0.0.1" }),
      store,
      options,
    );
  } finally {
    await admin.close();
  }
}
async function problem(response: Response, status: number): Promise<string> {
  assertEquals(response.status, status);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  const document = await response.json();
  assertEquals(document.status, status);
  return document.detail;
}

Deno.test("messages: listed newest first, with the promised fields", () =>
  withSite(async (call, store) => {
    await store.deliver(PLAIN);
    const id = await store.deliver(ORDER, { inbox: "checkout" });
    const { total, messages } = await (await call("/api/v1/messages")).json();
    assertEquals(total, 2);
    assertEquals(messages[0], {
      id,
      inbox: "checkout",
      from: "Checkout <shop@example.org>",
      to: ["ada@example.com"],
      subject: "Your order 4711 is on its way",
      size: ORDER.replaceAll("\n", "\r\n").length,
      receivedAt: "2026-11-22T09:41:00.001Z",
      read: false,
    });
    const older = await (await call(`/api/v1/messages?before=${id}&limit=1`)).json();
    assertEquals(older.messages.map((each: { subject: string }) => each.subject), ["Build 892 failed on main"]);
    assertEquals((await (await call("/api/v1/messages?inbox=checkout&q=4711")).json()).total, 1);
    assertEquals((await (await call("/api/v1/messages?q=nowhere")).json()).total, 0);
  }));

Deno.test("messages: bad parameters are 400, unknown ids 404", () =>
  withSite(async (call) => {
    for (const query of ["limit=0", "limit=501", "limit=x", "limit=-1", "before=nonsense", `q=${"x".repeat(201)}`]) {
      await problem(await call(`/api/v1/messages?${query}`), 400);
    }
    const ghost = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (const id of [ghost, `${ghost}.2`, `${ghost}.0`, "short", "..%2f..", "%00", "x".repeat(5000)]) {
      await problem(await call(`/api/v1/messages/${id}`), 404);
      await problem(await call(`/api/v1/messages/${id}/raw`), 404);
      await problem(await call(`/api/v1/messages/${id}/html`), 404);
      await problem(await call(`/api/v1/messages/${id}/parts/1`), 404);
      await problem(await call(`/api/v1/messages/${id}`, { method: "DELETE" }), 404);
    }
    await problem(await call("/api/v1/nothing"), 404);
    await problem(await call("/api/v1/messages", { method: "PUT" }), 404);
  }));

Deno.test("messages: one is taken apart; ids are read as people type them", () =>
  withSite(async (call, store) => {
    const id = await store.deliver(ORDER);
    const opened = await (await call(`/api/v1/messages/${id.toLowerCase()}`)).json();
    assertEquals(opened.envelope.from, "shop@example.org");
    assertStringIncludes(opened.text, "your parcel left our house");
    assertStringIncludes(opened.html, "<h1>Your order is on its way</h1>");
    assertEquals(opened.parts.map((part: { type: string; name: string | null }) => [part.type, part.name]), [
      ["text/plain", null],
      ["text/html", null],
      ["image/png", null],
      ["application/pdf", "invoice-4711.pdf"],
    ]);
    assertEquals(opened.headers[3], { name: "Subject", value: "Your order 4711 is on its way" });
    assertEquals([opened.complete, opened.fault, opened.read], [true, null, false]); // looking at it does not read it
  }));

Deno.test("messages: raw, html and parts; the octets are read and taken apart once", () =>
  withSite(async (call, store) => {
    const id = await store.deliver(ORDER);
    const html = await call(`/api/v1/messages/${id}/html`);
    assertMatch(html.headers.get("content-security-policy")!, /^sandbox allow-popups [a-z-]+; default-src 'none'/);
    const text = await html.text();
    assertStringIncludes(text, 'src="data:image/png;base64,iVBOR');
    assertStringIncludes(text, "https://img.example.net/banner.png");
    const part = await call(`/api/v1/messages/${id}/parts/4`);
    assertEquals(part.headers.get("content-type"), "application/pdf");
    assertEquals(
      part.headers.get("content-disposition"),
      "attachment; filename=\"invoice-4711.pdf\"; filename*=UTF-8''invoice-4711.pdf",
    );
    assertEquals(await part.text(), "%PDF-1.4\n%\u00e4\n");
    assertEquals(store.reads, 1);
    const raw = await call(`/api/v1/messages/${id}/raw`);
    assertEquals(raw.headers.get("content-type"), "message/rfc822");
    assertEquals(await raw.text(), `Return-Path: <shop@example.org>\r\n${ORDER.replaceAll("\n", "\r\n")}`); // RFC 5321 4.4
    const head = await call(`/api/v1/messages/${id}/raw`, { method: "HEAD" });
    assertEquals([head.status, await head.text()], [200, ""]);
    for (const n of ["0", "5", "-1", "1e0", "x"]) await problem(await call(`/api/v1/messages/${id}/parts/${n}`), 404);
    const plain = await store.deliver(PLAIN);
    await problem(await call(`/api/v1/messages/${plain}/html`), 404);
    assertEquals(await problem(await call(`/api/v1/messages/${plain}/parts/7`), 404), "The message has 1 part.");
  }));

Deno.test("messages: marked read and unread, removed one by one and all of an inbox", () =>
  withSite(async (call, store) => {
    const id = await store.deliver(PLAIN);
    await store.deliver(PLAIN, { inbox: "other" });
    await store.deliver(PLAIN, { inbox: "other" });
    const patch = (body: string) =>
      call(`/api/v1/messages/${id}`, { method: "PATCH", body, headers: { "content-type": "application/json" } });
    assertEquals(await (await patch('{"read":true}')).json(), { id, read: true });
    assertEquals((await store.entries()).at(-1)!.read, true);
    assertEquals(await (await patch('{"read":false}')).json(), { id, read: false });
    for (const body of ["", "{", "null", "[]", '{"read":1}']) await problem(await patch(body), 400);
    await problem(await patch(JSON.stringify({ read: true, filler: "x".repeat(5000) })), 413);
    assertEquals(await (await call("/api/v1/messages?inbox=other", { method: "DELETE" })).json(), { removed: 2 });
    assertEquals(await (await call(`/api/v1/messages/${id}`, { method: "DELETE" })).json(), { removed: 1 });
    await problem(await call(`/api/v1/messages/${id}`, { method: "DELETE" }), 404);
    await store.deliver(PLAIN);
    assertEquals(await (await call("/api/v1/messages", { method: "DELETE" })).json(), { removed: 1 });
  }));

Deno.test("queue: listed with the promised fields, filtered, one item", () =>
  withSite(async (call, store) => {
    const id = await store.queueUp([
      { address: "turing@example.net", state: "deferred", reply: "421 4.7.0 Too many connections" },
      { address: "hopper@example.com", state: "delivered" },
    ]);
    await store.queueUp([{ address: "knuth@example.com", state: "held" }]);
    const { total, items } = await (await call("/api/v1/queue?state=deferred")).json();
    assertEquals(total, 1);
    const { id: itemId, from, recipients, size, queuedAt } = items[0];
    assertEquals([itemId, from, size, queuedAt], [id, "shop@example.org", 2048, "2026-11-22T08:41:00.000Z"]);
    const { address, state, attempts, nextAttempt, lastReply } = recipients[0];
    assertEquals(
      [address, state, attempts, nextAttempt, lastReply],
      ["turing@example.net", "deferred", 1, "2026-11-22T09:51:00.000Z", "421 4.7.0 Too many connections"],
    );
    assertEquals((await (await call("/api/v1/queue?domain=EXAMPLE.com&limit=1")).json()).total, 2);
    assertEquals((await (await call(`/api/v1/queue/${id}`)).json()).id, id);
    for (const query of ["state=gone", "domain=-", "domain=a..b", "limit=1001", "limit=0"]) {
      await problem(await call(`/api/v1/queue?${query}`), 400);
    }
    await problem(await call("/api/v1/queue/01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404);
  }));

Deno.test("queue: changes of one and by filter reach the store; without a filter nothing happens", () =>
  withSite(async (call, store) => {
    const id = await store.queueUp([{ address: "turing@example.net", state: "deferred" }]);
    for (const verb of ["retry", "hold", "release"]) {
      assertEquals(await (await call(`/api/v1/queue/${id}/${verb}`, { method: "POST" })).json(), { changed: 1 });
      await problem(await call(`/api/v1/queue/${verb}`, { method: "POST" }), 400);
      await problem(await call(`/api/v1/queue/01ARZ3NDEKTSV4RRFFQ69G5FAV/${verb}`, { method: "POST" }), 404);
    }
    assertEquals((await call(`/api/v1/queue/${id}`, { method: "DELETE" })).status, 200);
    assertEquals((await call("/api/v1/queue/retry?state=deferred&domain=example.net", { method: "POST" })).status, 200);
    assertEquals((await call("/api/v1/queue?state=held", { method: "DELETE" })).status, 200);
    await problem(await call("/api/v1/queue", { method: "DELETE" }), 400);
    await problem(await call(`/api/v1/queue/${id}/forget`, { method: "POST" }), 404);
    const tried = store.changes.filter(({ what }) => !("id" in what) || what.id === id);
    assertEquals(tried, [
      { what: { id }, change: { do: "retry" } },
      { what: { id }, change: { do: "hold", reason: "held by hand" } },
      { what: { id }, change: { do: "release" } },
      { what: { id }, change: { do: "delete" } },
      { what: { state: "deferred", domain: "example.net" }, change: { do: "retry" } },
      { what: { state: "held" }, change: { do: "delete" } },
    ]);
  }));

/** A change with a body of JSON. */
function asking(body: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

Deno.test("queue: bounce and route say what they are told to, of one and by filter", () =>
  withSite(async (call, store) => {
    const id = await store.queueUp([
      { address: "turing@example.net", state: "deferred", deadline: NOW + 3_600_000, told: NOW - 60_000 },
      { address: "hopper@example.com", state: "held" },
    ]);
    const post = async (path: string, body: unknown) =>
      await (await call(`/api/v1/queue/${path}`, asking(body))).json();
    const rows = async () => (await (await call(`/api/v1/queue/${id}`)).json()).recipients;
    const [{ told, deadline, destination }] = await rows();
    assertEquals([told, deadline, destination], [
      "2026-11-22T09:40:00.000Z",
      "2026-11-22T10:41:00.000Z",
      "mx:example.net",
    ]);
    assertEquals(await post(`${id}/route`, { to: "remote", via: "upstream" }), { changed: 2 });
    assertEquals(
      (await rows()).map((each: { state: string; destination: string }) => [each.state, each.destination]),
      [["ready", "via:upstream"], ["held", "via:upstream"]],
    );
    assertEquals(await post("route?domain=example.com", { to: "local", plugin: "inbox" }), { changed: 1 });
    assertEquals(await post(`${id}/route`, { to: "remote" }), { changed: 2 });
    assertEquals((await rows()).map((each: { destination: string }) => each.destination), [
      "mx:example.net",
      "mx:example.com",
    ]);
    assertEquals(await post("bounce?state=held", { reason: " nobody is there any more " }), { changed: 1 });
    const empty = await call(`/api/v1/queue/${id}/bounce`, { method: "POST" });
    assertEquals(await empty.json(), { changed: 2 });
    assertEquals(store.changes.filter(({ change }) => change.do === "bounce").map(({ change }) => change), [
      { do: "bounce", reason: "nobody is there any more" },
      { do: "bounce", reason: "returned by the postmaster" },
    ]);
    assertEquals((await rows())[0].route, { to: "report", action: "failed", reason: "returned by the postmaster" });
  }));

Deno.test("queue: what cannot be routed or said is refused by its name, and nothing changes", () =>
  withSite(async (call, store) => {
    const id = await store.queueUp([{ address: "turing@example.net", state: "deferred" }]);
    const rows: [verb: string, body: unknown, says: string][] = [
      ["route", { to: "remote", via: "upstraem" }, 'no next hop "upstraem" in the configuration; there is upstream'],
      ["route", { to: "local", plugin: "spf" }, 'no plugin that stores mail "spf"'],
      ["route", {}, "A route is"],
      ["route", { to: "report", reason: "x" }, 'no "reason" here'],
      ["route", { to: "remote", via: 7 }, "A route is"],
      ["route", { to: "local", via: "upstream", plugin: "inbox" }, "A route is"],
      ["route", [], "a JSON object"],
      ["bounce", { reason: "two\r\nlines" }, "one line"],
      ["bounce", { reason: "x".repeat(301) }, "300 characters"],
      ["bounce", { reason: 7 }, "one line"],
      ["bounce", { why: "x" }, 'no "why" here'],
    ];
    for (const [verb, body, says] of rows) {
      for (const path of [`${id}/${verb}`, `${verb}?domain=example.net`]) {
        assertStringIncludes(await problem(await call(`/api/v1/queue/${path}`, asking(body)), 400), says);
      }
    }
    await problem(await call("/api/v1/queue/bounce", { method: "POST" }), 400);
    await problem(await call("/api/v1/queue/route?state=held", { method: "POST" }), 400);
    assertEquals(store.changes, []);
  }));

Deno.test("queue: where nothing leaves this machine no mail is sent away by hand either", () =>
  withSite(async (call, store) => {
    const id = await store.queueUp([{ address: "turing@example.net", state: "held" }]);
    const away = await call(`/api/v1/queue/${id}/route`, asking({ to: "remote" }));
    assertStringIncludes(await problem(away, 400), "does not leave this machine");
    const inside = await call(`/api/v1/queue/${id}/route`, asking({ to: "local", plugin: "inbox" }));
    assertEquals(await inside.json(), { changed: 1 });
  }, { ways: { leaves: false, nextHops: [], storages: ["inbox"] } }));

Deno.test("after a reload: other next hops, others who learn, other terms, in the same site", async () => {
  const store = new TestStore(), taught: string[] = [];
  let life = "old";
  const admin = createAdmin({
    ...adminOptions(store),
    get ways() {
      return { leaves: true, nextHops: [life], storages: [] };
    },
    get teach() {
      const name = life;
      return () => Promise.resolve([`${taught.push(name)}`]);
    },
    get quarantine() {
      return { keep: null, size: life === "old" ? 1024 : 9 * 1024 * 1024 };
    },
  });
  const id = await store.queueUp([{ address: "a@example.net", state: "held", reply: "spam" }]);
  const mail = await store.deliver(PLAIN);
  const call = async (path: string, init: RequestInit = {}) =>
    await admin.fetch(new Request(`http://127.0.0.1:8025${path}`, init), { remote: "127.0.0.1" });
  life = "new";
  const json = (body: unknown) => ({
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  assertEquals((await call(`/api/v1/queue/${id}/route`, json({ to: "remote", via: "old" }))).status, 400);
  assertEquals((await call(`/api/v1/queue/${id}/route`, json({ to: "remote", via: "new" }))).status, 200);
  assertEquals((await call(`/api/v1/messages/${mail}/train`, json({ as: "ham" }))).status, 200);
  const page = await (await call("/quarantine")).text(), token = /name="token" value="([^"]+)"/.exec(page)![1]!;
  assertMatch(page, /9\.0 MiB/);
  assertEquals(
    (await call(`/inbox/${mail}/spam`, { method: "POST", body: new URLSearchParams({ token }) })).status,
    303,
  );
  assertEquals(taught, ["new", "new"]);
  await admin.close();
});

Deno.test("queue: which destinations rest, and why; changes go where the server wants them", () => {
  const changed: string[] = [];
  const state = { waiting: 0, running: 1, closedUntil: NOW + 60_000, reason: "421 too many connections" };
  return withSite(async (call, store) => {
    const id = await store.queueUp([{ address: "turing@example.net", state: "deferred" }]);
    assertEquals(await (await call("/api/v1/queue/destinations")).json(), {
      total: 2,
      items: [
        { destination: "mx:example.net", ...state, closedUntil: "2026-11-22T09:42:00.000Z" },
        { destination: "via:upstream", waiting: 3, running: 5, closedUntil: null, reason: null },
      ],
    });
    assertEquals((await (await call("/api/v1/queue/destinations?limit=1")).json()).items.length, 1);
    await problem(await call("/api/v1/queue/destinations?limit=x"), 400);
    await call(`/api/v1/queue/${id}/retry`, { method: "POST" });
    assertEquals([changed, store.changes], [["retry"], []]);
  }, {
    destinations: () => [
      { destination: "mx:example.net", ...state },
      { destination: "via:upstream", waiting: 3, running: 5, closedUntil: null, reason: null },
    ],
    change: (_, { do: verb }) => Promise.resolve(changed.push(verb)),
  });
});

Deno.test("plugins, health and metrics", () =>
  withSite(async (call) => {
    const { listeners } = await (await call("/api/v1/plugins")).json();
    assertEquals(listeners[0].listener, "127.0.0.1:2525");
    assertEquals(listeners[0].plugins[1], { name: "spam_score", mode: "observe", phases: ["data"] });
    assertEquals((await call("/healthz")).status, 200);
    await problem(await call("/readyz"), 503);
    const metrics = await call("/metrics");
    assertMatch(metrics.headers.get("content-type")!, /^application\/openmetrics-text/);
    assertEquals(await metrics.text(), "# EOF\n");
  }, { ready: () => false }));

Deno.test("what fails inside is a problem without a word of the inside, and trouble for the log", () =>
  withSite(async (call, store, options) => {
    const told: string[] = [];
    options.bus.subscribe((event) => event.type === "trouble" && told.push(event.message));
    store.queue = () => Promise.reject(new Error("secret path /var/db"));
    assertEquals((await problem(await call("/api/v1/queue"), 500)).includes("secret"), false);
    assertStringIncludes(told[0]!, "secret path");
    store.queue = () => Promise.reject(new StoreError("busy", "too much is waiting"));
    const busy = await call("/api/v1/queue");
    assertEquals(busy.headers.get("retry-after"), "5");
    assertStringIncludes(await problem(busy, 503), "too much is waiting");
    const page = await call("/queue");
    assertEquals([page.status, page.headers.get("content-type")], [503, "text/html; charset=utf-8"]);
  }));

Deno.test("openapi: every route of the API is described, and nothing else", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const response = await admin.fetch(new Request(`${ORIGIN}/openapi.json`));
  const document = await response.json();
  const described = Object.entries(document.paths as Record<string, Record<string, unknown>>).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const routed = admin.routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  assertEquals([...described].sort(), [...new Set(routed)].sort());
  const refs = JSON.stringify(document).match(/#\/components\/(\w+)\/(\w+)/g)!;
  for (const ref of refs) {
    const [, , kind, name] = ref.split("/");
    assert(document.components[kind!][name!] !== undefined, ref);
  }
  await admin.close();
});

// ---- Events ------------------------------------------------------------------------------------------------------------

async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, found: (text: string) => boolean) {
  let text = "";
  while (!found(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  return text;
}

Deno.test("events: arrivals, removals, acceptances and refusals; nobody's text ends a line", () =>
  withSite(async (call, store, { bus }) => {
    const response = await call("/api/v1/events");
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body!.getReader();
    const id = await store.deliver(PLAIN, { inbox: "a\nevent: removed" });
    await store.inboxes.remove({ id });
    bus.emit({
      type: "refused",
      session: "s1",
      transaction: null,
      ip: "192.0.2.1",
      command: "RCPT",
      reply: new Reply(550, "5.1.1", "No such user"),
      sender: "a\r\n\r\ndata: x",
      recipients: Array.from({ length: 1000 }, (_, i) => `r${i}@example.org`),
      plugin: null,
      reason: null,
      delayedFrom: null,
    });
    const text = await readUntil(reader, (sofar) => sofar.includes("event: refused") && sofar.endsWith("\n\n"));
    const events = text.split("\n\n").filter((each) => each.startsWith("id: "));
    assertEquals(events.map((each) => each.split("\n").length), [3, 3, 3]);
    assertEquals(events.map((each) => each.split("\n")[1]), ["event: arrived", "event: removed", "event: refused"]);
    const refused = JSON.parse(events[2]!.split("\ndata: ")[1]!);
    assertEquals([refused.reply, refused.to.length], ["550 5.1.1 No such user", 20]);
    await reader.cancel();
  }));

Deno.test("events: only those that were asked for, and after a gap those that were missed", () =>
  withSite(async (call, store, { bus }) => {
    const notice = (message: string) => bus.emit({ type: "notice", where: "test", message });
    const open = async (query: string, after?: string) => {
      const headers = after === undefined ? {} : { "last-event-id": after };
      return (await call(`/api/v1/events${query}`, { headers })).body!.getReader();
    };
    const all = await open("?types=*"), some = await open("?types=notice,alert");
    await store.deliver(PLAIN);
    notice("first");
    bus.emit({ type: "session-closed", session: "s1", ip: "192.0.2.1", reason: "quit", messages: 1, seconds: 2 });
    notice("second");
    const heard = await readUntil(all, (text) => text.includes('"second"'));
    assertEquals([...heard.matchAll(/^event: (.*)$/gm)].map(([, type]) => type), [
      "arrived",
      "notice",
      "session",
      "notice",
    ]);
    assertEquals((await readUntil(some, (text) => text.includes('"second"'))).includes("arrived"), false);
    const [first] = [...heard.matchAll(/^id: (.*)\nevent: notice$/gm)].map(([, id]) => id!);
    const again = await open("?types=notice", first);
    const missed = await readUntil(again, (text) => text.includes('"second"'));
    assertEquals(missed.includes('"first"'), false);
    for (let i = 0; i < 2000; i++) notice(`more ${i}`);
    for (const after of [first!, "00000000-1", `${first!.split("-")[0]}-999999`, "x", "-", `x-${"9".repeat(99)}`]) {
      const late = await open("?types=notice", after);
      assertStringIncludes(await readUntil(late, (text) => text.includes("event: ")), "event: missed\ndata: {}");
      await late.cancel();
    }
    await problem(await call("/api/v1/events?types=notice,secrets"), 400);
    for (const reader of [again, some, all]) await reader.cancel();
  }));

Deno.test("events: who comes back soon hears what he missed; when nobody has listened for long nothing is kept", async () => {
  const noted = (id: number) => `event: notice\ndata: {"where":"test","message":"${id}"}`;
  for (const eventReturn of [300_000, 1]) {
    const bus = new Bus(), admin = createAdmin(adminOptions(new TestStore(), { bus, limits: { eventReturn } }));
    const open = async (after: string) => {
      const headers = { "last-event-id": after };
      const request = new Request(`${ORIGIN}/api/v1/events?types=notice`, after === "" ? {} : { headers });
      return (await admin.fetch(request)).body!.getReader();
    };
    const notice = (message: string) => bus.emit({ type: "notice", where: "test", message });
    const first = await open("");
    notice("1");
    const [, id] = /^id: (.*)$/m.exec(await readUntil(first, (text) => text.includes("event: notice")))!;
    await first.cancel();
    await waitFor(eventReturn === 1 ? "the past to be forgotten" : "what was missed", async () => {
      notice("2");
      const back = await open(id!), told = await readUntil(back, (text) => text.includes("data: "));
      await back.cancel();
      return told.includes(eventReturn === 1 ? "event: missed\ndata: {}" : noted(2));
    });
    await admin.close();
  }
});

Deno.test("events: heartbeats, at most so many clients, slow ones are cut off, close ends all", async () => {
  const store = new TestStore();
  const options = adminOptions(store, { limits: { eventClients: 2, eventBacklog: 3, heartbeat: 5 } });
  const admin = createAdmin(options);
  const call = async () => await admin.fetch(new Request(`${ORIGIN}/api/v1/events`));
  const slow = await call(), quick = (await call()).body!.getReader();
  assertStringIncludes(await readUntil(quick, (text) => text.includes("\n:\n")), ":\n\n");
  await problem(await call(), 503);
  for (let i = 0; i < 10; i++) {
    await store.deliver(PLAIN);
    await readUntil(quick, (text) => text.includes("event: arrived"));
  }
  const rest = await slow.text(); // it ends by itself: the slow one was cut off
  assert((rest.match(/event: arrived/g)?.length ?? 0) <= 3, rest);
  assertEquals((await call()).status, 200); // its place is free again
  await admin.close();
  assertEquals(await readUntil(quick, () => false).then((text) => text.includes("event: arrived")), false);
});
