import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type MailHosts, mailHosts, type MailHostsOptions, THIS_HOST } from "../../../core/dns/mail_hosts.ts";
import { MemoryResolver, type MemoryZone } from "../../../core/dns/memory_resolver.ts";
import { Networks } from "../../../core/model/ip.ts";

const OWN = {
  names: new Set(["mx.postern.example"]),
  addresses: new Networks([...THIS_HOST, "203.0.113.25", "2001:db8:25::25"]),
};
/** Without a shuffle: the last of what is left changes places with itself. */
const KEEP = () => 0.999999;

const ask = (zone: MemoryZone, domain = "example.org", options: Partial<MailHostsOptions> = {}) =>
  mailHosts(domain, { dns: new MemoryResolver(zone), own: OWN, random: KEEP, ...options });

/** The hosts in their order, or the fault with its code and status. */
function told(said: MailHosts): string {
  if (said.fault === undefined) return said.hosts.map(({ host, preference }) => `${preference} ${host}`).join(", ");
  return `${said.fault} ${said.reply.code} ${said.reply.status}`;
}
const A = (n: number) => ({ a: [`192.0.2.${n}`] });

Deno.test("RFC 5321 5.1: which hosts take the mail, in which order", async (t) => {
  const table: readonly [string, MemoryZone, string][] = [
    ["by preference", {
      "example.org": { mx: [[20, "b.example"], [10, "a.example"], [300, "c.example"]] },
      "a.example": A(1),
      "b.example": { aaaa: ["2001:db8::2"] },
      "c.example": { a: ["192.0.2.3"], aaaa: ["2001:db8::3"] },
    }, "10 a.example, 20 b.example, 300 c.example"],
    ["no MX: the domain itself", { "example.org": A(1) }, "0 example.org"],
    ["no MX, IPv6 only", { "example.org": { aaaa: ["2001:db8::1"] } }, "0 example.org"],
    ["an alias", {
      "example.org": { cname: "other.example" },
      "other.example": { mx: [[5, "a.example"]] },
      "a.example": A(1),
    }, "5 a.example"],
    ["an alias without MX", { "example.org": { cname: "other.example" }, "other.example": A(1) }, "0 example.org"],
    ["case 27: null MX", { "example.org": { mx: [[0, ""]], a: ["192.0.2.1"] } }, "null-mx 556 5.1.10"],
    ["a null MX beside another is a mistake", {
      "example.org": { mx: [[0, ""], [10, "a.example"]] },
      "a.example": A(1),
    }, "10 a.example"],
    ["a host twice", {
      "example.org": { mx: [[20, "a.example"], [10, "a.example"]] },
      "a.example": A(1),
    }, "10 a.example"],
    ["no such domain", {}, "no-domain 550 5.1.2"],
    ["an alias of nothing", { "example.org": { cname: "gone.example" } }, "no-domain 550 5.1.2"],
    ["no host", { "example.org": { txt: ["v=spf1 -all"] } }, "no-host 550 5.4.4"],
    ["MX of names without addresses, and no fall-back", {
      "example.org": { mx: [[10, "gone.example"], [20, "empty.example"]], a: ["192.0.2.1"] },
      "empty.example": {},
    }, "no-host 550 5.4.4"],
    ["an MX that is an address", { "example.org": { mx: [[10, "192.0.2.1"]], a: ["192.0.2.1"] } }, "no-host 550 5.4.4"],
    ["an MX that is no name", {
      "example.org": { mx: [[10, "[192.0.2.1]"], [15, "mail server.example"], [20, "a.example"]] },
      "a.example": A(1),
    }, "20 a.example"],
    ["addresses of many", {
      "example.org": { mx: [[10, "a.example"], [20, "b.example"]] },
      "a.example": { a: ["224.0.0.1", "255.255.255.255"], aaaa: ["ff02::1"] },
      "b.example": A(2),
    }, "20 b.example"],
    ["name service failed for MX", { "example.org": { mx: "servfail" } }, "name-service 451 4.4.3"],
    ["nobody answered", { "example.org": { mx: "timeout", a: ["192.0.2.1"] } }, "name-service 451 4.4.3"],
    ["name service failed for the domain's address", { "example.org": { a: "timeout" } }, "name-service 451 4.4.3"],
    ["an MX that nobody knows and one that is nothing", {
      "example.org": { mx: [[10, "a.example"], [20, "gone.example"]] },
      "a.example": "servfail",
    }, "name-service 451 4.4.3"],
    ["an MX that nobody knows, and one that is known", {
      "example.org": { mx: [[10, "a.example"], [20, "b.example"]] },
      "a.example": "servfail",
      "b.example": A(2),
    }, "20 b.example"],
    [
      "one family failed, the other is there",
      { "example.org": { a: ["192.0.2.1"], aaaa: "servfail" } },
      "0 example.org",
    ],
    [
      "a loop of aliases",
      { "example.org": { cname: "a.example" }, "a.example": { cname: "example.org" } },
      "name-service 451 4.4.3",
    ],
  ];
  for (const [name, zone, expected] of table) {
    await t.step(name, async () => assertEquals(told(await ask(zone)), expected));
  }
});

Deno.test("case 60: this host, by name or by address, and what is as good or worse are left out", async (t) => {
  const table: readonly [string, MemoryZone, string][] = [
    ["the only MX, by name", { "example.org": { mx: [[10, "MX.postern.example"]] } }, "loop 554 5.4.6"],
    [
      "by address",
      { "example.org": { mx: [[10, "a.example"]] }, "a.example": { a: ["203.0.113.25"] } },
      "loop 554 5.4.6",
    ],
    ["by one of its addresses", {
      "example.org": { mx: [[10, "a.example"]] },
      "a.example": { a: ["192.0.2.1"], aaaa: ["2001:DB8:25:0::25"] },
    }, "loop 554 5.4.6"],
    ["loopback", { "example.org": { mx: [[10, "a.example"]] }, "a.example": { a: ["127.0.0.1"] } }, "loop 554 5.4.6"],
    ["all of it", { "example.org": { mx: [[10, "a.example"]] }, "a.example": { a: ["127.3.2.1"] } }, "loop 554 5.4.6"],
    ["0.0.0.0", { "example.org": { mx: [[10, "a.example"]] }, "a.example": { a: ["0.0.0.0"] } }, "loop 554 5.4.6"],
    ["::1", { "example.org": { mx: [[10, "a.example"]] }, "a.example": { aaaa: ["::1"] } }, "loop 554 5.4.6"],
    ["::", { "example.org": { mx: [[10, "a.example"]] }, "a.example": { aaaa: ["::"] } }, "loop 554 5.4.6"],
    ["loopback in IPv6", {
      "example.org": { mx: [[10, "a.example"]] },
      "a.example": { aaaa: ["::ffff:7f00:1"] },
    }, "loop 554 5.4.6"],
    ["no MX, the domain is here", { "example.org": { a: ["127.0.0.1"] } }, "loop 554 5.4.6"],
    ["equal and worse are left out, by name", {
      "example.org": { mx: [[10, "a.example"], [20, "b.example"], [20, "mx.postern.example"], [30, "c.example"]] },
      "a.example": A(1),
      "b.example": A(2),
      "c.example": A(3),
    }, "10 a.example"],
    ["equal and worse are left out, by address", {
      "example.org": { mx: [[10, "a.example"], [20, "b.example"], [20, "d.example"], [30, "c.example"]] },
      "a.example": A(1),
      "b.example": A(2),
      "c.example": A(3),
      "d.example": { a: ["203.0.113.25"] },
    }, "10 a.example"],
    ["the second, and the first is gone", {
      "example.org": { mx: [[10, "gone.example"], [20, "mx.postern.example"]] },
    }, "loop 554 5.4.6"],
    ["the second, and nobody knows of the first", {
      "example.org": { mx: [[10, "a.example"], [20, "mx.postern.example"]] },
      "a.example": "timeout",
    }, "name-service 451 4.4.3"],
  ];
  for (const [name, zone, expected] of table) {
    await t.step(name, async () => assertEquals(told(await ask(zone)), expected));
  }
  await t.step("no MX, the domain is this host's name, and no address is asked for", async () => {
    const dns = new MemoryResolver({ "mx.postern.example": A(1) });
    assertEquals(told(await ask({}, "mx.postern.example", { dns })), "loop 554 5.4.6");
    assertEquals(dns.queries, ["MX mx.postern.example"]);
  });
});

Deno.test("address literals, names beyond ASCII and names that are none", async () => {
  const zone = { "xn--bcher-kva.example": { mx: [[1, "a.example"]] }, "a.example": A(1) } as const;
  const table: readonly [string, string][] = [
    ["[192.0.2.1]", "0 [192.0.2.1]"],
    ["[IPv6:2001:DB8::1]", "0 [IPv6:2001:db8::1]"],
    ["[127.0.0.1]", "loop 554 5.4.6"],
    ["[IPv6:::ffff:127.0.0.1]", "loop 554 5.4.6"],
    ["[203.0.113.25]", "loop 554 5.4.6"],
    ["[example.org]", "no-domain 550 5.1.2"],
    ["[192.0.2.1", "no-domain 550 5.1.2"],
    ["bücher.example", "1 a.example"],
    ["BÜCHER.example", "1 a.example"],
    ["xn--bcher-kva.example", "1 a.example"],
    ["a..b", "no-domain 550 5.1.2"],
    ["", "no-domain 550 5.1.2"],
  ];
  for (const [domain, expected] of table) assertEquals(told(await ask(zone, domain)), expected, domain);
  const dns = new MemoryResolver();
  for (const domain of ["[192.0.2.1]", "a\0b", ""]) await ask({}, domain, { dns });
  assertEquals(dns.queries, []);
});

Deno.test("what each host and the whole tell of their origin", async () => {
  const dns = new MemoryResolver({
    "example.org": { mx: [[10, "a.example"], [20, "b.example"]], authentic: true },
    "a.example": { cname: "c.example", authentic: true },
    "c.example": { a: ["192.0.2.1"], aaaa: ["2001:db8:0::1"], authentic: true },
    "b.example": A(2),
  });
  const origin = { ttl: 300, named: true, fault: undefined };
  const said = await ask({}, "example.org", { dns });
  assert(said.fault === undefined);
  assertEquals(said.hosts.map((each) => ({ ...each, fault: undefined })), [
    {
      host: "a.example",
      name: "c.example",
      addresses: ["2001:db8::1", "192.0.2.1"],
      authentic: true,
      preference: 10,
      ...origin,
    },
    { host: "b.example", name: "b.example", addresses: ["192.0.2.2"], authentic: false, preference: 20, ...origin },
  ]);
  assertEquals([said.name, said.authentic, said.ttl], ["example.org", true, 300]);

  const insecure = await ask({
    "example.org": { mx: [[1, "a.example"]] },
    "a.example": { a: ["192.0.2.1"], authentic: true },
  });
  assert(insecure.fault === undefined);
  assertEquals([insecure.authentic, insecure.hosts[0]!.named, insecure.hosts[0]!.authentic], [false, false, true]);

  const itself = await ask({ "example.org": { cname: "b.example" }, "b.example": A(1) });
  assert(itself.fault === undefined);
  assertEquals([itself.name, itself.hosts[0]!.host, itself.hosts[0]!.name], ["b.example", "example.org", "b.example"]);
  assertEquals([itself.hosts[0]!.named, itself.hosts[0]!.authentic], [true, false]);
});

Deno.test("case 59: of 1,000 MX the best ten are looked at", async () => {
  const mx = Array.from({ length: 1000 }, (_, i): [number, string] => [1000 - i, `h${i}.example`]);
  const dns = new MemoryResolver({ "example.org": { mx }, "h990.example": A(1), "h989.example": A(2) });
  assertEquals(told(await ask({}, "example.org", { dns })), "10 h990.example");
  assertEquals(dns.queries.length, 1 + 2 * 10);
});

Deno.test("case 60: this host is seen behind the ten that are looked at", async () => {
  const others = Array.from({ length: 12 }, (_, i): [number, string] => [10, `h${i}.example`]);
  const hosts = Object.fromEntries(others.map(([, name], i) => [name, A(i)]));
  const zone = { "example.org": { mx: [...others, [10, "mx.postern.example"]] }, ...hosts } as const;
  const dns = new MemoryResolver(zone);
  assertEquals(told(await ask({}, "example.org", { dns })), "loop 554 5.4.6");
  assertEquals(dns.queries, ["MX example.org"], "nothing to be asked about hosts that are left out");
});

Deno.test("all of it holds as long as its shortest part", async () => {
  const memory = new MemoryResolver({
    "example.org": { mx: [[1, "a.example"], [2, "b.example"]] },
    "a.example": A(1),
    "b.example": A(2),
  });
  const ttls: Record<string, number> = { "example.org": 900, "a.example": 60, "b.example": 120 };
  const dns: MailHostsOptions["dns"] = {
    lookup: async (name, type) => ({ ...await memory.lookup(name, type), ttl: ttls[name]! }),
  };
  const said = await ask({}, "example.org", { dns });
  assert(said.fault === undefined);
  assertEquals([said.ttl, ...said.hosts.map(({ ttl }) => ttl)], [60, 60, 120]);
});

Deno.test("an abort ends it as a failure that passes", async () => {
  const silent = { "example.org": { mx: [[1, "a.example"]] }, "a.example": "silence" } as const;
  const leaving = new AbortController();
  const asking = ask(silent, "example.org", { signal: leaving.signal });
  leaving.abort();
  assertEquals(told(await asking), "name-service 451 4.4.3");
});

Deno.test("any MX set: best first, equals shuffled, none as bad as this host, each host once", async () => {
  const preference = fc.integer({ min: 0, max: 4 }), host = fc.integer({ min: 0, max: 9 });
  const set = fc.array(fc.tuple(preference, host), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(
      set,
      fc.option(host),
      fc.infiniteStream(fc.double({ min: 0, max: 0.99, noNaN: true })),
      async (mx, own, draws) => {
        const zone: MemoryZone = {
          "example.org": { mx: mx.map(([level, n]): [number, string] => [level, `h${n}.example`]) },
          ...Object.fromEntries(
            mx.map(([, n]) => [`h${n}.example`, { a: [n === own ? "127.0.0.1" : `192.0.2.${n}`] }]),
          ),
        };
        const said = await ask(zone, "example.org", { random: () => draws.next().value!, maxHosts: 30 });
        const limit = Math.min(Infinity, ...mx.filter(([, n]) => n === own).map(([level]) => level));
        const best = new Map<string, number>();
        for (const [level, n] of mx) {
          if (level < limit) best.set(`h${n}.example`, Math.min(level, best.get(`h${n}.example`) ?? Infinity));
        }
        if (said.fault !== undefined) return assertEquals([said.fault, best.size], ["loop", 0]);
        const seen = said.hosts.map((each): [string, number] => [each.host, each.preference]);
        assertEquals(new Map(seen), best);
        assertEquals(seen.length, best.size);
        assert(seen.every(([, level], i) => i === 0 || seen[i - 1]![1] <= level));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("equals change places: each of them is the first about as often", async () => {
  const mx = [[10, "a.example"], [10, "b.example"], [10, "c.example"]] as const;
  const zone = { "example.org": { mx }, "a.example": A(1), "b.example": A(2), "c.example": A(3) };
  const firsts = new Map<string, number>();
  let state = 1;
  const random = () => (state = state * 48271 % 2147483647) / 2147483647;
  for (let i = 0; i < 600; i++) {
    const said = await ask(zone, "example.org", { random });
    assert(said.fault === undefined);
    const { host } = said.hosts[0]!;
    firsts.set(host, (firsts.get(host) ?? 0) + 1);
  }
  assertEquals(firsts.size, 3);
  for (const [host, count] of firsts) assert(count > 150 && count < 250, `${host}: ${count}`);
});
