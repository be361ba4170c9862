/** The ledger by the API: queries as the ledger gets them, stories, rates, audit, forgetting; what is refused. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import { storyId } from "../../../core/admin/api/sessions.ts";
import { tellStory } from "../../../core/ledger/telling.ts";
import type { Ledger } from "../../../core/ledger/ledger.ts";
import { entry, LiteralLedger, story } from "../../support/literal_ledger.ts";
import { adminOptions, jsonCaller, NOW, TestStore } from "./fixture.ts";

type Call = ReturnType<typeof jsonCaller>;

async function withSite(ledger: Ledger | null, body: (call: Call) => Promise<void>): Promise<void> {
  const admin = createAdmin(adminOptions(new TestStore(), { ledger }));
  try {
    await body(jsonCaller(admin, "http://127.0.0.1:8025/api/v1"));
  } finally {
    await admin.close();
  }
}

async function text(ledger: Ledger, path: string): Promise<string> {
  const admin = createAdmin(adminOptions(new TestStore(), { ledger }));
  const response = await admin.fetch(new Request(`http://127.0.0.1:8025/api/v1${path}`), { remote: "127.0.0.1" });
  await admin.close();
  assertEquals(response.headers.get("content-type")?.split(";")[0], "text/plain");
  return await response.text();
}

Deno.test("sessions: what is asked is what the ledger is asked", () => {
  const ledger = new LiteralLedger();
  ledger.entries = [entry()];
  ledger.more = true;
  return withSite(ledger, async (call) => {
    const rows: [query: string, asked: unknown][] = [
      ["", { limit: 50 }],
      ["?q=spf+fail&verdict=refused&limit=500", { q: "spf fail", verdict: "refused", limit: 500 }],
      ["?ip=192.0.2.7&from=%40example.net&to=ada%40example.com", {
        ip: "192.0.2.7",
        from: "@example.net",
        to: "ada@example.com",
        limit: 50,
      }],
      ["?ip=192.0.0.0/16", { ip: "192.0.0.0/16", limit: 50 }],
      ["?ip=2001:DB8::/32", { ip: "2001:db8::/32", limit: 50 }],
      ["?plugin=spf&observed=1", { plugin: "spf", observed: true, limit: 50 }],
      ["?since=2026-11-22T09:00:00Z&until=1795341600000", { since: NOW - 2_460_000, until: 1795341600000, limit: 50 }],
      ["?before=01m816mwb0w45x6q9vjdz8m0is", { before: "01M816MWB0W45X6Q9VJDZ8M01S", limit: 50 }],
      ["?verdict=&ip=&since=", { limit: 50 }],
    ];
    for (const [query, asked] of rows) {
      const { status, body } = await call("GET", `/sessions${query}`);
      assertEquals([status, ledger.asked.pop(), body], [200, asked, { entries: [{ ...entry() }], more: true }], query);
    }
    const bad = ["verdict=bad", "ip=192.0.2.0/25", "ip=mail.example.org", "ip=::1/8", "since=yesterday", "limit=501"];
    for (const query of [...bad, "before=x", `q=${"x".repeat(201)}`, `ip=${"1".repeat(9999)}/`]) {
      const { status, body } = await call("GET", `/sessions?${query}`);
      assertEquals([status, body.status], [400, 400], query);
    }
    assertEquals(ledger.asked, []);
  });
});

Deno.test("explain: the story as it is, by any form of an id; 404 in words", () => {
  const ledger = new LiteralLedger();
  ledger.stories = [story()];
  return withSite(ledger, async (call) => {
    const { id } = story();
    for (const name of [id, id.toLowerCase(), id.slice(-8), "dz8m0ls".padStart(8, "j"), "JDZ8M0LS"]) {
      const { status, body } = await call("GET", `/explain/${name}`);
      assertEquals([status, status === 200 && body], [200, JSON.parse(JSON.stringify(story()))], name);
    }
    const told = await text(ledger, `/explain/${id}?format=text`);
    assertEquals(told, tellStory(story()));
    for (const name of ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "%00", "..%2f..", "x".repeat(9999)]) {
      assertEquals((await call("GET", `/explain/${name}`)).status, 404, name);
    }
  });
});

Deno.test("storyId reads what people copy", () => {
  const full = "01M816MWB0W45X6Q9VJDZ8M01S";
  for (
    const [text, id] of [
      [full, full],
      [`s${full}`, `s${full}`],
      [`S${full.toLowerCase()}`, `s${full}`],
      ["vjdz8m01", "VJDZ8M01"],
      ["", null],
      ["s", null],
      ["x".repeat(41), null],
    ] as const
  ) assertEquals(storyId(text), id, text);
});

Deno.test("ledger: how much it holds", () => {
  const size = () => Promise.resolve({ entries: 3, octets: 4096, oldest: NOW, dropped: 1 });
  return withSite(Object.assign(new LiteralLedger(), { size }), async (call) => {
    const oldest = new Date(NOW).toISOString();
    assertEquals((await call("GET", "/ledger")).body, { entries: 3, octets: 4096, oldest, dropped: 1 });
  });
});

Deno.test("rates: a day in steps of five minutes unless asked otherwise, and never too many", () => {
  const ledger = new LiteralLedger();
  return withSite(ledger, async (call) => {
    assertEquals((await call("GET", "/rates")).body, { step: 300_000, points: [] });
    assertEquals((await call("GET", `/rates?since=${NOW - 7_200_000}&step=2m`)).status, 200);
    assertEquals(ledger.ranges, [
      { since: NOW - 86_400_000, until: NOW, step: 300_000 },
      { since: NOW - 7_200_000, until: NOW, step: 120_000 },
    ]);
    for (const query of ["step=90s", "step=0m", "step=x", "since=0&step=1m", `since=${NOW}`, `until=${NOW}&since=x`]) {
      assertEquals((await call("GET", `/rates?${query}`)).status, 400, query);
    }
  });
});

Deno.test("audit and plugins ask the ledger; to forget takes an address and does not write it down", async () => {
  const ledger = new LiteralLedger();
  ledger.rows = story().audit;
  ledger.counts = [{
    plugin: "spf",
    refused: 3,
    deferred: 0,
    held: 0,
    wouldRefuse: 1,
    wouldDefer: 0,
    wouldHold: 0,
    errors: 0,
  }];
  const options = adminOptions(new TestStore(), { ledger });
  const audits: unknown[] = [];
  options.bus.subscribe((event) => event.type === "audit" && audits.push(event.subject));
  const admin = createAdmin(options);
  const call = jsonCaller(admin, "http://127.0.0.1:8025/api/v1");
  assertEquals((await call("GET", "/audit?limit=5&before=2026-11-22T09:41:00Z")).body, { items: [...ledger.rows] });
  const { body } = await call("GET", "/plugins?last=1h");
  assertEquals([body.since, body.counts], ["2026-11-22T08:41:00.000Z", [...ledger.counts]]);
  assertEquals(ledger.ranges, [{ limit: 5, before: NOW }, NOW - 3_600_000]);
  for (const last of ["x", "0s", "99999d"]) assertEquals((await call("GET", `/plugins?last=${last}`)).status, 400);
  assertEquals((await call("DELETE", "/sessions")).status, 400);
  assertEquals((await call("DELETE", "/sessions?address=ada%40example.com")).body, { forgotten: 1 });
  assertEquals([ledger.forgotten, audits], [["ada@example.com"], ["an address"]]);
  await admin.close();
});

Deno.test("without a ledger every route of it says so", () =>
  withSite(null, async (call) => {
    const routes = ["/sessions", "/explain/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/rates", "/ledger", "/audit"];
    for (const path of routes) {
      const { status, body } = await call("GET", path);
      assertEquals(status, 409, path);
      assertStringIncludes(body.detail, "keeps no ledger");
    }
    assertEquals((await call("GET", "/plugins")).body.counts, null);
  }));
