import { assert, assertEquals } from "@std/assert";
import type { Answer, NameService } from "../../../core/dns/answer.ts";
import { Cache } from "../../../core/dns/cache.ts";
import { Memory } from "../../../core/dns/memory_resolver.ts";

const ZONE = {
  "example.org": { a: ["192.0.2.1"], txt: "servfail", mx: "timeout" },
  "empty.example": {},
} as const;

Deno.test("an answer is asked for once in its time to live, a no as well", async () => {
  let now = 0;
  const memory = new Memory(ZONE, 100), cache = new Cache(memory, { now: () => now });
  const round = async () => [
    (await cache.ask("A", "example.org")).fault,
    (await cache.ask("A", "empty.example")).fault,
    (await cache.ask("A", "nothing.example")).fault,
  ];
  for (const _ of [1, 2]) assertEquals(await round(), [undefined, "nodata", "nxdomain"]);
  assertEquals(memory.queries.length, 3);
  now = 99_999;
  await round();
  assertEquals(memory.queries.length, 3);
  now = 100_000;
  await round();
  assertEquals(memory.queries.length, 6);
});

Deno.test("what comes out of the cache says how long it still holds, and is as authentic as it was", async () => {
  let now = 0;
  const memory = new Memory({ "example.org": { a: ["192.0.2.1"], authentic: true } }, 100);
  const cache = new Cache(memory, { now: () => now });
  const seen = [];
  for (const at of [0, 0, 40_500, 99_999, 100_000]) {
    now = at;
    const { ttl, authentic } = await cache.ask("A", "example.org");
    seen.push([ttl, authentic]);
  }
  assertEquals(seen, [[100, true], [100, true], [59, true], [0, true], [100, true]]);
});

Deno.test("a failure is kept for a moment only", async () => {
  let now = 0;
  const memory = new Memory(ZONE, 3600), cache = new Cache(memory, { now: () => now });
  for (const at of [0, 4999, 5000]) {
    now = at;
    assertEquals((await cache.ask("TXT", "example.org")).fault, "servfail");
  }
  assertEquals(memory.queries, ["TXT example.org", "TXT example.org"]);
});

Deno.test("an answer without a time to live is not kept", async () => {
  const memory = new Memory(ZONE, 0), cache = new Cache(memory, { now: () => 0 });
  await cache.ask("A", "example.org");
  await cache.ask("A", "example.org");
  assertEquals([memory.queries.length, cache.size], [2, 0]);
});

Deno.test("one question for all who wait, and one who leaves takes nobody along", async () => {
  const pending = Promise.withResolvers<Answer>();
  let asked = 0;
  const source = { ask: () => (asked++, pending.promise) } as unknown as NameService;
  const cache = new Cache(source, { now: () => 0 });
  const leaving = new AbortController();
  const first = cache.ask("A", "example.org", leaving.signal), second = cache.ask("A", "example.org");
  leaving.abort();
  assertEquals(await first, { fault: "timeout", ttl: 0, name: "example.org", authentic: false });
  const answer: Answer<"A"> = { records: ["192.0.2.1"], ttl: 60, name: "example.org", authentic: true };
  pending.resolve(answer);
  assertEquals(await second, answer);
  assertEquals(asked, 1);
  assertEquals(await cache.ask("A", "example.org", AbortSignal.abort()), answer);
});

Deno.test("the cache is bounded: what was used longest ago goes first", async () => {
  const memory = new Memory({}, 3600), cache = new Cache(memory, { now: () => 0, maxOctets: 3000 });
  await cache.ask("A", "kept.example");
  for (let i = 0; i < 1000; i++) {
    await cache.ask("A", `n${i}.example`);
    await cache.ask("A", "kept.example");
  }
  assert(cache.size > 5 && cache.size < 15, String(cache.size));
  assertEquals(memory.queries.filter((each) => each === "A kept.example").length, 1);
  const large = new Memory({ "large.example": { txt: ["x".repeat(4000)] } });
  const small = new Cache(large, { now: () => 0, maxOctets: 3000 });
  await small.ask("TXT", "large.example");
  assertEquals(small.size, 0);
});
