/** The suppression list: whose address is on it, until when, in which order it is listed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Suppression } from "../../../core/delivery/suppression.ts";
import { formatAddress, parseAddress } from "../../../core/model/address.ts";
import { MemoryStore } from "../../../core/store/memory.ts";
import { type Counters, StoreError } from "../../../core/store/store.ts";
import { Clock } from "./tls/fixture.ts";

const of = (text: string) => parseAddress(text)!;

/** A list over counters that outlive it. */
class Office {
  readonly clock = new Clock();
  readonly store = new MemoryStore({ now: this.clock.read });
  readonly plain = this.store.counters;
  readonly durable: (boolean | undefined)[] = [];
  readonly counters: Counters = {
    get: (name) => this.plain.get(name),
    put: (name, value, options) => {
      this.durable.push(options.durable);
      return this.plain.put(name, value, options);
    },
    add: (name, amount, options) => this.plain.add(name, amount, options),
    list: (query) => this.plain.list(query),
  };
  list = new Suppression({ counters: this.counters, now: this.clock.read });

  async names(query: { limit?: number; after?: string; prefix?: string } = {}): Promise<string[]> {
    const { limit = 100, after, prefix } = query;
    const found = await this.list.list({ limit, ...after && { after: of(after) }, ...prefix && { prefix } });
    return found.map(({ address }) => formatAddress(address));
  }
}

Deno.test("an address is on the list until its end, in every spelling, and its domain's others are not", async () => {
  const office = new Office(), { list, clock } = office;
  const bob = of("Bob@EXAMPLE.com");
  assertEquals(await list.get(bob), null);
  const until = clock.now + 86_400_000;
  await list.add(bob, { reason: "550 5.1.1 no such\r\nuser", seconds: 86_400 });
  for (const spelled of ["bob@example.com", "BOB@example.com", '"bob"@Example.Com']) {
    assertEquals(await list.get(of(spelled)), {
      address: bob,
      reason: "550 5.1.1 no such user",
      since: clock.now,
      until,
    });
  }
  assertEquals(await list.get(of("bobby@example.com")), null);
  assertEquals(await list.get(of("bob@example.org")), null);
  clock.now = until;
  assertEquals(await list.get(bob), null);
  assertEquals(await office.names(), []);
});

Deno.test("without an end means years; a second entry takes the place of the first", async () => {
  const { list, clock } = new Office(), bob = of("bob@example.com");
  await list.add(bob, { reason: "asked us to stop", seconds: null });
  clock.now += 9 * 365 * 86_400_000;
  assertEquals((await list.get(bob))!.until, null);
  await list.add(bob, { reason: "x".repeat(5000), seconds: 60 });
  const { reason, until } = (await list.get(bob))!;
  assertEquals([reason.length, until], [500, clock.now + 60_000]);
});

Deno.test("what was removed is gone at once, also after its second", async () => {
  const office = new Office(), { list, clock } = office, bob = of("bob@example.com");
  await list.add(bob, { reason: "", seconds: null });
  assertEquals(await list.remove(of("BOB@example.com")), true);
  assertEquals(await list.remove(bob), false);
  for (let n = 0; n < 2; n++, clock.now += 1000) {
    assertEquals(await list.get(bob), null);
    assertEquals(await office.names(), []);
  }
  assert(office.durable.every((each) => each === true) && office.durable.length === 2);
});

Deno.test("the list is told in pages, by the beginning of an address, and skips nothing but what was removed", async () => {
  const office = new Office(), { list } = office;
  for (const name of ["Ann", "bob", "carl", "cora", "dan"]) {
    await list.add(of(`${name}@example.com`), { reason: name, seconds: null });
  }
  await list.add(of("müller@example.com"), { reason: "", seconds: null });
  await list.remove(of("bob@example.com"));
  await office.plain.put("suppress:", "", { seconds: 60 });
  await office.plain.put("suppress:rubbish", "{", { seconds: 60 });
  await office.plain.put("suppress:none", '{"address":5}', { seconds: 60 });
  await office.plain.put("other:eve@example.com", "", { seconds: 60 });
  const all = ["Ann", "carl", "cora", "dan", "müller"].map((name) => `${name}@example.com`);
  assertEquals(await office.names(), all);
  assertEquals(await office.names({ limit: 2 }), all.slice(0, 2));
  assertEquals(await office.names({ limit: 2, after: all[1]! }), all.slice(2, 4));
  assertEquals(await office.names({ after: all[4]! }), []);
  assertEquals(await office.names({ prefix: "C" }), all.slice(1, 3));
  assertEquals(await office.names({ prefix: "ann@ex", limit: 1 }), all.slice(0, 1));
});

Deno.test("times out of measure are refused; what cannot be kept is said", async () => {
  const { list, counters, clock } = new Office(), bob = of("bob@example.com");
  for (const seconds of [0, -1, 0.5, NaN, Infinity, 11 * 365 * 86_400]) {
    await assertRejects(() => list.add(bob, { reason: "", seconds }), RangeError);
  }
  const broken = new Suppression({
    counters: { ...counters, put: () => Promise.reject(new StoreError("io", "disk")) },
    now: clock.read,
  });
  await assertRejects(() => broken.add(bob, { reason: "", seconds: 60 }), StoreError);
});
