import { assert, assertEquals } from "@std/assert";
import type { Answer, RecordType } from "../../../core/dns/answer.ts";
import { isTrusted, Stub, type StubOptions } from "../../../core/dns/stub.ts";
import {
  A,
  answer,
  type Asked,
  CNAME,
  DnsServer,
  MX,
  PTR,
  type RecordData,
  type Script,
  SOA,
  TLSA,
  TXT,
  wireName,
} from "../../support/dns_server.ts";

const HERE = "127.0.0.1";

/** Asks a server that follows the script, and closes it. */
async function ask(
  script: Script,
  type: RecordType = "A",
  options: Partial<StubOptions> = {},
): Promise<{ said: Answer; asked: readonly Asked[] }> {
  await using server = await DnsServer.start(script);
  const stub = new Stub({ servers: [{ address: HERE, port: server.port }], timeout: 2000, attempts: 1, ...options });
  return { said: await stub.ask(type, "mail.example.org"), asked: server.asked };
}
const records = (...list: RecordData[]): Script => (asked) => [answer(asked, list)];
const fault = (said: Answer) => said.fault ?? JSON.stringify(said.records);

Deno.test("case 59: NXDOMAIN, no data, a failed server and silence are four answers", async (t) => {
  const table: readonly [string, Script, string][] = [
    ["NXDOMAIN", (q) => [answer(q, [], { rcode: 3 })], "nxdomain"],
    ["no data", (q) => [answer(q)], "nodata"],
    ["records of another type only", (q) => [answer(q, [TXT("x")])], "nodata"],
    ["SERVFAIL", (q) => [answer(q, [], { rcode: 2 })], "servfail"],
    ["REFUSED", (q) => [answer(q, [], { rcode: 5 })], "servfail"],
    ["FORMERR, with EDNS and without", (q) => [answer(q, [], { rcode: 1 })], "servfail"],
    ["a referral from a server that does not recurse", (q) => [answer(q, [], { flags: 0x8100 })], "servfail"],
    ["silence", () => [], "timeout"],
  ];
  for (const [name, script, expected] of table) {
    await t.step(name, async () => {
      const { said } = await ask(script, "A", { timeout: name === "silence" ? 50 : 2000 });
      assertEquals(fault(said), expected);
    });
  }
});

Deno.test("each type of record", async (t) => {
  const six = new Uint8Array([0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 1]);
  const table: readonly [RecordType, RecordData[], unknown][] = [
    ["A", [A(192, 0, 2, 1), A(192, 0, 2, 2)], ["192.0.2.1", "192.0.2.2"]],
    ["AAAA", [{ type: 28, data: six }], ["2001:db8::1"]],
    ["MX", [MX(10, "MX", "Example", "org"), MX(0)], [{ preference: 10, exchange: "mx.example.org" }, {
      preference: 0,
      exchange: "",
    }]],
    ["TXT", [TXT("v=spf1 ", "-all"), TXT("caf\xe9\xff")], ["v=spf1 -all", "caf\xe9\xff"]],
    ["TXT", [TXT("")], [""]],
    ["PTR", [PTR("mail", "example", "org")], ["mail.example.org"]],
    ["CNAME", [CNAME("Other", "org")], ["other.org"]],
    ["TLSA", [TLSA(3, 1, 1, 0xab, 0xcd), TLSA(0, 0, 0)], [
      { usage: 3, selector: 1, matching: 1, data: new Uint8Array([0xab, 0xcd]) },
      { usage: 0, selector: 0, matching: 0, data: new Uint8Array() },
    ]],
  ];
  for (const [type, list, expected] of table) {
    await t.step(`${type} ${JSON.stringify(expected)}`, async () => {
      const { said } = await ask(records(...list), type);
      assertEquals(said, { records: expected, ttl: 60, name: "mail.example.org", authentic: false } as Answer);
    });
  }
});

Deno.test("case 59: names in PTR and MX are screened", async (t) => {
  const bad = ["a\0b", "a\r\nX", "%(id)", "a.b", "a b", "caf\xe9", '"', ";"];
  for (const label of bad) {
    await t.step(JSON.stringify(label), async () => {
      const pointer = await ask(records(PTR(label, "org"), PTR("good", "org")), "PTR");
      assertEquals(fault(pointer.said), '["good.org"]');
      assertEquals(fault((await ask(records(PTR(label, "org")), "PTR")).said), "nodata");
      // Not "no data": that would send the mail to the address record.
      assertEquals(fault((await ask(records(MX(1, label, "org")), "MX")).said), "servfail");
    });
  }
});

Deno.test("case 59: a forged answer is not taken", async (t) => {
  const good = (q: Asked) => answer(q, [A(192, 0, 2, 1)]);
  const evil = A(203, 0, 113, 66);
  const table: readonly [string, (q: Asked) => Uint8Array][] = [
    ["another id", (q) => answer(q, [evil], { id: q.id ^ 1 })],
    ["another question", (q) => answer(q, [evil], { question: new Uint8Array([...wireName("evil"), 0, 1, 0, 1]) })],
    ["another type", (q) => answer(q, [evil], { question: new Uint8Array([...q.question.slice(0, -4), 0, 16, 0, 1]) })],
    ["no question", (q) => answer(q, [evil], { question: new Uint8Array() })],
    ["a query", (q) => answer(q, [evil], { flags: 0x0100 })],
    ["noise", () => new Uint8Array([1, 2, 3])],
  ];
  for (const [name, forge] of table) {
    await t.step(name, async () => {
      const { said } = await ask((q) => [forge(q), good(q)]);
      assertEquals(fault(said), '["192.0.2.1"]');
    });
  }
  await t.step("from another port", async () => {
    await using other = await DnsServer.start(() => []);
    let silent = true; // at first: only the forged answer comes
    const { said, asked } = await ask(
      (q) => {
        if (!silent) return [good(q)];
        silent = false;
        other.send(answer(q, [evil]), q.port);
        return [];
      },
      "A",
      { timeout: 100, attempts: 2 },
    );
    assertEquals([fault(said), asked.length], ['["192.0.2.1"]', 2]);
  });
  await t.step("a flood of them moves the question to TCP", async () => {
    const flood = (q: Asked) => Array.from({ length: 40 }, (_, i) => answer(q, [evil], { id: q.id ^ (i + 1) }));
    const { said, asked } = await ask((q) => q.over === "udp" ? flood(q) : [good(q)]);
    assertEquals(fault(said), '["192.0.2.1"]');
    assertEquals(asked.map((each) => each.over), ["udp", "tcp"]);
  });
});

Deno.test("ids and source ports differ from question to question", async () => {
  await using server = await DnsServer.start((q) => [answer(q)]);
  const stub = new Stub({ servers: [{ address: HERE, port: server.port }] });
  for (let i = 0; i < 20; i++) await stub.ask("A", "example.org");
  const ids = new Set(server.asked.map((each) => each.id)), ports = new Set(server.asked.map((each) => each.port));
  assert(ids.size > 15, `ids: ${[...ids]}`);
  assert(ports.size > 15, `ports: ${[...ports]}`);
});

Deno.test("a cut answer is asked for again over TCP", async () => {
  const long = Array.from({ length: 200 }, (_, i) => TXT(String(i).padEnd(250, "x")));
  const { said, asked } = await ask(
    (q) => [q.over === "udp" ? answer(q, [], { flags: 0x8380 }) : answer(q, long)],
    "TXT",
  );
  assertEquals(asked.map((each) => each.over), ["udp", "tcp"]);
  assertEquals(said.fault === undefined && said.records.length, 200);
});

Deno.test("AD of a server that is trusted makes an answer authentic, a no as well; of another it says nothing", async () => {
  const AD = 0x81a0;
  const yes: Script = (q) => [answer(q, [A(192, 0, 2, 1)], { flags: AD })];
  const no: Script = (q) => [answer(q, [], { flags: AD, rcode: 3, authority: [SOA(60, 60)] })];
  const overTcp: Script = (q) => q.over === "udp" ? [answer(q, [], { flags: AD | 0x200 })] : yes(q);
  for (const script of [yes, no, overTcp]) {
    assertEquals((await ask(script)).said.authentic, true);
    assertEquals((await ask(script, "A", { validating: true })).said.authentic, true);
    assertEquals((await ask(script, "A", { validating: false })).said.authentic, false);
  }
  const { asked } = await ask(yes);
  assertEquals(asked.map(({ flags }) => flags), [0x0120], "RD, and AD to be told");
});

Deno.test("whose word counts: servers on this host, all of them, or those that somebody vouches for", () => {
  const trusted = (addresses: string[], validating?: boolean) =>
    isTrusted({
      servers: addresses.map((address) => ({ address, port: 53 })),
      ...(validating === undefined ? {} : { validating }),
    });
  assertEquals(trusted(["127.0.0.1"]), true);
  assertEquals(trusted(["127.0.0.53", "::1"]), true);
  assertEquals(trusted(["127.0.0.1", "192.0.2.53"]), false, "what the first refuses as bogus the second would tell");
  assertEquals(trusted(["192.0.2.53"]), false);
  assertEquals(trusted(["127.0.0.11"]), false, "Docker's forwarder");
  assertEquals(trusted(["192.0.2.53"], true), true);
  assertEquals(trusted(["127.0.0.1"], false), false);
});

Deno.test("case 68: what fails the check of DNSSEC is a failure, whichever server is asked", async () => {
  await using first = await DnsServer.start((q) => [answer(q, [], { rcode: 2 })]);
  await using second = await DnsServer.start((q) => [answer(q, [], { rcode: 2 })]);
  const stub = new Stub({ servers: [first, second].map(({ port }) => ({ address: HERE, port })), attempts: 1 });
  const said = await stub.ask("TLSA", "_25._tcp.mx.example.org");
  assertEquals(said, { fault: "servfail", ttl: 0, name: "_25._tcp.mx.example.org", authentic: false });
  assertEquals([first.asked.length, second.asked.length], [1, 1]);
});

Deno.test("a TLSA record that is cut is no answer", async () => {
  assertEquals((await ask(records({ type: 52, data: new Uint8Array([3, 1]) }), "TLSA")).said.fault, "servfail");
});

Deno.test("garbage over TCP is a failure", async () => {
  const cut = (q: Asked) => answer(q, [], { flags: 0x8380 });
  for (const message of [(q: Asked) => answer(q, [], { id: q.id ^ 1 }), cut, () => new Uint8Array(5)]) {
    const { said } = await ask((q) => [q.over === "udp" ? cut(q) : message(q)]);
    assertEquals(said.fault, "servfail");
  }
});

Deno.test("a server without EDNS is asked without it, and remembered", async () => {
  await using server = await DnsServer.start((
    q,
  ) => [q.edns ? answer(q, [], { rcode: 1, question: new Uint8Array() }) : answer(q, [A(192, 0, 2, 1)])]);
  const stub = new Stub({ servers: [{ address: HERE, port: server.port }], attempts: 1 });
  assertEquals(fault(await stub.ask("A", "example.org")), '["192.0.2.1"]');
  assertEquals(fault(await stub.ask("A", "example.com")), '["192.0.2.1"]');
  assertEquals(server.asked.map((each) => each.edns), [true, false, false]);
});

Deno.test("the next server is asked when one fails or is silent, and stays the first", async () => {
  await using broken = await DnsServer.start((q) => [answer(q, [], { rcode: 2 })]);
  await using good = await DnsServer.start((q) => [answer(q, [A(192, 0, 2, 1)])]);
  const servers = [broken, good].map(({ port }) => ({ address: HERE, port }));
  const stub = new Stub({ servers, attempts: 1 });
  for (const name of ["a.example", "b.example"]) assertEquals(fault(await stub.ask("A", name)), '["192.0.2.1"]');
  assertEquals([broken.asked.length, good.asked.length], [1, 2]);
});

Deno.test("each server is asked as often as configured, not more", async () => {
  const { said, asked } = await ask((q) => [answer(q, [], { rcode: 2 })], "A", { attempts: 3 });
  assertEquals([said.fault, asked.length], ["servfail", 3]);
});

Deno.test("case 59: CNAME chains are followed within the answer, loops are a failure", async (t) => {
  const link = (from: string, to: string): RecordData => ({ ...CNAME(to, "org"), owner: wireName(from, "org") });
  const chain = (length: number): RecordData[] => [
    CNAME("c0", "org"),
    ...Array.from({ length }, (_, i) => link(`c${i}`, `c${i + 1}`)),
    { ...A(192, 0, 2, 9), owner: wireName(`c${length}`, "org"), ttl: 7 },
  ];
  await t.step("a chain", async () => {
    const said = { records: ["192.0.2.9"], ttl: 7, name: "c3.org", authentic: false };
    assertEquals((await ask(records(...chain(3)))).said, said);
  });
  await t.step("a chain to nothing", async () => {
    const { said } = await ask((q) => [answer(q, [CNAME("gone", "org")], { rcode: 3 })]);
    assertEquals([said.fault, said.name], ["nxdomain", "gone.org"]);
  });
  await t.step("a chain too long", async () => {
    assertEquals((await ask(records(...chain(100)))).said.fault, "servfail");
  });
  await t.step("a loop", async () => {
    const loop = records(CNAME("a", "org"), link("a", "b"), link("b", "a"));
    assertEquals((await ask(loop)).said.fault, "servfail");
  });
  await t.step("records of a name that nobody asked for", async () => {
    assertEquals((await ask(records({ ...A(203, 0, 113, 66), owner: wireName("evil", "org") }))).said.fault, "nodata");
  });
});

Deno.test("case 59: 1,000 MX are read, and no answer is larger than TCP's length field", async () => {
  const many = Array.from({ length: 1000 }, (_, i) => MX(i, `m${i}`, "org"));
  const { said } = await ask((q) => [q.over === "udp" ? answer(q, [], { flags: 0x8380 }) : answer(q, many)], "MX");
  assertEquals(said.fault === undefined && said.records.length, 1000);
});

Deno.test("a no lives as long as the SOA says, and not without one", async () => {
  const no = (rcode: number, ...authority: RecordData[]): Script => (q) => [answer(q, [], { rcode, authority })];
  const origin = { name: "mail.example.org", authentic: false };
  assertEquals((await ask(no(3, SOA(120, 600)))).said, { fault: "nxdomain", ttl: 120, ...origin });
  assertEquals((await ask(no(0, SOA(600, 30)))).said, { fault: "nodata", ttl: 30, ...origin });
  assertEquals((await ask(no(0))).said, { fault: "nodata", ttl: 0, ...origin });
});

Deno.test("an aborted question ends at once and its turn passes on", async () => {
  await using server = await DnsServer.start((q) => q.name === "slow.example" ? [] : [answer(q, [A(192, 0, 2, 1)])]);
  const stub = new Stub({ servers: [{ address: HERE, port: server.port }], timeout: 60_000, concurrency: 1 });
  const first = new AbortController(), second = new AbortController();
  const slow = stub.ask("A", "slow.example", first.signal);
  const waiting = stub.ask("A", "waiting.example", second.signal);
  const good = stub.ask("A", "good.example");
  second.abort();
  assertEquals((await waiting).fault, "timeout");
  first.abort();
  assertEquals((await slow).fault, "timeout");
  assertEquals(fault(await good), '["192.0.2.1"]');
  assertEquals((await stub.ask("A", "good.example", first.signal)).fault, "timeout");
  assert(!server.asked.some((each) => each.name === "waiting.example"));
});
