/** What is one sender and one client to a greylist. */
import { assert, assertEquals } from "@std/assert";
import { parseAddress } from "postern";
import type { SpfFinding } from "../../../../../plugins/identity/spf/key.ts";
import { clientOf, nameOf, stableSender } from "../../../../../plugins/access/greylist/triplet.ts";

const stable = (text: string): string => stableSender(parseAddress(text));

Deno.test("senders that differ in a number, a digest, a tag or a detail are one", () => {
  const same: string[][] = [
    ["bounces-4711-bob=example.org@list.example", "bounces-4712-bob=example.org@list.example"],
    ["0100018c2f3a-6f1e-4c0f-bead-000000@mail.example", "0100018c2f77-0a2b-41d8-9f00-000000@mail.example"],
    ["news+caf_=bob=example.org@list.example", "news+xyz@list.example", "News@list.example"],
    ["prvs=0123abcdef=amy@a.example", "prvs=1999ffffff=amy@a.example", "amy@a.example"],
    ["btv1==012==amy@a.example", "amy@a.example"],
    ["msprvs1=20001abcd=bounces-1234@a.example", "bounces-99@a.example"],
    ["SRS0=AbC1=2D=a.example=amy@f.example", "SRS0=xYz2=7E=a.example=amy@f.example"],
  ];
  for (const senders of same) assertEquals(new Set(senders.map(stable)).size, 1, senders.join(" "));
  const apart = [
    "amy@a.example",
    "amy@b.example",
    "bob@a.example",
    "a.b@a.example",
    "added@a.example",
    "ada@a.example",
  ];
  assertEquals(new Set(apart.map(stable)).size, apart.length);
  assertEquals(stableSender(null), "<>");
});

Deno.test("a client is its network, or the domain that SPF vouches for", () => {
  const finding = (over: Partial<SpfFinding> = {}): SpfFinding => ({
    result: "pass",
    identity: "mailfrom",
    domain: "Big.example",
    mechanism: "include:_spf.big.example",
    explanation: null,
    problem: null,
    ...over,
  });
  assertEquals(clientOf("192.0.2.77", undefined), "192.0.2.0/24");
  assertEquals(clientOf("2001:db8:1:2:3::4", undefined), "2001:db8:1:2::/64");
  assertEquals(clientOf("192.0.2.77", finding()), "spf big.example");
  for (
    const over of [
      { result: "softfail" as const },
      { identity: "helo" as const },
      { mechanism: "all" },
      { mechanism: "+ALL" },
    ]
  ) assertEquals(clientOf("192.0.2.77", finding(over)), "192.0.2.0/24");
});

Deno.test("a name in the store is bounded, whatever an envelope holds, and blind to the recipient's case", async () => {
  const long = { local: "x".repeat(64), domain: `${"y".repeat(60)}.${"z".repeat(60)}.example` };
  const name = await nameOf("192.0.2.0/24", long, long);
  assert(name.length <= 200);
  assertEquals(name, await nameOf("192.0.2.0/24", long, { ...long, local: long.local.toUpperCase() }));
  const bob = { local: "bob", domain: "example.org" };
  assertEquals(await nameOf("c", null, bob), await nameOf("c", null, { ...bob, local: "BOB" }));
});

Deno.test("a sender of any make is read in linear time", () => {
  for (
    const local of ["1".repeat(1e6), "a1-".repeat(3e5), "=".repeat(1e6), `prvs=${"=".repeat(1e6)}`, "+".repeat(1e6)]
  ) {
    const begun = performance.now();
    stableSender({ local, domain: "a.example" });
    assert(performance.now() - begun < 5000, local.slice(0, 10));
  }
});
