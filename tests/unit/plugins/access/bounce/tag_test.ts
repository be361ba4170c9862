/** BATV: what is signed reads back until its last day, and nothing else does. tests/interop/batv_exim_test.ts asks Exim. */
import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { hasRoom, Tags } from "../../../../../plugins/access/bounce/tag.ts";

const DAY = 86_400_000;
const bob = { local: "bob", domain: "example.org" };
/** 2026-11-30: last day 20794; HMAC-SHA-1 of `3794bob@example.org` with the key `secret` begins with 917672. */
const THEN = 20_787 * DAY;
const day = (number: number, hours = 0): number => number * DAY + hours * 3_600_000;

Deno.test("a tag is the key's number, the last day and three octets of the hash over both and the address", async () => {
  const tags = new Tags({ secrets: ["secret"], key: 3, days: 7 });
  assertEquals(await tags.sign(bob, THEN), { local: "prvs=3794917672=bob", domain: "example.org" });
  assertEquals(await tags.read({ local: "prvs=3794917672=bob", domain: "example.org" }, THEN), {
    address: bob,
    expires: 20_794,
    expired: false,
  });
});

Deno.test("a tag counts from its day to its last, also where the circle of 1000 days begins anew", async () => {
  const tags = new Tags({ secrets: ["a secret of some length"], key: 0, days: 7 });
  const signedOn = [20_000, 20_787, 20_992, 20_993, 20_999, 21_000];
  for (const made of signedOn) {
    const path = await tags.sign(bob, day(made, 13));
    assertMatch(path.local, /^prvs=0\d{3}[0-9a-f]{6}=bob$/);
    const states: [after: number, hours: number, expired: boolean][] = [
      [-2, 23, true], // a clock two days behind
      [-1, 0, false], // one day behind
      [0, 0, false],
      [0, 23.9, false],
      [7, 23.9, false],
      [8, 0, true],
      [30, 0, true],
      [500, 0, true],
      [991, 0, true],
    ];
    for (const [after, hours, expired] of states) {
      const read = await tags.read(path, day(made + after, hours));
      assertEquals([read?.expired, read?.address], [expired, bob], `made ${made}, read ${after} days later`);
    }
    assertEquals((await tags.read(path, day(made + 3)))!.expires, made + 7);
    assertEquals((await tags.read(path, day(made + 9)))!.expires, made + 7);
  }
});

Deno.test("whatever is changed in a tagged address, it is not ours any more", async () => {
  const tags = new Tags({ secrets: ["a secret of some length"], key: 0, days: 7 });
  const path = await tags.sign(bob, THEN);
  const [, digits] = /^prvs=(\d{4}[0-9a-f]{6})=/.exec(path.local)!;
  for (let at = 0; at < digits!.length; at++) {
    for (const other of "0123456789abcdefg") {
      const changed = digits!.slice(0, at) + other + digits!.slice(at + 1);
      if (changed === digits) continue;
      assertEquals(await tags.read({ ...path, local: `prvs=${changed}=bob` }, THEN), null, changed);
    }
  }
  for (
    const local of [
      `prvs=${digits}=bob2`,
      `prvs=${digits}=bo`,
      `prvs=${digits}=`,
      `prvs=${digits}bob`,
      `prvs=${digits}`,
      `prvs=${digits}==bob`,
      `xprvs=${digits}=bob`,
      `prvs=bob=${digits}`, // the order of another draft
      `prvs=${"0".repeat(100_000)}=bob`,
      "prvs=",
      "bob",
    ]
  ) assertEquals(await tags.read({ ...path, local }, THEN), null, local.slice(0, 80));
  assertEquals(await tags.read({ ...path, domain: "example.net" }, THEN), null);
  const others = new Tags({ secrets: ["another secret of a length"], key: 0, days: 7 });
  assertEquals(await others.read(path, THEN), null);
});

Deno.test("hosts that fold the case of a local part break no tag", async () => {
  const tags = new Tags({ secrets: ["a secret of some length"], key: 0, days: 7 });
  const path = await tags.sign({ ...bob, local: "Bob.Smith" }, THEN);
  for (const local of [path.local, path.local.toUpperCase(), path.local.toLowerCase()]) {
    assertEquals((await tags.read({ ...path, local }, THEN))?.address.local.toLowerCase(), "bob.smith");
  }
});

Deno.test("a secret that is replaced signs no more, and its tags count as long as it stands in the list", async () => {
  const first = "the first secret here", second = "the second secret here";
  const before = new Tags({ secrets: [first], key: 0, days: 7 });
  const after = new Tags({ secrets: [second, first], key: 1, days: 7 });
  const gone = new Tags({ secrets: [second], key: 1, days: 7 });
  const old = await before.sign(bob, THEN), fresh = await after.sign(bob, THEN);
  const reads = async (tags: Tags) => [await tags.read(old, THEN) !== null, await tags.read(fresh, THEN) !== null];
  assertEquals([await reads(before), await reads(after), await reads(gone)], [[true, false], [true, true], [
    false,
    true,
  ]]);
  assertEquals(fresh.local.slice(5, 6), "1");
});

Deno.test("any address that has room reads back", async () => {
  const tags = new Tags({ secrets: ["a secret of some length"], key: 9, days: 7 });
  const local = fc.string({ minLength: 1, maxLength: 48, unit: "grapheme-ascii" });
  await fc.assert(
    fc.asyncProperty(local, fc.nat({ max: 40_000 }), async (local, number) => {
      const address = { local, domain: "example.org" };
      if (!hasRoom(address)) return;
      const path = await tags.sign(address, day(number));
      assertEquals(await tags.read(path, day(number + 7)), { address, expires: number + 7, expired: false });
    }),
    { numRuns: 300 },
  );
});

Deno.test("what would be longer than 64 octets with a tag has no room for one", () => {
  assertEquals([hasRoom({ ...bob, local: "x".repeat(48) }), hasRoom({ ...bob, local: "x".repeat(49) })], [true, false]);
  assertEquals(hasRoom({ ...bob, local: `${"x".repeat(46)} ` }), false); // quotes take room too
});
