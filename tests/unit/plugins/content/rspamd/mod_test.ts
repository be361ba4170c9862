/** rspamd's words and what follows from them, without an rspamd: the real one is asked in tests/interop. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/plugin.ts";
import { runPhase, type Simulated, SimulatedCounters } from "../../../../../core/pipeline/testing/simulation.ts";
import { EngineError } from "../../../../../plugins/content/engine_error.ts";
import { rspamd } from "../../../../../plugins/content/rspamd/mod.ts";
import { parseVerdict } from "../../../../../plugins/content/rspamd/verdict.ts";
import { FakeEngine } from "../../../../support/fake_engine.ts";
import { keepsItsPolicy } from "../policy.ts";

const asked = (heard: string) => heard.endsWith("\r\n0\r\n\r\n");
const http = (body: string, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: ${new TextEncoder().encode(body).length}\r\n\r\n${body}`;
const verdict = (fields: Record<string, unknown>) =>
  http(JSON.stringify({
    is_skipped: false,
    score: 7.5,
    required_score: 15,
    action: "no action",
    symbols: { SMALL: { name: "SMALL", score: -0.5 }, BIG: { name: "BIG", score: 8, options: ["x"] } },
    messages: {},
    ...fields,
  }));

keepsItsPolicy("rspamd", {
  make: (at, options, trouble) => rspamd.parse({ servers: [`http://${at}`], ...options }, [], { trouble }),
  asked,
  clean: verdict({}),
  rubbish: [
    "220 mx.example.org ESMTP\r\n",
    "SPAMD/1.1 0 EX_OK\r\n\r\n",
    http("", "204 No Content"),
    http("{}"),
    http("no action"),
    http("[]"),
    http("null"),
    http(JSON.stringify({ error: "invalid command" }), "404 Not found"),
    http(JSON.stringify({ action: "no action", score: 0 }), "500 Internal Server Error"),
    http("", "301 Moved Permanently\r\nLocation: http://127.0.0.1:1/checkv2"),
    verdict({ action: "" }),
    verdict({ action: "launch the rockets" }),
    verdict({ score: "7.5" }),
    verdict({ symbols: 3 }),
    verdict({ milter: { add_headers: "X" } }),
  ],
  authenticated: false,
});

async function ask(fields: Record<string, unknown>, options: Parameters<typeof rspamd>[0] = {}, facts: Simulated = {}) {
  let heard = "";
  await using engine = new FakeEngine(async (side) => {
    if (await side.until(asked)) await side.say(verdict(fields));
    heard = side.heard();
  });
  const plugin = rspamd({ servers: [`http://127.0.0.1:${engine.port}`], ...options });
  return { ...await runPhase(plugin, "data", facts), heard };
}

Deno.test("rspamd: each action and what it means", async () => {
  const cases: [string, string, string | null, string][] = [
    ["no action", "250 2.0.0 OK", null, ""],
    ["greylist", "451 4.7.1 Greylisted, try again later", null, ""],
    ["add header", "250 2.0.0 OK", null, "X-Spam: Yes\r\n"],
    ["rewrite subject", "250 2.0.0 OK", null, "X-Spam: Yes\r\n"],
    ["soft reject", "451 4.7.1 Try again later", null, ""],
    ["quarantine", "250 2.0.0 OK", "rspamd: quarantine 7.5/15 BIG(8),SMALL(-0.5)", "X-Spam: Yes\r\n"],
    ["discard", "250 2.0.0 OK", "rspamd: discard 7.5/15 BIG(8),SMALL(-0.5)", "X-Spam: Yes\r\n"],
    ["reject", "550 5.7.1 Message looks like spam", null, ""],
  ];
  for (const [action, reply, held, front] of cases) {
    const result = await ask({ action }, {}, { message: "From: a@b.example\nSubject: hello\n\nx\n" });
    assertEquals([String(result.reply), result.held], [reply, held], action);
    assert(result.output.startsWith(`${front}From: a@b.example\r\n`), result.output);
    assertEquals(
      result.scores,
      [{ points: 0, reason: `rspamd: ${action} 7.5/15 BIG(8),SMALL(-0.5)` }],
      "no line in the log",
    );
  }
});

Deno.test("rspamd: its own words to the peer, in one line and cut", async () => {
  const { reply } = await ask({ action: "reject", messages: { smtp_message: `Gtube\r\n250 OK ${"x".repeat(1000)}` } });
  assertMatch(String(reply), /^550 5\.7\.1 Gtube 250 OK x{150,200}$/);
});

Deno.test("rspamd: the subject, its own or the usual one", async () => {
  const facts = { message: "Subject: hello\n\nx\n" };
  const usual = await ask({ action: "rewrite subject" }, {}, facts);
  assertMatch(usual.output, /^Subject: \*\*\*SPAM\*\*\* hello\r$/m);
  const own = await ask({ action: "rewrite subject", subject: "[spam] hello" }, {}, facts);
  assertMatch(own.output, /^Subject: \[spam\] hello\r$/m);
});

Deno.test("rspamd: other meanings, and an action of the operator's own", async () => {
  const options = { actions: { "add header": "hold", "to the boss": "mark" } } as const;
  assertEquals((await ask({ action: "add header" }, options)).held, "rspamd: add header 7.5/15 BIG(8),SMALL(-0.5)");
  assertMatch((await ask({ action: "to the boss" }, options)).output, /^X-Spam: Yes\r\n/);
});

Deno.test("rspamd: score: only points", async () => {
  for (const action of ["reject", "soft reject", "to the boss"]) {
    const { reply, scores, held, output } = await ask({ action }, { score: true });
    assertEquals([reply.code, held, output.includes("X-Spam")], [250, null, false]);
    assertEquals(scores, [{ points: 7.5, reason: `rspamd: ${action} 7.5/15 BIG(8),SMALL(-0.5)` }]);
  }
});

Deno.test("rspamd: greylist: who comes again after the delay gets in", async () => {
  let now = 1_000_000_000;
  const counters = new SimulatedCounters(() => now);
  const code = async (facts: Simulated = {}) =>
    (await ask({ action: "greylist" }, { greylist: "5m" }, { counters, now: () => now, ...facts })).reply.code;
  assertEquals(await code(), 451);
  now += 299_000;
  assertEquals(await code(), 451, "before its time");
  now += 2000;
  assertEquals(await code(), 250, "the first attempt was not remembered, or the second made it wait from anew");
  assertEquals(await code({ ip: "192.0.2.200" }), 250, "the same network");
  assertEquals(await code({ ip: "203.0.113.1" }), 451);
  assertEquals(await code({ from: "other@example.net" }), 451);
  assertEquals(await code({ to: ["b@example.org", "c@example.org"] }), 451);
  now += 86_400_000;
  assertEquals(await code(), 451, "remembered for ever");
});

Deno.test("rspamd: fields added and removed, and none by a trick", async () => {
  const fields = {
    milter: {
      add_headers: {
        "X-One": "one",
        "X-Two": { value: "two\r\nX-Evil: yes", order: 1 },
        "X-Many": [{ value: "a", order: 0 }, "b"],
        "Bad Name": "x",
        "X-Evil: y": "x",
        "X-Odd": 7,
      },
      remove_headers: { "X-Gone": 0, "": 1 },
    },
    "dkim-signature": "v=1; a=rsa-sha256;\r\n\tb=abc\r\n\t def",
  };
  const facts = { message: "X-Gone: 1\nFrom: a@b.example\nx-gone: 2\n\nx\n" };
  const { output } = await ask(fields, {}, facts);
  assertEquals(
    output,
    "DKIM-Signature: v=1; a=rsa-sha256;\tb=abc\t def\r\nX-One: one\r\nX-Two: two X-Evil: yes\r\nX-Many: a\r\nX-Many: b\r\n" +
      "From: a@b.example\r\n\r\nx\r\n",
  );
  assert((await ask(fields, { headers: false }, facts)).output.startsWith("X-Gone: 1\r\n"));
  const many = { milter: { add_headers: { "X-Many": Array(1000).fill("x") } } };
  assertEquals((await ask(many)).output.match(/^X-Many/gm)?.length, 100);
});

Deno.test("case 53: rspamd: nobody else marks a message as spam, or as none", async () => {
  const facts = { message: "X-Spam: No\nSubject: x\n\nx\n" };
  assertEquals((await ask({}, {}, facts)).output, "Subject: x\r\n\r\nx\r\n");
  assertEquals((await ask({ action: "add header" }, {}, facts)).output, "X-Spam: Yes\r\nSubject: x\r\n\r\nx\r\n");
});

Deno.test("rspamd: postmaster's mail is marked, never stopped", async () => {
  for (const action of ["reject", "soft reject", "greylist", "quarantine"]) {
    const { reply, held } = await ask({ action }, {}, { to: "postmaster@example.org" });
    assertEquals([reply.code, held], [250, null], action);
  }
});

Deno.test("rspamd: the request", async () => {
  const { heard } = await ask({}, { password: "secret" }, {
    ip: "2001:db8::7",
    helo: "mail.example.net",
    from: "jürgen@example.net",
    to: ["b@example.org", "c@example.org"],
    identity: null,
    tls: { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", serverName: null, resumed: false, certificate: null },
    message: "Subject: x\n\nbody\n",
  });
  const [head, ...body] = heard.split("\r\n\r\n");
  const [line, ...lines] = head!.split("\r\n");
  const fields = new Map(
    lines.map((each) => [each.slice(0, each.indexOf(":")).toLowerCase(), each.replace(/^[^:]+: /, "")]),
  );
  assertEquals(line, "POST /checkv2 HTTP/1.1");
  assertMatch(body.join("\r\n\r\n"), /^\w+\r\nSubject: x\r\n\r\nbody\r\n\r\n0\r\n\r\n$/);
  const expected = {
    "ip": "2001:db8::7",
    "helo": "mail.example.net",
    "hostname": "unknown",
    "from": "<j\u00c3\u00bcrgen@example.net>",
    "rcpt": "<b@example.org>, <c@example.org>",
    "mta-name": "mx.example.org",
    "tls-version": "TLSv1.3",
    "tls-cipher": "TLS_AES_256_GCM_SHA384",
    "password": "secret",
  };
  for (const [name, value] of Object.entries(expected)) assertEquals(fields.get(name), value, name);
  assertMatch(fields.get("queue-id") ?? "", /^\w{26}$/);
  assert(!fields.has("user") && !fields.has("deliver-to"));
  const login = (await ask({}, { authenticated: true }, { identity: "amy", from: null, to: "b@example.org" })).heard;
  for (const each of ["user: amy", "deliver-to: b@example.org", "from: <>"]) {
    assert(login.toLowerCase().includes(`\r\n${each}\r\n`), `${each} is not in ${login}`);
  }
});

Deno.test("case 54: rspamd: no peer writes a field of its own, and none makes the request too long", async () => {
  const to = Array.from({ length: 1000 }, (_, i) => `${"x".repeat(50)}${i}@example.org`);
  const { heard, reply } = await ask({}, {}, { helo: `x\r\nUser: admin\0${"y".repeat(100_000)}`, to });
  assertEquals(reply.code, 250);
  const head = heard.slice(0, heard.indexOf("\r\n\r\n"));
  assert(!/^user:/im.test(head), "a field that nobody wrote");
  assert(head.length < 20_000, `${head.length} octets`);
});

Deno.test("rspamd: an answer that is as large as may be, and what is no answer", () => {
  const symbols = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`SYMBOL_${i}`, { score: i / 1000 }]));
  const { reason } = parseVerdict(JSON.stringify({ action: "no action", score: 1, required_score: null, symbols }));
  assertMatch(reason, /^1\/- SYMBOL_9995\(10\),|^1\/- SYMBOL_9999\(10\),/);
  assertEquals(reason.split(",").length, 40);
  for (const each of ["", "x", "1", "[]", `{"action":"x"}`, `{"action":7,"score":1}`, `{"action":"x","score":null}`]) {
    assertThrows(() => parseVerdict(each), EngineError);
  }
  const poisoned = parseVerdict(
    `{"action":"a","score":1,"milter":{"add_headers":{"__proto__":"x","constructor":"y"}}}`,
  );
  assert(poisoned.add.every(({ value }) => typeof value === "string"));
  assertEquals(({} as Record<string, unknown>)["value"], undefined);
});

Deno.test("rspamd: options that are none", () => {
  const servers = ["localhost", "ftp://x/", "http://u:p@x/", "http://x/?a=b"];
  for (const each of servers) assertThrows(() => rspamd({ servers: [each] }), OptionsError);
  assertThrows(() => rspamd.parse({ actions: { reject: "explode" } }, []), OptionsError);
  assertThrows(() => rspamd({ password: "a\r\nb" }), OptionsError);
});
