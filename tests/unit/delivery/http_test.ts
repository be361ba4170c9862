/** Delivery to web hooks, against servers on loopback: what they are sent, octet for octet, and what their answers mean. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { createHash, createHmac } from "node:crypto";
import { type HttpHop, type HttpMessage, postMessage } from "../../../core/delivery/http.ts";
import type { Address } from "../../../core/model/address.ts";
import { NO_MAIL_PARAMETERS } from "../../../core/model/envelope.ts";
import { within } from "../../support/wait.ts";

const NOW = Date.UTC(2026, 3, 1, 12);
const SECRET = "a secret of the tests";
const RAW = "Return-Path: <ann@example.org>\r\nSubject: =?\r\n\r\nzwölf\x00 and a line\r\n";
const utf8 = new TextEncoder();

interface Seen {
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly method: string;
}
/** A web hook that keeps what it is sent. */
class Hook implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: (request: Request) => Response | Promise<Response> = () => new Response("ok")) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null, { status: 500 }) },
      async (request) => {
        const { headers, method } = request;
        this.seen.push({ headers, method, body: await request.bytes() });
        return await answer(request);
      },
    );
  }
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/in?key=s3cret`;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A server that is none: each connection is the handler's. */
class Rude implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections: Deno.Conn[] = [];
  readonly #handled: Promise<void>;

  constructor(handle: (connection: Deno.Conn) => Promise<void>) {
    this.#handled = (async () => {
      const all: Promise<void>[] = [];
      for await (const connection of this.#listener) {
        this.#connections.push(connection);
        all.push(handle(connection).catch(() => {}));
      }
      await Promise.all(all);
    })();
  }
  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}/`;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const each of this.#connections) {
      try {
        each.close();
      } catch { /* its handler has closed it */ }
    }
    await this.#handled;
  }
}

const address = (local: string, domain = "example.com"): Address => ({ local, domain });
const to = (...locals: string[]) => locals.map((each) => ({ address: address(each), original: address(each) }));

function hop(url: string, given: Partial<HttpHop> = {}): HttpHop {
  return { url, format: "raw", secret: null, headers: {}, timeout: 10_000, ...given };
}
function message(given: Partial<HttpMessage> = {}): HttpMessage {
  return {
    id: "01JQZZZZZZ0123456789ABCDEF",
    sender: address("ann", "example.org"),
    recipients: to("bob"),
    origin: {
      session: "s1",
      ip: "192.0.2.1",
      helo: "mx.example.org",
      identity: null,
      protocol: "ESMTPS",
      listener: "mx",
    },
    receivedAt: NOW - 1000,
    parameters: { ...NO_MAIL_PARAMETERS, body: "8BITMIME" },
    attempts: 0,
    size: 40,
    stream: () => new Blob([RAW]).stream(),
    ...given,
  };
}
/** So many octets in pieces, as the store reads them. */
function zeros(size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = size;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = Math.min(left, 65_536);
      left -= piece;
      controller.enqueue(new Uint8Array(piece));
      if (left === 0) controller.close();
    },
  }, { highWaterMark: 0 });
}
const post = (given: HttpHop, sent = message(), signal?: AbortSignal) =>
  postMessage(given, sent, { fetch, now: () => NOW, ...signal && { signal } });
const brief = ({ outcomes }: Awaited<ReturnType<typeof post>>) =>
  outcomes.map(({ verdict, status, text }) => `${verdict} ${status} ${text}`);

const ENVELOPE = {
  id: "01JQZZZZZZ0123456789ABCDEF",
  sender: "ann@example.org",
  recipients: [{ address: "bob@example.com", original: "bob@example.com" }],
  receivedAt: "2026-04-01T11:59:59.000Z",
  attempts: 0,
  size: 40,
  origin: { ip: "192.0.2.1", helo: "mx.example.org", identity: null },
  parameters: { body: "8BITMIME", smtputf8: false, envid: null },
};

Deno.test("raw: the message is the body, octet for octet, and its envelope a field", async () => {
  await using hook = new Hook();
  const posted = await post(hop(hook.url, { headers: { authorization: "Bearer x", "postern-id": "forged" } }));
  assertEquals(brief(posted), ["accept 2.0.0 HTTP 200 OK"]);
  assertEquals(posted.retryAfter, null);
  const [{ headers, body, method }] = hook.seen as [Seen];
  assertEquals(method, "POST");
  assertEquals(new TextDecoder().decode(body), RAW);
  assertEquals(headers.get("content-length"), String(utf8.encode(RAW).length));
  assertEquals(headers.get("content-type"), "message/rfc822");
  assertEquals(headers.get("authorization"), "Bearer x");
  assertEquals(headers.get("postern-id"), ENVELOPE.id);
  assertEquals(headers.get("postern-envelope"), JSON.stringify(ENVELOPE));
  assertEquals(headers.get("postern-signature"), null);
});

Deno.test("json: one object, the message in base64", async () => {
  await using hook = new Hook();
  const sent = message({
    sender: null,
    recipients: [{ address: address("b c"), original: address("info") }],
    origin: { ...message().origin, identity: "ann" },
  });
  assertEquals(brief(await post(hop(hook.url, { format: "json" }), sent)), ["accept 2.0.0 HTTP 200 OK"]);
  const [{ headers, body }] = hook.seen as [Seen];
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(headers.get("postern-envelope"), null);
  const expected = {
    ...ENVELOPE,
    sender: null,
    recipients: [{ address: '"b c"@example.com', original: "info@example.com" }],
    origin: { ...ENVELOPE.origin, identity: "ann" },
    raw: utf8.encode(RAW).toBase64(),
  };
  assertEquals(new TextDecoder().decode(body), JSON.stringify(expected));
});

Deno.test("base64 is the same however the content is cut", async () => {
  await using hook = new Hook();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 7 }), { maxLength: 12 }), async (chunks) => {
      const stream = () => ReadableStream.from(chunks.map((each) => new Uint8Array(each)));
      await post(hop(hook.url, { format: "json" }), message({ stream }));
      const { raw } = JSON.parse(new TextDecoder().decode(hook.seen.at(-1)!.body)) as { raw: string };
      assertEquals([...Uint8Array.fromBase64(raw)], chunks.flatMap((each) => [...each]));
    }),
    { numRuns: 50 },
  );
});

/** The check that docs/operations.md shows. */
function verified({ headers, body }: Seen, secret: string): boolean {
  const [, time, given] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers.get("postern-signature") ?? "")!;
  const envelope = headers.get("postern-envelope");
  const before = envelope === null ? `${time}.` : `${time}.${envelope}.`;
  return createHmac("sha256", secret).update(before).update(body).digest("hex") === given;
}

Deno.test("a signature over moment, envelope and body", async () => {
  await using hook = new Hook();
  for (const format of ["raw", "json"] as const) {
    for (const size of [10, 3_000_000]) { // in memory, and as a stream
      const stream = () => zeros(size);
      await post(hop(hook.url, { format, secret: SECRET }), message({ stream }));
      const seen = hook.seen.at(-1)!;
      assert(verified(seen, SECRET), `${format} ${size}`);
      assert(!verified(seen, "another"));
      assertMatch(seen.headers.get("postern-signature")!, new RegExp(`^t=${NOW / 1000},`));
      const headers = new Headers(seen.headers);
      headers.delete("postern-envelope");
      if (format === "raw") assert(!verified({ ...seen, headers }, SECRET), "the envelope is part of it");
    }
  }
});

Deno.test("a retry has the same key, other recipients another", async () => {
  await using hook = new Hook();
  for (const recipients of [to("bob", "eve"), to("eve", "bob"), to("bob")]) {
    await post(hop(hook.url), message({ recipients, attempts: hook.seen.length }));
  }
  const [first, second, third] = hook.seen.map(({ headers }) => headers.get("idempotency-key")!);
  assertMatch(first!, /^01JQZZZZZZ0123456789ABCDEF\.[0-9a-f]{32}$/);
  assertEquals(second, first);
  assertNotEquals(third, first);
});

Deno.test("no value of the envelope begins a field of its own, or leaves ASCII", async () => {
  await using hook = new Hook();
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
      const origin = { ...message().origin, helo: text, identity: text };
      await post(hop(hook.url), message({ origin, recipients: to(text) }));
      const { headers } = hook.seen.at(-1)!;
      const envelope = headers.get("postern-envelope")!;
      assertMatch(envelope, /^[\x20-\x7e]+$/);
      assertEquals(JSON.parse(envelope).origin.helo, text.slice(0, 255).toWellFormed());
    }),
    { numRuns: 100 },
  );
});

Deno.test("more recipients than a request names wait for the next one", async () => {
  await using hook = new Hook();
  const many = to(...Array.from({ length: 250 }, (_, n) => `${"x".repeat(50)}${n}`));
  for (const [format, most] of [["json", 100], ["raw", 60]] as const) {
    const { outcomes } = await post(hop(hook.url, { format }), message({ recipients: many }));
    const { headers, body } = hook.seen.at(-1)!;
    const envelope = headers.get("postern-envelope") ?? new TextDecoder().decode(body);
    const named = (JSON.parse(envelope) as typeof ENVELOPE).recipients.length;
    assert(named > 10 && named <= most, `${format}: ${named}`);
    assertEquals(outcomes.map(({ verdict }) => verdict), [
      ...Array(named).fill("accept"),
      ...Array(250 - named).fill("untried"),
    ]);
  }
  await using down = new Hook(() => new Response(null, { status: 503 }));
  const { outcomes } = await post(hop(down.url), message({ recipients: many }));
  assertEquals(outcomes.map(({ verdict }) => verdict), Array(250).fill("defer"), "but not of who takes nothing now");
});

const STATUSES: readonly [status: number, body: string | null, headers: Record<string, string>, expected: string][] = [
  [200, "ignored", {}, "accept 2.0.0 HTTP 200 OK"],
  [201, null, {}, "accept 2.0.0 HTTP 201 Created"],
  [204, null, {}, "accept 2.0.0 HTTP 204 No Content"],
  [301, null, { location: "/elsewhere" }, "defer 4.4.0 HTTP 301 Moved Permanently"],
  [307, null, { location: "http://127.0.0.1:1/" }, "defer 4.4.0 HTTP 307 Temporary Redirect"],
  [304, null, {}, "defer 4.4.0 HTTP 304 Not Modified"],
  [400, "no\r\nthanks", {}, "reject 5.0.0 HTTP 400: no"],
  [401, null, {}, "reject 5.7.8 HTTP 401 Unauthorized"],
  [404, "\n\n  no such\tuser \u0007here\nat all", {}, "reject 5.1.1 HTTP 404: no such user here"],
  [404, "<!doctype html>", { "content-type": "text/html" }, "reject 5.1.1 HTTP 404 Not Found"],
  [408, null, {}, "defer 4.4.0 HTTP 408 Request Timeout"],
  [410, "gone", {}, "reject 5.1.6 HTTP 410: gone"],
  [413, null, {}, "reject 5.3.4 HTTP 413 Payload Too Large"],
  [425, null, {}, "defer 4.4.0 HTTP 425 Too Early"],
  [429, "slowly", {}, "defer 4.4.5 HTTP 429: slowly"],
  [500, "a stack trace", {}, "defer 4.4.0 HTTP 500: a stack trace"],
  [502, null, {}, "defer 4.4.0 HTTP 502 Bad Gateway"],
  [503, null, {}, "defer 4.4.5 HTTP 503 Service Unavailable"],
];

Deno.test("every status means one thing for all recipients, and no redirect is followed", async () => {
  for (const [status, body, headers, expected] of STATUSES) {
    await using hook = new Hook(() => new Response(body, { status, headers }));
    assertEquals(brief(await post(hop(hook.url), message({ recipients: to("a", "b") }))), [expected, expected]);
    assertEquals(hook.seen.length, 1, String(status));
  }
});

Deno.test("a 2xx in JSON may answer for single recipients", async () => {
  const table: readonly [body: unknown, ...expected: string[]][] = [
    [{}, "accept 2.0.0 HTTP 200 OK", "accept 2.0.0 HTTP 200 OK"],
    [
      { recipients: { "a@example.com": { status: "550 5.1.1 no such user" } } },
      "reject 5.1.1 no such user",
      "accept 2.0.0 HTTP 200 OK",
    ],
    [
      { recipients: { "a@example.com": { status: "452 over quota\r\nX: y" }, "b@example.com": { status: "250" } } },
      "defer 4.0.0 over quota X: y",
      "accept 2.0.0 ",
    ],
    [
      { recipients: { "a@example.com": { status: "550 4.1.1 torn" }, "b@example.com": { status: "hello" } } },
      "reject 5.0.0 torn",
      "defer 4.5.0 the answer for this recipient cannot be understood",
    ],
    [
      { recipients: { "a@example.com": null, "b@example.com": "550" } },
      "defer 4.5.0 the answer for this recipient cannot be understood",
      "defer 4.5.0 the answer for this recipient cannot be understood",
    ],
    [{ recipients: ["a@example.com"] }, "accept 2.0.0 HTTP 200 OK", "accept 2.0.0 HTTP 200 OK"],
    [null, "accept 2.0.0 HTTP 200 OK", "accept 2.0.0 HTTP 200 OK"],
    [{ recipients: 5 }, "accept 2.0.0 HTTP 200 OK", "accept 2.0.0 HTTP 200 OK"],
  ];
  for (const [body, ...expected] of table) {
    await using hook = new Hook(() => Response.json(body));
    assertEquals(brief(await post(hop(hook.url), message({ recipients: to("a", "b") }))), expected);
  }
  await using other = new Hook(() => new Response("{", { headers: { "content-type": "application/problem+json" } }));
  assertEquals(brief(await post(hop(other.url))), ["accept 2.0.0 HTTP 200 OK"]);
  await using names = new Hook(() => Response.json({ recipients: { __proto__: null, toString: { status: "550" } } }));
  assertEquals(brief(await post(hop(names.url), message({ recipients: to("constructor") }))), [
    "accept 2.0.0 HTTP 200 OK",
  ]);
});

Deno.test("Retry-After in seconds, as a date, out of all measure", async () => {
  const table: readonly [string, number | null][] = [
    ["120", 120_000],
    [new Date(NOW + 60_000).toUTCString(), 60_000],
    [new Date(NOW - 60_000).toUTCString(), 0],
    ["999999999", 86_400_000],
    ["soon", null],
    ["-5", null],
    ["", null],
  ];
  for (const [text, expected] of table) {
    await using hook = new Hook(() => new Response(null, { status: 503, headers: { "retry-after": text } }));
    assertEquals((await post(hop(hook.url))).retryAfter, expected, text);
  }
});

/** Reads a request's head, and answers with this. */
async function answer(connection: Deno.Conn, text: string): Promise<void> {
  await connection.read(new Uint8Array(65_536));
  await connection.write(utf8.encode(text));
}

Deno.test("who does not answer, breaks off, or never ends", async (t) => {
  await t.step("silence", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using rude = new Rude(() => promise);
    const posted = await within("the deadline", post(hop(rude.url, { timeout: 200 })), 5000);
    assertEquals(brief(posted), ["defer 4.4.2 no answer in time"]);
    assert(posted.outcomes[0]!.mayHaveArrived);
    resolve();
  });
  await t.step("silence in the middle of an answer that counts", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using rude = new Rude(async (connection) => {
      await answer(connection, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{");
      await promise;
    });
    const posted = await within("the deadline", post(hop(rude.url, { timeout: 300 })), 5000);
    assertEquals(brief(posted), ["defer 4.4.2 HTTP 200 OK, but the answer broke off"]);
    assert(posted.outcomes[0]!.mayHaveArrived);
    resolve();
  });
  await t.step("a reset", async () => {
    await using rude = new Rude(async (connection) => {
      await connection.read(new Uint8Array(10));
      connection.close();
    });
    for (const size of [10, 20_000_000]) {
      const stream = () => zeros(size);
      const posted = await post(hop(rude.url), message({ stream }));
      assertMatch(brief(posted)[0]!, /^defer 4\.4\.1 (?:client error|\S+ \S+ \(os error)/);
      assertEquals(posted.outcomes[0]!.mayHaveArrived, size === 10);
    }
  });
  await t.step("a refusal while the message still comes", async () => {
    let reads = 0;
    const stream = () => {
      reads++;
      return zeros(20_000_000);
    };
    await using rude = new Rude(async (connection) => {
      await answer(connection, "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    const posted = await within("the answer", post(hop(rude.url), message({ stream })), 8000);
    assertEquals(brief(posted), ["reject 5.3.4 HTTP 413 Payload Too Large"]);
    assertEquals(reads, 2);
  });
  await t.step("a body without end", async () => {
    for (
      const [status, type] of [["200 OK", "application/json"], ["400 Bad", "text/plain"], ["200 OK", "text/plain"]]
    ) {
      let written = 0;
      await using rude = new Rude(async (connection) => {
        await answer(connection, `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\n\r\n`);
        const chunk = new Uint8Array(65_536).fill(0x78);
        for (;;) written += await connection.write(chunk);
      });
      const posted = await within("the answer", post(hop(rude.url)), 8000);
      const [outcome] = posted.outcomes;
      assertEquals(outcome!.verdict, status === "200 OK" ? "accept" : "reject");
      assert(outcome!.text.length < 3000);
      assert(written < 20_000_000, String(written));
    }
  });
  await t.step("nobody there, and no address in what is said of it", async () => {
    const rude = new Rude(() => Promise.resolve());
    const { url } = rude;
    await rude[Symbol.asyncDispose]();
    const posted = await post(hop(`${url}path?key=s3cret`));
    assertMatch(brief(posted)[0]!, /^defer 4\.4\.1 client error \(Connect\)/);
    assert(!brief(posted)[0]!.includes("s3cret"));
    assertEquals(posted.outcomes[0]!.mayHaveArrived, false);
  });
  await t.step("no HTTP", async () => {
    await using rude = new Rude((connection) => answer(connection, "220 mx.example.com ESMTP\r\n"));
    assertMatch(brief(await post(hop(rude.url)))[0]!, /^defer 4\.4\.1 /);
  });
});

Deno.test("what cannot be sent is tried again; what may not be sent in clear is returned", async () => {
  await using hook = new Hook();
  assertMatch(brief(await post(hop(hook.url, { headers: { "a b": "c" } })))[0]!, /^defer 4\.3\.0 .*header/);
  const stream = () => new ReadableStream<Uint8Array<ArrayBuffer>>({ pull: (all) => all.error(new Error("the disk")) });
  assertMatch(brief(await post(hop(hook.url), message({ stream })))[0]!, /^defer 4\.3\.0 .*the disk/);
  const parameters = { ...NO_MAIL_PARAMETERS, requireTls: true } as const;
  assertMatch(brief(await post(hop(hook.url), message({ parameters })))[0]!, /^reject 5\.7\.30 /);
  assertEquals(brief(await post(hop(hook.url), message(), AbortSignal.abort())), ["defer 4.3.2 the attempt was ended"]);
  assertEquals(hook.seen.length, 0);
});

Deno.test("a message whose second reading breaks off is not delivered", async () => {
  let reads = 0;
  const stream = () => {
    let left = ++reads === 1 ? 40 : 20;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new Uint8Array(65_536));
        else if (reads === 1) controller.close();
        else controller.error(new Error("the disk"));
      },
    });
  };
  await using hook = new Hook();
  const posted = await post(hop(hook.url, { secret: SECRET }), message({ stream }));
  assertMatch(brief(posted)[0]!, /^defer 4\.4\.1 /);
  assertEquals(posted.outcomes[0]!.mayHaveArrived, false);
});

Deno.test("a huge message is never in memory as a whole, and its reading is ended with the attempt", async () => {
  const CHUNK = 64 * 1024, CHUNKS = 3200; // 200 MiB
  let open = 0, ahead = 0, taken = 0, furthest = 0;
  const stream = () => {
    open++;
    let left = CHUNKS;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (left-- === 0) {
          open--;
          return controller.close();
        }
        ahead += CHUNK;
        controller.enqueue(new Uint8Array(CHUNK));
      },
      cancel() {
        open--;
      },
    }, { highWaterMark: 0 });
  };
  const hash = createHash("sha256");
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    ahead = 0; // the second reading begins
    for await (const chunk of request.body!) {
      hash.update(chunk);
      taken += chunk.length;
      furthest = Math.max(furthest, ahead * 4 / 3 - taken);
    }
    return new Response(null, { status: 204 });
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const before = Deno.memoryUsage().rss;
  const posted = await post(hop(url, { format: "json", secret: SECRET, timeout: 60_000 }), message({ stream }));
  assertEquals(brief(posted), ["accept 2.0.0 HTTP 204 No Content"]);
  assert(taken > CHUNK * CHUNKS * 4 / 3);
  assert(furthest < 40 * 1024 * 1024, `${furthest} octets ahead`);
  assert(Deno.memoryUsage().rss - before < 300 * 1024 * 1024);
  assertEquals(open, 0);
  await server.shutdown();

  const { promise, resolve } = Promise.withResolvers<void>();
  await using rude = new Rude(() => promise);
  assertEquals(
    brief(await post(hop(rude.url, { timeout: 500 }), message({ stream })))[0],
    "defer 4.4.2 no answer in time",
  );
  resolve();
  await Promise.resolve();
  assertEquals(open, 0, "nobody reads on");
});
