/** The suppression list over the API: what it takes, what it refuses, and that odd addresses have a path too. */
import { assertEquals, assertMatch } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import { adminOptions, jsonCaller, TestStore } from "./fixture.ts";

const SITE = "http://127.0.0.1:8025/api/v1/suppressions";

Deno.test("suppressions: added, listed, looked at, removed", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const call = jsonCaller(admin, SITE);
  const bob = {
    address: "Bob@example.org",
    reason: "asked us to stop",
    since: "2026-11-22T09:41:00.000Z",
    until: null,
  };
  assertEquals(await call("GET"), { status: 200, body: { items: [] } });
  assertEquals(await call("POST", "", { address: "Bob@EXAMPLE.org", reason: "asked us to stop" }), {
    status: 200,
    body: bob,
  });
  assertEquals(await call("GET", "/bob@example.org"), { status: 200, body: bob });
  const odd = ['"a/b?c%41 d"@example.org', "müller@example.org", "%2f@example.org"];
  for (const address of odd) {
    const { body } = await call("POST", "", { address, days: 1.5 });
    assertEquals(body.until, "2026-11-23T21:41:00.000Z");
    assertEquals((await call("GET", `/${encodeURIComponent(address)}`)).body.address, address);
  }
  assertEquals((await call("GET", "?prefix=B&limit=1")).body.items, [bob]);
  assertEquals((await call("GET", "?limit=2")).body.items.length, 2);
  assertEquals((await call("GET", `?after=${encodeURIComponent("bob@example.org")}`)).body.items.length, 1);
  for (const address of odd) {
    assertEquals(await call("DELETE", `/${encodeURIComponent(address)}`), { status: 200, body: { removed: 1 } });
  }
  assertEquals((await call("DELETE", `/${encodeURIComponent(odd[0]!)}`)).status, 404);
  assertEquals((await call("GET", "/eve@example.org")).status, 404);
  assertEquals((await call("GET")).body.items, [bob]);

  const wrong: readonly [unknown, RegExp][] = [
    ["{", /no JSON/],
    [5, /address/],
    [null, /address/],
    [[], /address/],
    [{}, /address/],
    [{ address: "bob" }, /address/],
    [{ address: "postmaster" }, /address/],
    [{ address: "a@example.org\r\nb" }, /address/],
    [{ address: "a@example.org", days: 0 }, /days/],
    [{ address: "a@example.org", days: 3651 }, /days/],
    [{ address: "a@example.org", days: "1" }, /days/],
    [{ address: "a@example.org", reason: "x".repeat(501) }, /reason/],
    [{ address: "a@example.org", seconds: 5 }, /seconds/],
  ];
  for (const [body, detail] of wrong) {
    const answer = await call("POST", "", body);
    assertEquals(answer.status, 400, JSON.stringify(body));
    assertMatch(answer.body.detail, detail);
  }
  for (const path of ["?limit=0", "?limit=1001", "?after=bob", `?prefix=${"x".repeat(257)}`, "/bob"]) {
    assertEquals((await call("GET", path)).status, 400, path);
  }
  assertEquals((await call("GET")).body.items.length, 1);
  await admin.close();
});
