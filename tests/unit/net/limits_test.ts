/** How many connections at once, in all and of one peer (case 36). */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Networks } from "../../../core/model/ip.ts";
import { ConnectionLimits } from "../../../core/net/limits.ts";

const exempt = new Networks(["127.0.0.0/8", "2001:db8:ffff::/48"]);

Deno.test("case 36: one address has its share, others theirs, and a place that is free is given again", () => {
  const limits = new ConnectionLimits({ connections: 5, perIp: 2, exempt });
  assertEquals([limits.enter("192.0.2.1"), limits.enter("192.0.2.1"), limits.enter("192.0.2.1")], [
    null,
    null,
    "share",
  ]);
  assertEquals(limits.enter("192.0.2.2"), null);
  limits.leave("192.0.2.1");
  assertEquals(limits.enter("192.0.2.1"), null);
  assertEquals([limits.enter("192.0.2.3"), limits.enter("192.0.2.4"), limits.enter("192.0.2.5")], [null, null, "full"]);
  assertEquals(limits.total, 5);
});

Deno.test("case 36: an IPv6 peer is its /64, an IPv4 peer its address", () => {
  const limits = new ConnectionLimits({ connections: 100, perIp: 1, exempt });
  assertEquals(limits.enter("2001:db8::1"), null);
  assertEquals(limits.enter("2001:db8::ffff:1"), "share");
  assertEquals(limits.enter("2001:db8:0:1::1"), null);
  assertEquals(limits.enter("192.0.2.1"), null);
  assertEquals(limits.enter("192.0.2.2"), null);
});

Deno.test("our own networks have no share, and still fill up", () => {
  const limits = new ConnectionLimits({ connections: 3, perIp: 1, exempt });
  assertEquals(["127.0.0.1", "127.0.0.1", "2001:db8:ffff::1"].map((ip) => limits.enter(ip)), [null, null, null]);
  assertEquals(limits.enter("127.0.0.1"), "full");
  assertEquals(limits.enter("192.0.2.1"), "full", "what is full says so before it looks at shares");
  limits.leave("127.0.0.1");
  assertEquals(limits.enter("192.0.2.1"), null);
});

Deno.test("whatever comes and goes: the counts are those of who is there, and nothing is left behind", () => {
  const ips = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "127.0.0.1"];
  const peer = (ip: string) => ip.startsWith("2001:db8::") ? "2001:db8::/64" : ip;
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(5)), { maxLength: 200 }), (steps) => {
    const limits = new ConnectionLimits({ connections: 8, perIp: 3, exempt });
    const there: string[] = [];
    for (const [enters, which] of steps) {
      const ip = ips[which]!;
      if (enters) {
        const share = there.filter((each) => peer(each) === peer(ip)).length;
        const expected = there.length >= 8 ? "full" : ip !== "127.0.0.1" && share >= 3 ? "share" : null;
        assertEquals(limits.enter(ip), expected);
        if (expected === null) there.push(ip);
      } else if (there.includes(ip)) {
        there.splice(there.indexOf(ip), 1);
        limits.leave(ip);
      }
      assertEquals(limits.total, there.length);
    }
    for (const ip of there) limits.leave(ip);
    assertEquals(limits.total, 0);
    for (const ip of ips) assert(limits.enter(ip) === null || peer(ip) === "2001:db8::/64");
  }));
});

Deno.test("case 36: refusals by share leave nothing behind, however many addresses there are", () => {
  const limits = new ConnectionLimits({ connections: 10, perIp: 1, exempt: new Networks([]) });
  for (let i = 0; i < 100_000; i++) {
    const ip = `192.${i >> 16 & 255}.${i >> 8 & 255}.${i & 255}`;
    if (limits.enter(ip) === null) limits.leave(ip);
  }
  assertEquals([limits.total, limits.crowded], [0, false]);
  for (let i = 0; i < 9; i++) limits.enter(`192.0.2.${i}`);
  assertEquals(limits.crowded, true);
});
