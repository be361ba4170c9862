/** The pages about the house without a browser: hostile parameters and values, what may be changed by whom, warnings. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import type { Admin, AdminOptions } from "../../../core/admin/app.ts";
import { digestOf } from "../../../core/admin/access/scope.ts";
import { certificateWarnings } from "../../../core/admin/ui/server/certificates.ts";
import type { CertificateFacts } from "../../../core/admin/options.ts";
import { adminOptions, NOW, TestStore } from "./fixture.ts";

const ORIGIN = "http://127.0.0.1:8025";
const DAY = 86_400_000;

async function withSite(body: (admin: Admin, store: TestStore) => Promise<void>, change: Partial<AdminOptions> = {}) {
  const store = new TestStore(), admin = createAdmin(adminOptions(store, change));
  try {
    await body(admin, store);
  } finally {
    await admin.close();
  }
}
function ask(admin: Admin, path: string, init: RequestInit = {}): Promise<Response> {
  return Promise.resolve(admin.fetch(new Request(ORIGIN + path, init), { remote: "127.0.0.1" }));
}
async function formToken(admin: Admin, init: RequestInit = {}): Promise<string> {
  const page = await (await ask(admin, "/suppressions", init)).text();
  return /name="token" value="([^"]+)"/.exec(page)![1]!;
}
function post(admin: Admin, path: string, fields: [string, string][], init: RequestInit = {}): Promise<Response> {
  return ask(admin, path, { ...init, method: "POST", body: new URLSearchParams(fields) });
}

Deno.test("parameters that make no sense are a 400 with a sentence, never a 500", () =>
  withSite(async (admin) => {
    const table = [
      ["/queue?state=nope", "state is one of"],
      ["/queue?older=5y", "older is one of"],
      ["/queue?older=__proto__", "older is one of"],
      ["/queue?order=random", "order is one of"],
      ["/queue?page=0", "page is a whole number"],
      ["/queue?page=99999", "page is a whole number"],
      [`/queue?q=${"x".repeat(201)}`, "q has at most 200 characters"],
      ["/queue?domain=a%20b", "domain is the domain"],
      ["/queue/bounce", "Name a state"],
      ["/queue/bounce?before=yesterday", "before is a time like"],
      ["/queue/delete?before=2026-99-99", "before is a time like"],
      [`/delivery?q=${"x".repeat(300)}`, "q has at most 255"],
      [`/suppressions?q=${"x".repeat(300)}`, "q has at most 256"],
    ] as const;
    for (const [path, sentence] of table) {
      const response = await ask(admin, path);
      assertEquals(response.status, 400, path);
      assertStringIncludes(await response.text(), sentence, path);
    }
    for (const path of ["/queue?q=%00%ff'%22;--", "/delivery?q=%3Cb%3E", "/suppressions?after=%3Cb%3E&q=%3Cb%3E"]) {
      const response = await ask(admin, path), page = await response.text();
      assertEquals(response.status, 200, path);
      assert(!page.includes("<b>") || path.startsWith("/queue"), path);
    }
  }));

Deno.test("what is chosen: ids are checked, nothing is not everything, and a page of them fits", () =>
  withSite(async (admin, store) => {
    const ids: string[] = [];
    for (let i = 0; i < 100; i++) ids.push(await store.queueUp([{ address: `u${i}@example.net`, state: "ready" }]));
    const token = await formToken(admin);
    const status = async (fields: [string, string][], verb = "hold") =>
      (await post(admin, `/queue/${verb}`, [["token", token], ["chosen", "1"], ...fields])).status;
    assertEquals(await status([]), 400);
    assertEquals(await status([["state", "ready"]]), 400, "a choice of none beside a filter is none");
    assertEquals(await status([["id", "../../etc/passwd"]]), 400);
    assertEquals(await status([["id", "x".repeat(60_000)]]), 400);
    assertEquals(await status([["id", "x".repeat(70_000)]]), 413);
    assertEquals((await post(admin, "/queue/hold", [["id", ids[0]!]])).status, 403, "without our token");
    assertEquals(store.changes, []);
    const fields = ids.map((id): [string, string] => ["id", id.toLowerCase()]);
    assertEquals(await status(fields), 303);
    assertEquals((await store.queue({ state: "held" })).total, 100);
    const asked = await post(admin, "/queue/delete/ask", [["token", token], ...fields.slice(0, 20)]);
    const page = await asked.text();
    assertStringIncludes(page, "Delete: 20 messages");
    assertEquals(page.match(/name="id"/g)?.length, 20);
    assertEquals((await store.queue({})).total, 100);
    const then = await post(admin, "/queue/release", [
      ["token", token],
      ["then", "state=held&page=1&q=u1"],
      fields[0]!,
    ]);
    assertEquals(then.headers.get("location"), "/queue?state=held&q=u1");
  }));

Deno.test("suppressions: days and reasons have bounds", () =>
  withSite(async (admin) => {
    const token = await formToken(admin);
    const add = async (fields: Record<string, string>) =>
      (await post(
        admin,
        "/suppressions/add",
        Object.entries({ token, address: "a@example.org", days: "30", ...fields }),
      ))
        .status;
    assertEquals(await add({}), 303);
    for (const days of ["-1", "1.5", "x", "99999", "1e9"]) assertEquals(await add({ days }), 400, days);
    assertEquals(await add({ reason: "x".repeat(501) }), 400);
    for (const address of ["", "a", "<>", "postmaster", `${"a".repeat(600)}@b.example`]) {
      assertEquals(await add({ address }), 400, address);
    }
    assertStringIncludes(await (await ask(admin, "/suppressions")).text(), "a@example.org");
  }));

Deno.test("scopes: who may only look changes nothing, and sees neither configuration nor a button's work", () =>
  withSite(async (admin) => {
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    const look = as("look-look-look-look"), steer = as("steer-steer-steer-steer"), all = as("all-all-all-all-all");
    const token = await formToken(admin, all);
    const status = async (path: string, who: RequestInit, fields?: [string, string][]) =>
      (fields === undefined ? await ask(admin, path, who) : await post(admin, path, [["token", token], ...fields], who))
        .status;
    for (const path of ["/delivery", "/suppressions", "/plugins", "/certificates", "/api", "/queue"]) {
      assertEquals(await status(path, look), 200, path);
    }
    assertEquals(await status("/configuration", look), 403);
    assertEquals(await status("/configuration", steer), 403);
    assertEquals(await status("/configuration", all), 200);
    assertEquals(await status("/configuration/reload", steer, []), 403);
    assertEquals(await status("/configuration/reload", all, []), 404, "nobody reloads here");
    const domain: [string, string][] = [["domain", "example.net"]];
    assertEquals(await status("/delivery/hold", look, domain), 403);
    assertEquals(await status("/delivery/hold", steer, domain), 303);
    assertEquals(await status("/delivery/hold", steer, []), 400, "never all of it");
    assertEquals(await status("/suppressions/remove", look, [["address", "a@example.org"]]), 403);
    assertEquals(await status("/suppressions/remove", steer, [["address", "a@example.org"]]), 303);
  }, {
    token: "all-all-all-all-all",
    tokens: () => [
      { name: "look", sha256: digestOf("look-look-look-look"), scopes: ["read"], networks: null, account: "look" },
      {
        name: "steer",
        sha256: digestOf("steer-steer-steer-steer"),
        scopes: ["read", "queue"],
        networks: null,
        account: "steer",
      },
    ],
  }));

Deno.test("certificate warnings: from 21 days on, graver from 7, the most urgent first", () => {
  const certificate = (name: string, from: number, until: number): CertificateFacts => ({
    path: `/${name}.crt`,
    key: `/${name}.key`,
    names: [name],
    issuer: "CA",
    selfSigned: false,
    keyType: "EC P-256",
    writtenAt: null,
    notBefore: NOW + from * DAY,
    notAfter: NOW + until * DAY,
    fingerprint: "AB",
    listeners: [],
  });
  const all = [
    certificate("good.example", -1, 22),
    certificate("soon.example", -1, 20),
    certificate("late.example", -1, 6),
    certificate("gone.example", -9, -1),
    certificate("early.example", 1, 90),
  ];
  assertEquals(certificateWarnings(all, NOW).map(({ tone, text }) => `${tone} ${text}`), [
    "bad The certificate of gone.example has expired 1 d ago: clients refuse it.",
    "bad The certificate of late.example expires in 6 d.",
    "wait The certificate of soon.example expires in 20 d.",
    "bad The certificate of early.example is not valid yet: is the clock right?",
  ]);
});
