/** HTTPS to hosts that our own name service names: real servers, and what they may do wrong. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, type Socket } from "node:net";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { httpsFetch } from "../../../core/net/https_fetch.ts";
import { testWith } from "../../support/debian.ts";
import { Authority, MAKES_CERTIFICATES, type Pair } from "../../support/tls.ts";
import { within } from "../../support/wait.ts";

const NAME = "policy.example.org";

/** On a port of 127.0.0.1. */
function serve(pair: Pair, handler: Deno.ServeHandler, port = 0): Deno.HttpServer<Deno.NetAddr> {
  const { cert, key } = pair;
  return Deno.serve({ hostname: "127.0.0.1", port, cert, key, onListen: () => {} }, handler);
}

testWith(MAKES_CERTIFICATES, "https_fetch: a host of our name service, verified for its name", async (t) => {
  await using authority = await Authority.make();
  await using stranger = await Authority.make("Authority of somebody else");
  const dns = new MemoryResolver({
    [NAME]: { a: ["127.0.0.99", "127.0.0.1"] }, // nobody listens on the first one
    "other.example.org": { a: ["127.0.0.1"] },
    "down.example.org": "servfail",
  });
  const get = httpsFetch({ dns, authorities: [authority.ca] });
  const seen: string[] = [];
  const good = serve(await authority.issue({ names: [NAME] }), async (request) => {
    const { pathname } = new URL(request.url);
    seen.push(`${request.method} ${request.url.replace(/:\d+/, "")} ${await request.text()}`);
    if (pathname === "/moved") return new Response(null, { status: 302, headers: { location: "/elsewhere" } });
    if (pathname === "/empty") return new Response(null, { status: 204 });
    return new Response("hello", { status: 200, headers: { "content-type": "text/plain; charset=utf-8" } });
  });
  const at = (name: string, path = "/", server = good) => `https://${name}:${server.addr.port}${path}`;

  await t.step("its answer; an address that refuses costs one step", async () => {
    const response = await get(at(NAME, "/a?b"), { headers: { accept: "text/plain" } });
    assertEquals([response.status, response.headers.get("content-type"), await response.text()], [
      200,
      "text/plain; charset=utf-8",
      "hello",
    ]);
    assertEquals(seen.splice(0), [`GET https://${NAME}/a?b `]);
  });
  await t.step("a body goes out, a redirect is an answer, an empty one has no body", async () => {
    const posted = await get(at(NAME), { method: "POST", body: new TextEncoder().encode("größer") });
    await posted.body!.cancel();
    assertEquals((await get(at(NAME, "/moved"), {})).status, 302);
    assertEquals(await (await get(at(NAME, "/empty"), {})).text(), "");
    assertEquals(seen.splice(0), [
      `POST https://${NAME}/ größer`,
      `GET https://${NAME}/moved `,
      `GET https://${NAME}/empty `,
    ]);
  });
  await t.step("a certificate for another name, an expired one, one of another authority: refused", async () => {
    const expired = serve(await authority.issue({ names: [NAME], expired: true }), () => new Response());
    const foreign = serve(await stranger.issue({ names: [NAME] }), () => new Response());
    await assertRejects(() => get(at("other.example.org"), {}), Error, "certificate");
    await assertRejects(() => get(at(NAME, "/", expired), {}), Error, "certificate");
    await assertRejects(() => get(at(NAME, "/", foreign), {}), Error, "certificate");
    const trusting = httpsFetch({ dns });
    await assertRejects(() => trusting(at(NAME), {}), Error, "certificate");
    await Promise.all([expired.shutdown(), foreign.shutdown()]);
    assertEquals(seen, []);
  });
  await t.step("a name that nobody knows, http, and a body that is a stream", async () => {
    await assertRejects(() => get(at("gone.example.org"), {}), Error, "gone.example.org is known: nxdomain");
    await assertRejects(() => get(at("down.example.org"), {}), Error, "down.example.org is known: servfail");
    await assertRejects(() => get(at(NAME).replace("https", "http"), {}), TypeError, "https");
    await assertRejects(() => get(at(NAME), { method: "POST", body: new Blob(["x"]).stream() }), TypeError, "octets");
  });
  await good.shutdown();
});

testWith(MAKES_CERTIFICATES, "https_fetch: whatever the server does, it ends", async (t) => {
  await using authority = await Authority.make();
  const dns = new MemoryResolver({ [NAME]: { a: ["127.0.0.1"] } }),
    get = httpsFetch({ dns, authorities: [authority.ca] });
  const pair = await authority.issue({ names: [NAME] });
  let left = Promise.withResolvers<void>();
  let sent = 0;
  const server = serve(pair, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/silent") return new Promise(() => {});
    return new Response(
      new ReadableStream({
        pull(controller) {
          if (pathname === "/hangs" && sent > 0) return new Promise(() => {});
          sent++;
          controller.enqueue(new Uint8Array(65_536));
        },
        cancel: () => left.resolve(),
      }),
    );
  });
  const url = (path: string) => `https://${NAME}:${server.addr.port}${path}`;

  await t.step("an endless body comes as fast as it is read, and a cancel closes the connection", async () => {
    const reader = (await get(url("/endless"), {})).body!.getReader();
    for (let read = 0; read < 1_000_000;) read += (await reader.read()).value!.length;
    await reader.cancel();
    await within("the server sees the end", left.promise, 10_000);
    assert(sent < 1000, `${sent} pieces of 64 KiB left for a million octets`);
  });
  await t.step("an abort before the connection, before the answer, in the body", async () => {
    const reason = new Error("given up");
    await assertRejects(() => get(url("/silent"), { signal: AbortSignal.abort(reason) }), Error, "given up");
    const silent = new AbortController(), asking = get(url("/silent"), { signal: silent.signal });
    asking.catch(() => {});
    silent.abort(reason);
    await assertRejects(() => asking, Error, "given up");
    left = Promise.withResolvers();
    sent = 0;
    const hanging = new AbortController(), response = await get(url("/hangs"), { signal: hanging.signal });
    const text = response.text();
    text.catch(() => {});
    hanging.abort(reason);
    await assertRejects(() => text, Error);
    await within("the server sees the end", left.promise, 10_000);
  });
  await server.shutdown();

  for (const how of ["speaks no TLS", "hangs up", "resets"] as const) {
    await t.step(`who ${how} in the handshake`, async () => {
      const sockets = new Set<Socket>();
      const rude = createServer((socket) => {
        sockets.add(socket.on("error", () => {}));
        socket.once("data", () => {
          if (how === "resets") socket.resetAndDestroy();
          else socket.end(how === "hangs up" ? "" : "220 mx.example.org ESMTP\r\n");
        });
      });
      await new Promise<void>((resolve) => rude.listen(0, "127.0.0.1", resolve));
      const { port } = rude.address() as { port: number };
      await within("the end", assertRejects(() => get(`https://${NAME}:${port}/`, {})), 10_000);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => rude.close(resolve));
      await assertRejects(() => get(`https://${NAME}:${port}/`, {}), Error, "ECONNREFUSED");
    });
  }
});
