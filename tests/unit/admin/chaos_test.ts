/** /api/v1/chaos and /api/v1/messages/:id/release: who may, what is turned down, what the audit is told. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import type { AdminOptions, Releasing } from "../../../core/admin/options.ts";
import { formatAddress } from "../../../core/model/address.ts";
import { newId } from "../../../core/model/id.ts";
import { Bus } from "../../../core/observe/bus.ts";
import type { Audit } from "../../../core/observe/events.ts";
import { adminOptions, jsonCaller, NOW, PLAIN, TestStore } from "./fixture.ts";

class Site {
  readonly store = new TestStore();
  readonly audits: Audit[] = [];
  readonly call;
  constructor(change: Partial<AdminOptions> = {}) {
    const bus = new Bus();
    bus.subscribe((event) => event.type === "audit" && this.audits.push(event));
    const plugins = () => [{ listener: "x", plugins: [{ name: "chaos", mode: "enforce", phases: [] }] }];
    const admin = createAdmin(adminOptions(this.store, { bus, plugins, ...change }));
    this.call = jsonCaller(admin, "http://127.0.0.1/api/v1");
  }
}

Deno.test("chaos: rules are set whole, told with their uses, and taken away; the audit hears of it", async () => {
  const { call, audits } = new Site();
  assertEquals(await call("GET", "/chaos"), { status: 200, body: { rules: [] } });
  const set = await call("PUT", "/chaos", {
    rules: [{ to: "full@*", answer: "452" }, { phase: "data", answer: "hang up" }],
  });
  assertEquals(set, {
    status: 200,
    body: {
      rules: [
        { phase: "rcpt", to: "full@*", answer: "452", rate: 1, on: true, used: 0 },
        { phase: "data", answer: "hang up", rate: 1, on: true, used: 0 },
      ],
    },
  });
  for (
    const body of [
      {},
      { rules: "550" },
      { rules: [{ answer: "250 ok" }] },
      { rules: [{ answer: "550", delay: "9h" }] },
      [],
    ]
  ) {
    assertEquals((await call("PUT", "/chaos", body)).status, 400, JSON.stringify(body));
  }
  assertEquals((await call("PUT", "/chaos", "{")).status, 400);
  assertEquals((await call("PUT", "/chaos", { rules: [{ answer: `550 5.1.1 ${"x".repeat(70_000)}` }] })).status, 413);
  assertEquals((await call("GET", "/chaos")).body.rules.length, 2);
  assertEquals(await call("DELETE", "/chaos"), { status: 200, body: { rules: [] } });
  assertEquals(audits.map(({ action, subject }) => [action, subject]), [["chaos", "2 rules"], ["chaos", "no rules"]]);
});

Deno.test("chaos: fifty rules with long answers are taken", async () => {
  const { call } = new Site();
  const rules = Array.from(
    { length: 50 },
    (_, n) => ({ to: `user${n}@example.org`, answer: `550 5.1.1 ${"x".repeat(300)}` }),
  );
  const { status, body } = await call("PUT", "/chaos", { rules });
  assertEquals([status, body.rules.length], [200, 50]);
});

Deno.test("release: only to who is allowed, and only where anything is", async () => {
  const sent: string[] = [];
  const release: Releasing = {
    to: ["*@example.org", "me@example.net"],
    send: (message, to) => {
      sent.push(`${message.id} ${formatAddress(to)}`);
      return Promise.resolve(newId(NOW));
    },
  };
  const { call, store, audits } = new Site({ release });
  const id = await store.deliver(PLAIN), path = `/messages/${id}/release`;
  const table: readonly [path: string, body: unknown, status: number][] = [
    [path, { to: "you@elsewhere.example" }, 403],
    [path, { to: "you@example.org.evil.example" }, 403],
    [path, { to: "not an address" }, 400],
    [path, { to: ["you@example.org"] }, 400],
    [path, { to: "a@example.org\r\nRCPT TO:<b@evil.example>" }, 400],
    [path, null, 400],
    [`/messages/${newId(NOW)}/release`, { to: "you@example.org" }, 404],
    ["/messages/..%2f/release", { to: "you@example.org" }, 404],
  ];
  for (const [at, body, status] of table) {
    assertEquals((await call("POST", at, body)).status, status, JSON.stringify(body));
  }
  assertEquals([sent, audits], [[], []]);
  for (const to of ["you@example.org", "me@example.net"]) {
    const { status, body } = await call("POST", path, { to });
    assertEquals([status, body.to], [200, to]);
  }
  assertEquals(sent, [`${id} you@example.org`, `${id} me@example.net`]);
  assertEquals(audits.map(({ action, subject }) => `${action} ${subject}`)[0], `release ${id} to you@example.org`);
  const closed = await new Site().call("POST", path, { to: "you@example.org" });
  assertEquals(closed.status, 409);
  assertStringIncludes(closed.body.detail, "admin.release.to");
});
