import { assert, assertEquals } from "@std/assert";
import { SimulatedCounters } from "postern";
import type { Class } from "../../../../../../plugins/content/spam_score/bayes/counts.ts";
import { type Learned, Lessons } from "../../../../../../plugins/content/spam_score/bayes/lessons.ts";
import { MemoryStore } from "../../../../../../core/store/memory.ts";

const OPTIONS = { most: 1000, seconds: 86_400 };
const message = (seed: number) =>
  Uint32Array.from({ length: 50 }, (_, i) => Math.imul(seed * 1000 + i, 0x9e3779b9) >>> 0);

/** A store with a clock, and instances over it. */
function site(options = OPTIONS) {
  let now = Date.UTC(2026, 0, 1);
  const store = new SimulatedCounters(() => now), instances = [new Lessons(options), new Lessons(options)];
  return {
    store,
    pass: (ms: number) => void (now += ms),
    learn: (which: number, seed: number, as: Class): Promise<Learned> =>
      instances[which]!.learn(message(seed), as, { store, now }),
    counts: async (which: number) => {
      await instances[which]!.refresh(store, now);
      const { spam, ham } = instances[which]!.counts;
      return [spam, ham];
    },
    of: async (which: number, seed: number) => {
      await instances[which]!.refresh(store, now);
      const { counts } = instances[which]!, place = counts.place(message(seed)[0]!);
      return place < 0 ? [0, 0] : [counts.spamAt(place), counts.hamAt(place)];
    },
    again: async () => {
      const fresh = new Lessons(options);
      await fresh.refresh(store, now);
      return [fresh.counts.spam, fresh.counts.ham];
    },
  };
}

Deno.test("a message counts once however often it is taught, and moves when it was the other thing", async () => {
  const { learn, counts, of, again } = site();
  assertEquals(await learn(0, 1, "spam"), "new");
  assertEquals(await learn(0, 1, "spam"), "known");
  assertEquals(await learn(0, 2, "ham"), "new");
  assertEquals([await counts(0), await of(0, 1), await of(0, 2)], [[1, 1], [1, 0], [0, 1]]);
  assertEquals(await learn(0, 1, "ham"), "moved");
  assertEquals([await counts(0), await of(0, 1)], [[0, 2], [0, 1]]);
  assertEquals(await again(), [0, 2]);
});

Deno.test("two instances over one store come to the same counts (SEMANTICS 24)", async () => {
  const { learn, counts, of, pass, again } = site();
  assertEquals(await counts(1), [0, 0]);
  for (let seed = 0; seed < 20; seed++) await learn(0, seed, seed % 2 === 0 ? "spam" : "ham");
  assertEquals(await counts(1), [0, 0], "it looks every ten seconds");
  pass(10_001);
  assertEquals(await counts(1), [10, 10]);
  assertEquals(await learn(1, 0, "ham"), "moved");
  assertEquals(await learn(1, 1, "ham"), "known", "the other one's lesson");
  assertEquals(await learn(0, 0, "ham"), "known", "the store knows, though this instance has not heard");
  pass(10_001);
  assertEquals([await counts(0), await of(0, 0)], [[9, 11], [0, 1]]);
  assertEquals(await counts(1), await counts(0));
  assertEquals(await again(), [9, 11]);
});

Deno.test("both teach at once, and both learn all of it", async () => {
  const { learn, counts, pass, again } = site();
  await Promise.all(
    Array.from({ length: 40 }, (_, seed) => learn(seed % 2, seed % 30, seed % 3 === 0 ? "spam" : "ham")),
  );
  pass(10_001);
  const all = await again();
  assertEquals([await counts(0), await counts(1)], [all, all]);
  assertEquals(all[0]! + all[1]!, 30);
});

Deno.test("the oldest of the larger class make room", async () => {
  const { learn, counts, of, pass, again } = site({ most: 10, seconds: 86_400 });
  for (let seed = 0; seed < 8; seed++, pass(1000)) await learn(0, seed, "ham");
  for (let seed = 8; seed < 12; seed++, pass(1000)) await learn(0, seed, "spam");
  assertEquals([await counts(0), await of(0, 0), await of(0, 1), await of(0, 2)], [[4, 6], [0, 0], [0, 0], [0, 1]]);
  pass(10_001);
  assertEquals([await counts(1), await again()], [[4, 6], [4, 6]]);
  assertEquals(await learn(0, 0, "ham"), "new", "what made room can be taught again");
  assertEquals([await counts(0), await of(0, 0), await of(0, 2)], [[4, 6], [0, 1], [0, 0]], "and another makes room");
});

Deno.test("lessons are forgotten when their time is over", async () => {
  const { learn, pass, again } = site({ most: 1000, seconds: 3600 });
  await learn(0, 1, "spam");
  pass(1_800_000);
  await learn(0, 2, "ham");
  pass(1_801_000);
  assertEquals(await again(), [0, 1]);
  assertEquals(await learn(0, 1, "spam"), "new");
});

Deno.test("what was learned is in the store of a server, and is there again after pages of it", async () => {
  await using store = Object.assign(new MemoryStore({ now: Date.now }), {
    [Symbol.asyncDispose]() {
      return store.close();
    },
  });
  const place = { store: store.counters, now: Date.now() }, one = new Lessons({ most: 5000, seconds: 86_400 });
  for (let seed = 0; seed < 1100; seed++) await one.learn(message(seed), seed % 2 === 0 ? "spam" : "ham", place);
  const other = new Lessons({ most: 5000, seconds: 86_400 });
  await other.refresh(store.counters, Date.now());
  assertEquals([other.counts.spam, other.counts.ham, other.counts.size], [550, 550, one.counts.size]);
  assert(one.counts.size > 50_000);
});

Deno.test("a lesson that is taught as both again and again leaves a short trail", async () => {
  const { store, learn, pass } = site({ most: 1000, seconds: 365 * 86_400 });
  for (let turn = 0; turn < 100; turn++, pass(1000)) await learn(0, 1, turn % 2 === 0 ? "spam" : "ham");
  pass(86_400_000);
  assertEquals((await store.list({ prefix: "bayes1/", limit: 1000 })).length, 3, "it, when it came, and the count");
});

Deno.test("lessons beyond the most do not read the whole journal each", async () => {
  const { store, learn, pass } = site({ most: 300, seconds: 86_400 });
  for (let seed = 0; seed < 300; seed++, pass(1)) await learn(0, seed, seed < 140 ? "ham" : "spam");
  const list = store.list.bind(store);
  let read = 0;
  store.list = async (query) => {
    const page = await list(query);
    read += page.length;
    return page;
  };
  for (let seed = 300; seed < 400; seed++, pass(1)) await learn(0, seed, "spam");
  assert(read < 1000, `read ${read} entries`);
});

Deno.test("with fewer lessons than there were it comes down step by step", async () => {
  const { store, learn, pass } = site({ most: 100, seconds: 86_400 });
  for (let seed = 0; seed < 100; seed++, pass(1)) await learn(0, seed, "spam");
  const fewer = new Lessons({ most: 20, seconds: 86_400 }), now = store.now();
  for (let seed = 200; seed < 220; seed++) await fewer.learn(message(seed), "spam", { store, now });
  assertEquals([fewer.counts.spam, fewer.counts.ham], [20, 0]);
});

Deno.test("who has not looked for long reads anew: what was forgotten meanwhile is told for a while only", async () => {
  const { learn, counts, pass, again } = site({ most: 10, seconds: 365 * 86_400 });
  for (let seed = 0; seed < 10; seed++, pass(1)) await learn(0, seed, "spam");
  assertEquals(await counts(1), [10, 0]);
  for (let seed = 10; seed < 15; seed++, pass(1)) await learn(0, seed, "spam");
  pass(20_000_000);
  assertEquals([await counts(1), await again()], [[10, 0], [10, 0]]);
});

Deno.test("others have their turn while lessons are read", async () => {
  const { store, learn, pass } = site({ most: 1000, seconds: 86_400 });
  for (let seed = 0; seed < 300; seed++, pass(1)) await learn(0, seed, "spam");
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  try {
    await new Lessons({ most: 1000, seconds: 86_400 }).refresh(store, store.now());
  } finally {
    clearInterval(timer);
  }
  assert(turns > 0);
});
