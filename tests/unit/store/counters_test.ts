import { assert, assertEquals, assertRejects } from "@std/assert";
import { CounterCache } from "../../../core/store/counters.ts";
import type { CounterRow } from "../../../core/store/protocol.ts";

/** A table that counts what is asked of it. */
function table(limit: number, now: () => number = () => 0) {
  const rows = new Map<string, CounterRow>();
  const state = { rows, loads: 0, saves: 0, broken: false };
  const cache = (all?: readonly CounterRow[]) =>
    new CounterCache({
      now,
      limit,
      delay: 1_000_000,
      load: (name) => {
        state.loads++;
        return Promise.resolve(rows.get(name) ?? null);
      },
      list: ({ prefix, limit, after = "" }) => {
        const found = [...rows.values()].filter(([name, , expires]) =>
          name.startsWith(prefix) && name > after && expires > now()
        );
        return Promise.resolve(found.sort(([a], [b]) => a < b ? -1 : 1).slice(0, limit));
      },
      save: (changed, expired) => {
        state.saves++;
        if (state.broken) return Promise.reject(new Error("broken"));
        for (const row of changed) rows.set(row[0], row);
        for (const [name, , expires] of [...rows.values()]) if (expires <= expired) rows.delete(name);
        return Promise.resolve();
      },
      ...(all ? { all } : {}),
    });
  return { state, cache };
}
const seconds = { seconds: 100 };

Deno.test("a cache that holds every counter never looks one up; changes are saved in one piece", async () => {
  const { state, cache } = table(10);
  const counters = cache([["n", "4", 5000]]);
  assertEquals(await counters.add("n", 1, seconds), 5);
  assertEquals(await counters.add("m", 1, seconds), 1);
  assertEquals(await counters.get("nothing"), undefined);
  await counters.flush();
  await counters.flush();
  assertEquals([state.loads, state.saves], [0, 1]);
  assertEquals([...state.rows.values()], [["n", "5", 5000], ["m", "1", 100_000]]);
});

Deno.test("what falls out of a full cache is read back, and no addition is lost on the way", async () => {
  const { state, cache } = table(3);
  const counters = cache([]);
  for (let round = 1; round <= 5; round++) {
    for (let i = 0; i < 10; i++) assertEquals(await counters.add(`n${i}`, 1, seconds), round, `n${i}`);
    await counters.flush();
  }
  assert(state.loads > 0);
  const other = cache();
  const sums = await Promise.all([
    other.add("n0", 1, seconds),
    other.add("n0", 1, seconds),
    other.add("n0", 1, seconds),
  ]);
  assertEquals(sums, [6, 7, 8]);
});

Deno.test("a save that fails is made good by the next one", async () => {
  const { state, cache } = table(1);
  const counters = cache([]);
  state.broken = true;
  await counters.add("a", 1, seconds);
  await counters.add("b", 2, seconds);
  await counters.flush();
  assertEquals([await counters.get("a"), await counters.get("b")], ["1", "2"]);
  state.broken = false;
  await counters.flush();
  assertEquals([...state.rows.values()], [["a", "1", 100_000], ["b", "2", 100_000]]);
});

Deno.test("counters that ended are swept from memory and table, also after the clock jumped", async () => {
  let now = 0;
  const { state, cache } = table(100, () => now);
  const counters = cache([]);
  await counters.add("short", 1, { seconds: 1 });
  await counters.add("long", 1, { seconds: 1000 });
  await counters.flush();
  now = 61_000;
  await counters.flush();
  assertEquals([...state.rows.keys()], ["long"]);
  now = -1e12; // a clock that was set back ends nothing early and does not stop the sweep
  await counters.flush();
  assertEquals(await counters.get("long"), "1");
  assertEquals(await counters.add("text", 1, seconds), 1);
  await counters.put("text", "no number", seconds);
  assertEquals(await counters.add("text", 2, seconds), 2);
});

const durable = { seconds: 100, durable: true };

Deno.test("durable changes of one moment share a save, and none resolves before it is done", async () => {
  const { state, cache } = table(10);
  const counters = cache([]);
  await counters.add("behind", 1, seconds);
  assertEquals(state.saves, 0);
  const sums = await Promise.all(Array.from({ length: 20 }, () => counters.add("n", 1, durable)));
  assertEquals([Math.max(...sums), state.saves], [20, 1]);
  assertEquals([...state.rows.values()], [["behind", "1", 100_000], ["n", "20", 100_000]]);
  const first = counters.put("text", "a", durable);
  await Promise.resolve();
  await Promise.resolve(); // the save has begun: the next change is not in it
  await Promise.all([first, counters.put("text", "b", durable)]);
  assertEquals([state.rows.get("text")?.[1], state.saves], ["b", 3]);
});

Deno.test("a durable change that cannot be saved says so, counts all the same, and is saved with the next", async () => {
  const { state, cache } = table(10);
  const counters = cache([]);
  state.broken = true;
  await assertRejects(() => counters.add("n", 1, durable), Error, "broken");
  await assertRejects(() => counters.add("n", 1, durable), Error, "broken");
  assertEquals([await counters.get("n"), state.rows.size], ["2", 0]);
  state.broken = false;
  assertEquals(await counters.add("m", 1, durable), 1);
  assertEquals([...state.rows.keys()].sort(), ["m", "n"]);
});

Deno.test("a durable change whose time is over before it was saved has nothing left to promise", async () => {
  let now = 0;
  const { state, cache } = table(10, () => now);
  const counters = cache([]);
  const late = counters.add("short", 1, { seconds: 1, durable: true });
  now = 61_000; // the save sweeps it away first
  assertEquals(await late, 1);
  assertEquals([...state.rows.keys()], []);
});

Deno.test("a time that no table takes is the fault of who says it, and keeps nobody's counters from being saved", async () => {
  const { state, cache } = table(10);
  const counters = cache([]);
  for (const wrong of [NaN, "7" as unknown as number, undefined as unknown as number]) {
    await assertRejects(() => counters.put("a", "1", { seconds: wrong }), RangeError);
    await assertRejects(() => counters.add("a", 1, { seconds: wrong }), RangeError);
  }
  for (const odd of [0.0016, 1.23456, 1e300, Infinity]) await counters.put(`odd ${odd}`, "1", { seconds: odd });
  await counters.add("good", 1, { seconds: 100, durable: true });
  const saved = [...state.rows.values()].map(([, , expires]) => expires); // the table's column is a strict integer
  assertEquals([saved.length, saved.filter((each) => !Number.isInteger(each) || each > 8.64e15)], [5, []]);
});
