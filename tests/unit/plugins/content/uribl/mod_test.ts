/** Hosts of links, as a browser reads them; lists that are asked about them. */
import { assert, assertEquals } from "@std/assert";
import { MemoryResolver, type MemoryZone, messageContent, runPhase } from "../../../../../core/pipeline/mod.ts";
import { someOf, targetsIn } from "../../../../../plugins/content/uribl/hosts.ts";
import { URIBL, uribl } from "../../../../../plugins/content/uribl/mod.ts";
import { mail } from "../../../../support/bytes.ts";

type Options = Parameters<typeof uribl>[0];

async function targets(message: string): Promise<string[]> {
  const octets = mail(message);
  const content = await messageContent({
    size: octets.length,
    bytes: () => Promise.resolve(octets),
    stream: () => ReadableStream.from([octets]),
  });
  return targetsIn(content).map(({ subject }) => subject);
}
const inText = (text: string) => targets(`Content-Type: text/plain; charset=utf-8\n\n${text}`);
const inHtml = (html: string) => targets(`Content-Type: text/html\n\n${html}`);

Deno.test("links in text, as a person would follow them", async () => {
  const table: readonly [text: string, hosts: readonly string[]][] = [
    ["nothing here, a.b://c and mailto:x@example.net", []],
    ["see http://www.shop.example.net/a?b#c.", ["example.net"]],
    ["<https://Example.NET>, (ftp://files.example.org/)", ["example.net", "example.org"]],
    ["HTTP://example.net:8080/", ["example.net"]],
    ["http://bank.example@evil.example.net/", ["example.net"]],
    ["http://bank.example:80@192.0.2.1/", ["192.0.2.1"]],
    ["http://3221225985/ http://0xc0.0.2.2/ http://192.0.515/", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]],
    ["http://[2001:db8::1]/", []],
    ["hxxp://evil[.]example[.]net and h**p://two(.)example(dot)org", ["example.net", "example.org"]],
    ["go to www.example.net, or WWW2.example.org/x", ["example.net", "example.org"]],
    ["xwww.example.net and a@www.example.net and /www.example.net", []],
    ["http://b\u00c3\u00bccher.example.com/ http://xn--bcher-kva.example.org", ["example.com", "example.org"]],
    ["http://m\u00c3\u00bcnchen.de/", ["xn--mnchen-3ya.de"]],
    ["http://shop.example.co.uk/ http://ann.github.io/", ["example.co.uk", "ann.github.io"]],
    ["http://localhost/ http://co.uk/ http://exa mple/ http:///x", []],
    ["https://r.example.org/?u=https%3A%2F%2Fevil.example.net%2Fx&v=1", ["example.org", "example.net"]],
    ["https://r.example.org/?u=https%253A%252F%252Fevil.example.net", ["example.org", "example.net"]],
    ["https://r.example.org/http://evil.example.net/", ["example.org", "example.net"]],
    ["https://example.net\u00e2\u0080\u009d", ["example.net"]],
  ];
  for (const [text, hosts] of table) assertEquals(await inText(text), hosts, text);
});

Deno.test("links in HTML, as a browser would follow them", async () => {
  const table: readonly [html: string, hosts: readonly string[]][] = [
    ['<a href="http://example.net/">x</a>', ["example.net"]],
    ["<a href='  HTTPS:\\\\example.net\\x'>x</a>", ["example.net"]],
    ["<a href=//example.net/x>x</a>", ["example.net"]],
    ['<a href="ht&#9;tp://exa&#10;mple.net/">x</a>', ["example.net"]],
    ['<a href="http&#58;//ex%61mple.net">x</a>', ["example.net"]],
    ['<a href="https:example.net">x</a>', ["example.net"]],
    ['<a href="mailto:x@example.net">x</a><a href="/x">y</a><a href="javascript:a">z</a><a name=x>', []],
    ["<img src=http://example.net/x.png><form action=https://example.org>", ["example.net", "example.org"]],
    ["text: https://example.net<i style='display:none'>www.example.org</i>", ["example.net", "example.org"]],
    ['<a href="https://example.net">https://example.org</a>', ["example.net", "example.org"]],
  ];
  for (const [html, hosts] of table) assertEquals(await inHtml(html), hosts, html);
});

Deno.test("of many hosts the first and the last are asked about, each once", () => {
  assertEquals(someOf([1, 2, 3], 3), [1, 2, 3]);
  assertEquals(someOf([1, 2, 3, 4, 5, 6, 7], 3), [1, 2, 7]);
});

const BODY =
  "Subject: x\n\nhttp://spam.example/ http://a.spam.example/ http://other.example/ http://192.0.2.1/ http://ours.example.org/\n";
async function judge(zones: Options["zones"], zone: MemoryZone, more: Partial<Options> = {}, facts = {}) {
  const dns = new MemoryResolver(zone);
  const result = await runPhase(uribl({ zones, ...more }), "data", { dns, message: BODY, ...facts });
  assertEquals(result.reply.code, 250);
  return { ...result, queries: dns.queries };
}

Deno.test("lists are asked about each host once, and each list counts once", async () => {
  const { scores, queries, get } = await judge(
    { "uri.example.net": { weight: 3, addresses: true }, "dbl.example.net": 1.5 },
    {
      "spam.example.uri.example.net": { a: ["127.0.0.64", "127.0.0.2"] },
      "other.example.uri.example.net": { a: ["127.0.0.2"] },
      "1.2.0.192.uri.example.net": { a: ["127.0.0.2"] },
    },
  );
  assertEquals(scores, [
    { points: 3, reason: "uribl: spam.example is listed by uri.example.net (127.0.0.2 127.0.0.64)" },
  ]);
  assertEquals(get(URIBL)?.map(({ subject }) => subject), ["spam.example", "other.example", "192.0.2.1"]);
  assertEquals(queries.filter((each) => each.endsWith("dbl.example.net")).sort(), [
    "A other.example.dbl.example.net",
    "A spam.example.dbl.example.net",
  ]);
});

Deno.test("only the bits of the mask count", async () => {
  const zone = { "spam.example.uri.example.net": { a: ["127.0.0.8"] } };
  assertEquals((await judge({ "uri.example.net": { mask: 64 } }, zone)).scores, []);
  assertEquals((await judge({ "uri.example.net": { mask: 72 } }, zone)).scores.length, 1);
});

Deno.test("allowed and local domains are not asked about; clients that are exempt and mail without links cost nothing", async () => {
  const zones = { "uri.example.net": 1 };
  const { queries } = await judge(zones, {}, { allow: ["spam.example", "*.spam.example"] });
  assertEquals(queries, ["A other.example.uri.example.net"]);
  for (
    const facts of [{ identity: "ann" }, { ip: "127.0.0.1" }, { ip: "198.51.100.7" }, { message: "Subject: x\n\ny\n" }]
  ) {
    assertEquals((await judge(zones, {}, { networks: ["198.51.100.0/24"] }, facts)).queries, []);
  }
});

Deno.test("a list that fails, is closed, refuses or is silent counts for nothing", async () => {
  const table: readonly [zone: MemoryZone, told: boolean][] = [
    [{ "spam.example.uri.example.net": "servfail" }, false],
    [{ "spam.example.uri.example.net": "silence", "other.example.uri.example.net": "silence" }, false],
    [{ "spam.example.uri.example.net": { a: ["127.255.255.254"] } }, true],
    [{ "spam.example.uri.example.net": { a: ["203.0.113.9"] } }, true],
    [{ "spam.example.uri.example.net": { a: ["127.0.0.2"] }, "invalid.uri.example.net": { a: ["127.0.0.2"] } }, true],
  ];
  for (const [zone, told] of table) {
    const troubles: string[] = [];
    const plugin = uribl.parse({ zones: { "uri.example.net": 1 }, timeout: "100ms" }, [], {
      trouble: (message) => void troubles.push(message),
    });
    const result = await runPhase(plugin, "data", { dns: new MemoryResolver(zone), message: BODY });
    assertEquals([result.reply.code, result.scores], [250, []]);
    assertEquals(troubles.length, told ? 1 : 0, troubles[0] ?? "");
  }
});

Deno.test("text and links made to hurt cost no more than their length", async () => {
  for (
    const piece of [
      "http://",
      "://",
      "www.",
      "http://a.b/?http%3A//c.d&",
      '<a href="http://a',
      "http://a%",
      "[.]",
      "h://h",
    ]
  ) {
    const before = performance.now();
    await inText(piece.repeat(250_000 / piece.length));
    await inHtml(piece.repeat(250_000 / piece.length));
    assert(performance.now() - before < 10_000, piece);
  }
});
