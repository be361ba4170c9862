import { assertEquals } from "@std/assert";
import { Networks } from "../../../core/model/ip.ts";
import { ConnectionLimits } from "../../../core/net/limits.ts";

Deno.test("case 36: one address has its share, an IPv6 peer is its /64, and what leaves makes room", () => {
  const limits = new ConnectionLimits({ connections: 100, perIp: 2, exempt: new Networks([]) });
  const enter = (...ips: string[]) => ips.map((ip) => limits.enter(ip));
  assertEquals(enter("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"), [null, null, "share", null]);
  assertEquals(enter("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::3"), [null, null, "share", null]);
  limits.leave("192.0.2.1");
  assertEquals(enter("192.0.2.1", "192.0.2.1"), [null, "share"]);
  assertEquals(limits.total, 6);
  for (const ip of ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::3"]) {
    limits.leave(ip);
  }
  assertEquals(limits.total, 0);
  assertEquals(enter("192.0.2.1", "192.0.2.1"), [null, null]);
});

Deno.test("case 36: exempt networks have no share but count in all", () => {
  const limits = new ConnectionLimits({ connections: 3, perIp: 1, exempt: new Networks(["10.0.0.0/8"]) });
  assertEquals(["10.0.0.1", "10.0.0.1", "192.0.2.1"].map((ip) => limits.enter(ip)), [null, null, null]);
  assertEquals([limits.enter("10.0.0.1"), limits.enter("192.0.2.2")], ["full", "full"]);
  limits.leave("10.0.0.1");
  assertEquals(limits.enter("192.0.2.1"), "share");
  assertEquals(limits.enter("192.0.2.2"), null);
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
