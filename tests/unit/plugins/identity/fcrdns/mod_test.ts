import { assertEquals } from "@std/assert";
import { MemoryResolver, on, type Plugin, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { FCRDNS, fcrdns } from "../../../../../plugins/identity/fcrdns/mod.ts";

const ZONE = {
  "192.0.2.1": { ptr: ["wrong.example.net", "mx.example.net"] },
  "mx.example.net": { a: ["192.0.2.9", "192.0.2.1"], aaaa: ["2001:db8::1"] },
  "wrong.example.net": { a: ["192.0.2.9"] },
  "2001:db8::1": { ptr: ["mx.example.net"] },
  "192.0.2.2": { ptr: ["wrong.example.net", "gone.example.net"] },
  "192.0.2.3": { ptr: ["wrong.example.net", "down.example.net"] },
  "down.example.net": "servfail",
  "192.0.2.4": "timeout",
  "192.0.2.5": { ptr: ["-.", "a_b"] },
  "192.0.2.7": { ptr: Array.from({ length: 30 }, (_, at) => at === 20 ? "mx7.example.net" : `n${at}.example.net`) },
  "mx7.example.net": { a: ["192.0.2.7"] },
} as const;
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));

async function run(plugin: Plugin, facts: Simulated = {}) {
  const dns = new MemoryResolver(ZONE);
  const ran = await simulate([plugin, everyone], {
    dns,
    to: "b@example.org",
    message: "From: a@example.net\n\nx\n",
    ...facts,
  });
  return { ...ran, queries: dns.queries, found: ran.get(FCRDNS) };
}

Deno.test("an address and the names that point back to it, of both families", async () => {
  const table: readonly [string, string, string | null, string][] = [
    ["192.0.2.1", "pass", "mx.example.net", "pass"],
    ["2001:db8::1", "pass", "mx.example.net", "pass"],
    ["192.0.2.2", "fail", null, "fail"],
    ["192.0.2.3", "temperror", null, "temperror"],
    ["192.0.2.4", "temperror", null, "temperror"],
    ["192.0.2.5", "permerror", null, "permerror"],
    ["192.0.2.6", "none", null, "permerror"], // RFC 8601 2.7.3 has no other word for it
    ["192.0.2.7", "fail", null, "fail"], // ten names are looked at
  ];
  for (const [ip, result, name, attested] of table) {
    const { found, authResults, reply, queries } = await run(fcrdns(), { ip });
    assertEquals([found?.result, found?.name, reply.code], [result, name, 250], ip);
    const [first] = authResults;
    assertEquals([first?.method, first?.result, first?.properties], ["iprev", attested, [["policy.iprev", ip]]], ip);
    assertEquals(queries.length <= 11, true, ip);
  }
});

Deno.test("what the operator wants refused is refused, or gets points", async () => {
  const plugin = fcrdns({ fail: "reject", none: "reject" });
  for (const ip of ["192.0.2.2", "192.0.2.5", "192.0.2.6"]) {
    const { reply } = await run(plugin, { ip });
    assertEquals(String(reply), `550 5.7.25 Reverse DNS validation failed: ${ip} has no name that points back to it`);
  }
  assertEquals((await run(plugin, { ip: "192.0.2.1" })).reply.code, 250);
  const scored = await run(fcrdns({ fail: "score", points: 1.5 }), { ip: "192.0.2.2" });
  assertEquals(scored.scores.map(({ points, reason }) => [points, reason]), [[1.5, "iprev=fail"]]);
  assertEquals((await run(fcrdns({ fail: "score" }), { ip: "192.0.2.6" })).scores, []);
});

Deno.test("case 59: a failure of name service never supports a permanent refusal", async () => {
  for (const ip of ["192.0.2.3", "192.0.2.4"]) {
    assertEquals((await run(fcrdns({ fail: "reject", none: "reject" }), { ip })).reply.code, 250);
  }
});

Deno.test("who is no stranger is not checked, or not refused", async () => {
  const plugin = fcrdns({ fail: "reject", none: "reject", networks: ["198.51.100.0/24"] });
  const table: readonly Simulated[] = [
    { ip: "127.0.0.1" },
    { ip: "::1" },
    { ip: "10.1.2.3" },
    { ip: "fd00::1" },
    { ip: "198.51.100.7" },
    { ip: "192.0.2.6", role: "submission" },
  ];
  for (const facts of table) {
    const { reply, found, queries, authResults } = await run(plugin, facts);
    assertEquals([reply.code, found, queries, authResults], [250, undefined, [], []], JSON.stringify(facts));
  }
  assertEquals((await run(plugin, { ip: "192.0.2.6", identity: "ann" })).reply.code, 250);
});
