import { assertEquals, assertRejects } from "@std/assert";
import { IsolateCounters, type KeyValueStore, kvCounters } from "postern/edge";
import type { Counters } from "postern";

let now = 1_000_000;
const clock = () => now;

/** A store as the platform has it: it pages, ends what is over, and wants 60 s at least. */
class Kv implements KeyValueStore {
  readonly entries = new Map<string, { value: string; until: number }>();
  get(key: string): Promise<string | null> {
    const entry = this.entries.get(key);
    return Promise.resolve(entry !== undefined && entry.until > now ? entry.value : null);
  }
  put(key: string, value: string, { expirationTtl }: { expirationTtl: number }): Promise<void> {
    if (expirationTtl < 60) return Promise.reject(new Error("Invalid expiration_ttl"));
    this.entries.set(key, { value, until: now + expirationTtl * 1000 });
    return Promise.resolve();
  }
  list({ prefix, limit, cursor = "0" }: { prefix: string; limit: number; cursor?: string }) {
    const all = [...this.entries.keys()].filter((each) => each.startsWith(prefix)).sort();
    const from = Number(cursor), names = all.slice(from, from + limit), done = from + limit >= all.length;
    return Promise.resolve({
      keys: names.map((name) => ({ name })),
      list_complete: done,
      ...done ? {} : { cursor: String(from + limit) },
    });
  }
}

const makers: readonly [string, () => Counters][] = [
  ["of an isolate", () => new IsolateCounters({ now: clock })],
  ["in a key-value store", () => kvCounters(new Kv(), { now: clock })],
];
for (const [name, make] of makers) {
  Deno.test(`counters ${name}: values end, sums keep the end of the first addition, lists have pages`, async () => {
    const counters = make();
    assertEquals(await counters.get("a"), undefined);
    await counters.put("a", "one\ntwo", { seconds: 10 });
    assertEquals(await counters.get("a"), "one\ntwo");
    assertEquals([await counters.add("n", 2, { seconds: 10 }), await counters.add("n", 3, { seconds: 1000 })], [2, 5]);
    now += 11_000;
    assertEquals([await counters.get("a"), await counters.add("n", 1, { seconds: 10 })], [undefined, 1]);
    for (let i = 0; i < 250; i++) await counters.put(`l:${String(i).padStart(3, "0")}`, String(i), { seconds: 100 });
    const first = await counters.list({ prefix: "l:", limit: 120 });
    assertEquals([first.length, first[0]!.name, first.at(-1)!.name], [120, "l:000", "l:119"]);
    const rest = await counters.list({ prefix: "l:", limit: 1000, after: first.at(-1)!.name });
    assertEquals([rest.length, rest[0]!.value, rest[0]!.expires], [130, "120", now + 100_000]);
  });
}

Deno.test("counters of an isolate are bounded, those of a store refuse what it could not name", async () => {
  const counters = new IsolateCounters({ most: 3, now: clock });
  for (const name of ["a", "b", "c", "a", "d"]) await counters.put(name, name, { seconds: 10 });
  assertEquals(await Promise.all(["a", "b", "c", "d"].map((name) => counters.get(name))), ["a", undefined, "c", "d"]);
  await assertRejects(() => kvCounters(new Kv()).put("x".repeat(513), "", { seconds: 60 }), RangeError);
});
