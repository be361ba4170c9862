import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import {
  MemoryResolver,
  on,
  OptionsError,
  type Plugin,
  runPhase,
  simulate,
  type Simulated,
} from "../../../../../core/pipeline/mod.ts";
import { SPF, spf, SPF_HELO } from "../../../../../plugins/identity/spf/mod.ts";

const ZONE = {
  "good.org": { txt: ["v=spf1 ip4:192.0.2.0/24 -all"] },
  "bad.org": { txt: ["v=spf1 -all exp=why.bad.org"] },
  "why.bad.org": { txt: ["not %{i}, see http://bad.org/"] },
  "soft.org": { txt: ["v=spf1 ~all"] },
  "wrong.org": { txt: ["v=spf1 moo"] },
  "down.org": "servfail",
  "helo.org": { txt: ["v=spf1 ip4:192.0.2.1 -all"] },
} as const;
const everyone = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));

async function run(plugin: Plugin, facts: Simulated = {}) {
  const dns = new MemoryResolver(ZONE);
  const ran = await simulate([plugin, everyone], {
    dns,
    from: "user@good.org",
    to: "b@example.org",
    helo: "helo.org",
    ...facts,
  });
  return { ...ran, queries: dns.queries };
}
const fields = (output: string) => output.split(/\r\n(?![ \t])/).filter((each) => each.startsWith("Received-SPF: "));

Deno.test("by default every result is noted and nothing is refused", async () => {
  const table: readonly [string | null, string][] = [
    ["user@good.org", "pass"],
    ["user@bad.org", "fail"],
    ["user@soft.org", "softfail"],
    ["user@wrong.org", "permerror"],
    ["user@down.org", "temperror"],
    ["user@none.org", "none"],
    [null, "pass"], // of the HELO name: RFC 7208 2.4
  ];
  for (const [from, expected] of table) {
    const { reply, output, get } = await run(spf(), { from });
    assertEquals([reply.code, get(SPF)?.result], [250, expected], String(from));
    assertEquals(get(SPF)?.identity, from === null ? "helo" : "mailfrom");
    const [field, more] = fields(output);
    assertStringIncludes(field!, `Received-SPF: ${expected} (mx.example.org: `);
    assertEquals(more, undefined);
    const found = /^Authentication-Results: (.*?)\r\n(?![ \t])/ms.exec(output)?.[1]?.replace(/\s+/g, " ");
    const who = from === null ? "smtp.helo=helo.org" : `smtp.mailfrom=${from.slice(5)}`;
    assertMatch(
      found ?? "",
      new RegExp(`^mx\\.example\\.org; spf=${expected} (?:reason="[^"]+" )?${RegExp.escape(who)}$`),
    );
  }
});

Deno.test("what the operator wants refused is refused, each with its code", async () => {
  const plugin = spf({ fail: "reject", softfail: "reject", permerror: "reject", temperror: "defer" });
  const table: readonly [string, string][] = [
    [
      "user@bad.org",
      "550 5.7.23 SPF validation failed: bad.org does not permit 192.0.2.1 to send for it; bad.org says: not 192.0.2.1, see http://bad.org/",
    ],
    ["user@soft.org", "550 5.7.23 SPF validation failed: soft.org does not permit 192.0.2.1 to send for it"],
    ["user@wrong.org", "550 5.7.24 SPF validation error: the record of wrong.org cannot be evaluated"],
    ["user@down.org", "451 4.4.3 Name service failed while checking SPF of down.org, try again later"],
  ];
  for (const [from, expected] of table) assertEquals(String((await run(plugin, { from })).reply), expected);
  for (const from of ["user@good.org", "user@none.org"]) assertEquals((await run(plugin, { from })).reply.code, 250);
});

Deno.test("case 59: a failure of name service never supports a permanent refusal", async () => {
  const plugin = spf({ fail: "reject", softfail: "reject", permerror: "reject" });
  assertEquals((await run(plugin, { from: "user@down.org" })).reply.code, 250);
});

Deno.test("clients that no record speaks of are not checked, and cost no question", async () => {
  const plugin = spf({ fail: "reject", networks: ["198.51.100.0/24"] });
  const table: readonly Simulated[] = [
    { ip: "127.0.0.1" },
    { ip: "::1" },
    { ip: "10.1.2.3" },
    { ip: "192.168.1.1" },
    { ip: "172.31.0.1" },
    { ip: "169.254.0.1" },
    { ip: "fd00::1" },
    { ip: "fe80::1" },
    { ip: "198.51.100.7" },
    { identity: "ann" },
    { role: "submission" },
    { role: "lmtp" },
  ];
  for (const facts of table) {
    const { reply, output, get, queries } = await run(plugin, { from: "user@bad.org", ...facts });
    assertEquals([reply.code, get(SPF), fields(output), queries], [250, undefined, [], []], JSON.stringify(facts));
  }
  assertEquals((await run(plugin, { from: "user@bad.org", ip: "172.32.0.1" })).reply.code, 550);
});

Deno.test("helo: its fail counts, its other results do not, and it is asked once per greeting", async () => {
  const plugin = spf({ helo: true, fail: "reject", softfail: "reject", permerror: "reject", temperror: "defer" });
  const failed = await run(plugin, { helo: "bad.org" });
  assertStringIncludes(String(failed.reply), "550 5.7.23 SPF validation failed: bad.org does not permit");
  for (const helo of ["soft.org", "wrong.org", "down.org", "[192.0.2.1]"]) {
    assertEquals((await run(plugin, { helo })).reply.code, 250, helo);
  }
  const good = await run(plugin);
  assertEquals([good.get(SPF_HELO)?.result, good.get(SPF)?.result], ["pass", "pass"]);
  assertEquals(fields(good.output).map((each) => /identity=(\w+)/.exec(each.replace(/\r\n/g, ""))?.[1]), [
    "mailfrom",
    "helo",
  ]);
  assertEquals(good.queries, ["TXT helo.org", "TXT good.org"]);
  const known = await run(plugin, { from: null });
  assertEquals(known.queries, ["TXT helo.org"]);
});

Deno.test("case 54: a hostile sender and HELO name stay in their quotes", async () => {
  const { output } = await run(spf(), { from: '"a; identity=helo\\" pass (x"@good.org', helo: 'x"; receiver=evil' });
  const [field, more] = fields(output);
  assertEquals(more, undefined);
  const flat = field!.replace(/\r\n/g, "");
  assertStringIncludes(flat, 'helo="x\\"; receiver=evil"; receiver=mx.example.org; ');
  assert(flat.endsWith("; identity=mailfrom"), flat);
});

Deno.test("a check that takes too long is the pipeline's to end: temporary, never open", async () => {
  const dns = new MemoryResolver({ "slow.org": "silence" });
  const plugin: Plugin = { ...spf({ fail: "reject" }), policy: { deadline: 20 } };
  const { reply } = await runPhase(plugin, "mail", { dns, from: "a@slow.org" });
  assertEquals(reply.code, 451);
});

Deno.test("options: what is wrong is said with its place", () => {
  const table: readonly [unknown, string][] = [
    [{ fail: "drop" }, "spf.fail"],
    [{ temperror: "reject" }, "spf.temperror"],
    [{ networks: ["x"] }, 'spf.networks.0: "x" is no IP address or network'],
    [{ faill: "reject" }, "faill"],
  ];
  for (const [options, message] of table) assertThrows(() => spf.parse(options, ["spf"]), OptionsError, message);
});
