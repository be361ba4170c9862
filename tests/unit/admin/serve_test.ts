/** The site on a port: what is said when it cannot be had, and that stopping ends what is open. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createAdmin } from "../../../core/admin/app.ts";
import { serveAdmin } from "../../../core/admin/serve.ts";
import { waitFor } from "../../support/wait.ts";
import { adminOptions, PLAIN, TestStore } from "./fixture.ts";

Deno.test("a port that is taken, or no address at all, is one clear sentence", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const server = await serveAdmin(admin, "127.0.0.1:0");
  const taken = await assertRejects(() => serveAdmin(admin, `127.0.0.1:${server.port}`), Error);
  assertMatch(
    taken.message,
    /^The admin site cannot listen on 127\.0\.0\.1:\d+: another program has that port\. [^\n]+$/,
  );
  for (const address of ["", "8025", "127.0.0.1", "127.0.0.1:65536", "a b:80", "[::1]8025"]) {
    await assertRejects(() => serveAdmin(admin, address), Error, "no host:port");
  }
  await server.stop();
});

Deno.test("over HTTP: a message in, its octets out; the Host is the one on the wire; stop ends event streams", async () => {
  const store = new TestStore();
  const id = await store.deliver(PLAIN);
  const admin = createAdmin(adminOptions(store));
  const server = await serveAdmin(admin, "127.0.0.1:0");
  const url = `http://127.0.0.1:${server.port}`;
  assertEquals(
    await (await fetch(`${url}/api/v1/messages/${id}/raw`)).text(),
    `Return-Path: <ci@example.org>\r\n${PLAIN.replaceAll("\n", "\r\n")}`,
  );
  const foreign = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await foreign.write(
    new TextEncoder().encode("GET /inbox HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
  );
  assertMatch(await new Response(foreign.readable).text(), /^HTTP\/1\.1 421 /);
  const events = await fetch(`${url}/api/v1/events`);
  const ended = events.text();
  await server.stop();
  assert((await ended).startsWith("retry: "));
});

Deno.test("a client that goes away frees its place among the event streams", async () => {
  const store = new TestStore();
  const admin = createAdmin(adminOptions(store, { limits: { eventClients: 1 } }));
  const server = await serveAdmin(admin, "127.0.0.1:0");
  const url = `http://127.0.0.1:${server.port}/api/v1/events`;
  const first = await fetch(url);
  const second = await fetch(url);
  assertEquals(second.status, 503);
  await second.body?.cancel();
  await first.body!.cancel();
  let status = 503;
  for (const end = Date.now() + 5000; status === 503 && Date.now() < end;) {
    const next = await fetch(url);
    status = next.status;
    await next.body?.cancel();
  }
  assertEquals(status, 200);
  await server.stop();
});

Deno.test("connections are bounded, and who says nothing in time is sent away: neither costs mail its descriptors", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const server = await serveAdmin(admin, "127.0.0.1:0", {
    connections: 4,
    headTime: 300,
    requestTime: 600,
    idleTime: 300,
  });
  const open = () => Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const quiet = [await open(), await open(), await open(), await open()];
  await quiet[0]!.write(new TextEncoder().encode("GET /inbox HTTP/1.1\r\nHost: local"));
  const fifth = await open();
  assertEquals(await new Response(fifth.readable).text(), ""); // closed at once
  for (const each of quiet) assertMatch(await new Response(each.readable).text(), /^(?:HTTP\/1\.1 408 |$)/);
  assertEquals((await fetch(`http://127.0.0.1:${server.port}/healthz`).then((r) => r.text())).includes("ok"), true);
  await server.stop();
});

Deno.test("no Host, a Host that is none, a target that is no path: 400, and the next request is answered", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const server = await serveAdmin(admin, "127.0.0.1:0");
  for (
    const head of [
      "GET / HTTP/1.1",
      "GET / HTTP/1.1\r\nHost: a b",
      "GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1",
      "GARBAGE",
    ]
  ) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await conn.write(new TextEncoder().encode(`${head}\r\nConnection: close\r\n\r\n`));
    assertMatch(await new Response(conn.readable).text(), /^HTTP\/1\.1 400 /, head);
  }
  assertEquals((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status, 200);
  await server.stop();
});

const WIRE = new TextEncoder();
const line = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

Deno.test("who takes nothing of an answer is cut, and the next one gets his connection", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const long = new Uint8Array(32 * 1024 * 1024); // more than the buffers of both sides hold
  const fetch: typeof admin.fetch = (request, info) =>
    request.url.endsWith("/long") ? new Response(long) : admin.fetch(request, info);
  const server = await serveAdmin({ ...admin, fetch }, "127.0.0.1:0", { connections: 1, takeTime: 500 });
  const { port } = server;
  using deaf = await Deno.connect({ hostname: "127.0.0.1", port });
  await deaf.write(WIRE.encode(line("/long")));
  await waitFor("the place of the deaf one", async () => {
    using other = await Deno.connect({ hostname: "127.0.0.1", port });
    await other.write(WIRE.encode(line("/healthz"))).catch(() => {});
    const octets = new Uint8Array(15);
    return await other.read(octets).catch(() => null) !== null &&
      new TextDecoder().decode(octets) === "HTTP/1.1 200 OK";
  }, { deadline: 30_000, every: 100 });
  await server.stop();
});

Deno.test("a flood of requests on one connection ends it: no more than a few are under way", async () => {
  const never = Promise.withResolvers<Response>();
  let asked = 0;
  const admin = createAdmin(adminOptions(new TestStore()));
  const server = await serveAdmin({ ...admin, fetch: () => (asked++, never.promise) }, "127.0.0.1:0");
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const flood = WIRE.encode(line("/healthz").repeat(1000));
  try {
    for (let sent = 0; sent < flood.length;) sent += await conn.write(flood.subarray(sent));
  } catch { /* it was cut before all was said */ }
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
  assert(asked <= 16, `${asked} requests were under way`);
  never.resolve(new Response());
  await server.stop();
});

Deno.test("a few requests at once on one connection are answered in their order", async () => {
  const admin = createAdmin(adminOptions(new TestStore()));
  const server = await serveAdmin(admin, "127.0.0.1:0");
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const last = "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  await conn.write(WIRE.encode(line("/healthz").repeat(9) + last));
  const said = await new Response(conn.readable).text();
  assertEquals([said.match(/"ok"/g)?.length, said.match(/"ready"/g)?.length], [9, 1]);
  assert(said.lastIndexOf('"ok"') < said.indexOf('"ready"'));
  await server.stop();
});
