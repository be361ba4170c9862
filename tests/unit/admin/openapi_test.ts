/** What the API really answers is what its document says: every operation, every property, every problem. */
import { assert, assertEquals } from "@std/assert";
import { API_RULES } from "../../../core/admin/access/rules.ts";
import { createAdmin } from "../../../core/admin/app.ts";
import { Reply } from "../../../core/model/reply.ts";
import { faultsIn } from "../../support/json_schema.ts";
import { entry, LiteralLedger, story } from "../../support/literal_ledger.ts";
import { adminOptions, NOW, ORDER, TestStore } from "./fixture.ts";

const ORIGIN = "http://127.0.0.1:8025", GHOST = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
interface Operation {
  readonly responses: Record<string, { $ref?: string; content?: Record<string, { schema: unknown }> }>;
  readonly requestBody?: { content: Record<string, { schema: unknown }> };
  readonly security?: readonly Record<string, readonly string[]>[];
}
type Document = { readonly paths: Record<string, Record<string, Operation>> };

/** A site in which every route has something to say. */
async function fullSite() {
  const store = new TestStore(), ledger = new LiteralLedger();
  const { id } = story();
  ledger.entries = [entry(), entry({ id: story().session, sender: null, plugin: "spf", observed: "held" })];
  ledger.stories = [story({ messages: [entry()] })];
  ledger.rows = story().audit;
  const zeroes = { sessions: 1, accepted: 1, held: 0, refused: 0, deferred: 0, octets: 5, delivered: 1, postponed: 0 };
  ledger.points = [{ at: NOW, ...zeroes, bounced: 0, commit: [1, 2], delay: [0, 1], queue: null }];
  ledger.counts = [{
    plugin: "spf",
    refused: 1,
    deferred: 0,
    held: 0,
    wouldRefuse: 0,
    wouldDefer: 0,
    wouldHold: 0,
    errors: 0,
  }];
  const message = await store.deliver(ORDER);
  const queued = await store.queueUp([
    { address: "turing@example.net", state: "deferred", reply: "450 4.2.0 Later", told: NOW, deadline: NOW },
    { address: "hopper@example.com", state: "held" },
  ]);
  const admin = createAdmin(adminOptions(store, {
    ledger,
    teach: () => Promise.resolve(["spam_score: 1 of 2"]),
    quarantine: { keep: 86_400_000, size: 1e9 },
    destinations: () => [{ destination: "mx:x.example", waiting: 1, running: 0, closedUntil: NOW, reason: "421" }],
    timings: () => [{ plugin: "spf", phase: "mail", calls: 3, total: 1.5, p95: Infinity, verdicts: { next: 3 } }],
    certificates: () => [{
      path: "/etc/cert.pem",
      key: "/etc/key.pem",
      names: ["mx.example.org"],
      notBefore: NOW,
      notAfter: NOW,
      fingerprint: "AA",
      issuer: "CA",
      selfSigned: false,
      keyType: "EC P-256",
      writtenAt: null,
      listeners: ["0.0.0.0:25"],
    }],
    configuration: () => ({
      file: null,
      readAt: NOW,
      settings: [{ path: "hostname", value: "localhost", from: "default" }],
      warnings: ["one"],
      summary: ["a line"],
    }),
    webhooks: () => [{
      name: "app",
      url: "https://app.example",
      events: ["accepted"],
      waiting: 1,
      dropped: 0,
      delivered: NOW,
      fault: null,
    }],
    reload: () => Promise.resolve({ changed: ["limits"], faults: [] }),
    inject: () =>
      Promise.resolve({
        id,
        accepted: true,
        reply: new Reply(250, "2.0.0", "queued"),
        refused: [{ address: "a@b.example", reply: new Reply(550, "5.1.1", "No such user") }],
      }),
  }));
  await admin.fetch(json("POST", "/api/v1/suppressions", { address: "bob@example.org", days: 3 }), INFO);
  await admin.fetch(json("POST", "/api/v1/bans", { subject: "192.0.2.1" }), INFO);
  return { admin, message, queued, story: id };
}
const INFO = { remote: "127.0.0.1" };

function json(method: string, path: string, body: unknown): Request {
  return new Request(ORIGIN + path, {
    method,
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
}

Deno.test("openapi: real answers are what the document says, operation by operation", async () => {
  const { admin, message, queued, story } = await fullSite();
  const document = await (await admin.fetch(new Request(`${ORIGIN}/openapi.json`), INFO)).json() as Document;
  const asked: [method: string, path: string, names?: Record<string, string>, body?: unknown][] = [
    ["get", "/healthz"],
    ["get", "/readyz"],
    ["get", "/api/v1/messages"],
    ["get", "/api/v1/messages/{id}", { id: message }],
    ["patch", "/api/v1/messages/{id}", { id: message }, { read: true }],
    ["post", "/api/v1/messages/{id}/train", { id: message }, { as: "ham" }],
    ["get", "/api/v1/train"],
    ["get", "/api/v1/queue"],
    ["get", "/api/v1/queue/{id}", { id: queued }],
    ["get", "/api/v1/queue/{id}", { id: queued.slice(-8).toLowerCase() }],
    ["get", "/api/v1/queue/destinations"],
    ["post", "/api/v1/queue/{id}/train", { id: queued.slice(-8) }, { as: "spam" }],
    ["get", "/api/v1/quarantine"],
    ["post", "/api/v1/queue/{id}/hold", { id: queued.slice(-8) }],
    ["post", "/api/v1/queue/{id}/route", { id: queued }, { to: "remote", via: "upstream" }],
    ["post", "/api/v1/queue/{id}/bounce", { id: queued }, { reason: "gone" }],
    ["get", "/api/v1/suppressions"],
    ["get", "/api/v1/suppressions/{address}", { address: "bob@example.org" }],
    ["delete", "/api/v1/suppressions/{address}", { address: "bob@example.org" }],
    ["get", "/api/v1/bans"],
    ["delete", "/api/v1/bans/{subject}", { subject: "192.0.2.1" }],
    ["get", "/api/v1/sessions"],
    ["delete", "/api/v1/sessions"],
    ["get", "/api/v1/explain/{id}", { id: story }],
    ["get", "/api/v1/rates"],
    ["get", "/api/v1/audit"],
    ["get", "/api/v1/plugins"],
    ["get", "/api/v1/server"],
    ["get", "/api/v1/certificates"],
    ["get", "/api/v1/configuration"],
    ["get", "/api/v1/tokens"],
    ["get", "/api/v1/webhooks"],
    ["post", "/api/v1/reload"],
    ["post", "/api/v1/send", {}, { from: "a@example.org", to: ["b@example.org"], cc: "C <c@example.org>", text: "x" }],
    ["delete", "/api/v1/messages/{id}", { id: message }],
    ["delete", "/api/v1/queue/{id}", { id: queued }],
  ];
  const wrong: string[] = [];
  for (const [method, path, names = {}, body] of asked) {
    const where = `${method} ${path}`, operation = document.paths[path]?.[method];
    assert(operation !== undefined, where);
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(names[name]!));
    const url = method === "delete" && path.endsWith("/sessions") ? `${filled}?address=a%40b.example` : filled;
    const response = await admin.fetch(
      body === undefined
        ? new Request(ORIGIN + url, { method: method.toUpperCase() })
        : json(method.toUpperCase(), url, body),
      INFO,
    );
    const answer = await response.json();
    if (response.status !== 200) wrong.push(`${where}: ${response.status} ${JSON.stringify(answer)}`);
    else {wrong.push(
        ...faultsIn(answer, operation.responses["200"]!.content!["application/json"]!.schema, document).map((each) =>
          `${where}: ${each}`
        ),
      );}
    if (body !== undefined) {
      const schema = operation.requestBody?.content["application/json"]?.schema;
      if (schema === undefined) wrong.push(`${where}: its body is not described`);
      else wrong.push(...faultsIn(body, schema, document).map((each) => `${where}, its body: ${each}`));
    }
  }
  assertEquals(wrong, []);
  await admin.close();
});

Deno.test("openapi: problems have the status that the document names, and its form", async () => {
  const { admin } = await fullSite();
  const document = await (await admin.fetch(new Request(`${ORIGIN}/openapi.json`), INFO)).json() as Document;
  const schema = { $ref: "#/components/schemas/Problem" }, wrong: string[] = [];
  const bodies = [undefined, "{", '{"x":1}', "[]", "null", "x".repeat(5000), "\u0000", '{"__proto__":{}}'];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (path === "/api/v1/events" && method === "get") continue;
      for (const body of method === "get" ? [undefined] : bodies) {
        const url = ORIGIN + path.replace(/\{\w+\}/g, GHOST);
        const init = body === undefined ? {} : { body, headers: { "content-type": "application/json" } };
        const response = await admin.fetch(
          new Request(`${url}?limit=x`, { method: method.toUpperCase(), ...init }),
          INFO,
        );
        const { status } = response, text = await response.text();
        if (status < 400) continue;
        const where = `${method} ${path} ${body?.slice(0, 10)}: ${status}`;
        if (!(status in operation.responses)) wrong.push(`${where} is not in the document: ${text.slice(0, 200)}`);
        if (response.headers.get("content-type") !== "application/problem+json") wrong.push(`${where}: no problem`);
        else wrong.push(...faultsIn(JSON.parse(text), schema, document).map((each) => `${where}: ${each}`));
      }
    }
  }
  assertEquals(wrong, []);
  await admin.close();
});

Deno.test("openapi: each operation names the scope that its route asks for", async () => {
  const { admin } = await fullSite();
  const document = await (await admin.fetch(new Request(`${ORIGIN}/openapi.json`), INFO)).json() as Document;
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const scope = API_RULES.get(`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`)!.scope;
      assertEquals(operation.security, scope === null ? [] : [{ token: [scope] }], `${method} ${path}`);
    }
  }
  await admin.close();
});

Deno.test("the checker of schemas finds what is wrong", () => {
  const root = { a: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } };
  const rows: [value: unknown, schema: unknown, faults: number][] = [
    [{ n: 1 }, { $ref: "#/a" }, 0],
    [{ n: 1.5 }, { $ref: "#/a" }, 1],
    [{}, { $ref: "#/a" }, 1],
    [{ n: 1, m: 2 }, { $ref: "#/a" }, 1],
    [{ n: 1, m: 2 }, { allOf: [{ $ref: "#/a" }, { type: "object", properties: { m: { type: "integer" } } }] }, 0],
    [[{ n: "x" }], { type: "array", items: { $ref: "#/a" } }, 1],
    ["yesterday", { type: "string", format: "date-time" }, 1],
    [null, { type: ["string", "null"], format: "date-time" }, 0],
    ["x", { oneOf: [{ type: "string" }, { const: "x" }] }, 1],
    [{ k: "x" }, { type: "object", additionalProperties: { type: "integer" } }, 1],
  ];
  for (const [value, schema, faults] of rows) {
    assertEquals(faultsIn(value, schema, root).length, faults, JSON.stringify(value));
  }
});
