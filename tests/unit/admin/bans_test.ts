/** The bans over the API: what it takes, what it refuses. */
import { assertEquals, assertMatch } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import { adminOptions, jsonCaller, TestStore } from "./fixture.ts";

const SITE = "http://127.0.0.1:8025/api/v1/bans";

Deno.test("bans: added, listed, removed", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const call = jsonCaller(admin, SITE);
  assertEquals(await call("GET"), { status: 200, body: { items: [] } });
  const one = { subject: "192.0.2.7", reason: "guesses", until: "2026-11-22T10:41:00.000Z" };
  assertEquals(await call("POST", "", { subject: "::ffff:192.0.2.7", reason: "guesses", seconds: 3600 }), {
    status: 200,
    body: one,
  });
  const network = "2001:db8::/56";
  assertEquals((await call("POST", "", { subject: network })).body.until, "2036-11-19T09:41:00.000Z");
  assertEquals((await call("GET", "?limit=1")).body.items, [one]);
  assertEquals((await call("GET")).body.items.length, 2);
  assertEquals(await call("DELETE", `/${encodeURIComponent(network)}`), { status: 200, body: { removed: 1 } });
  assertEquals((await call("DELETE", `/${encodeURIComponent(network)}`)).status, 404);

  const wrong: readonly [unknown, RegExp][] = [
    ["{", /no JSON/],
    [5, /address/],
    [null, /address/],
    [{}, /address/],
    [{ subject: "10.0.0.0/8" }, /network/],
    [{ subject: "192.0.2.7\r\n" + "x".repeat(500) }, /address/],
    [{ subject: "192.0.2.7", seconds: 0 }, /seconds/],
    [{ subject: "192.0.2.7", seconds: "1" }, /seconds/],
    [{ subject: "192.0.2.7", seconds: 1e12 }, /seconds/],
    [{ subject: "192.0.2.7", reason: "x".repeat(201) }, /reason/],
    [{ subject: "192.0.2.7", days: 5 }, /days/],
  ];
  for (const [body, detail] of wrong) {
    const answer = await call("POST", "", body);
    assertEquals(answer.status, 400, JSON.stringify(body));
    assertMatch(answer.body.detail, detail);
  }
  assertEquals((await call("DELETE", "/nobody")).status, 400);
  assertEquals((await call("GET", "?limit=0")).status, 400);
  assertEquals((await call("GET")).body.items, [one]);
});
