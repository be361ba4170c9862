/** Logins checked by a web service: what it is asked, what its answers are worth, and what happens when it has none. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createHmac } from "node:crypto";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { http_auth } from "../../../../../plugins/auth/http_auth/mod.ts";
import { waitFor } from "../../../../support/wait.ts";
import { LATER, login, NO } from "../login.ts";

interface Asked {
  readonly headers: Headers;
  readonly text: string;
}
type Answer = (asked: Asked, request: Request) => Response | Promise<Response>;

/** A web service for the time of a test. */
async function service(answer: Answer, body: (url: string, asked: Asked[]) => Promise<void>): Promise<void> {
  const asked: Asked[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const one = { headers: request.headers, text: await request.text() };
    asked.push(one);
    return await answer(one, request);
  });
  try {
    await body(`http://127.0.0.1:${server.addr.port}/login`, asked);
  } finally {
    await server.shutdown();
  }
}
const json = (value: unknown, status = 200) => Response.json(value, { status });

Deno.test("the service is told who, from where and how, and its yes is a login", async () => {
  const answer = () => json({ ok: true, user: "alice", senders: ["alice@example.org", "@sales.example.org", "*"] });
  await service(answer, async (url, asked) => {
    const token = "token of the server";
    const plugin = http_auth({ url, token });
    const tls = { version: "TLSv1.3", cipher: "TLS_X", serverName: "a", resumed: false, certificate: null };
    const facts = { ip: "192.0.2.9", helo: "laptop", listener: "submission", tls };
    assertEquals(await login(plugin, "Alice", "s3cret word", { ...facts, mechanism: "LOGIN" }), {
      said: "yes alice",
      senders: ["alice@example.org", "@sales.example.org", "*"],
      reasons: [],
    });
    const [{ headers, text }] = asked as [Asked];
    assertEquals(JSON.parse(text), {
      user: "Alice",
      password: "s3cret word",
      mechanism: "LOGIN",
      ip: "192.0.2.9",
      helo: "laptop",
      listener: "submission",
      tls: { version: "TLSv1.3", cipher: "TLS_X" },
    });
    assertEquals(headers.get("content-type"), "application/json");
    assertEquals(headers.get("authorization"), `Bearer ${token}`);
    assertEquals(headers.get("x-postern-signature"), null);
  });
});

Deno.test("the signature is an HMAC over time and body", async () => {
  await service(() => json({ ok: true }), async (url, asked) => {
    const secret = "a secret of both sides";
    assertEquals((await login(http_auth({ url, secret }), "bob", "password")).said, "yes bob");
    const [, time, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(asked[0]!.headers.get("x-postern-signature")!)!;
    assertEquals(Number(time), Date.UTC(2026, 0, 1) / 1000);
    assertEquals(digest, createHmac("sha256", secret).update(`${time}.${asked[0]!.text}`).digest("hex"));
  });
});

Deno.test("case 38: a clear no is 535, everything that is neither yes nor no is 454, and nothing of it is told", async () => {
  const big = "x".repeat(70_000);
  const table: [string, () => Response, string, RegExp?][] = [
    ["ok: false", () => json({ ok: false, reason: "no such user" }), NO],
    ["401", () => json({ error: "unknown user" }, 401), NO],
    ["403", () => new Response("wrong password", { status: 403 }), NO],
    ["404", () => new Response("not here", { status: 404 }), LATER, /answered 404$/],
    ["500", () => new Response("hunter2 is wrong", { status: 500 }), LATER, /answered 500$/],
    ["201", () => json({ ok: true }, 201), LATER, /answered 201$/],
    ["204", () => new Response(null, { status: 204 }), LATER, /answered 204$/],
    ["redirect", () => Response.redirect("http://127.0.0.1:1/elsewhere", 307), LATER, /answered 307$/],
    ["no JSON", () => new Response("hunter2!"), LATER, /no JSON$/],
    ["empty", () => new Response(""), LATER, /no JSON$/],
    ["a list", () => json([true]), LATER, /neither/],
    ["null", () => json(null), LATER, /neither/],
    ["ok as text", () => json({ ok: "true" }), LATER, /neither/],
    ["ok as 1", () => json({ ok: 1 }), LATER, /neither/],
    ["a user that is none", () => json({ ok: true, user: "a\nb" }), LATER, /neither/],
    ["a user that is nobody", () => json({ ok: true, user: "" }), LATER, /neither/],
    ["a sender that is none", () => json({ ok: true, senders: ["a b@c d"] }), LATER, /neither/],
    ["too much", () => json({ ok: true, more: big }), LATER, /more than 65536 octets$/],
    ["too much with 401", () => new Response(big, { status: 401 }), LATER, /more than 65536 octets$/],
  ];
  let current = table[0]![1];
  await service(() => current(), async (url) => {
    const plugin = http_auth({ url });
    for (const [name, answer, said, reason] of table) {
      current = answer;
      const outcome = await login(plugin, "alice", "hunter2!");
      assertEquals(outcome.said, said, name);
      assertEquals(outcome.reasons.length, reason ? 1 : 0, name);
      if (reason) assertMatch(outcome.reasons[0]!, reason, name);
    }
  });
});

Deno.test("a service that is not there, or never answers, is 454 in time", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${silent.addr.port}/?key=of-the-house`;
  try {
    const started = performance.now();
    const { said, reasons } = await login(http_auth({ url, timeout: "200ms" }), "alice", "password");
    assertEquals(said, LATER);
    assertEquals(reasons, [`127.0.0.1:${silent.addr.port}: no answer within 200 ms`]);
    assert(performance.now() - started < 5000);
  } finally {
    silent.close();
  }
  const { said, reasons } = await login(http_auth({ url }), "alice", "password");
  assertEquals(said, LATER);
  assert(!reasons[0]!.includes("of-the-house"), reasons[0]);
});

Deno.test("a service that begins an answer and never ends it is 454 in time", async () => {
  const answer = () =>
    new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode('{"ok":')) }));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const { said } = await login(http_auth({ url: `http://127.0.0.1:${server.addr.port}`, timeout: "200ms" }), "a", "b");
  assertEquals(said, LATER);
  await server.shutdown();
});

Deno.test("a yes is kept as long as it may be, for the same question only; a no never is", async () => {
  const now = { at: Date.UTC(2026, 0, 1) };
  await service(({ text }) => json({ ok: text.includes("right") }), async (url, asked) => {
    const plugin = http_auth({ url, cache: "1m" });
    const facts = { now: () => now.at };
    const ask = async (user: string, password: string, more = {}) =>
      (await login(plugin, user, password, { ...facts, ...more })).said;
    assertEquals([await ask("a", "right"), await ask("a", "right"), asked.length], ["yes a", "yes a", 1]);
    assertEquals([await ask("a", "wrong"), await ask("a", "wrong"), asked.length], [NO, NO, 3]);
    assertEquals([await ask("b", "right"), asked.length], ["yes b", 4]);
    assertEquals([await ask("a", "right", { ip: "192.0.2.77" }), asked.length], ["yes a", 5]);
    now.at += 60_000;
    assertEquals([await ask("a", "right"), asked.length], ["yes a", 6]);
  });
  await service(() => json({ ok: true }), async (url, asked) => {
    const plugin = http_auth({ url });
    for (let i = 0; i < 3; i++) await login(plugin, "a", "right");
    assertEquals(asked.length, 3, "kept without being told to");
  });
});

Deno.test("so many requests at a time, some that wait, and 454 for the rest", async () => {
  const open = Promise.withResolvers<void>();
  let running = 0, most = 0;
  const answer = async () => {
    most = Math.max(most, ++running);
    await open.promise;
    running--;
    return json({ ok: true });
  };
  await service(answer, async (url, asked) => {
    const plugin = http_auth({ url, concurrency: 2 });
    const outcomes = Array.from({ length: 2 + 16 + 3 }, (_, i) => login(plugin, `u${i}`, "password"));
    await waitFor("the requests that may run", () => asked.length === 2);
    assertEquals((await Promise.all(outcomes.slice(-3))).map(({ said }) => said), [LATER, LATER, LATER]);
    open.resolve();
    assert((await Promise.all(outcomes.slice(0, -3))).every(({ said }) => said.startsWith("yes")));
    assertEquals(most, 2);
  });
});

Deno.test("mechanisms: only those that tell the secret, and only those it is to serve", async () => {
  await service(() => json({ ok: true, user: "alice" }), async (url, asked) => {
    const plain = http_auth({ url }), tokens = http_auth({ url, mechanisms: ["OAUTHBEARER"] });
    assertEquals([plain.mechanisms, tokens.mechanisms], [["PLAIN", "LOGIN"], ["OAUTHBEARER"]]);
    assertEquals((await login(plain, "", "token-1", { mechanism: "OAUTHBEARER" })).said, NO);
    assertEquals((await login(plain, "alice", "password", { mechanism: "SCRAM-SHA-256" })).said, NO);
    assertEquals(asked.length, 0);
    assertEquals((await login(tokens, "", "token-1", { mechanism: "OAUTHBEARER" })).said, "yes alice");
  });
});

Deno.test("who was vouched for already is not asked about; the next plugin is, after a no", async () => {
  await service(({ text }) => json({ ok: text.includes('"bob"') }), async (url, asked) => {
    const first = http_auth({ url }), second = { ...http_auth({ url }), name: "second" };
    assertEquals((await login([first, second], "bob", "password")).said, "yes bob");
    assertEquals(asked.length, 1);
    assertEquals((await login([first, second], "eve", "password")).said, NO);
    assertEquals(asked.length, 3);
  });
});

Deno.test("options: https, or http inside; no secrets in the URL", () => {
  const faults = (url: string) => {
    const error = assertThrows(() => http_auth.parse({ url }, ["http_auth"]), OptionsError);
    return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`)[0];
  };
  const https = "http_auth.url: must be https: passwords and tokens cross networks of others on the way there";
  assertEquals(faults("http://192.0.2.1/"), https);
  assertEquals(faults("http://[2001:db8::1]/"), https);
  assertEquals(
    faults("https://user:pass@auth.example.org/"),
    "http_auth.url: must not have a user or a password in it",
  );
  assertEquals(
    faults("ftp://auth.example.org/"),
    "http_auth.url: must be a URL such as https://auth.example.org/login",
  );
  assertEquals(faults("auth.example.org"), "http_auth.url: must be a URL such as https://auth.example.org/login");

  const warned = (url: string) => {
    const troubles: string[] = [];
    http_auth.parse({ url }, [], { trouble: (message) => void troubles.push(message) });
    return troubles.length;
  };
  for (
    const url of [
      "https://auth.example.org",
      "http://127.0.0.1:80",
      "http://10.0.0.5",
      "http://[fd00::1]",
      "http://localhost",
    ]
  ) {
    assertEquals(warned(url), 0, url);
  }
  assertEquals(warned("http://auth.internal:8080"), 1);
  assertEquals(http_auth({ url: "https://auth.example.org" }).roles, ["submission"]);
});
