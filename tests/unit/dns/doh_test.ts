import { assert, assertEquals } from "@std/assert";
import type { Answer } from "../../../core/dns/answer.ts";
import { dohResolver, parseHttpsServer } from "../../../core/dns/doh.ts";
import { NameResolver } from "../../../core/dns/name_resolver.ts";
import { isTrusted, Stub } from "../../../core/dns/stub.ts";
import { A, answer, DnsServer, MX, type Script, SOA, TXT } from "../../support/dns_server.ts";
import { type Breaking, DohServer } from "../../support/doh_server.ts";

const TYPE = { "content-type": "application/dns-message" };
const told = ({ fault, records, authentic }: Answer) => `${fault ?? JSON.stringify(records)}${authentic ? " AD" : ""}`;

/** What the resolver says of mail.example.org, A, where the server follows the script or breaks the rules. */
async function ask(script: Script, options: { breaking?: Breaking; validating?: boolean; timeout?: number } = {}) {
  await using server = new DohServer(script, options.breaking);
  const { breaking: _, ...rest } = options;
  const dns = dohResolver({ servers: [server.url], attempts: 1, timeout: 20_000, ...rest });
  return { said: await dns.lookup("mail.example.org", "A"), asked: server.asked };
}

Deno.test("case 59: over HTTPS too, the four answers are four", async (t) => {
  const table: readonly [string, Script, string][] = [
    ["records", (q) => [answer(q, [A(192, 0, 2, 1)])], '["192.0.2.1"]'],
    ["NXDOMAIN", (q) => [answer(q, [], { rcode: 3, authority: [SOA(60, 60)] })], "nxdomain"],
    ["no data", (q) => [answer(q)], "nodata"],
    ["SERVFAIL", (q) => [answer(q, [], { rcode: 2 })], "servfail"],
    ["HTTP says no", () => [], "servfail"],
    ["a cut answer", (q) => [answer(q, [], { flags: 0x8380 })], "servfail"],
    [
      "an answer to something else",
      (q) => [answer(q, [], { question: new Uint8Array([1, 97, 0, 0, 1, 0, 1]) })],
      "servfail",
    ],
    ["an answer with an id of its own", (q) => [answer(q, [A(192, 0, 2, 1)], { id: 7 })], "servfail"],
  ];
  for (const [name, script, expected] of table) {
    await t.step(name, async () => assertEquals(told((await ask(script)).said), expected));
  }
});

Deno.test("a server over HTTPS that breaks the rules is no server", async (t) => {
  const good: Script = (q) => [answer(q, [A(192, 0, 2, 1)])];
  const table: readonly [string, Breaking, string][] = [
    ["another type", () => new Response("<html>", { headers: { "content-type": "text/html" } }), "servfail"],
    [
      "a redirection",
      () => new Response(null, { status: 302, headers: { location: "https://example.org/" } }),
      "servfail",
    ],
    ["no message", () => new Response("x", { headers: TYPE }), "servfail"],
    ["a message without end", () => new Response(endless(), { headers: TYPE }), "servfail"],
    ["an answer that does not come", () => new Promise(() => {}), "timeout"],
  ];
  for (const [name, breaking, expected] of table) {
    const timeout = expected === "timeout" ? 50 : 20_000;
    await t.step(name, async () => assertEquals(told((await ask(good, { breaking, timeout })).said), expected));
  }
});

Deno.test("nobody waits for an answer over HTTPS any more once the caller has gone", async () => {
  await using server = new DohServer(() => [], () => new Promise(() => {}));
  const gone = new AbortController(), dns = dohResolver({ servers: [server.url], timeout: 20_000 });
  const asked = dns.lookup("mail.example.org", "A", { signal: gone.signal });
  gone.abort();
  assertEquals(told(await asked), "timeout");
});

/** More octets than a message can have, for as long as somebody reads. */
function endless(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(16_384)) });
}

Deno.test("over HTTPS: the id is 0, AD counts where the server is believed, Age is life that is over", async () => {
  const signed: Script = (q) => [answer(q, [A(192, 0, 2, 1)], { flags: 0x81a0 })];
  const here = await ask(signed);
  assertEquals([here.asked[0]!.id, here.asked[0]!.edns, told(here.said)], [0, true, '["192.0.2.1"] AD']);
  assertEquals(told((await ask(signed, { validating: false })).said), '["192.0.2.1"]');
  const aged = await ask(() => [], {
    breaking: (octets) => {
      const reply = new Uint8Array([...octets.subarray(0, 34), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
      reply.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
      return new Response(reply, { headers: { ...TYPE, age: "45" } });
    },
  });
  assertEquals([told(aged.said), aged.said.ttl], ['["192.0.2.1"]', 15]);
});

Deno.test("a question of one event waits for no other event's, and is kept for both", async () => {
  let count = 0;
  const both = Promise.withResolvers<void>();
  await using server = new DohServer((q) => [answer(q, [TXT("v=spf1 -all")])], async () => {
    if (++count === 2) both.resolve();
    await both.promise; // neither is answered before the other was asked
    return null;
  });
  const dns = dohResolver({ servers: [server.url], timeout: 20_000 });
  assertEquals(await Promise.all([dns.txt("example.org"), dns.txt("example.org")]), [["v=spf1 -all"], ["v=spf1 -all"]]);
  assertEquals([await dns.txt("example.org"), count], [["v=spf1 -all"], 2]);
});

Deno.test("the stub of the server asks URLs among its servers, the next one where one fails", async () => {
  const script: Script = (q) => [answer(q, [MX(10, "mx", "example", "org")])];
  await using https = new DohServer(script);
  await using plain = await DnsServer.start((q) => [answer(q, [], { rcode: 2 })]);
  const servers = [{ address: "127.0.0.1", port: plain.port }, { url: https.url }];
  const dns = new NameResolver(new Stub({ servers, timeout: 20_000 }));
  assertEquals(await dns.mx("example.org"), [{ preference: 10, exchange: "mx.example.org" }]);
  assert(isTrusted({ servers }));
  assert(!isTrusted({ servers: [{ url: "https://dns.example/dns-query" }] }));
});

Deno.test("a URL as a person writes it", () => {
  const table: readonly [string, string | null][] = [
    ["https://dns.example/dns-query", "https://dns.example/dns-query"],
    ["https://192.0.2.53", "https://192.0.2.53/"],
    ["http://127.0.0.1:8053/q", "http://127.0.0.1:8053/q"],
    ["http://[::1]/q", "http://[::1]/q"],
    ["http://dns.example/dns-query", null],
    ["https://user:password@dns.example/", null],
    ["https://dns.example/#x", null],
    ["ftp://dns.example/", null],
    ["dns.example", null],
    ["", null],
  ];
  for (const [text, url] of table) assertEquals(parseHttpsServer(text), url === null ? null : { url }, text);
});
