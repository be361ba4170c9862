import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { MemoryResolver, type MemoryZone } from "../../../../../core/dns/memory_resolver.ts";
import { checkHost, type CheckOptions } from "../../../../../plugins/identity/spf/check_host.ts";

const OPTIONS: CheckOptions = { receiver: "mx.example.net", now: 1_700_000_000_000 };

async function check(
  zone: MemoryZone,
  who: { ip?: string; domain?: string; local?: string; helo?: string } = {},
  options: Partial<CheckOptions> = {},
) {
  const dns = new MemoryResolver(zone);
  const identity = { ip: "192.0.2.1", domain: "example.org", local: "user", helo: "mail.example.org", ...who };
  const found = await checkHost(identity, dns, { ...OPTIONS, ...options });
  return { ...found, queries: dns.queries };
}
const record = (text: string) => ({ txt: [text] });
const numbered = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

Deno.test("case 58: the 11th term that asks is a permerror, the 10th is not", async () => {
  const hosts = (count: number) => numbered(count, (i) => `a:h${i}.example.org`).join(" ");
  const zone = (count: number): MemoryZone => ({
    "example.org": record(`v=spf1 ${hosts(count)} ip4:192.0.2.1 -all`),
    ...Object.fromEntries(numbered(count, (i) => [`h${i}.example.org`, { a: ["203.0.113.1"] }])),
  });
  assertEquals((await check(zone(10))).result, "pass");
  const over = await check(zone(11));
  assertEquals([over.result, over.queries.length], ["permerror", 11]); // the record and ten hosts
});

Deno.test("case 58: the 3rd lookup in vain is a permerror, the 2nd is not", async () => {
  assertEquals((await check({ "example.org": record("v=spf1 a:x.org mx:y.org -all") })).result, "fail");
  const over = await check({ "example.org": record("v=spf1 a:x.org mx:y.org exists:z.org -all") });
  assertEquals([over.result, over.problem], ["permerror", "more than 2 lookups in vain"]);
});

Deno.test("case 58: mx with 11 hosts is a permerror before any of them is asked for", async () => {
  const zone = (count: number): MemoryZone => ({
    "example.org": { txt: ["v=spf1 mx -all"], mx: numbered(count, (i) => [i, `m${i}.example.org`] as const) },
    ...Object.fromEntries(numbered(count, (i) => [`m${i}.example.org`, { a: [`192.0.2.${i}`] }])),
  });
  assertEquals((await check(zone(10))).result, "pass");
  const over = await check(zone(11));
  assertEquals([over.result, over.queries], ["permerror", ["TXT example.org", "MX example.org"]]);
});

Deno.test("case 58: a flood of PTR names costs ten questions, however often it is used", async () => {
  const zone: MemoryZone = {
    "example.org": record("v=spf1 ptr ptr:example.org exists:%{p}.x.org exists:%{p}.y.org -all exp=why.example.org"),
    "why.example.org": record("%{p}"),
    "192.0.2.1": { ptr: numbered(5000, (i) => `p${i}.example.org`) },
    ...Object.fromEntries(numbered(5000, (i) => [`p${i}.example.org`, { a: ["203.0.113.1"] }])),
  };
  const { result, explanation, queries } = await check(zone);
  assertEquals([result, explanation], ["fail", "unknown"]);
  assertEquals(queries.filter((each) => each.startsWith("PTR")).length, 1);
  assertEquals(queries.filter((each) => each.startsWith("A p")).length, 10);
});

Deno.test("case 58: include and redirect loops end", async () => {
  for (const text of ["v=spf1 include:example.org -all", "v=spf1 redirect=example.org"]) {
    const { result, queries } = await check({ "example.org": record(text) });
    assertEquals([result, queries.length], ["permerror", 11]);
  }
  const zone = { "example.org": record("v=spf1 include:%{d}.x.org"), "x.org": record("v=spf1 include:example.org") };
  assertEquals((await check(zone)).result, "permerror");
});

Deno.test("case 58: the dearest record asks 123 questions, and no more", async () => {
  // Ten times mx with ten hosts, none of which is the client; then an explanation that names a client with many names.
  const names = numbered(10, (i) => `d${i}.org`);
  const zone: MemoryZone = {
    "example.org": record(`v=spf1 ${names.map((each) => `mx:${each}`).join(" ")} -all exp=why.org`),
    "why.org": record("not %{p}"),
    "192.0.2.1": { ptr: numbered(20, (i) => `p${i}.org`) },
    ...Object.fromEntries(names.map((name) => [name, { mx: numbered(10, (i) => [i, `m${i}.${name}`] as const) }])),
  };
  const { result, explanation, queries } = await check(zone);
  assertEquals([result, explanation, queries.length], ["fail", "not unknown", 1 + 10 * 11 + 1 + 11]);
});

Deno.test("case 58: names from a 450-character macro fit name service", async () => {
  const local = "x".repeat(64);
  const { result, queries } = await check({
    "example.org": record(`v=spf1 exists:${"%{l}.".repeat(90)}example.org -all`),
  }, { local });
  assertEquals(result, "fail");
  for (const each of queries) assert(each.length < 260, each);
});

Deno.test("case 58: an explanation is printable, one line, and cut", async () => {
  const told = async (text: string | string[], local = "user") => {
    const zone = {
      "example.org": record("v=spf1 -all exp=why.example.org"),
      "why.example.org": { txt: typeof text === "string" ? [text] : text },
    };
    const { result, explanation } = await check(zone, { local });
    assertEquals(result, "fail");
    return explanation;
  };
  assertEquals(
    await told("See http://example.org/?s=%{S}&ip=%{C}&r=%{R}&t=%{T}"),
    "See http://example.org/?s=user%40example.org&ip=192.0.2.1&r=mx.example.net&t=1700000000",
  );
  for (const bad of ["a\r\nb", "a\0", "a\x1b[31m", "caf\xe9", "50%", "%{x}", "", "   "]) {
    assertEquals(await told(bad), null, bad);
  }
  assertEquals(await told(["one", "two"]), null);
  assertEquals(await told("%{l}", "é"), null); // RFC 7208 6.2: US-ASCII, whoever wrote it
  assertEquals((await told("%{s}".repeat(1000)))?.length, 500);
});

Deno.test("case 59: a failure of name service is a temperror, an absence is none or no match", async () => {
  const table: readonly [MemoryZone, string][] = [
    [{ "example.org": "servfail" }, "temperror"],
    [{ "example.org": "timeout" }, "temperror"],
    [{ "example.org": "nxdomain" }, "none"],
    [{ "example.org": "nodata" }, "none"],
    [{ "example.org": record("v=spf1 a:x.org -all"), "x.org": "servfail" }, "temperror"],
    [{ "example.org": record("v=spf1 a:x.org -all"), "x.org": "nxdomain" }, "fail"],
    [{ "example.org": record("v=spf1 mx -all"), "x.org": "timeout" }, "fail"],
    [{ "example.org": { txt: ["v=spf1 mx -all"], mx: [[1, "x.org"]] }, "x.org": "timeout" }, "temperror"],
    [{ "example.org": record("v=spf1 exists:x.org -all"), "x.org": "timeout" }, "temperror"],
    [{ "example.org": record("v=spf1 include:x.org -all"), "x.org": "timeout" }, "temperror"],
    [{ "example.org": record("v=spf1 include:x.org -all") }, "permerror"],
    [{ "example.org": record("v=spf1 redirect=x.org") }, "permerror"],
    [{ "example.org": record("v=spf1 redirect=x.org"), "x.org": "timeout" }, "temperror"],
    [{ "example.org": record("v=spf1 ptr -all"), "192.0.2.1": "servfail" }, "fail"],
    [{ "example.org": record("v=spf1 ?ip4:192.0.2.1 a:x.org -all"), "x.org": "servfail" }, "neutral"],
    [{ "example.org": { txt: ["v=spf1 -all", "v=spf1 -all"] } }, "permerror"],
    [{ "example.org": record("v=spf1 -all exp=x.org"), "x.org": "timeout" }, "fail"],
  ];
  for (const [zone, expected] of table) assertEquals((await check(zone)).result, expected, JSON.stringify(zone));
});

Deno.test("case 58: the whole check has one end, its own or the caller's", async () => {
  const zone: MemoryZone = { "example.org": record("v=spf1 a:x.org a:y.org -all"), "x.org": "silence" };
  const own = await check(zone, {}, { timeout: 5 });
  assertEquals([own.result, own.problem], ["temperror", "the check took too long"]);
  const caller = new AbortController();
  const pending = check(zone, {}, { signal: caller.signal });
  caller.abort();
  assertEquals((await pending).result, "temperror");
  assertEquals((await check(zone, {}, { signal: AbortSignal.abort() })).result, "temperror");
});

Deno.test("domains that no record can stand for are none, without a question", async () => {
  for (const domain of ["", "org", "[192.0.2.1]", "a..org", "x\0.org", `${"a".repeat(64)}.org`, ".org", "a b.org"]) {
    const { result, queries } = await check({}, { domain });
    assertEquals([result, queries], ["none", []], domain);
  }
  assertEquals((await check({ "example.org": record("v=spf1 +all") }, { domain: "example.org." })).result, "pass");
});

Deno.test("families: mapped addresses are IPv4, IPv6 has its own prefix lengths", async () => {
  const zone: MemoryZone = {
    "example.org": {
      txt: ["v=spf1 a/24//32 -all"],
      a: ["192.0.2.77"],
      aaaa: ["2001:db8::1"],
    },
  };
  const table: readonly [string, string][] = [
    ["::ffff:192.0.2.1", "pass"],
    ["192.0.3.1", "fail"],
    ["2001:db8:ffff::1", "pass"],
    ["2001:db9::1", "fail"],
  ];
  for (const [ip, expected] of table) assertEquals((await check(zone, { ip })).result, expected, ip);
});

Deno.test("the mechanism that matched is named, and an include by its own term", async () => {
  const zone: MemoryZone = {
    "example.org": record("v=spf1 -ip4:203.0.113.1 ~INCLUDE:x.org -all"),
    "x.org": record("v=spf1 ip4:192.0.2.0/24"),
  };
  const { result, mechanism } = await check(zone);
  assertEquals([result, mechanism], ["softfail", "~INCLUDE:x.org"]);
});

Deno.test("a resolver that breaks its contract is a fault of ours, not a result", async () => {
  const broken = { txt: () => Promise.reject(new TypeError("bug")) } as unknown as MemoryResolver;
  const who = { ip: "192.0.2.1", domain: "example.org", local: "", helo: "" };
  await assertRejects(() => checkHost(who, broken, OPTIONS), TypeError, "bug");
});

Deno.test("any record gives a result, and a bounded number of questions", async () => {
  const term = fc.constantFrom(
    "a",
    "mx",
    "ptr",
    "include:example.org",
    "include:x.org",
    "a:%{i}.x.org",
    "exists:%{p}.x.org",
    "redirect=x.org",
    "exp=x.org",
    "ip4:192.0.2.2",
    "?all",
    "-a:%{l}.x.org",
    "mx:%{d}",
    "bad%",
    "moo=1",
  );
  const text = fc.array(term, { maxLength: 20 }).map((terms) => `v=spf1 ${terms.join(" ")}`);
  const zone = fc.record({
    "example.org": fc.record({
      txt: fc.tuple(text),
      a: fc.constant(["192.0.2.9"]),
      mx: fc.constant([[1, "x.org"]] as const),
    }),
    "x.org": fc.oneof(
      fc.record({ txt: fc.tuple(text), a: fc.constant(["192.0.2.8"]) }),
      fc.constantFrom("servfail", "timeout", "nodata" as const),
    ),
    "192.0.2.1": fc.constant({ ptr: numbered(20, (i) => `p${i}.x.org`) }),
  });
  await fc.assert(fc.asyncProperty(zone, async (data) => {
    const { result, queries } = await check(data as MemoryZone);
    assert(["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"].includes(result));
    assert(queries.length <= 123, String(queries.length));
  }));
});
