/** What every Resolver of ours must do, whatever is below it: memory, memory behind the cache, the wire. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { RecordType } from "../../../core/dns/answer.ts";
import { Cache } from "../../../core/dns/cache.ts";
import { Memory, MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { NameResolver } from "../../../core/dns/name_resolver.ts";
import { parseResolvConf, parseServer } from "../../../core/dns/resolv_conf.ts";
import { DnsError, type Resolver } from "../../../core/dns/resolver.ts";
import { Stub } from "../../../core/dns/stub.ts";
import { resolverOptions, systemResolver } from "../../../core/dns/system_resolver.ts";
import {
  A,
  answer,
  CNAME,
  DnsServer,
  MX,
  PTR,
  type RecordData,
  TLSA,
  TXT,
  wireName,
} from "../../support/dns_server.ts";

const ZONE = {
  "example.org": { a: ["192.0.2.1"], mx: [[10, "mx.example.org"]], txt: ["v=spf1 -all"], authentic: true },
  "_25._tcp.example.org": { tlsa: [[3, 1, 1, "00ff"]] },
  "192.0.2.1": { ptr: ["mail.example.org"] },
  "alias.example.org": { cname: "example.org" },
  "broken.example": "servfail",
  "silent.example": "silence",
} as const;
const WIRE: Readonly<Record<string, readonly RecordData[]>> = {
  "1 example.org": [A(192, 0, 2, 1)],
  "15 example.org": [MX(10, "mx", "example", "org")],
  "16 example.org": [TXT("v=spf1 ", "-all")],
  "12 1.2.0.192.in-addr.arpa": [PTR("mail", "example", "org")],
  "52 _25._tcp.example.org": [TLSA(3, 1, 1, 0, 255)],
  "5 alias.example.org": [CNAME("example", "org")],
  "1 alias.example.org": [CNAME("example", "org"), { ...A(192, 0, 2, 1), owner: wireName("example", "org") }],
};

type Made = { readonly resolver: Resolver; readonly asked: () => number } & AsyncDisposable;
const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
const kinds: Readonly<Record<string, () => Promise<Made>>> = {
  memory: () => {
    const resolver = new MemoryResolver(ZONE);
    return Promise.resolve({ resolver, asked: () => resolver.queries.length, ...nothing });
  },
  "memory behind the cache": () => {
    const memory = new Memory(ZONE);
    return Promise.resolve({
      resolver: new NameResolver(new Cache(memory)),
      asked: () => memory.queries.length,
      ...nothing,
    });
  },
  "the wire": async () => {
    const server = await DnsServer.start((q) => {
      if (q.name === "silent.example") return [];
      if (q.name === "broken.example") return [answer(q, [], { rcode: 2 })];
      const known = WIRE[`${q.type} ${q.name}`];
      const exists = Object.keys(WIRE).some((each) => each.endsWith(` ${q.name}`));
      const flags = q.name.startsWith("alias") || q.name.startsWith("_") ? 0x8180 : 0x81a0;
      return [answer(q, known, { rcode: known || exists ? 0 : 3, flags: exists ? flags : 0x8180 })];
    });
    return {
      resolver: new NameResolver(new Stub({ servers: [{ address: "127.0.0.1", port: server.port }] })),
      asked: () => server.asked.length,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

for (const [kind, make] of Object.entries(kinds)) {
  Deno.test(`resolver contract: ${kind}`, async () => {
    await using made = await make();
    const { resolver } = made;
    const fault = async (question: Promise<unknown>) => (await assertRejects(() => question, DnsError)).fault;

    assertEquals(await resolver.a("Example.ORG."), ["192.0.2.1"]);
    assertEquals(await resolver.mx("example.org"), [{ preference: 10, exchange: "mx.example.org" }]);
    assertEquals(await resolver.txt("example.org"), ["v=spf1 -all"]);
    assertEquals(await resolver.ptr("192.0.2.1"), ["mail.example.org"]);
    assertEquals(await resolver.ptr("::ffff:192.0.2.1"), ["mail.example.org"]);
    assertEquals(await resolver.a("alias.example.org"), ["192.0.2.1"]);
    assertEquals(await fault(resolver.aaaa("example.org")), "nodata");
    assertEquals(await fault(resolver.a("nothing.example")), "nxdomain");
    assertEquals(await fault(resolver.txt("broken.example")), "servfail");
    assertEquals(
      await fault(
        resolver.a("example.org", { signal: AbortSignal.abort() }).then(() => {
          if (kind.includes("cache")) throw new DnsError("timeout", "A"); // known already: no question was asked
        }),
      ),
      "timeout",
    );

    const seen = async (name: string, type: RecordType) => {
      const { ttl: _, ...answer } = await resolver.lookup(name, type);
      return answer;
    };
    const a = ["192.0.2.1"], name = "example.org", mx = [{ preference: 10, exchange: "mx.example.org" }];
    assertEquals(await seen("Example.ORG.", "MX"), { records: mx, name, authentic: true });
    assertEquals(await seen("example.org", "AAAA"), { fault: "nodata", name, authentic: true });
    assertEquals(await seen("alias.example.org", "A"), { records: a, name, authentic: false });
    assertEquals(await seen("alias.example.org", "CNAME"), {
      records: [name],
      name: "alias.example.org",
      authentic: false,
    });
    assertEquals(await seen("_25._tcp.example.org", "TLSA"), {
      records: [{ usage: 3, selector: 1, matching: 1, data: new Uint8Array([0, 255]) }],
      name: "_25._tcp.example.org",
      authentic: false,
    });
    assertEquals(await seen("nothing.example", "A"), { fault: "nxdomain", name: "nothing.example", authentic: false });
    assertEquals(await seen("broken.example", "A"), { fault: "servfail", name: "broken.example", authentic: false });
    assertEquals((await seen("a..b", "A")).fault, "nxdomain");

    const leaving = new AbortController();
    const silent = fault(resolver.a("silent.example", { signal: leaving.signal }));
    leaving.abort();
    assertEquals(await silent, "timeout");

    const before = made.asked();
    for (const name of ["a\0b.example", "a\r\nb", "", "a..b", "a".repeat(64)]) {
      assertEquals(await fault(resolver.txt(name)), "nxdomain", JSON.stringify(name));
    }
    assertEquals(await fault(resolver.ptr("not an address")), "nxdomain");
    assertEquals(made.asked(), before);
  });
}

Deno.test("temporary faults, and the text of an error", () => {
  const temporary = (["nxdomain", "nodata", "servfail", "timeout"] as const).map((each) =>
    new DnsError(each, "A x").temporary
  );
  assertEquals(temporary, [false, false, true, true]);
});

Deno.test("a name that others stand below exists", async () => {
  const dns = new MemoryResolver({ "a.b.example": { a: ["192.0.2.1"] } });
  assertEquals((await assertRejects(() => dns.a("b.example"), DnsError)).fault, "nodata");
  assertEquals((await assertRejects(() => dns.a("c.example"), DnsError)).fault, "nxdomain");
  const loop = new MemoryResolver({ "a.example": { cname: "b.example" }, "b.example": { cname: "a.example" } });
  assertEquals((await assertRejects(() => loop.a("a.example"), DnsError)).fault, "servfail");
});

Deno.test("/etc/resolv.conf", () => {
  const port = 53;
  assertEquals(
    parseResolvConf(
      "# x\nsearch example.org\nnameserver 192.0.2.53\nnameserver\t2001:db8::53 \noptions timeout:1 attempts:9",
    ),
    {
      servers: [{ address: "192.0.2.53", port }, { address: "2001:db8::53", port }],
      timeout: 1000,
      attempts: 5,
    },
  );
  assertEquals(parseResolvConf("nameserver dns.example.org\n;nameserver 192.0.2.1"), {
    servers: [{ address: "127.0.0.1", port }],
  });
  const { servers } = parseResolvConf("nameserver fe80::1%eth0\n" + "nameserver 192.0.2.1\n".repeat(9));
  assertEquals(servers.map((each) => each.address), ["fe80::1%eth0", "192.0.2.1", "192.0.2.1"]);
  assert(parseResolvConf("").servers.length === 1);
  assertEquals(parseResolvConf("nameserver 192.0.2.53\noptions edns0 trust-ad").validating, true);
});

Deno.test("a server as a person writes it", () => {
  const table: readonly [string, string | null, number][] = [
    ["192.0.2.53", "192.0.2.53", 53],
    ["192.0.2.53:5353", "192.0.2.53", 5353],
    ["2001:db8::53", "2001:db8::53", 53],
    ["[::1]:5353", "::1", 5353],
    ["[::1]", "::1", 53],
    ["fe80::1%eth0", "fe80::1%eth0", 53],
    ["dns.example.org", null, 0],
    ["192.0.2.53:0", null, 0],
    ["192.0.2.53:65536", null, 0],
    ["[192.0.2.53]:53", null, 0],
    ["[::1]:", null, 0],
    ["", null, 0],
  ];
  for (const [text, address, port] of table) {
    assertEquals(parseServer(text), address === null ? null : { address, port }, text);
  }
});

Deno.test("servers of the configuration are not vouched for by /etc/resolv.conf", () => {
  const servers = [{ address: "192.0.2.53", port: 53 }];
  assertEquals(resolverOptions({ servers }), { servers });
  assertEquals(resolverOptions({ validating: true }).validating, true);
  assert(resolverOptions({}).servers.length > 0);
});

Deno.test("what is not there below an authentic name is authentic too", async () => {
  const dns = new MemoryResolver({ "example.org": { authentic: true }, "b.example.org": {}, "c.example": { a: [] } });
  const authentic = async (name: string) => (await dns.lookup(name, "A")).authentic;
  assertEquals(await authentic("_25._tcp.example.org"), true);
  assertEquals(await authentic("a.b.example.org"), false);
  assertEquals(await authentic("x.c.example"), false);
});

Deno.test("the host's resolver has a cache: the second to ask waits for nobody", async () => {
  await using server = await DnsServer.start((q) => [answer(q, [A(192, 0, 2, 1)])]);
  const resolver = systemResolver({ servers: [{ address: "127.0.0.1", port: server.port }] });
  for (const name of ["example.org", "EXAMPLE.org."]) assertEquals(await resolver.a(name), ["192.0.2.1"]);
  assertEquals(server.asked.length, 1);
});
