import { assert, assertEquals } from "@std/assert";
import { MemoryResolver, on, type Plugin, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { HELO, helo } from "../../../../../plugins/identity/helo/mod.ts";

const ZONE = {
  "mx.example.net": { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] },
  "other.example.net": { a: ["192.0.2.9"] },
  "mail.example.net": { mx: [[1, "mx.example.net"]] },
  "down.example.net": "servfail",
  "half.example.net": { a: ["192.0.2.9"], aaaa: "timeout" },
} as const;
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
const ALL = {
  invalid: "reject",
  own: "reject",
  literal: "reject",
  ip: "reject",
  dot: "reject",
  unresolved: "reject",
  mismatch: "score",
} as const;

async function run(plugin: Plugin, name: string, facts: Simulated = {}) {
  const dns = new MemoryResolver(ZONE);
  const ran = await simulate([plugin, everyone], {
    dns,
    helo: name,
    to: "b@example.org",
    message: "From: a@example.net\n\nx\n",
    ...facts,
  });
  return { ...ran, queries: dns.queries, found: ran.get(HELO) };
}

Deno.test("what is odd about a name", async () => {
  const table: readonly [string, string | null, boolean | null, Simulated?][] = [
    ["mx.example.net", null, true],
    ["MX.Example.NET.", null, true],
    ["mx.example.net", null, true, { ip: "2001:db8::1" }],
    ["[192.0.2.1]", null, true],
    ["[IPv6:2001:db8::1]", null, true, { ip: "2001:db8::1" }],
    ["[IPv6:2001:DB8:0::1]", null, true, { ip: "2001:db8::1" }],
    ["[IPv6:::ffff:192.0.2.1]", null, true],
    ["[192.0.2.2]", "literal", null],
    ["[2001:db8::1]", "invalid", null, { ip: "2001:db8::1" }], // RFC 5321 4.1.3 wants the tag
    ["[192.0.2]", "invalid", null],
    ["[]", "invalid", null],
    ["192.0.2.1", "ip", null],
    ["2001:db8::1", "ip", null],
    ["bad_name.example.net", "invalid", null],
    ["-x.example.net", "invalid", null],
    ["300.1.2.3", "invalid", null],
    ["a b", "invalid", null],
    ['x"; y', "invalid", null],
    ["mx.example.org", "own", null],
    ["Example.ORG", "own", null],
    ["localhost", "own", null],
    ["localhost.localdomain", "own", null],
    ["pc", "dot", null],
    ["gone.example.net", "unresolved", false],
    ["other.example.net", "mismatch", false],
    ["mail.example.net", "mismatch", false],
    ["down.example.net", null, null], // nobody knows
    ["half.example.net", null, null, { ip: "2001:db8::1" }],
    ["half.example.net", "mismatch", false],
  ];
  for (const [name, fault, confirmed, facts] of table) {
    const { found, reply } = await run(helo(ALL), name, facts);
    assertEquals([found?.faults, found?.confirmed], [fault === null ? [] : [fault], confirmed], name);
    assertEquals(reply.code, fault === null || fault === "mismatch" ? 250 : 550, name);
  }
});

Deno.test("RFC 5321 4.1.4: by default nobody is refused, and name service is not asked", async () => {
  for (const name of ["localhost", "x_y", "[192.0.2.7]", "192.0.2.1", "pc", "gone.example.net", "other.example.net"]) {
    const { reply, queries } = await run(helo(), name);
    assertEquals([reply.code, queries], [250, []], name);
  }
  const table: readonly [string, readonly number[]][] = [["localhost", [3]], ["x_y", [1]], ["pc", []], [
    "mx.example.net",
    [],
  ]];
  for (const [name, points] of table) {
    assertEquals((await run(helo(), name)).scores.map((each) => each.points), points, name);
  }
  let refused = false;
  try {
    helo({ mismatch: "reject" } as unknown as Parameters<typeof helo>[0]);
  } catch {
    refused = true;
  }
  assert(refused, "a name of other addresses must not be a reason to refuse");
});

Deno.test("a refusal says what is wrong in our words alone", async () => {
  const { reply } = await run(helo({ invalid: "reject" }), "x\r\n250 ok");
  assertEquals(
    String(reply),
    "550 5.7.1 The name that you greeted with is neither a domain name nor an address literal",
  );
});

Deno.test("a server for every domain is not impersonated by all of them", async () => {
  const { found } = await run(helo(ALL), "mx.example.net", { host: { domains: ["*"] } });
  assertEquals(found?.faults, []);
});

Deno.test("who is no stranger may call itself what it likes", async () => {
  const plugin = helo({ ...ALL, networks: ["198.51.100.0/24"] });
  const table: readonly Simulated[] = [{ ip: "127.0.0.1" }, { ip: "198.51.100.7" }, { identity: "ann" }, {
    role: "submission",
  }];
  for (const facts of table) {
    const { reply, queries, scores } = await run(plugin, "localhost", facts);
    assertEquals([reply.code, queries, scores], [250, [], []], JSON.stringify(facts));
  }
});
